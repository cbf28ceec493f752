// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

/// Brackets with one answer that is wrong.
private struct MutantBrackets: TokenConstraint {
  enum Fault: CaseIterable {
    case forgetsTheBound, completionTooShort, maskLacksAToken, weighsTwice, endsAnywhere
    case saysUniform, ignoresRoom
  }

  let brackets: BalancedBrackets
  let unbound: BalancedBrackets
  let open: Token
  let fault: Fault

  var tokenCount: Int { brackets.tokenCount }
  var start: BalancedBrackets.State { brackets.start }
  func next(_ state: BalancedBrackets.State, _ token: Token) -> BalancedBrackets.State? {
    guard fault == .forgetsTheBound else { return brackets.next(state, token) }
    return unbound.next(state, token)
  }
  func weight(_ state: BalancedBrackets.State, _ token: Token) -> Double {
    brackets.weight(state, token) * (fault == .weighsTwice ? 2 : 1)
  }
  func endWeight(_ state: BalancedBrackets.State) -> Double {
    fault == .endsAnywhere ? 0 : brackets.endWeight(state)
  }
  func shortestCompletion(_ state: BalancedBrackets.State) -> Int? {
    brackets.shortestCompletion(state).map { fault == .completionTooShort ? max(0, $0 - 1) : $0 }
  }
  func mask(_ state: BalancedBrackets.State) -> TokenMask {
    var mask = brackets.mask(state)
    if fault == .maskLacksAToken { mask.remove(open) }
    return mask
  }
  func mask(_ state: BalancedBrackets.State, within room: Int) -> TokenMask {
    fault == .ignoresRoom ? mask(state) : brackets.mask(state, within: room)
  }
  var isUniform: Bool { fault == .saysUniform || brackets.isUniform }
  func scaled(by factor: Double) -> MutantBrackets {
    MutantBrackets(
      brackets: brackets.scaled(by: factor), unbound: unbound.scaled(by: factor), open: open,
      fault: fault)
  }
}

@Suite struct TokenConstraintExactTests {
  private static let model = RememberingModel(letters: ["(", ")", "a"], hasUnknown: true)

  /// What ``BalancedBrackets`` promises, by counting.
  private func nats(_ text: TokenSequence, longest: Int, logPair: Double) -> Double {
    var depth = 0
    var pairs = 0
    for token in text {
      switch Self.model.vocabulary.spelling(of: token) {
      case "(": depth += 1
      case ")":
        depth -= 1
        pairs += 1
      default: break
      }
      if depth < 0 { return -.infinity }
    }
    return depth == 0 && text.count <= longest ? logPair * Double(pairs) : -.infinity
  }

  @Test(arguments: [nil, 0, 1, 4], [0, -0.7, 0.4])
  func brackets(longest: Int?, logPair: Double) {
    let vocabulary = Self.model.vocabulary
    let brackets = BalancedBrackets(vocabulary, longest: longest, logPair: logPair)
    // Behind a prefix of two tokens and one more, three brackets can be open.
    let defect = constraintDefect(of: brackets, over: vocabulary, depth: 2, reach: 6) {
      nats($0, longest: longest ?? .max, logPair: logPair)
    }
    #expect(defect < 1e-12)
  }

  @Test(arguments: MutantBrackets.Fault.allCases)
  fileprivate func mutants(fault: MutantBrackets.Fault) throws {
    let vocabulary = Self.model.vocabulary
    let brackets = BalancedBrackets(vocabulary, longest: 4, logPair: 0.4)
    let mutant = MutantBrackets(
      brackets: brackets, unbound: BalancedBrackets(vocabulary, logPair: 0.4),
      open: try #require(vocabulary.token("(")), fault: fault)
    let defect = constraintDefect(of: mutant, over: vocabulary, depth: 3, reach: 6) {
      nats($0, longest: 4, logPair: 0.4)
    }
    #expect(defect > 1e-3)
  }

  /// An automaton with dead ends, weights at transitions and at ends.
  @Test(arguments: [0, 0.5, -2])
  func automata(step: Double) throws {
    let toy = BigramTable.toy
    func nats(_ text: TokenSequence) -> Double {
      guard text.count <= 3, text.contains(Token(3)) else { return -.infinity }
      return step * Double(text.count { $0 == Token(2) })
    }
    let ends = TokenAutomaton(toy, lengths: 0...3, weight: nats)
    let defect = constraintDefect(of: ends, over: toy.vocabulary, depth: 3, reach: 5, weight: nats)
    #expect(defect < 1e-12)
    // The same with the weights on transitions: a is class 0, b class 1, the others die.
    let dead = TokenAutomaton.dead
    let steps = TokenAutomaton(
      start: 0, classes: [2, 2, 0, 1], classCount: 3,
      transitions: [0, 1, dead, 1, 1, dead], weights: [step, 0, 0, step, 0, 0],
      finalWeights: [-.infinity, 0])
    let found = constraintDefect(
      of: steps, over: toy.vocabulary, depth: 3, reach: 5
    ) { text in
      text.contains(Token(3)) ? step * Double(text.count { $0 == Token(2) }) : -.infinity
    }
    #expect(found < 1e-12)
  }

  /// No text is allowed: only the start is there, and nothing can be read.
  @Test func nothingIsAllowed() {
    let toy = BigramTable.toy
    let none = TokenAutomaton(toy, lengths: 0...2) { _ in -.infinity }
    let defect = constraintDefect(
      of: none, over: toy.vocabulary, depth: 2, reach: 3
    ) { _ in -.infinity }
    #expect(defect == 0)
  }
}
