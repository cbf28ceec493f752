// Licensed under the Apache License, Version 2.0.

import Sampling
import Testing

/// Automata at random, each judged by all its short texts.
@Suite struct AutomatonExactTests {
  /// States, classes and whether there are weights; each shape with many automata.
  @Test(arguments: [(1, 1), (2, 1), (3, 2), (5, 2), (6, 3), (8, 2)], [false, true])
  func minimizingKeepsTextsAndLeavesNoTwoAlike(shape: (states: Int, classes: Int), hasWeights: Bool)
  {
    for seed in 0..<(TestData.isDeep ? 60 : 10) as Range<UInt64> {
      var choices = RandomChoices(seed: seed)
      let automaton = Self.automaton(shape.states, shape.classes, hasWeights, &choices)
      let small = automaton.minimized()
      for text in Self.texts(of: shape.classes, upTo: shape.states + 1) {
        #expect(small.logWeight(of: text) == automaton.logWeight(of: text))
      }
      #expect(small.stateCount == Self.futures(of: automaton), "seed \(seed)")
    }
  }

  @Test func fixedLengthIsTheOneLengthOfAllTexts() {
    for seed in 0..<(TestData.isDeep ? 400 : 100) as Range<UInt64> {
      var choices = RandomChoices(seed: seed)
      let automaton = Self.automaton(4, 2, false, &choices)
      // Of four states, a text longer than three goes round a cycle, which makes other lengths.
      let lengths = Set(
        Self.texts(of: 2, upTo: 7).filter { automaton.logWeight(of: $0) > -.infinity }.map(\.count))
      #expect(automaton.fixedLength == (lengths.count == 1 ? lengths.first : nil), "seed \(seed)")
    }
  }

  /// How many states of those that texts visit differ in what they make of what follows: all texts
  /// shorter than there are states tell them apart.
  private static func futures(of automaton: TokenAutomaton) -> Int {
    var reached: Set<TokenAutomaton.State> = [automaton.start]
    var queue = [automaton.start]
    while let state = queue.popLast() {
      for token in 0..<automaton.classCount {
        let next = automaton.following(state, Token(token))
        if next != TokenAutomaton.dead, reached.insert(next).inserted { queue.append(next) }
      }
    }
    let texts = texts(of: automaton.classCount, upTo: automaton.stateCount)
    return Set(
      reached.map { state in
        texts.map { text -> [Double] in
          // The path's weights one by one: where they are added is part of the automaton.
          var state = state
          var path: [Double] = []
          for token in text {
            path.append(automaton.weight(state, token))
            state = automaton.following(state, token)
            if state == TokenAutomaton.dead { return [] }
          }
          let final = automaton.finalWeights[Int(state)]
          return final == -.infinity && automaton.distances[Int(state)] == .max
            ? [] : path + [final]
        }
      }
    ).count
  }

  private static func automaton(
    _ states: Int, _ classes: Int, _ hasWeights: Bool, _ choices: inout RandomChoices
  ) -> TokenAutomaton {
    let size = states * classes
    return TokenAutomaton(
      start: 0, classes: (0..<classes).map { UInt32($0) }, classCount: classes,
      transitions: (0..<size).map { _ in
        choices.chance(0.3) ? TokenAutomaton.dead : UInt32(choices.index(below: states))
      },
      weights: hasWeights ? (0..<size).map { _ in Double(choices.index(below: 2)) } : [],
      finalWeights: (0..<states).map { _ in
        choices.chance(0.6) ? -.infinity : Double(hasWeights ? choices.index(below: 2) : 0)
      })
  }

  private static func texts(of classes: Int, upTo longest: Int) -> [TokenSequence] {
    var all: [[Token]] = [[]]
    var layer = all
    for _ in 0..<longest {
      layer = layer.flatMap { text in (0..<classes).map { text + [Token($0)] } }
      all += layer
    }
    return all.map { TokenSequence($0) }
  }
}
