// Licensed under the Apache License, Version 2.0.

/// The most probable tokens of a context that a chain of transforms reads.
struct LeadingPart {
  /// The limit on the tokens that are read.
  private enum Bound {
    case truncation(any LeadingTruncation)
    case rank(Int)
    /// Tokens whose logit, divided by the temperature, is at most this far below the largest.
    case distance(Double, temperature: Double)
  }

  private let bound: Bound
  /// The index of the first transform that must still be applied to the tokens read.
  let applied: Int
  /// Whether ends are always read, however improbable.
  let keepsEnd: Bool

  /// The tokens that the transforms read; `nil` if they may read all tokens.
  init?(_ strategy: ContextChoice, _ transforms: [any NextTokenTransform]) {
    if strategy == .greedy {
      guard transforms.isEmpty else { return nil }
      (bound, applied, keepsEnd) = (.rank(1), 0, false)
      return
    }
    // A temperature keeps the order of the tokens.
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
      // The largest probability is at most 1, so the threshold is at most 2 below its logit.
      (bound, applied, keepsEnd) = (.distance(2, temperature: temperature), 0, false)
    case let truncation as any LeadingTruncation where place == 0:
      // The shares refer to the whole distribution, so they are known before anything is left out.
      (bound, applied, keepsEnd) = (.truncation(truncation), 1, truncation.keepsEnd)
    default: return nil
    }
  }

  /// Whether a token is read, with arguments as in
  /// ``LeadingTruncation/keeps(rank:massBefore:probability:first:)``.
  func reads(rank: Int, massBefore: Double, probability: Double, first: Double) -> Bool {
    switch bound {
    case .truncation(let truncation):
      return truncation.keeps(
        rank: rank, massBefore: massBefore, probability: probability, first: first)
    case .rank(let count): return rank < count
    case .distance(let most, let temperature):
      // A little more, so that rounding leaves out no token that counts.
      return LogSpace.log(first / probability) <= most * temperature * (1 + 1e-9) + 1e-9
    }
  }
}

extension ContextChain where Context == Int {
  /// Whether a decoder reads only the most probable tokens of a context.
  public static func readsLeadingTokens(
    _ strategy: ContextChoice, _ transforms: [any NextTokenTransform]
  ) -> Bool {
    LeadingPart(strategy, transforms) != nil
  }

  /// Explores the states that a decoder over a back-off model can reach, the most probable first.
  ///
  /// It needs no pass over the vocabulary. The contexts are those of the automaton. If a mass or a
  /// floor is met to the last digits, rounding may keep one token more or less than a decoder that
  /// reads logits.
  ///
  /// - Parameters:
  ///   - automaton: the model.
  ///   - strategy: how the decoder chooses.
  ///   - transforms: the transforms of a decoder that reads leading tokens; all of them depend only
  ///     on the logits.
  ///   - stops: tokens that close a text, besides the model's own end.
  ///   - roots: the contexts where texts begin, at least one; all are equally likely.
  ///   - cut: the index of the transform for ``thresholds``, a ``Nucleus`` or an ``EpsilonCutoff``;
  ///     by default the last of these.
  ///   - limit: once more transitions than this are stored, no other state is explored.
  ///   - isCancelled: called at each state; `true` ends the exploration early.
  ///   - watch: receives the number of states explored so far.
  /// - Throws: if no token remains in a context.
  /// - Complexity: O(steps x order x log(listed tokens)).
  public init(
    _ automaton: BackoffAutomaton, _ strategy: ContextChoice,
    transforms: [any NextTokenTransform] = [], stops: [Token] = [], roots: [Int],
    cut: Int? = nil, limit: Int = 8_000_000, isCancelled: () -> Bool = { false },
    watch: (Int) -> Void = { _ in }
  ) throws(DecodingError) {
    guard let part = LeadingPart(strategy, transforms) else {
      preconditionFailure("the decoder reads only the leading tokens")
    }
    var chain = TransformChain(Array(transforms.dropFirst(part.applied)))
    precondition(chain.dependsOnLogitsAlone, "the decoder's choice depends only on the context")
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

/// The transform whose thresholds a chain records.
struct Threshold {
  let place: Int
  let isMass: Bool

  /// The transform at an index, or else the last suitable one; `nil` if there is none.
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
