// Licensed under the Apache License, Version 2.0.

/// A few neighbouring tokens exchanged for a few others that the automaton allows there.
///
/// It connects allowed texts that no single edit connects, such as the fillings of a template of
/// fixed words. The lengths of the old and of the new block are drawn alike, 2^-k for k tokens; the
/// new tokens come one after another from the tokens without context, among those from which the
/// rest of the text can still be reached. Lengths and places cancel; only the tokens count.
///
/// - Complexity: O(classes) a token of either block, and a walk along the rest of the text for each
///   state that it is asked about. Nothing but the new block is allocated.
public struct RewriteBlock<Scorer: TextScorer>: ProposalWithMemory
where Scorer.Constraint == TokenAutomaton {
  /// The longest block.
  public let longest: Int
  /// Its states say what is possible.
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
  ///   - vocabulary: the tokens.
  ///   - weights: one a token, positive and finite where the token is drawable.
  ///   - longest: the longest block, from 1 to 16.
  public init(
    automaton: TokenAutomaton, vocabulary: Vocabulary, weights: [Double], longest: Int = 8
  ) {
    precondition((1...16).contains(longest), "a block has 1 to 16 tokens")
    precondition(weights.count == vocabulary.count, "one weight a token")
    self.automaton = automaton
    self.longest = longest
    let members = (automaton.tokenClasses ?? []).map { tokens in
      tokens.filter { vocabulary.isDrawable($0) && weights[$0.index] > 0 }
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

  /// What is known of states during one step, and room for weights.
  public struct Memory {
    /// For each number of tokens and state: the step's number times two, plus whether the rest can be
    /// reached; older numbers are forgotten.
    fileprivate var known: [UInt64]
    fileprivate var step: UInt64 = 0
    fileprivate var weights: [Double]
  }

  /// The memory of a chain that begins.
  public func start(at scorer: Scorer) -> Memory {
    Memory(
      known: [UInt64](repeating: 0, count: (longest + 1) * automaton.stateCount),
      weights: [Double](repeating: 0, count: automaton.classCount))
  }

  /// Two lengths, a place, and the new tokens.
  public func propose(
    from scorer: Scorer, memory: inout Memory, using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let staying = Move<TokenSequence.Edit?>(nil, logForward: 0, logBackward: 0)
    let oldCount = blockLength(using: &choices)
    let newCount = blockLength(using: &choices)
    guard oldCount <= scorer.count else { return staying }
    let low = choices.index(below: scorer.count - oldCount + 1)
    let high = low + oldCount
    guard let first = scorer.constraintState(before: low) else {
      preconditionFailure("the target has the automaton of its proposal")
    }
    memory.step += 1
    var state = first
    var logForward = 0.0
    var block: [Token] = []
    for left in stride(from: newCount, to: 0, by: -1) {
      let total = weigh(from: state, left: left - 1, high, scorer, &memory)
      guard total > 0 else { return staying }
      let chosen = choices.index(weights: memory.weights.span)
      guard let table = tables[chosen] else { preconditionFailure("a class of weight 0") }
      let token = members[chosen][table.draw(using: &choices)]
      logForward += LogSpace.log(tokenWeights[token.index] / total)
      block.append(token)
      state = automaton.following(state, token)
    }
    // With no tokens at all the rest has to follow by itself.
    guard newCount > 0 || isLive(0, state, high, scorer, &memory) else { return staying }
    var logBackward = 0.0
    state = first
    for place in low..<high {
      let token = scorer.token(at: place)
      let total = weigh(from: state, left: high - place - 1, high, scorer, &memory)
      logBackward += LogSpace.log(tokenWeights[token.index] / total)
      state = automaton.following(state, token)
    }
    return Move(.rewrite(low..<high, block), logForward: logForward, logBackward: logBackward)
  }

  /// k with probability 2^-k-1, what is left going to the longest.
  private func blockLength(using choices: inout some ChoiceSource) -> Int {
    var length = 0
    while length < longest, choices.index(below: 2) == 0 { length += 1 }
    return length
  }

  /// Writes the weight of each class from which the rest can be reached with so many further tokens;
  /// their sum.
  private func weigh(
    from state: TokenAutomaton.State, left: Int, _ place: Int, _ scorer: Scorer,
    _ memory: inout Memory
  ) -> Double {
    var total = 0.0
    for c in 0..<automaton.classCount {
      let next = automaton.following(state, class: c)
      let isOpen =
        classWeights[c] > 0 && next != TokenAutomaton.dead
        && isLive(left, next, place, scorer, &memory)
      memory.weights[c] = isOpen ? classWeights[c] : 0
      total += memory.weights[c]
    }
    return total
  }

  /// Whether the text's rest from a place on can be reached from a state with so many tokens; each
  /// question is answered once a step.
  private func isLive(
    _ count: Int, _ state: TokenAutomaton.State, _ place: Int, _ scorer: Scorer,
    _ memory: inout Memory
  ) -> Bool {
    let entry = count * automaton.stateCount + Int(state)
    if memory.known[entry] >> 1 == memory.step { return memory.known[entry] & 1 == 1 }
    var isLive = false
    if count == 0 {
      isLive = scorer.allows(state, before: place)
    } else {
      for c in 0..<automaton.classCount where !isLive {
        let next = automaton.following(state, class: c)
        isLive =
          next != TokenAutomaton.dead && self.isLive(count - 1, next, place, scorer, &memory)
      }
    }
    memory.known[entry] = memory.step << 1 | (isLive ? 1 : 0)
    return isLive
  }
}
