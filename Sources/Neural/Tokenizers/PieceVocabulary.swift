// Licensed under the Apache License, Version 2.0.

/// What a token is for.
///
/// Raw values are those of `tokenizer.ggml.token_type` and of SentencePiece.
package enum TokenKind: UInt8, Sendable {
  case normal = 1
  /// Stands for text that has no token.
  case unknown = 2
  /// Steers: begin, end, turn of a chat. Never the token of plain text.
  case control = 3
  /// Cut out of every text before anything else, the longest first.
  case userDefined = 4
  /// Has a place in the vocabulary only.
  case unused = 5
  /// One byte of a character that has no piece, spelled `<0x41>`.
  case byte = 6
}

/// The pieces of a tokenizer as its file spells them.
package struct PieceVocabulary: Sendable {
  package var pieces: ByteStrings
  package var kinds: [TokenKind]

  package init(pieces: ByteStrings, kinds: [TokenKind]) throws(NeuralError) {
    guard pieces.count > 0 else { throw NeuralError("the tokenizer has no tokens") }
    guard pieces.count == kinds.count else {
      throw NeuralError(
        "the tokenizer has \(pieces.count) tokens, but \(kinds.count) token types. "
          + "The file is damaged.")
    }
    guard pieces.count <= Self.limit else {
      throw NeuralError(
        "the tokenizer has \(pieces.count) tokens (expected \(Self.limit) at most)")
    }
    self.pieces = pieces
    self.kinds = kinds
  }

  /// With the kinds of a GGUF file (`tokenizer.ggml.token_type`), all normal if it has none.
  package init(pieces: ByteStrings, types: [Int32]?) throws(NeuralError) {
    var kinds = Array(repeating: TokenKind.normal, count: types?.count ?? pieces.count)
    for (token, type) in (types ?? []).enumerated() {
      guard let kind = UInt8(exactly: type).flatMap(TokenKind.init) else {
        throw NeuralError("token \(token) has the unknown type \(type) (expected 1 to 6)")
      }
      kinds[token] = kind
    }
    try self.init(pieces: pieces, kinds: kinds)
  }

  package var count: Int { pieces.count }

  /// Sixteen times the largest vocabulary in use.
  static let limit = 1 << 22

  /// Tells apart what the file says twice.
  func duplicate(_ token: Int, _ other: Int32) -> NeuralError {
    NeuralError(
      "tokens \(other) and \(token) are both \(pieces.text(token)). "
        + "The vocabulary is damaged: a piece may stand in it once only.")
  }
}
