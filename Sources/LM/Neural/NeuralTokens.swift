// Licensed under the Apache License, Version 2.0.

package import Neural

/// The tokens that begin and end a network's texts.
package struct NeuralTokens {
  /// The files' begin token.
  package let begin: Int32?
  /// Tokens that end a text, the files' own end token first.
  package let ends: [Int32]
  private let addsBegin: Bool?
  private let tokenizer: any NetworkTokenizer

  /// Tokens that end a document in models whose begin token belongs to chats.
  private static let endsOfDocuments = ["<|endoftext|>", "<|end_of_text|>"]

  package init(_ tokens: NetworkDescription.Tokens, _ tokenizer: any NetworkTokenizer) {
    begin = tokens.begin
    addsBegin = tokens.addsBegin
    self.tokenizer = tokenizer
    var ends = tokens.ends
    for spelling in Self.endsOfDocuments {
      if let token = tokenizer.token(spelled: spelling), !ends.contains(token) {
        ends.append(token)
      }
    }
    self.ends = ends
  }

  /// The tokens before every text: those that the user spells, or where nothing is given what the
  /// files say, else the token that ends documents, else the begin token.
  package func beginning(_ spellings: [String]?) throws(NeuralError) -> [Int32] {
    guard let spellings else {
      if addsBegin == true, let begin { return [begin] }
      let separator = Self.endsOfDocuments.compactMap(tokenizer.token(spelled:)).first
      return [separator ?? begin].compactMap { $0 }
    }
    var tokens: [Int32] = []
    for spelling in spellings {
      if let token = tokenizer.token(spelled: spelling) {
        tokens.append(token)
      } else if let number = Int32(spelling),
        (0..<Int32(clamping: tokenizer.count)).contains(number)
      {
        tokens.append(number)
      } else {
        throw NeuralError(
          "--begin: the model has no special token '\(spelling)'. Give a special token's spelling "
            + "or a number below \(tokenizer.count).")
      }
    }
    return tokens
  }
}
