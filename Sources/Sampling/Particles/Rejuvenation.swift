// Licensed under the Apache License, Version 2.0.

/// A random step among the unfinished texts of one length.
///
/// Law: on live prefixes of one length, it keeps what particles stand for: the target of a prefix
/// times the mass expected behind it.
public protocol PrefixKernel<Model, Constraint>: Sendable {
  /// The kind of language model.
  associatedtype Model: LanguageModel
  /// Which texts are allowed.
  associatedtype Constraint: TokenConstraint

  /// One step; whether the prefix was changed.
  ///
  /// - Throws: what the model throws.
  @discardableResult
  func step(
    _ prefix: inout Prefix<Model, Constraint>, using choices: inout some ChoiceSource
  ) throws -> Bool

  /// One step of each prefix, the i-th by the i-th source of choices; which were changed.
  ///
  /// The result is that of single steps. By default they are taken one after another.
  ///
  /// - Throws: what the model throws.
  func step<Choices: ChoiceSource>(
    _ prefixes: inout [Prefix<Model, Constraint>], usingEach choices: inout [Choices]
  ) throws -> [Bool]
}

extension PrefixKernel {
  /// Takes one step after another.
  public func step<Choices: ChoiceSource>(
    _ prefixes: inout [Prefix<Model, Constraint>], usingEach choices: inout [Choices]
  ) throws -> [Bool] {
    var isChanged: [Bool] = []
    for i in prefixes.indices {
      isChanged.append(try step(&prefixes[i], using: &choices[i]))
    }
    return isChanged
  }
}

/// Draws the last tokens of an unfinished text anew and accepts them by Metropolis-Hastings: it makes
/// the copies differ that resampling makes.
///
/// The new tokens are drawn one by one, as a particle's are. So the probability of the new tail
/// divided by what it stands for is one over the product of its weights; the same holds for the old
/// tail. A weight is that of the prefix, whichever token is drawn, as ``ProportionalTokens`` promise.
///
/// **Keeps** what particles of one length stand for: the target of a prefix times the mass expected
/// behind it.
/// Reference: Gilks and Berzuini 2001, "Following a moving target", for resample-move.
public struct RedrawnTail<Tokens: ProportionalTokens>: PrefixKernel {
  /// The proposal that draws the tokens.
  public let tokens: Tokens
  /// The longest tail, positive; a step draws the length of its tail uniformly.
  public let length: Int

  /// A kernel on prefixes.
  public init(_ tokens: Tokens, length: Int) {
    precondition(length > 0, "a tail has tokens")
    self.tokens = tokens
    self.length = length
  }

  /// Takes one step from a prefix.
  ///
  /// - Parameters:
  ///   - prefix: a live prefix.
  ///   - choices: the source of all random choices.
  /// - Returns: whether the new tail was accepted.
  /// - Throws: what the model throws.
  /// - Complexity: up to two draws per token of the tail; where the model needs batches, one batch
  ///   per token of the tail.
  @discardableResult
  public func step(
    _ prefix: inout Prefix<Tokens.Model, Tokens.Constraint>,
    using choices: inout some ChoiceSource
  ) throws -> Bool {
    guard var tail = try makeTail(of: prefix, using: &choices) else { return false }
    while tail.isUnfinished {
      try prepare(&tail)
      extend(&tail, using: &choices)
    }
    return accept(tail, &prefix, using: &choices)
  }

  /// One step of each prefix, side by side.
  ///
  /// - Complexity: as for single steps, with one batch for all of them per token of the longest tail.
  public func step<Choices: ChoiceSource>(
    _ prefixes: inout [Prefix<Tokens.Model, Tokens.Constraint>],
    usingEach choices: inout [Choices]
  ) throws -> [Bool] {
    var tails: [Tail?] = []
    for i in prefixes.indices { tails.append(try makeTail(of: prefixes[i], using: &choices[i])) }
    while true {
      let unfinished = tails.indices.filter { tails[$0]?.isUnfinished ?? false }
      if unfinished.isEmpty { break }
      var ends = unfinished.compactMap { tails[$0]?.old } + unfinished.compactMap { tails[$0]?.new }
      try tokens.prepare(&ends)
      for (i, place) in unfinished.enumerated() {
        guard var tail = tails[place] else { continue }
        (tail.old, tail.new) = (ends[i], ends[unfinished.count + i])
        extend(&tail, using: &choices[place])
        tails[place] = tail
      }
    }
    return prefixes.indices.map { i in
      tails[i].map { accept($0, &prefixes[i], using: &choices[i]) } ?? false
    }
  }

  /// A tail that is being redrawn beside the old one.
  private struct Tail {
    /// The old tokens up to the place that is drawn next.
    var old: Prefix<Tokens.Model, Tokens.Constraint>
    /// The new ones.
    var new: Prefix<Tokens.Model, Tokens.Constraint>
    /// All old tokens.
    let whole: [Token]
    /// The sum of the new tokens' log weights minus that of the old ones'.
    var logRatio = 0.0
    /// Whether no new tail came about.
    var isFailed = false

    var isUnfinished: Bool { !isFailed && old.tokens.count < whole.count }
  }

  private func makeTail(
    of prefix: Prefix<Tokens.Model, Tokens.Constraint>, using choices: inout some ChoiceSource
  ) throws -> Tail? {
    let count = prefix.tokens.count
    guard count > 0 else { return nil }
    let kept = count - 1 - choices.index(below: min(length, count))
    let stem = prefix.truncated(
      to: kept, from: try tokens.makePrefix(), tokens.target.model, tokens.lookAhead.constraint)
    return Tail(old: stem, new: stem, whole: prefix.tokens)
  }

  private func prepare(_ tail: inout Tail) throws {
    if tokens.target.model.readsDirectly { return }
    var ends = [tail.old, tail.new]
    try tokens.prepare(&ends)
    (tail.old, tail.new) = (ends[0], ends[1])
  }

  /// One more token on both sides.
  private func extend(_ tail: inout Tail, using choices: inout some ChoiceSource) {
    let model = tokens.target.model
    let constraint = tokens.lookAhead.constraint
    guard let drawn = tokens.draw(after: tail.new, using: &choices),
      drawn.token != model.vocabulary.end
    else {
      tail.isFailed = true
      return
    }
    // The weight is the same whichever token this draws.
    var unused = RandomChoices(seed: 0)
    let old = tokens.draw(after: tail.old, using: &unused)?.logWeight ?? -.infinity
    tail.logRatio += drawn.logWeight - old
    tail.new.append(drawn.token, model, constraint)
    if !tokens.target.mayBeSpelled(tail.new.tokens) { tail.isFailed = true }
    tail.old.append(tail.whole[tail.old.tokens.count], model, constraint)
  }

  private func accept(
    _ tail: Tail, _ prefix: inout Prefix<Tokens.Model, Tokens.Constraint>,
    using choices: inout some ChoiceSource
  ) -> Bool {
    guard !tail.isFailed, choices.accepts({ _ in tail.logRatio }) else { return false }
    prefix = tail.new
    return true
  }
}
