// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Synchronization
import Testing

/// Time that is up once it has been asked for so often, and how often a model was asked until then.
private final class Clock: Sendable {
  private let limit: Int
  private let asked = Atomic<Int>(0)
  private let looks = Atomic<Int>(0)
  private let late = Atomic<Int>(0)

  init(limit: Int) { self.limit = limit }

  var isUp: Bool { asked.add(1, ordering: .relaxed).newValue > limit }
  /// How often the model was asked after that.
  var lateLooks: Int { late.load(ordering: .relaxed) }

  func look() {
    if asked.load(ordering: .relaxed) > limit { late.add(1, ordering: .relaxed) }
  }
}

/// A table that tells a clock when it is asked.
private struct TimedTable: FiniteContextModel {
  let table: BigramTable
  let clock: Clock

  var vocabulary: Vocabulary { table.vocabulary }
  func makeContext() -> Token { table.makeContext() }
  func advance(_ context: inout Token, by token: Token) { table.advance(&context, by: token) }
  func logProbability(of token: Token, in context: Token) -> Double {
    table.logProbability(of: token, in: context)
  }
  func logProbabilities(in context: Token, into probabilities: inout MutableSpan<Double>) {
    clock.look()
    table.logProbabilities(in: context, into: &probabilities)
  }
}

private let toy = BigramTable.toy

@Suite struct BeamSearchExactTests {
  /// Equal groups find what one of them finds, each text once.
  @Test(arguments: [1, 2, 3])
  func equalGroupsAreOne(groups: Int) throws {
    let rules = try DecodingRules(maxTokens: 4)
    let one = try BeamSearch(width: 4, rules).decode(toy)
    let found = try BeamSearch(width: 4 * groups, groups: groups, rules).decode(toy)
    #expect(found == one && found.allSatisfy { $0.group == 0 })
  }

  /// With as much diversity as one likes, n results are n texts.
  @Test(arguments: [0, 0.3, 1, 9])
  func resultsDiffer(diversity: Double) throws {
    let found = try BeamSearch(
      width: 12, groups: 4, diversity: diversity, DecodingRules(maxTokens: 4)
    ).decode(toy)
    let told = found.map { "\($0.decoded.text) \($0.decoded.ending)" }
    #expect(Set(told).count == found.count && found.count >= 3)
  }

  /// Each step is told, up to the last token that a text may have.
  @Test func stepsAreTold() throws {
    var told: [Int] = []
    let found = try BeamSearch(width: 4, patience: 100, DecodingRules(maxTokens: 5))
      .decode(toy) { told.append($0) }
    #expect(told.prefix(5) == [1, 2, 3, 4, 5] && told.max() == 5 && !found.isEmpty)
  }

  /// Whenever time comes up, no text more is looked at, and what there is is returned.
  @Test func timeUpCutsTheStep() throws {
    var counts: Set<Int> = []
    for limit in 0..<120 {
      let clock = Clock(limit: limit)
      let rules = try DecodingRules(maxTokens: 6, isTimeUp: { clock.isUp })
      let found = try BeamSearch(width: 8, patience: 9, rules)
        .decode(TimedTable(table: toy, clock: clock))
      #expect(clock.lateLooks == 0 && !found.isEmpty, "after \(limit)")
      #expect(
        found.allSatisfy { $0.decoded.isFinished || [.timeUp, .limit].contains($0.decoded.ending) })
      counts.insert(found.count)
    }
    #expect(counts.count > 3)
  }

  /// Under a constraint one text alone is closed: two looks, for the b that is missing and the end.
  @Test(arguments: [1, 2])
  func timeUpClosesOneText(groups: Int) throws {
    let automaton = TokenAutomaton(toy, lengths: 0...4) { $0.contains(Token(3)) ? 0 : -.infinity }
    for limit in 0..<120 {
      let clock = Clock(limit: limit)
      let rules = try DecodingRules(
        constraint: DecodingConstraint(automaton), isTimeUp: { clock.isUp })
      let found = try BeamSearch(width: 8, groups: groups, rules)
        .decode(TimedTable(table: toy, clock: clock))
      #expect(clock.lateLooks <= 2 && !found.isEmpty, "after \(limit)")
      #expect(
        found.allSatisfy {
          $0.decoded.isFinished && automaton.logWeight(of: $0.decoded.text) == 0
        })
    }
  }
}
