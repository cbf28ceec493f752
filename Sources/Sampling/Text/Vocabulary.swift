// Licensed under the Apache License, Version 2.0.

/// The entries of a language model, from token to bytes and back.
///
/// A text is the concatenation of its tokens' bytes. If tokens carry their own space
/// (``Spacing/carried``), one leading space of the whole text is dropped. If they do not
/// (``Spacing/joined``), one space is put between neighbours. ``Spacing/none`` adds nothing. The
/// special entries `start` and `unknown` are never part of a sampled text; `end` closes it.
public struct Vocabulary: Sendable {
  /// How the bytes of neighbouring tokens meet.
  public enum Spacing: UInt8, Sendable {
    /// One space between neighbours: ARPA files and `--tokens whitespace`.
    case joined = 0
    /// Each token's bytes hold its own leading space, if it has one: `--tokens words`.
    case carried = 1
    /// Bytes are joined as they are: `--tokens characters`.
    case none = 2
  }

  /// How the bytes of neighbouring tokens meet.
  public let spacing: Spacing
  /// The symbol before every text; never scored, never drawn.
  public let start: Token
  /// The symbol after every text; scored, never part of the text.
  public let end: Token
  /// The entry for words outside the vocabulary, if the model has one; never drawn.
  public let unknown: Token?

  /// Further tokens that steer a model and are no text, ascending; never drawn.
  public let controls: [Token]

  @usableFromInline let blob: [UInt8]
  @usableFromInline let offsets: [UInt32]
  private let index: [UInt32]

  /// Creates a vocabulary from spellings in token order.
  ///
  /// - Parameters:
  ///   - spellings: the bytes of each token; if spellings are equal, look-ups find the first.
  ///   - spacing: how neighbours meet.
  ///   - start: the start symbol.
  ///   - end: the end symbol.
  ///   - unknown: the entry for unknown words, if there is one.
  ///   - controls: further tokens that are no text, such as the turns of a chat.
  /// - Complexity: O(bytes).
  public init(
    spellings: some Sequence<some Sequence<UInt8>>, spacing: Spacing, start: Token, end: Token,
    unknown: Token?, controls: [Token] = []
  ) {
    var blob: [UInt8] = []
    var offsets: [UInt32] = [0]
    for spelling in spellings {
      blob.append(contentsOf: spelling)
      offsets.append(UInt32(blob.count))
    }
    self.init(
      blob: blob, offsets: offsets, spacing: spacing, start: start, end: end, unknown: unknown,
      controls: controls)
  }

  /// Creates a vocabulary whose token `i` is `blob[offsets[i] ..< offsets[i + 1]]`.
  ///
  /// - Precondition: offsets ascend from 0 to `blob.count`; special tokens lie below the count.
  public init(
    blob: [UInt8], offsets: [UInt32], spacing: Spacing, start: Token, end: Token, unknown: Token?,
    controls: [Token] = []
  ) {
    precondition(
      offsets.first == 0 && Int(offsets.last ?? 0) == blob.count, "offsets cover the bytes")
    let count = offsets.count - 1
    precondition(
      max(start.index, end.index, unknown?.index ?? 0) < count, "special tokens are entries")
    self.blob = blob
    self.offsets = offsets
    self.spacing = spacing
    self.start = start
    self.end = end
    self.unknown = unknown
    self.controls = controls.sorted { $0.index < $1.index }
    precondition((self.controls.last?.index ?? 0) < count, "control tokens are entries")
    var size = 16
    while size < count * 2 { size *= 2 }
    var index = [UInt32](repeating: .max, count: size)
    for i in 0..<count {
      let range = Int(offsets[i])..<Int(offsets[i + 1])
      var slot = Vocabulary.hash(blob[range]) & (size - 1)
      while index[slot] != .max {
        let other = Int(index[slot])
        if blob[Int(offsets[other])..<Int(offsets[other + 1])] == blob[range] { break }
        slot = (slot + 1) & (size - 1)
      }
      if index[slot] == .max { index[slot] = UInt32(i) }
    }
    self.index = index
  }

  /// The number of entries, including the special ones.
  @inlinable
  public var count: Int { offsets.count - 1 }

  /// The bytes of a token as the model spells it, including its own space if it carries one.
  @inlinable
  public func bytes(of token: Token) -> ArraySlice<UInt8> {
    blob[Int(offsets[token.index])..<Int(offsets[token.index + 1])]
  }

  /// The token with the given bytes; `nil` if there is none.
  ///
  /// - Complexity: O(bytes) expected.
  public func token(spelled bytes: some Collection<UInt8>) -> Token? {
    let size = index.count
    var slot = Vocabulary.hash(bytes) & (size - 1)
    while index[slot] != .max {
      let candidate = Token(Int(index[slot]))
      if self.bytes(of: candidate).elementsEqual(bytes) { return candidate }
      slot = (slot + 1) & (size - 1)
    }
    return nil
  }

  /// The token with the given bytes, read from memory; `nil` if there is none.
  public func token(spelled bytes: UnsafeRawBufferPointer) -> Token? {
    let size = index.count
    var slot = unsafe Vocabulary.hash(bytes) & (size - 1)
    while index[slot] != .max {
      let entry = Int(index[slot])
      let start = Int(offsets[entry])
      if Int(offsets[entry + 1]) - start == bytes.count {
        var place = 0
        while place < bytes.count, unsafe blob[start + place] == bytes[place] { place += 1 }
        if place == bytes.count { return Token(entry) }
      }
      slot = (slot + 1) & (size - 1)
    }
    return nil
  }

  /// The token with the given spelling; `nil` if there is none.
  public func token(_ spelling: String) -> Token? { token(spelled: Array(spelling.utf8)) }

  /// A token's bytes as text; invalid UTF-8 is repaired.
  public func spelling(of token: Token) -> String {
    String(decoding: bytes(of: token), as: UTF8.self)
  }

  /// Whether a sampler may put the token into a text, that is, whether it is not special.
  @inlinable
  public func isDrawable(_ token: Token) -> Bool {
    token != start && token != end && token != unknown
      && (controls.isEmpty || !isControl(token))
  }

  @usableFromInline
  func isControl(_ token: Token) -> Bool {
    var low = 0
    var high = controls.count
    while low < high {
      let middle = (low + high) / 2
      if controls[middle].index < token.index { low = middle + 1 } else { high = middle }
    }
    return low < controls.count && controls[low] == token
  }

  /// The bytes of a whole text.
  public func bytes(of tokens: some Sequence<Token>) -> [UInt8] {
    var text: [UInt8] = []
    for (place, token) in tokens.enumerated() {
      appendBytes(of: token, isFirst: place == 0, to: &text)
    }
    return text
  }

  /// A whole text as a string; invalid UTF-8 is repaired.
  public func text(of tokens: some Sequence<Token>) -> String {
    String(decoding: bytes(of: tokens), as: UTF8.self)
  }

  /// Appends the bytes that a token adds to a text, as its first token or as a later one.
  ///
  /// This is the only place that decides how tokens become text.
  public func appendBytes(of token: Token, isFirst: Bool, to text: inout [UInt8]) {
    let bytes = self.bytes(of: token)
    switch spacing {
    case .none: text.append(contentsOf: bytes)
    case .joined:
      if !isFirst { text.append(UInt8(ascii: " ")) }
      text.append(contentsOf: bytes)
    case .carried:
      text.append(
        contentsOf: isFirst && bytes.first == UInt8(ascii: " ") ? bytes.dropFirst() : bytes)
    }
  }

  private static func hash(_ bytes: some Sequence<UInt8>) -> Int {
    var h: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { h = (h ^ UInt64(byte)) &* 0x100_0000_01b3 }
    h ^= h >> 29
    return Int(truncatingIfNeeded: h)
  }
}
