// Licensed under the Apache License, Version 2.0.

import Foundation
import Sampling

/// A back-off model in a dictionary, read from ARPA lines: the slow twin of every layout.
struct BackoffTable {
  var order = 0
  var values: [[String]: (probability: Double, backoff: Double)] = [:]
  var words: [String] = []

  init(arpa lines: [String]) {
    var section = 0
    for line in lines {
      let fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r" })
        .map(String.init)
      guard let first = fields.first else { continue }
      if first.hasPrefix("\\") {
        section = first.hasSuffix("-grams:") ? Int(first.dropFirst().prefix(1)) ?? 0 : 0
        continue
      }
      // As floats, which is what models hold.
      guard section > 0, let probability = Float(first) else { continue }
      let gram = Array(fields[1...section])
      let backoff = fields.count > section + 1 ? Float(fields[section + 1]) ?? 0 : 0
      values[gram] = (Double(probability), Double(backoff))
      if section == 1 { words.append(gram[0]) }
      order = max(order, section)
    }
  }

  /// log10 p(word | history), from the recursion itself.
  func log10(_ word: String, after history: [String]) -> Double {
    let history = Array(history.suffix(order - 1))
    if let listed = values[history + [word]] { return listed.probability }
    if history.isEmpty { return values[["<unk>"]]?.probability ?? -100 }
    return (values[history]?.backoff ?? 0) + log10(word, after: Array(history.dropFirst()))
  }

  /// A random model with all that ARPA files may hold: unsorted, suffixes and prefixes missing,
  /// back-off weights above 1, listed probabilities below the backed-off ones.
  static func randomLines(order: Int, vocabulary: Int, seed: UInt64) -> [String] {
    var choices = RandomChoices(seed: seed)
    var words = ["<s>", "</s>", "<unk>"] + (3..<vocabulary).map { "w\($0)" }
    var lines = ["\\data\\"]
    var grams: [[[String]]] = [words.map { [$0] }]
    for k in stride(from: 2, through: order, by: 1) {
      var level: Set<[String]> = []
      for _ in 0..<vocabulary * 3 {
        level.insert((0..<k).map { place in words[choices.index(below: words.count)] })
      }
      grams.append(level.sorted { $0.joined() < $1.joined() }.shuffled(with: &choices))
    }
    words = []
    for (i, level) in grams.enumerated() { lines.append("ngram \(i + 1)=\(level.count)") }
    for (i, level) in grams.enumerated() {
      lines.append("\\\(i + 1)-grams:")
      for gram in level {
        // Seven weights of .15 do not lift 10^-1.2 above 1.
        let probability = -1.2 - Double(choices.index(below: 3000)) / 1000
        let backoff = (Double(choices.index(below: 1650)) - 1500) / 1000
        let hasBackoff = i + 1 < order && choices.index(below: 3) > 0
        lines.append(
          "\(probability)\t\(gram.joined(separator: " "))" + (hasBackoff ? "\t\(backoff)" : ""))
      }
    }
    return lines + ["\\end\\"]
  }
}

extension Array {
  func shuffled(with choices: inout RandomChoices) -> [Element] {
    var copy = self
    for i in stride(from: copy.count - 1, to: 0, by: -1) {
      copy.swapAt(i, choices.index(below: i + 1))
    }
    return copy
  }
}
