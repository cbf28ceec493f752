// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import Testing

/// Estimates of KenLM's `lmplz`.
@Suite struct KneserNeyGoldenTests {
  struct Oracle: Sendable, CustomTestStringConvertible {
    var arpa: String
    var text: String
    var order: Int
    var prune: [Int] = []
    var testDescription: String { arpa }
  }

  static let oracles = [
    Oracle(arpa: "shk-o3.arpa.gz", text: "shakespeare.train.txt", order: 3),
    Oracle(arpa: "shk-o4p.arpa.gz", text: "shakespeare.train.txt", order: 4, prune: [0, 0, 1, 1]),
    Oracle(arpa: "tiny-o3.arpa.gz", text: "tiny.txt", order: 3),
    Oracle(arpa: "toy/abc.o1.arpa", text: "toy/abc.txt", order: 1),
    Oracle(arpa: "toy/abc.o2.arpa", text: "toy/abc.txt", order: 2),
    Oracle(arpa: "toy/abc.o3.arpa", text: "toy/abc.txt", order: 3),
    Oracle(arpa: "toy/abc.o4.arpa", text: "toy/abc.txt", order: 4),
    Oracle(arpa: "toy/abc.o5.arpa", text: "toy/abc.txt", order: 5),
    Oracle(arpa: "toy/abc.o2.prune.arpa", text: "toy/abc.txt", order: 2, prune: [0, 1]),
    Oracle(arpa: "toy/abc.o3.prune.arpa", text: "toy/abc.txt", order: 3, prune: [0, 0, 1]),
  ]

  /// The largest difference of a log10 in either column; infinite where the sets differ.
  static func defect(_ trie: NGramTrie, from table: BackoffTable) throws -> Double {
    let file = try TemporaryFile("m.arpa")
    try trie.write(arpa: file.path)
    let lines = try String(contentsOfFile: file.path, encoding: .utf8).components(separatedBy: "\n")
    let made = BackoffTable(arpa: lines)
    guard Set(made.values.keys) == Set(table.values.keys) else { return .infinity }
    return made.values.reduce(0) { worst, entry in
      let other = table.values[entry.key] ?? (0, 0)
      return max(
        worst, abs(entry.value.probability - other.probability),
        abs(entry.value.backoff - other.backoff))
    }
  }

  @Test(TestData.isNeeded, arguments: oracles)
  func estimatesAreThoseOfLmplz(oracle: Oracle) throws {
    let folder = "reference/kenlm/"
    let table = BackoffTable(arpa: try TestData.lines(folder + oracle.arpa))
    let (trie, report) = try NGramTrainer(
      .init(order: oracle.order, prune: oracle.prune)
    ).train([TestData.path(folder + oracle.text)])
    // lmplz computes in floats and prints seven digits.
    let defect = try Self.defect(trie, from: table)
    #expect(defect < 1e-5, "\(report)")
  }
}
