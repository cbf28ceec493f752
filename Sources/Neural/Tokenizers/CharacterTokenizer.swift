// Licensed under the Apache License, Version 2.0.

/// One token for each character: amino acids, Chinese verse.
///
/// Every sequence of characters is canonical, and every text has exactly one.
package struct CharacterTokenizer: NetworkTokenizer {
  private let pieces: ByteStrings
  private let kinds: [TokenKind]
  private let characters: [UInt32: Int32]
  private let added: AddedTokens

  /// Whether all pieces are single characters, except those in square brackets.
  static func fits(_ pieces: ByteStrings) -> Bool {
    (0..<pieces.count).allSatisfy { isSpecial(pieces[$0]) || scalar(pieces[$0]) != nil }
  }

  /// Whether a piece is spelled like `[MASK]`.
  static func isSpecial(_ piece: ArraySlice<UInt8>) -> Bool {
    piece.count > 2 && piece.first == UInt8(ascii: "[") && piece.last == UInt8(ascii: "]")
  }

  private static func scalar(_ piece: ArraySlice<UInt8>) -> Unicode.Scalar? {
    let scalars = String(validating: piece, as: UTF8.self)?.unicodeScalars
    return scalars?.count == 1 ? scalars?.first : nil
  }

  package init(_ vocabulary: PieceVocabulary) throws(NeuralError) {
    var characters: [UInt32: Int32] = [:]
    for token in 0..<vocabulary.count where vocabulary.kinds[token] == .normal {
      guard let scalar = Self.scalar(vocabulary.pieces[token]) else {
        throw NeuralError(
          "token \(token) is \(vocabulary.pieces.text(token)) (expected one character)")
      }
      if let other = characters.updateValue(Int32(token), forKey: scalar.value) {
        throw vocabulary.duplicate(token, other)
      }
    }
    pieces = vocabulary.pieces
    kinds = vocabulary.kinds
    self.characters = characters
    added = try AddedTokens(AddedTokens.tokens(vocabulary))
  }

  package var count: Int { pieces.count }

  package func bytes(of token: Int32) -> [UInt8] {
    kinds[Int(token)] == .normal ? Array(pieces[Int(token)]) : []
  }

  package func isControl(_ token: Int32) -> Bool { kinds[Int(token)] == .control }

  package func token(spelled text: String) -> Int32? { added.token(spelled: text) }

  package func encode(_ text: String, specials: Bool) throws(NeuralError) -> [Int32] {
    let bytes = Array(text.utf8)
    let matches = added.matches(in: bytes.span, 0..<bytes.count, specials: specials)
    var next = matches.startIndex
    var tokens: [Int32] = []
    var position = 0
    var place = 1
    while position < bytes.count {
      if next < matches.endIndex, matches[next].range.lowerBound == position {
        tokens.append(matches[next].token)
        place += bytes[matches[next].range].count { $0 & 0xC0 != 0x80 }
        position = matches[next].range.upperBound
        next += 1
        continue
      }
      let (value, end) = UTF8Scalars.next(bytes.span, position)
      guard let token = characters[value] else {
        throw .noToken(for: bytes[position..<end], at: place)
      }
      tokens.append(token)
      position = end
      place += 1
    }
    return tokens
  }

  package func pieceEnds(of text: String) -> [Int] {
    var place = 0
    return text.unicodeScalars.map { scalar in
      place += UTF8.width(scalar)
      return place
    }
  }

  package func isCanonical(
    _ tokens: some RandomAccessCollection<Int32>, around edit: Range<Int>
  ) -> Bool {
    precondition(edit.lowerBound >= 0 && edit.upperBound <= tokens.count, "edit out of range")
    return edit.allSatisfy { position in
      let token = tokens[tokens.index(tokens.startIndex, offsetBy: position)]
      return token >= 0 && Int(token) < count
        && (kinds[Int(token)] == .normal || kinds[Int(token)] == .control)
    }
  }
}
