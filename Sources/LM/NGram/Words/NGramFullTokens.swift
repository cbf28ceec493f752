// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Draws tokens from an n-gram model's exact conditional given both sides.
///
/// It is the fast form of `FullConditionalTokens`.
///
/// A token's weight is `p(w | left) p(x1 | left w) p(x2 | left w x1) ...`. Consider the tokens that
/// are listed neither after the left neighbour nor before the right one, after the left one alone,
/// or before the right one alone. Their weights are products of a factor of one n-gram and a factor
/// of the place. So these three classes are drawn from tables made once, rejecting tokens that
/// belong to another class; only the tokens listed on both sides are enumerated. If back-off does
/// not remove probability, as in interpolated models, fewer than one token is rejected on average.
/// After ``attempts`` rejections the class is enumerated, so that the distribution is exact and no
/// model makes it loop.
///
/// The tables take some fifty bytes per n-gram and serve all chains. Each chain also has a memory
/// of places, bounded by some 150 MB.
public struct NGramFullTokens<Constraint: TokenConstraint>: BranchTokens {
  /// A chain's working copy of a text.
  public typealias Scorer = IncrementalScorer<NGramModel, Constraint>

  /// The model, in the fast layout.
  public let model: NGramModel
  /// The number of rejections after which a class is enumerated.
  public let attempts: Int
  @usableFromInline let tables: NGramPlaceTables

  /// Builds the tables of a model.
  ///
  /// - Parameters:
  ///   - model: the model, in the fast layout.
  ///   - attempts: the number of rejections after which a class is enumerated.
  /// - Precondition: the model is in the fast layout.
  /// - Complexity: O(n-grams).
  public init(_ model: NGramModel, attempts: Int = 64) {
    self.init(model, attempts: attempts, longList: 256)
  }

  /// Builds the tables; lists of at least a given length get bit maps.
  package init(_ model: NGramModel, attempts: Int, longList: Int) {
    precondition(model.layout == .fast, "the fast layout holds what the tables are made from")
    self.model = model
    self.attempts = attempts
    tables = NGramPlaceTables(model, longList: longList)
  }

  /// The memory of places of a new chain.
  public func start(at scorer: Scorer) -> NGramPlaceMemory { NGramPlaceMemory(tables) }

  /// Draws a token by its conditional probability.
  ///
  /// - Complexity: O(tokens listed on both sides) if the place is new to the chain, otherwise
  ///   O(order) and a scan of their weights.
  @inlinable
  public func draw(
    for gap: Gap, in scorer: Scorer, memory: inout NGramPlaceMemory,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    draw(
      after: scorer.context(before: gap.low), before: gap.high, in: scorer, memory: &memory,
      using: &choices)
  }

  /// The log of the token's conditional probability.
  @inlinable
  public func logProbability(
    of token: Token, for gap: Gap, in scorer: Scorer, memory: inout NGramPlaceMemory
  ) -> Double {
    logProbability(
      of: token, after: scorer.context(before: gap.low), before: gap.high, in: scorer,
      memory: &memory)
  }

  /// Draws a token by its conditional probability after a branch.
  @inlinable
  public func draw(
    after branch: NGramContext, before place: Int, in scorer: Scorer,
    memory: inout NGramPlaceMemory, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    let slot = memory.slot(key(after: branch, before: place, in: scorer), model)
    guard unsafe memory.places[slot].isSound,
      let word = draw(slot, memory, using: &choices)
    else {
      var nothing: Void = ()
      return FullConditionalTokens().draw(
        after: branch, before: place, in: scorer, memory: &nothing, using: &choices)
    }
    return unsafe (
      Token(rawValue: word),
      memory.places[slot].logWeight(of: word, model) - memory.places[slot].logSum
    )
  }

  /// The log of the token's conditional probability after a branch.
  @inlinable
  public func logProbability(
    of token: Token, after branch: NGramContext, before place: Int, in scorer: Scorer,
    memory: inout NGramPlaceMemory
  ) -> Double {
    let slot = memory.slot(key(after: branch, before: place, in: scorer), model)
    guard unsafe memory.places[slot].isSound else {
      var nothing: Void = ()
      return FullConditionalTokens().logProbability(
        of: token, after: branch, before: place, in: scorer, memory: &nothing)
    }
    guard model.vocabulary.isDrawable(token) else { return -.infinity }
    return unsafe memory.places[slot].logWeight(of: token.rawValue, model)
      - memory.places[slot].logSum
  }

  /// Draws a token for a place; `nil` if its class has mass only through rounding.
  @inlinable
  func draw(
    _ slot: Int, _ memory: NGramPlaceMemory, using choices: inout some ChoiceSource
  ) -> UInt32? {
    let place = unsafe memory.places + slot
    let kind = unsafe choices.index(weights: place.pointee.masses.buffer.span)
    if kind == 0 {
      return unsafe place.pointee.specialWords[
        choices.index(weights: place.pointee.specialWeights.buffer.span)]
    }
    for _ in 0..<max(1, attempts) {
      if kind == 1 {
        // The pair may have been dropped since the place was filled in.
        let pair = unsafe memory.pairSlot(place.pointee.key, model)
        let word = unsafe memory.pairs[pair].draw(using: &choices)
        if unsafe !place.pointee.isSpecial(word, model) { return word }
      } else if let word = unsafe draw(kind, of: place.pointee, using: &choices) {
        return word
      }
    }
    let (words, weights) = unsafe place.pointee.members(
      ofClass: kind, memory.pairs[memory.pairSlot(place.pointee.key, model)], model)
    guard weights.contains(where: { $0 > 0 }) else { return nil }
    return words[choices.index(weights: weights)]
  }

  /// Draws from a class's table; `nil` if the token belongs to another class.
  @inlinable
  func draw(
    _ kind: Int, of place: borrowing NGramPlace, using choices: inout some ChoiceSource
  ) -> UInt32? {
    if kind == 2 {
      let word = UInt32(truncatingIfNeeded: tables.unigrams.draw(using: &choices))
      return place.isListed(word, model) ? nil : word
    }
    let lefts = place.lefts
    if kind <= 2 &+ lefts {
      let k = kind &- 2
      let (low, high) = model.children(k, of: place.key.context.node(ofLength: k))
      let gram = tables.levels[k].left.draw(low, high, using: &choices)
      let word = model.word(k, gram)
      if k < lefts,
        model.child(k &+ 1, of: place.key.context.node(ofLength: k &+ 1), word) != nil
      {
        return nil
      }
      return place.isListedRight(word, model) ? nil : word
    }
    let j = kind &- 2 &- lefts
    let (low, high) = model.predecessors(j, of: place.rightNode(ofLength: j))
    let entry = tables.levels[j].right.draw(low, high, using: &choices)
    let word = model.predecessorWord(j, entry)
    if j < place.rights,
      model.child(j &+ 1, of: model.predecessorGram(j, entry), place.key.right[j]) != nil
    {
      return nil
    }
    return place.isListedLeft(word, model) ? nil : word
  }

  @inlinable
  func key(after branch: NGramContext, before place: Int, in scorer: Scorer) -> NGramPlaceKey {
    var key = NGramPlaceKey(context: branch)
    var place = place
    while key.count < model.order &- 1 {
      if place == scorer.count {
        key.append(model.vocabulary.end.rawValue)
        break
      }
      key.append(scorer.token(at: place).rawValue)
      place &+= 1
    }
    return key
  }
}
