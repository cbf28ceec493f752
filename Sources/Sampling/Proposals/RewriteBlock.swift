// Licensed under the Apache License, Version 2.0.

/// Replaces a few neighbouring tokens by a few others that the automaton allows there.
///
/// It connects allowed texts that no single edit connects, such as the fillings of a template of
/// fixed words. The lengths of the old and the new block are drawn from the same distribution, 2^-k
/// for k tokens. The new tokens are drawn one after another by their weights without context, among
/// those from which the rest of the text can still be reached. Lengths and places cancel; only the
/// tokens count.
///
/// - Complexity: O(classes) per token of either block, and a walk along the rest of the text for
///   each state asked about. Only the new block is allocated.
public struct RewriteBlock<Scorer: TextScorer>: ProposalWithMemory
where Scorer.Constraint == TokenAutomaton {
  /// The largest number of tokens in a block.
  public let longest: Int
  /// The automaton that says which blocks are allowed.
  public let automaton: TokenAutomaton

  private let members: [[Token]]
  private let tables: [AliasTable?]
  /// The total weight of each class's drawable tokens, and the weight of each token.
  private let classWeights: [Double]
  private let tokenWeights: [Double]

  /// Creates a proposal for texts that an automaton reads.
  ///
  /// - Parameters:
  ///   - automaton: the target's automaton.
  ///   - vocabulary: the model's vocabulary.
  ///   - weights: one per token; positive and finite for drawable tokens.
  ///   - longest: the largest number of tokens in a block, from 1 to 16.
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

  /// The only kind of move, `rewrite`.
  public var kinds: [String] { ["rewrite"] }

  /// What is known about states during one step, and buffers for weights.
  public struct Memory {
    /// For each number of tokens and state: twice the step's number, plus 1 if the rest can be
    /// reached.
    ///
    /// Entries of earlier steps are ignored.
    fileprivate var known: [UInt64]
    fileprivate var step: UInt64 = 0
    fileprivate var weights: [Double]
  }

  /// The memory of a new chain.
  public func start(at scorer: Scorer) -> Memory {
    Memory(
      known: [UInt64](repeating: 0, count: (longest + 1) * automaton.stateCount),
      weights: [Double](repeating: 0, count: automaton.classCount))
  }

  /// Draws two lengths, a place and the new tokens.
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
    // Without new tokens, the rest must follow directly.
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

  /// Returns k with probability 2^-k-1; the longest length takes the remainder.
  private func blockLength(using choices: inout some ChoiceSource) -> Int {
    var length = 0
    while length < longest, choices.index(below: 2) == 0 { length += 1 }
    return length
  }

  /// Writes the weight of each class from which the rest can be reached with some more tokens;
  /// returns the sum.
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

  /// Whether the text from a place on can be reached from a state with some more tokens.
  ///
  /// Each question is answered once per step.
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
