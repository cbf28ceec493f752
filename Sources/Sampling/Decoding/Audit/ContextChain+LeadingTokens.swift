// Licensed under the Apache License, Version 2.0.

/// How many of a context's most probable tokens a chain of transforms reads.
struct LeadingPart {
  /// What decides.
  private enum Bound {
    case truncation(any LeadingTruncation)
    case rank(Int)
    /// Tokens whose logit, divided by the temperature, lies less than so far below the largest.
    case distance(Double, temperature: Double)
  }

  private let bound: Bound
  /// The first transform that is yet to be applied to what was read.
  let applied: Int
  /// Whether ends are read, too, wherever they stand.
  let keepsEnd: Bool

  /// What the transforms read; `nil` where it may be all tokens.
  init?(_ strategy: ContextChoice, _ transforms: [any NextTokenTransform]) {
    if strategy == .greedy {
      guard transforms.isEmpty else { return nil }
      (bound, applied, keepsEnd) = (.rank(1), 0, false)
      return
    }
    // Tokens keep their order at every temperature.
    var temperature = 1.0
    var place = 0
    while place < transforms.count, let one = transforms[place] as? Temperature {
      guard one.temperature < .infinity else { return nil }
      temperature *= one.temperature
      place += 1
      guard one.temperature > 0 else {
        (bound, applied, keepsEnd) = (.rank(1), 0, false)
        return
      }
    }
    guard place < transforms.count else { return nil }
    switch transforms[place] {
    case let top as TopK: (bound, applied, keepsEnd) = (.rank(top.k), 0, top.keepsEnd)
    case let top as SparseSoftmax: (bound, applied, keepsEnd) = (.rank(top.k), 0, top.keepsEnd)
    case let floor as MinP where floor.share > 0:
      bound = .distance(-LogSpace.log(floor.share), temperature: temperature)
      (applied, keepsEnd) = (0, floor.keepsEnd)
    case let entmax as Entmax where !entmax.keepsEnd:
      // The largest probability is at most 1, so the threshold lies at most 2 below its logit.
      (bound, applied, keepsEnd) = (.distance(2, temperature: temperature), 0, false)
    case let truncation as any LeadingTruncation where place == 0:
      // Shares of the whole are told before anything is left out.
      (bound, applied, keepsEnd) = (.truncation(truncation), 1, truncation.keepsEnd)
    default: return nil
    }
  }

  /// Whether a token is read, given as ``LeadingTruncation/keeps(rank:massBefore:probability:first:)``
  /// is.
  func reads(rank: Int, massBefore: Double, probability: Double, first: Double) -> Bool {
    switch bound {
    case .truncation(let truncation):
      return truncation.keeps(
        rank: rank, massBefore: massBefore, probability: probability, first: first)
    case .rank(let count): return rank < count
    case .distance(let most, let temperature):
      // A little more, so that rounding leaves out none that counts.
      return LogSpace.log(first / probability) <= most * temperature * (1 + 1e-9) + 1e-9
    }
  }
}

extension ContextChain where Context == Int {
  /// Whether a decoder reads a context's most probable tokens alone.
  public static func readsLeadingTokens(
    _ strategy: ContextChoice, _ transforms: [any NextTokenTransform]
  ) -> Bool {
    LeadingPart(strategy, transforms) != nil
  }

  /// Explores what a decoder over a back-off model can come to, the most probable states first,
  /// without a pass over the vocabulary.
  ///
  /// The contexts are the automaton's. Where a mass or a floor is met to the last digits, rounding
  /// may let a token more or less in than the decoder that reads logits.
  ///
  /// - Parameters:
  ///   - automaton: the model, each probability to the power of 1.
  ///   - strategy: how it chooses.
  ///   - transforms: those of a decoder that reads leading tokens; all depend on the logits alone.
  ///   - stops: tokens that close a text besides the model's own end.
  ///   - roots: the contexts where texts begin, one at least; they count equally.
  ///   - cut: the transform that ``thresholds`` are about, by its place among all, if it is a
  ///     ``Nucleus`` or an ``EpsilonCutoff``; by default the last of them.
  ///   - limit: no further state is looked at once more steps than that are stored.
  ///   - isCancelled: asked at each state; the chain then holds what is known.
  ///   - watch: is told the number of states looked at.
  /// - Throws: where a context has no token left.
  /// - Complexity: O(steps x order x log(listed tokens)).
  public init(
    _ automaton: BackoffAutomaton, _ strategy: ContextChoice,
    transforms: [any NextTokenTransform] = [], stops: [Token] = [], roots: [Int],
    cut: Int? = nil, limit: Int = 8_000_000, isCancelled: () -> Bool = { false },
    watch: (Int) -> Void = { _ in }
  ) throws(DecodingError) {
    guard let part = LeadingPart(strategy, transforms) else {
      preconditionFailure("the decoder reads the first tokens alone")
    }
    var chain = TransformChain(Array(transforms.dropFirst(part.applied)))
    precondition(chain.dependsOnLogitsAlone, "the decoder's choice depends on the context alone")
    let threshold = Threshold(cut, transforms)
    chain.explains = threshold.map { $0.place >= part.applied } ?? false
    let ends = [automaton.vocabulary.end] + stops
    var next = NextTokens(count: automaton.vocabulary.count, ends: ends)
    var choices = NoChoices()
    var leading = LeadingTokens(automaton)
    var read: [(token: Token, target: Int, logit: Double)] = []
    try self.init(
      roots: roots, hasThresholds: threshold != nil, limit: limit, isCancelled: isCancelled,
      watch: watch
    ) { (context, step) throws(DecodingError) in
      read.removeAll(keepingCapacity: true)
      var mass = 0.0
      var first = 0.0
      var following = 0.0
      leading.forEach(in: context) { one, probability in
        if read.isEmpty { first = probability }
        guard
          part.reads(
            rank: read.count, massBefore: mass, probability: probability, first: first)
        else {
          following = probability
          return false
        }
        read.append((Token(rawValue: one.token), Int(one.target), LogSpace.log(probability)))
        mass += probability
        return true
      }
      if part.keepsEnd {
        for end in ends where !read.contains(where: { $0.token == end }) {
          let (probability, target) = leading.step(context, end)
          if probability > 0 { read.append((end, target, LogSpace.log(probability))) }
        }
      }
      read.sort { $0.token < $1.token }
      try next.begin(alone: read.lazy.map { ($0.token, $0.logit) })
      try chain.apply(to: &next, using: &choices)
      next.normalize()
      var place = 0
      for token in next.candidates {
        while read[place].token != token { place += 1 }
        step(token, strategy == .greedy ? 0 : next[token], next.isEnd(token)) { read[place].target }
      }
      guard let threshold else { return 0 }
      if threshold.place >= part.applied {
        return threshold.value(after: chain.removals[threshold.place - part.applied])
      }
      return threshold.isMass ? (following > 0 ? mass : 1) : following
    }
  }
}

/// The transform that a chain's thresholds are about.
struct Threshold {
  let place: Int
  let isMass: Bool

  /// The one at a place, else the last one; `nil` where there is none.
  init?(_ place: Int?, _ transforms: [any NextTokenTransform]) {
    func isCut(_ transform: any NextTokenTransform) -> Bool {
      transform is Nucleus || transform is EpsilonCutoff
    }
    guard let place = place ?? transforms.lastIndex(where: isCut), isCut(transforms[place])
    else { return nil }
    self.place = place
    isMass = transforms[place] is Nucleus
  }

  func value(after removal: Removal) -> Double {
    isMass ? 1 - removal.mass : removal.largest
  }
}
