// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

/// Texts with the ids that other programs give for them.
enum TokenizerReferences {
  /// The pairs of a `.inp` and a `.out` file of llama.cpp.
  static func pairs(_ name: String) throws -> [(text: String, ids: [Int32])] {
    let texts = try String(contentsOfFile: TestData.path(name + ".inp"), encoding: .utf8)
      .components(separatedBy: "\n__ggml_vocab_test__\n")
    let lines = try String(contentsOfFile: TestData.path(name + ".out"), encoding: .utf8)
      .components(separatedBy: "\n")
    return zip(texts, lines).map { text, line in
      (text, line.split(separator: " ").compactMap { Int32($0) })
    }
  }

  /// Compares a GGUF file's tokenizer with llama.cpp's ids of 47 texts.
  static func checkVocabulary(_ name: String) throws {
    let tokenizer = try GGUFTokenizer(file: TestData.path(name)).tokenizer()
    let pairs = try pairs(name)
    #expect(pairs.count == 47)
    for (text, ids) in pairs {
      let tokens = try tokenizer.encode(text, specials: false)
      #expect(tokens == ids, "\(text.debugDescription)")
      #expect(tokenizer.decode(tokens) == Array(text.utf8))
      #expect(tokenizer.isCanonical(tokens))
    }
  }

  struct Sample: Decodable {
    let text: String
    let ids: [Int32]
    let ids_special: [Int32]?
    let decoded: String?
    let decoded_hex: String?
    let lossless: Bool?

    /// The bytes that the ids stand for.
    var bytes: [UInt8]? {
      guard let hex = decoded_hex else { return decoded.map { Array($0.utf8) } }
      return stride(from: 0, to: hex.utf8.count, by: 2).compactMap { index in
        UInt8(hex.dropFirst(index).prefix(2), radix: 16)
      }
    }
  }

  private struct Samples: Decodable {
    let tokens: [Sample]?
    let scores: [Sample]?
    let sentences: [Sample]?
  }

  /// The samples of a file `reference/name.json`.
  static func samples(_ name: String) throws -> [Sample] {
    let data = try Data(
      contentsOf: URL(fileURLWithPath: TestData.path("reference/\(name).json")))
    let samples = try JSONDecoder().decode(Samples.self, from: data)
    return (samples.tokens ?? []) + (samples.scores ?? []) + (samples.sentences ?? [])
  }

  static func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  }
}

/// Texts of random characters, most of them chosen so that pre-tokenisers have something to decide.
struct RandomTexts {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next(_ bound: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(state >> 11) % bound
  }

  static let alphabet: [Unicode.Scalar] =
    Array(
      "aabbcdeelmnorsstvéßſKΩжאبक한中文々ーが 　 \t\n\n\r\u{A0}\u{2028}012349½Ⅳ²٣'''’\"!?.,;:-_<>|[](){}/\\#@$%&*+=~^`▁Ġ"
        .unicodeScalars)
    + [
      "\u{301}", "\u{308}", "\u{200D}", "\u{FEFF}", "\u{1F600}", "\u{1F468}", "\u{AC00}",
      "\u{1100}",
      "\u{1161}", "\u{11A8}", "\u{85}", "\u{0}", "\u{7F}",
    ]

  mutating func text(_ length: Int) -> String {
    var text = String.UnicodeScalarView()
    while text.count < length {
      switch next(12) {
      case 0:
        if let scalar = Unicode.Scalar(UInt32(next(0x110000))) { text.append(scalar) }
      case 1: text.append(contentsOf: Self.words[next(Self.words.count)].unicodeScalars)
      case 2: text.append(contentsOf: repeatElement(" ", count: 1 + next(5)))
      default: text.append(Self.alphabet[next(Self.alphabet.count)])
      }
    }
    return String(text)
  }

  static let words = [
    "the", " the", " and", "'s", "'ll", "'RE", "don't", " house", "ing", "你好", "the sea", "\n\n",
    " 2024",
    "Führer", "...", "```", "  ", "\r\n", " ­", "</s>", "<s>", "<|endoftext|>", "[MASK]", "<0x41>",
  ]
}

extension GGUFTokenizer {
  init(file path: String) throws { self = try GGUFTokenizer(GGUFFile(path)) }
}
