// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

/// The pre-tokenisers by hand against the regular expressions that they stand for.
@Suite struct PreTokenizerTests {
  /// `\s` of the regular expressions that trained these tokenizers is White_Space; ICU's is not.
  private static func expression(_ pattern: String) throws -> NSRegularExpression {
    try NSRegularExpression(
      pattern: pattern.replacing("[^\\s", with: "[^\\p{White_Space}")
        .replacing("\\s", with: "\\p{White_Space}").replacing("\\S", with: "\\P{White_Space}"))
  }

  private static let gpt2 =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  private static func llama3(_ digits: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  private static func words(_ text: String, _ expression: NSRegularExpression) -> [String] {
    let whole = text as NSString
    return expression.matches(in: text, range: NSRange(location: 0, length: whole.length))
      .map { whole.substring(with: $0.range) }
  }

  /// The slow obvious version.
  private static func words(_ text: String, _ preTokenizer: PreTokenizer) throws -> [String] {
    switch preTokenizer {
    case .gpt2: return words(text, try expression(gpt2))
    case .llama3: return words(text, try expression(llama3(#"\p{N}{1,3}"#)))
    case .qwen2: return words(text, try expression(llama3(#"\p{N}"#)))
    case .digitsThenGPT2:
      let parts = words(text, try expression(#"\p{N}|[^\p{N}]+"#))
      return try parts.flatMap { words($0, try expression(gpt2)) }
    }
  }

  @Test(arguments: PreTokenizer.allCases)
  func cutsLikeItsRegularExpression(_ preTokenizer: PreTokenizer) throws {
    var random = RandomTexts(seed: 47)
    for _ in 0..<400 {
      // ICU and Swift may know different versions of Unicode: none of the latest characters.
      let scalars = random.text(random.next(30)).unicodeScalars.filter {
        ($0.properties.age?.major ?? 99) < 15
      }
      let text = String(String.UnicodeScalarView(scalars))
      let bytes = Array(text.utf8)
      var cut: [String] = []
      var start = 0
      while start < bytes.count {
        let end = preTokenizer.wordEnd(bytes.span, start, bytes.count)
        cut.append(String(decoding: bytes[start..<end], as: UTF8.self))
        start = end
      }
      #expect(
        try cut.map { Array($0.utf8) } == Self.words(text, preTokenizer).map { Array($0.utf8) },
        "\(text.debugDescription)")
    }
  }

  @Test func patternsAreKnown() {
    #expect(PreTokenizer(pattern: Self.gpt2) == .gpt2)
    #expect(PreTokenizer(pattern: Self.llama3(#"\p{N}{1,3}"#)) == .llama3)
    #expect(PreTokenizer(pattern: Self.llama3(#"\p{N}"#)) == .qwen2)
    #expect(PreTokenizer(pattern: #"\s+"#) == nil)
  }
}
