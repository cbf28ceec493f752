// Licensed under the Apache License, Version 2.0.

/// Texts that close a text as soon as it holds one of them behind its prompt.
///
/// The text then ends before the stop text, which may begin and end inside a token.
///
/// Reference: the `stop` of OpenAI's completion interface.
public struct StopTexts: Hashable, Sendable {
  /// The stop texts as the user writes them.
  public let texts: [String]
  private let patterns: [[UInt8]]

  /// Stop texts that are not empty.
  public init(_ texts: [String]) throws(DecodingError) {
    guard texts.allSatisfy({ !$0.isEmpty }) else {
      throw DecodingError(.badArgument, "stop: a stop text has at least 1 character, got none")
    }
    self.texts = texts
    patterns = texts.map { Array($0.utf8) }
  }

  /// The empty list, which stops nothing.
  public static let none = StopTexts()

  /// The length of the longest one in bytes; 0 if there are none.
  var longest: Int { patterns.reduce(0) { max($0, $1.count) } }

  private init() {
    texts = []
    patterns = []
  }

  /// The stop text that begins first at or after a place, the longest of several there; the bytes
  /// read before are known to hold none.
  func first(in bytes: [UInt8], from place: Int, readBefore read: Int) -> (String, Int)? {
    var found: (index: Int, place: Int)?
    for (i, pattern) in patterns.enumerated() {
      var start = max(place, read - pattern.count + 1)
      while start + pattern.count <= bytes.count {
        if bytes[start..<start + pattern.count].elementsEqual(pattern) {
          if let one = found,
            (one.place, -patterns[one.index].count) <= (start, -pattern.count)
          {
            break
          }
          found = (i, start)
          break
        }
        start += 1
      }
    }
    return found.map { (texts[$0.index], $0.place) }
  }

  /// How many of the last bytes may turn out to be the beginning of a stop text.
  func undecidedCount(_ bytes: [UInt8], from place: Int) -> Int {
    var most = 0
    for pattern in patterns {
      var length = min(pattern.count - 1, bytes.count - place)
      while length > most, !bytes.suffix(length).elementsEqual(pattern.prefix(length)) {
        length -= 1
      }
      most = max(most, length)
    }
    return most
  }
}

/// Detects a text that repeats itself: its last tokens are several copies of one block.
///
/// A decoder whose choice depends on the model's context alone never leaves a loop once the
/// repeated tokens are more than the context holds; for others it is a sign, no proof.
public struct LoopDetector: Hashable, Sendable {
  /// The smallest number of copies of the block.
  public let repetitions: Int
  /// The smallest number of tokens in all copies together.
  public let length: Int
  /// The longest block that is looked for, in tokens.
  public let longestBlock: Int

  /// A detector; by default of blocks of up to 256 tokens that stand there 4 times, on 12 tokens
  /// at least, so that a refrain or a laugh is none.
  public init(
    repetitions: Int = 4, length: Int = 12, longestBlock: Int = 256
  ) throws(DecodingError) {
    guard repetitions >= 2 else {
      throw .argument("stop-loops", "a loop has at least 2 copies of its block", repetitions)
    }
    guard length >= 1 else { throw .argument("stop-loops", "a length is positive", length) }
    guard longestBlock >= 1 else {
      throw .argument("stop-loops", "a block has at least 1 token", longestBlock)
    }
    self.repetitions = repetitions
    self.length = length
    self.longestBlock = longestBlock
  }

  /// The shortest block that the tokens end in often enough.
  ///
  /// - Complexity: O(longest block) where nothing repeats.
  public func block(in tokens: ArraySlice<Token>) -> ArraySlice<Token>? {
    let last = tokens.endIndex - 1
    let most = min(longestBlock, tokens.count / repetitions)
    guard most >= 1, tokens.count >= length else { return nil }
    for period in 1...most {
      let needed = max(period * repetitions, length) - period
      guard needed + period <= tokens.count else { continue }
      var same = 0
      while same < needed, tokens[last - same] == tokens[last - same - period] { same += 1 }
      if same == needed { return tokens.suffix(period) }
    }
    return nil
  }
}

/// A text that is handed out as bytes while it grows; no byte is taken back.
///
/// Bytes that may be part of a character or of a stop text are held back.
public struct GrowingText: Sendable {
  private let vocabulary: Vocabulary
  private let stops: StopTexts
  private var bytes: [UInt8] = []
  private var promptByteCount = 0
  private var isEmpty = true
  private var handedOut = 0

  /// A text that begins with a prompt, none of which is handed out yet.
  public init(_ vocabulary: Vocabulary, after prompt: TokenSequence, stops: StopTexts = .none) {
    self.vocabulary = vocabulary
    self.stops = stops
    bytes = vocabulary.bytes(of: prompt)
    promptByteCount = bytes.count
    isEmpty = prompt.isEmpty
  }

  /// Adds a token and returns what is certain by now and new.
  public mutating func append(_ token: Token) -> String {
    vocabulary.appendBytes(of: token, isFirst: isEmpty, to: &bytes)
    isEmpty = false
    var certain = bytes.count - stops.undecidedCount(bytes, from: promptByteCount)
    // A lead byte among the last three may wait for its continuation.
    for back in 1...3 where certain - back >= handedOut {
      let byte = bytes[certain - back]
      if byte & 0xC0 == 0x80 { continue }
      let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
      if length > back { certain -= back }
      break
    }
    return handOut(to: certain)
  }

  /// The rest of a finished text.
  public mutating func finish(_ decoded: DecodedText) -> String {
    handOut(to: decoded.bytes(in: vocabulary).count)
  }

  private mutating func handOut(to count: Int) -> String {
    guard count > handedOut else { return "" }
    defer { handedOut = count }
    return String(decoding: bytes[handedOut..<count], as: UTF8.self)
  }
}
