// Licensed under the Apache License, Version 2.0.

/// A few neighbouring words exchanged for a few others that the automaton allows there.
///
/// It connects allowed texts that no single edit connects, such as the fillings of a template of
/// fixed words. The lengths of the old and of the new block are drawn alike, 2^-k for k words; the
/// new words come one after another from the words without context, among those from which the
/// rest of the text can still be reached. Lengths and places cancel; only the words count.
public struct RewriteBlock<Model: FiniteContextModel>: Proposal {
  /// The longest block.
  public let longest: Int
  /// Whose states say what is possible.
  public let automaton: TokenAutomaton

  private let members: [[Token]]
  private let tables: [AliasTable?]
  /// Weight of each class's drawable tokens, and of each token.
  private let classWeights: [Double]
  private let tokenWeights: [Double]

  /// Exchanges of blocks in texts that an automaton reads.
  ///
  /// - Parameters:
  ///   - automaton: the target's own.
  ///   - model: whose words.
  ///   - weights: one a token, positive and finite where the token is drawable.
  ///   - longest: the longest block, from 1 to 16.
  public init(
    automaton: TokenAutomaton, model: Model, weights: [Double], longest: Int = 8
  ) {
    precondition((1...16).contains(longest), "a block has 1 to 16 words")
    precondition(weights.count == model.vocabulary.count, "one weight a token")
    self.automaton = automaton
    self.longest = longest
    var members = [[Token]](repeating: [], count: automaton.classCount)
    for i in weights.indices where model.vocabulary.isDrawable(Token(i)) && weights[i] > 0 {
      members[Int(automaton.classes[i])].append(Token(i))
    }
    self.members = members
    tokenWeights = weights
    classWeights = members.map { $0.reduce(0) { $0 + weights[$1.index] } }
    tables = members.map { tokens in
      tokens.isEmpty ? nil : AliasTable(weights: tokens.map { weights[$0.index] })
    }
  }

  /// `rewrite`.
  public var kinds: [String] { ["rewrite"] }

  /// Two lengths, a place, and the new words.
  public func propose(
    from scorer: IncrementalScorer<Model, TokenAutomaton>, using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let oldCount = blockLength(using: &choices)
    let newCount = blockLength(using: &choices)
    guard oldCount <= scorer.count else { return Move(nil, logForward: 0, logBackward: 0) }
    let low = choices.index(below: scorer.count - oldCount + 1)
    let high = low + oldCount
    var ahead = Ahead(automaton, from: high, steps: max(oldCount, newCount))
    guard let first = scorer.constraintState(before: low) else {
      preconditionFailure("the target has the automaton of its proposal")
    }
    var state = first
    var logForward = 0.0
    var words: [Token] = []
    for left in stride(from: newCount, to: 0, by: -1) {
      let weights = classWeights(from: state, left: left - 1, &ahead, scorer)
      let total = weights.reduce(0, +)
      guard total > 0 else { return Move(nil, logForward: 0, logBackward: 0) }
      let chosen = choices.index(weights: weights)
      guard let table = tables[chosen] else { preconditionFailure("a class of weight 0") }
      let token = members[chosen][table.draw(using: &choices)]
      logForward += LogSpace.log(tokenWeights[token.index] / total)
      words.append(token)
      state = automaton.following(state, token)
    }
    // With no words at all the rest has to follow by itself.
    guard newCount > 0 || ahead.isLive(0, state, scorer) else {
      return Move(nil, logForward: 0, logBackward: 0)
    }
    var logBackward = 0.0
    state = first
    for place in low..<high {
      let token = scorer.token(at: place)
      let weights = classWeights(from: state, left: high - place - 1, &ahead, scorer)
      logBackward += LogSpace.log(tokenWeights[token.index] / weights.reduce(0, +))
      state = automaton.following(state, token)
    }
    return Move(.rewrite(low..<high, words), logForward: logForward, logBackward: logBackward)
  }

  /// k with probability 2^-k-1, what is left going to the longest.
  private func blockLength(using choices: inout some ChoiceSource) -> Int {
    var length = 0
    while length < longest, choices.index(below: 2) == 0 { length += 1 }
    return length
  }

  private func classWeights(
    from state: TokenAutomaton.State, left: Int, _ ahead: inout Ahead,
    _ scorer: IncrementalScorer<Model, TokenAutomaton>
  ) -> [Double] {
    let row = Int(state) * automaton.classCount
    return (0..<automaton.classCount).map { c in
      let next = automaton.transitions[row + c]
      let isLive =
        classWeights[c] > 0 && next != TokenAutomaton.dead && ahead.isLive(left, next, scorer)
      return isLive ? classWeights[c] : 0
    }
  }

  /// From which states the text's rest can be reached with so many words; each is asked once.
  private struct Ahead {
    private let automaton: TokenAutomaton
    private let place: Int
    /// 0 where it is not known yet, 1 for no, 2 for yes.
    private var known: [UInt8]

    init(_ automaton: TokenAutomaton, from place: Int, steps: Int) {
      self.automaton = automaton
      self.place = place
      known = [UInt8](repeating: 0, count: (steps + 1) * automaton.stateCount)
    }

    mutating func isLive(
      _ words: Int, _ state: TokenAutomaton.State,
      _ scorer: IncrementalScorer<Model, TokenAutomaton>
    ) -> Bool {
      let entry = words * automaton.stateCount + Int(state)
      if known[entry] == 0 { known[entry] = find(words, state, scorer) ? 2 : 1 }
      return known[entry] == 2
    }

    private mutating func find(
      _ words: Int, _ state: TokenAutomaton.State,
      _ scorer: IncrementalScorer<Model, TokenAutomaton>
    ) -> Bool {
      if words > 0 {
        let row = Int(state) * automaton.classCount
        for c in 0..<automaton.classCount {
          let next = automaton.transitions[row + c]
          if next != TokenAutomaton.dead, isLive(words - 1, next, scorer) { return true }
        }
        return false
      }
      var state = state
      for i in place..<scorer.count {
        // From where the text itself is, its rest is allowed.
        if state == scorer.constraintState(before: i) { return true }
        state = automaton.following(state, scorer.token(at: i))
        if state == TokenAutomaton.dead { return false }
      }
      return automaton.finalWeights[Int(state)] > -.infinity
    }
  }
}
