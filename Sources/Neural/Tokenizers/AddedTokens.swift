// Licensed under the Apache License, Version 2.0.

/// Tokens that are cut out of a text as wholes, the longest first, before it is tokenized.
struct AddedTokens: Sendable {
  struct Token: Sendable {
    var token: Int32
    var spelling: [UInt8]
    /// Recognised only where the caller asks for special tokens.
    var isSpecial: Bool
    /// Takes the white space before it along.
    var stripsLeft = false
    /// Takes the white space behind it along.
    var stripsRight = false
  }

  private var tokens: [Int32: Token] = [:]
  /// Two tables, without and with the special ones.
  private var plain = Spellings([])
  private var all = Spellings([])
  private var pairs: Set<UInt64> = []

  init() {}

  init(_ added: [Token]) throws(NeuralError) {
    for token in added { tokens[token.token] = token }
    for token in added where !token.isSpecial {
      let scalars = Array(String(decoding: token.spelling, as: UTF8.self).unicodeScalars)
      for (left, right) in zip(scalars, scalars.dropFirst()) {
        pairs.insert(UInt64(left.value) << 32 | UInt64(right.value))
      }
    }
    plain = Spellings(added.filter { !$0.isSpecial })
    all = Spellings(added)
    if let (one, other) = all.duplicate {
      throw NeuralError(
        "tokens \(one.token) and \(other.token) are both spelled \(quoted(one.spelling)). "
          + "The vocabulary is damaged: an added token may stand in it once only.")
    }
  }

  /// Added tokens as the kinds of a vocabulary tell them.
  static func tokens(_ vocabulary: PieceVocabulary) -> [Token] {
    vocabulary.kinds.indices.compactMap { token in
      switch vocabulary.kinds[token] {
      case .control, .unknown, .userDefined:
        Token(
          token: Int32(token), spelling: Array(vocabulary.pieces[token]),
          isSpecial: vocabulary.kinds[token] != .userDefined)
      case .normal, .unused, .byte: nil
      }
    }
  }

  var hasPlain: Bool { !plain.isEmpty }

  func isSpecial(_ token: Int32) -> Bool { tokens[token]?.isSpecial ?? false }

  func token(spelled text: String) -> Int32? { all.find(Array(text.utf8)) }

  /// Whether a token that is cut out of every text holds these two scalars side by side.
  func hasPlainPair(_ left: UInt32, _ right: UInt32) -> Bool {
    !pairs.isEmpty && pairs.contains(UInt64(left) << 32 | UInt64(right))
  }

  /// The places of added tokens in a text, ascending, without overlaps.
  func matches(
    in bytes: borrowing Span<UInt8>, _ range: Range<Int>, specials: Bool
  ) -> [(range: Range<Int>, token: Int32)] {
    let spellings = specials ? all : plain
    guard !spellings.isEmpty else { return [] }
    var found: [(range: Range<Int>, token: Int32)] = []
    var position = range.lowerBound
    var free = position
    while position < range.upperBound {
      guard let (token, length) = spellings.longest(bytes, position..<range.upperBound) else {
        position += 1
        continue
      }
      var match = position..<position + length
      if let added = tokens[token] {
        if added.stripsLeft {
          match = Self.spaceStart(bytes, free, match.lowerBound)..<match.upperBound
        }
        if added.stripsRight {
          match =
            match.lowerBound..<Self.spaceEnd(bytes, match.upperBound, range.upperBound)
        }
      }
      found.append((match, token))
      position = match.upperBound
      free = position
    }
    return found
  }

  private static func spaceEnd(_ bytes: borrowing Span<UInt8>, _ start: Int, _ end: Int) -> Int {
    var position = start
    while position < end {
      let (value, next) = UTF8Scalars.next(bytes, position)
      guard ScalarClass(value) == .space else { break }
      position = next
    }
    return position
  }

  private static func spaceStart(_ bytes: borrowing Span<UInt8>, _ start: Int, _ end: Int) -> Int {
    var position = end
    while position > start {
      var before = position - 1
      while before > start, bytes[before] & 0xC0 == 0x80 { before -= 1 }
      guard ScalarClass(UTF8Scalars.next(bytes, before).value) == .space else { break }
      position = before
    }
    return position
  }

  /// A set of strings in which the longest that begins at a place is found quickly.
  private struct Spellings: Sendable {
    private var table: PieceTable
    private var tokens: [Int32] = []
    /// Lengths of the strings that begin with a byte, the longest first.
    private var lengths: [[Int]] = Array(repeating: [], count: 256)
    private(set) var duplicate: (Token, Token)?

    init(_ added: [Token]) {
      let added = added.filter { !$0.spelling.isEmpty }
      table = PieceTable(pieces: ByteStrings(added.map(\.spelling)), capacity: added.count)
      tokens = added.map(\.token)
      var seen = Array(repeating: Set<Int>(), count: 256)
      for (index, token) in added.enumerated() {
        if let other = table.insert(index) { duplicate = (added[Int(other)], token) }
        seen[Int(token.spelling[0])].insert(token.spelling.count)
      }
      lengths = seen.map { $0.sorted(by: >) }
    }

    var isEmpty: Bool { tokens.isEmpty }

    func find(_ bytes: [UInt8]) -> Int32? {
      table.find(bytes, 0..<bytes.count).map { tokens[Int($0)] }
    }

    @inline(__always)
    func longest(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) -> (Int32, Int)? {
      for length in lengths[Int(bytes[range.lowerBound])] where length <= range.count {
        if let index = table.find(bytes, range.lowerBound..<range.lowerBound + length) {
          return (tokens[Int(index)], length)
        }
      }
      return nil
    }
  }
}
