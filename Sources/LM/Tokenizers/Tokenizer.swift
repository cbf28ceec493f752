// Licensed under the Apache License, Version 2.0.

public import Sampling

/// How text is split into the tokens of an n-gram model.
public enum Tokenization: String, CaseIterable, Sendable {
  /// Words with their leading space, punctuation marks, and characters of scripts without spaces.
  case words
  /// Unicode scalars.
  case characters
  /// Whatever stands between ASCII white space, byte for byte.
  case whitespace

  /// How tokens of this kind are joined into text.
  public var spacing: Vocabulary.Spacing {
    switch self {
    case .words: .carried
    case .characters: .none
    case .whitespace: .joined
    }
  }

  /// The kind whose tokens are joined in a given way.
  public init(_ spacing: Vocabulary.Spacing) {
    switch spacing {
    case .carried: self = .words
    case .none: self = .characters
    case .joined: self = .whitespace
    }
  }
}

/// Cuts texts into a model's tokens by rules of its own, as models of subwords do.
public protocol TextEncoder: Sendable {
  /// The tokens of a text.
  ///
  /// - Throws: a sentence about the part of the text that has no token.
  func tokens(of text: String) throws -> [Token]
}

/// Splits lines into tokens.
///
/// The tokens of a line, joined as ``Vocabulary`` joins them, give the line again, in NFC and with
/// single spaces. With ``Tokenization/words``, a word at the beginning of a line also has a leading
/// space, so it is the same token everywhere. `don't`, `well-known` and `3,141.5` are single words.
///
/// ```swift
/// var tokenizer = Tokenizer(.words)
/// tokenizer.pieces(of: "It was night.")  // " It", " was", " night", "."
/// ```
public struct Tokenizer {
  /// The kind of tokens.
  public let tokenization: Tokenization
  private var scratch: [UInt8] = []
  /// The ends of pieces that may be merged.
  private var ends: [Int] = []
  /// A vocabulary with entries of several pieces, and the most pieces in one; `nil` if there are
  /// none.
  private var longer: (vocabulary: Vocabulary, most: Int)?
  /// Cuts texts in place of the rules here.
  private var encoder: (any TextEncoder)?

  /// Creates a tokenizer for a kind of tokens.
  public init(_ tokenization: Tokenization) { self.tokenization = tokenization }

  /// Creates a tokenizer for a vocabulary.
  ///
  /// If entries consist of several pieces, as after training with rebalancing, the longest entry is
  /// taken at each place of a text.
  ///
  /// - Complexity: O(bytes of the vocabulary).
  public init(for vocabulary: Vocabulary) {
    self.init(Tokenization(vocabulary.spacing))
    guard tokenization != .whitespace else { return }
    var most = 1
    for index in 0..<vocabulary.count where vocabulary.isDrawable(Token(index)) {
      var count = 0
      unsafe Array(vocabulary.bytes(of: Token(index))).withUnsafeBytes {
        unsafe cut($0) { _ in count += 1 }
      }
      most = max(most, count)
    }
    if most > 1 { longer = (vocabulary, most) }
  }

  /// Creates a tokenizer that leaves the work to an encoder.
  ///
  /// Its ``pieces(of:)`` are the texts as they are, because the pieces may hold parts of characters.
  public init(_ encoder: any TextEncoder) {
    self.init(.characters)
    self.encoder = encoder
  }

  /// The spellings of a line's tokens, in order.
  public mutating func pieces(of line: String) -> [String] {
    guard encoder == nil else { return [line] }
    var pieces: [String] = []
    let composed = tokenization == .whitespace ? line : NFC.of(line)
    unsafe Array(composed.utf8).withUnsafeBytes { bytes in
      unsafe cut(bytes) { piece in
        pieces.append(unsafe String(decoding: piece, as: UTF8.self))
      }
    }
    return pieces
  }

  /// The tokens of a text in a vocabulary; `nil` for pieces without an entry.
  public static func tokens(of text: String, in vocabulary: Vocabulary) -> [Token?] {
    var tokenizer = Tokenizer(for: vocabulary)
    return tokenizer.tokens(of: text, in: vocabulary)
  }

  /// The tokens of a text in a vocabulary, for a tokenizer that is reused for many texts.
  public mutating func tokens(of text: String, in vocabulary: Vocabulary) -> [Token?] {
    if let encoder { return (try? encoder.tokens(of: text)) ?? [nil] }
    var tokens: [Token?] = []
    let composed = tokenization == .whitespace ? text : NFC.of(text)
    unsafe Array(composed.utf8).withUnsafeBytes { bytes in
      unsafe forEachToken(of: bytes, in: vocabulary) { tokens.append($0) }
    }
    return tokens
  }

  /// Visits the token of each piece of a line; `nil` for pieces without an entry.
  ///
  /// The bytes must be as for ``cut(_:_:)``. Only this function defines how text becomes tokens.
  mutating func forEachToken(
    of line: UnsafeRawBufferPointer, in vocabulary: Vocabulary, _ body: (Token?) -> Void
  ) {
    var isFirst = tokenization == .words
    unsafe cut(line) { piece in
      var token = unsafe vocabulary.token(spelled: piece)
      // A mark that only follows words has no leading space, even at the beginning of a line.
      if token == nil, isFirst, unsafe piece.first == 0x20 {
        token = unsafe vocabulary.token(
          spelled: UnsafeRawBufferPointer(rebasing: piece.dropFirst()))
      }
      isFirst = false
      body(token)
    }
  }

  /// Visits the bytes of each token of a line.
  ///
  /// The line must be valid UTF-8 in NFC, unless the kind is ``Tokenization/whitespace``.
  mutating func cut(_ line: UnsafeRawBufferPointer, _ emit: (UnsafeRawBufferPointer) -> Void) {
    switch tokenization {
    case .whitespace: unsafe cutAtWhitespace(line, emit)
    case .characters: unsafe cutCharacters(line, emit)
    case .words: unsafe cutWords(line, emit)
    }
  }

  private func cutAtWhitespace(
    _ line: UnsafeRawBufferPointer, _ emit: (UnsafeRawBufferPointer) -> Void
  ) {
    var place = 0
    while true {
      while place < line.count, unsafe isBlank(line[place]) { place += 1 }
      guard place < line.count else { return }
      let start = place
      while place < line.count, unsafe !isBlank(line[place]) { place += 1 }
      unsafe emit(UnsafeRawBufferPointer(rebasing: line[start..<place]))
    }
  }

  private func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A
  }

  private mutating func cutCharacters(
    _ line: UnsafeRawBufferPointer, _ emit: (UnsafeRawBufferPointer) -> Void
  ) {
    var end = line.count
    while end > 0, unsafe line[end - 1] == 0x0D { end -= 1 }
    var place = 0
    ends.removeAll(keepingCapacity: true)
    while place < end {
      let next = unsafe min(end, place + utf8Length(line[place]))
      if longer == nil {
        unsafe emit(UnsafeRawBufferPointer(rebasing: line[place..<next]))
      } else {
        ends.append(next)
      }
      place = next
    }
    unsafe emitLongest(line, emit)
  }

  /// Emits the longest entries among the pieces that are waiting.
  private func emitLongest(
    _ bytes: UnsafeRawBufferPointer, _ emit: (UnsafeRawBufferPointer) -> Void
  ) {
    guard let (vocabulary, most) = longer else { return }
    var first = 0
    var start = 0
    while first < ends.count {
      var last = min(first + most, ends.count) - 1
      while last > first,
        unsafe vocabulary.token(
          spelled: UnsafeRawBufferPointer(rebasing: bytes[start..<ends[last]])) == nil
      {
        last -= 1
      }
      unsafe emit(UnsafeRawBufferPointer(rebasing: bytes[start..<ends[last]]))
      start = ends[last]
      first = last + 1
    }
  }

  private mutating func cutWords(
    _ line: UnsafeRawBufferPointer, _ emit: (UnsafeRawBufferPointer) -> Void
  ) {
    // Copy the line with one space before the first word and single spaces elsewhere.
    scratch.removeAll(keepingCapacity: true)
    var isAfterSpace = true
    var place = 0
    while place < line.count {
      let (scalar, next) = unsafe decode(line, place)
      let kind = ScalarKind(scalar)
      if kind == .space {
        isAfterSpace = true
      } else {
        if isAfterSpace, !(scratch.isEmpty && kind == .spaceless) { scratch.append(0x20) }
        isAfterSpace = false
        for i in place..<next { scratch.append(unsafe line[i]) }
      }
      place = next
    }
    ends.removeAll(keepingCapacity: true)
    var ends = self.ends
    unsafe scratch.withUnsafeBytes { bytes in
      var place = 0
      while place < bytes.count {
        let start = place
        if unsafe bytes[place] == 0x20 { place += 1 }
        place = unsafe endOfWord(bytes, place)
        if longer == nil {
          unsafe emit(UnsafeRawBufferPointer(rebasing: bytes[start..<place]))
        } else {
          ends.append(place)
        }
      }
    }
    guard longer != nil else { return }
    self.ends = ends
    unsafe scratch.withUnsafeBytes { unsafe emitLongest($0, emit) }
  }

  /// The end of the token that begins at a place without a space.
  private func endOfWord(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Int {
    let (first, afterFirst) = unsafe decode(bytes, start)
    var place = afterFirst
    switch ScalarKind(first) {
    case .spaceless, .space:
      return place
    case .other:
      // Consecutive dots or dashes are one mark.
      while place < bytes.count {
        let (scalar, next) = unsafe decode(bytes, place)
        guard scalar == first, "-.*_=~—…".unicodeScalars.contains(scalar) else { break }
        place = next
      }
      return place
    case .letter:
      var last = first
      while place < bytes.count {
        let (scalar, next) = unsafe decode(bytes, place)
        if ScalarKind(scalar) == .letter {
          last = scalar
          place = next
          continue
        }
        guard next < bytes.count else { break }
        let (following, _) = unsafe decode(bytes, next)
        guard ScalarKind(following) == .letter else { break }
        let isInWord =
          scalar == "'" || scalar == "\u{2019}" || scalar == "-" || scalar == "\u{2010}"
        let isInNumber =
          (scalar == "." || scalar == ",") && ("0"..."9").contains(last)
          && ("0"..."9").contains(following)
        guard isInWord || isInNumber else { break }
        place = next
      }
      return place
    }
  }
}

/// The length in bytes of the scalar that begins with this byte of valid UTF-8.
private func utf8Length(_ byte: UInt8) -> Int {
  byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
}

/// The scalar at a place in valid UTF-8, and the place of the next one.
private func decode(_ bytes: UnsafeRawBufferPointer, _ place: Int) -> (Unicode.Scalar, Int) {
  let first = unsafe bytes[place]
  if first < 0x80 { return (Unicode.Scalar(first), place + 1) }
  let length = utf8Length(first)
  guard place + length <= bytes.count else { return ("\u{FFFD}", bytes.count) }
  var value = UInt32(first) & (0xFF >> UInt32(length + 1))
  for i in 1..<length { value = unsafe value << 6 | UInt32(bytes[place + i] & 0x3F) }
  return (Unicode.Scalar(value) ?? "\u{FFFD}", place + length)
}
