/// Cuts texts into a network's tokens and puts them together again.
package protocol Tokenizer: Sendable {
  /// Ids are 0 ..< count.
  var count: Int { get }

  /// The bytes that a token adds to a text: a piece of UTF-8, perhaps part of a character. Empty for
  /// control tokens.
  func bytes(of token: Int32) -> [UInt8]

  /// Whether a token steers (begin, end, padding, turn of a chat) and is no text.
  func isControl(_ token: Int32) -> Bool

  /// The tokens of a text, without tokens that a template would add.
  ///
  /// With `specials`, special tokens spelled in the text are recognised; otherwise they are text.
  /// Throws `NeuralError` if a part of the text has no token.
  func encode(_ text: String, specials: Bool) throws -> [Int32]

  /// The ends of the pieces that are cut independently, in bytes of the text, ascending: an edit
  /// inside one piece can change the tokens of that piece and of its neighbours only.
  func pieceEnds(of text: String) -> [Int]
}
