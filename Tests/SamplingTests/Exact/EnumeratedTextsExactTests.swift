// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

/// Lists of all texts against each text scored by itself.
@Suite struct EnumeratedTextsExactTests {
  private typealias Target = PrefixTarget<RememberingModel, TokenAutomaton>

  private static func automaton(_ lengths: ClosedRange<Int>) throws -> TokenAutomaton {
    try TokenAutomaton(lengths: lengths, vocabulary: RememberingModel().vocabulary)
  }

  @Test(arguments: [(1.0, 1), (0.6, 3), (1.0, 64)], [false, true])
  func everyTextIsThereOnce(_ options: (fluency: Double, batch: Int), isSpelled: Bool) throws {
    let (fluency, batch) = options
    let model = RememberingModel()
    let rule = isSpelled ? NoPair(of: [Token(2), Token(2)]) : nil
    let target = Target(
      model: model, constraint: try Self.automaton(1...3), fluency: fluency, spelling: rule)
    let list = try EnumeratedTexts(target, limit: 14, batch: batch)
    let texts = model.texts(upTo: 3).filter {
      !$0.isEmpty && (rule?.allows($0.tokens) ?? true)
    }
    #expect(list.entries.count == texts.count)
    #expect(Set(list.entries.map(\.text)) == Set(texts))
    for entry in list.entries {
      // Sums of at most four logarithms.
      #expect(abs(entry.logModel - model.logProbability(ofText: entry.text)) < 1e-13)
      #expect(abs(entry.logProbability - target.logProbability(of: entry.text)) < 1e-13)
    }
    #expect(
      zip(list.entries, list.entries.dropFirst()).allSatisfy {
        $0.logProbability >= $1.logProbability
      })
    let rho = texts.map { LogSpace.exp(target.logProbability(of: $0)) }
    let z = rho.reduce(0, +)
    #expect(abs(list.logEvidence - LogSpace.log(z)) < 1e-13)
    let entropy = rho.reduce(0) { $0 - $1 / z * LogSpace.log($1 / z) }
    #expect(abs(list.entropy - entropy) < 1e-13)
    let law = list.marginals
    for (place, row) in law.tokens.enumerated() {
      for token in row.indices {
        let share = zip(texts, rho).reduce(0) { sum, one in
          one.0.dropFirst(place).first == Token(token) ? sum + one.1 / z : sum
        }
        #expect(abs(row[token] - share) < 1e-13)
      }
    }
    let drawn = outcomes { list.makeTable().draw(using: &$0) }
    for (index, probability) in drawn {
      #expect(abs(probability - list.probability(of: list.entries[index])) < 1e-13)
    }
  }

  /// Each beginning is read once: as many rows as there are beginnings.
  @Test func beginningsAreReadOnce() throws {
    let model = RememberingModel()
    let target = Target(model: model, constraint: try Self.automaton(3...3))
    _ = try EnumeratedTexts(target, limit: 8)
    #expect(model.calls == .init(batches: 4, runs: 15, tokens: 14, rows: 15))
  }

  @Test func whatCannotBeListedIsRefused() throws {
    let model = RememberingModel()
    #expect(throws: EnumeratedTexts.Fault.tooMany(7)) {
      try EnumeratedTexts(
        Target(model: model, constraint: try Self.automaton(3...3)), limit: 7)
    }
    #expect(throws: EnumeratedTexts.Fault.tooMany(100)) {
      try EnumeratedTexts(Target(model: model), limit: 100)
    }
    #expect(model.calls.batches == 0)
    #expect(throws: EnumeratedTexts.Fault.stopped) {
      try EnumeratedTexts(
        Target(model: model, constraint: try Self.automaton(1...1)), limit: 9
      ) { _ in false }
    }
  }
}
