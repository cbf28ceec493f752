// Licensed under the Apache License, Version 2.0.

package import Sampling

/// The symbols for a text's start, its end and unknown words; texts may not contain them.
package enum ModelSymbols {
  /// The spellings of the symbols.
  private static let spellings = ["<s>", "</s>", "<unk>"]

  /// Finds the first symbol that a line contains as a word of its own.
  ///
  /// - Parameters:
  ///   - line: a line of text.
  ///   - vocabulary: a model's vocabulary, whose own spellings count, too.
  /// - Returns: the symbol and its column, from 1; `nil` if there is none.
  package static func first(
    in line: String, of vocabulary: Vocabulary? = nil
  ) -> (symbol: String, column: Int)? {
    // Most lines need no further check.
    guard line.utf8.contains(UInt8(ascii: "<")) else { return nil }
    let symbols =
      vocabulary.map { vocabulary in
        [vocabulary.start, vocabulary.end, vocabulary.unknown].compactMap { $0 }
          .map(vocabulary.spelling) + spellings
      } ?? spellings
    for part in line.split(whereSeparator: { [" ", "\t", "\r", "\n", "\r\n"].contains($0) }) {
      guard let symbol = symbols.first(where: { $0 == part }) else { continue }
      return (symbol, line.distance(from: line.startIndex, to: part.startIndex) + 1)
    }
    return nil
  }

  /// The message about a symbol in a text.
  ///
  /// - Parameters:
  ///   - symbol: the symbol as it is spelled.
  ///   - text: where it was found, such as `corpus`.
  /// - Returns: what is wrong and what to do.
  package static func message(_ symbol: String, in text: String) -> String {
    "found '\(symbol)', which stands for the model's own symbol; take it out of the \(text)"
  }
}
