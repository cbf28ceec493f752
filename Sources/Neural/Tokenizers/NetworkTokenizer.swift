// Licensed under the Apache License, Version 2.0.

/// Cuts texts into a network's tokens and puts them together again.
package protocol NetworkTokenizer: Sendable {
  /// Ids are 0 ..< count.
  var count: Int { get }

  /// The bytes that a token adds to a text: a piece of UTF-8, perhaps part of a character. Empty for
  /// control tokens.
  func bytes(of token: Int32) -> [UInt8]

  /// Whether a token steers (begin, end, padding, turn of a chat) and is no text.
  func isControl(_ token: Int32) -> Bool

  /// The token of a special or added spelling such as `<|im_end|>` or `[MASK]`.
  func token(spelled text: String) -> Int32?

  /// Whether the bytes of a text's first token begin with a blank that is no part of the text
  /// (Llama 2, BERT).
  var addsBlank: Bool { get }

  /// The tokens of a text, without tokens that a template would add.
  ///
  /// With `specials`, special tokens spelled in the text are recognised; otherwise they are text.
  /// Throws `NeuralError` if a part of the text has no token.
  func encode(_ text: String, specials: Bool) throws(NeuralError) -> [Int32]

  /// The ends of the pieces that are cut independently, in bytes of the text, ascending: an edit
  /// inside one piece can change the tokens of that piece and of its neighbours only.
  func pieceEnds(of text: String) -> [Int]

  /// Whether `encode` gives these tokens for their text.
  ///
  /// Control tokens divide a sequence: what stands between them must be what `encode` gives for that
  /// part alone. A sequence that cuts a character at its end, or between control tokens, is not
  /// canonical; neither is one with ids out of range.
  func isCanonical(_ tokens: some RandomAccessCollection<Int32>) -> Bool

  /// Whether a sequence is still canonical after an edit, from the surroundings of the edit alone.
  ///
  /// `edit` holds the positions of the new tokens, counted from 0: empty where tokens were only
  /// deleted. The tokens before and behind it must come from a sequence that was canonical before the
  /// edit. The answer is then exactly that of `isCanonical(_:)`.
  func isCanonical(_ tokens: some RandomAccessCollection<Int32>, around edit: Range<Int>) -> Bool

  /// Whether tokens may be the beginning of a canonical sequence, for texts that grow to the right.
  ///
  /// The tokens before `start` must have passed this test already. False only if no continuation
  /// makes the sequence canonical; true now and then where none does, above all while a character is
  /// incomplete. So a finished text needs `isCanonical` too.
  ///
  /// A sequence that passes need not be canonical itself: GPT-2 writes two newlines as one token, but
  /// as two tokens if a word follows.
  func mayBecomeCanonical(
    _ tokens: some RandomAccessCollection<Int32>, from start: Int
  ) -> Bool
}

extension NetworkTokenizer {
  package var addsBlank: Bool { false }

  /// The bytes of a text that these tokens make from its beginning.
  ///
  /// They may end inside a character.
  package func decode(_ tokens: some Sequence<Int32>) -> [UInt8] {
    var bytes: [UInt8] = []
    var isStart = true
    for token in tokens {
      guard !isControl(token) else {
        isStart = true
        continue
      }
      let piece = self.bytes(of: token)
      let dropped = isStart && addsBlank && piece.first == 0x20
      bytes.append(contentsOf: dropped ? piece[1...] : piece[...])
      isStart = isStart && piece.isEmpty
    }
    return bytes
  }

  /// Whether all tokens of an edit are ids of the tokenizer; the edit must lie in the sequence.
  func knowsTokens(
    of tokens: some RandomAccessCollection<Int32>, in edit: Range<Int>
  ) -> Bool {
    precondition(edit.lowerBound >= 0 && edit.upperBound <= tokens.count, "edit out of range")
    return edit.allSatisfy { position in
      (0..<Int32(clamping: count)).contains(
        tokens[tokens.index(tokens.startIndex, offsetBy: position)])
    }
  }

  package func isCanonical(_ tokens: some RandomAccessCollection<Int32>) -> Bool {
    isCanonical(tokens, around: 0..<tokens.count)
  }

  package func mayBecomeCanonical(
    _ tokens: some RandomAccessCollection<Int32>, from start: Int
  ) -> Bool {
    isCanonical(tokens, around: start..<tokens.count)
  }

  /// Whether a sequence stays canonical if `new` takes the place of what stood between `before` and
  /// `after`, which must come from a canonical sequence.
  package func isCanonical(
    before: some RandomAccessCollection<Int32>, new: some RandomAccessCollection<Int32>,
    after: some RandomAccessCollection<Int32>
  ) -> Bool {
    isCanonical(
      EditedTokens(before: before, new: new, after: after),
      around: before.count..<before.count + new.count)
  }
}

/// Three runs of tokens, one behind the other, without a copy.
struct EditedTokens<Before, New, After>: RandomAccessCollection
where
  Before: RandomAccessCollection<Int32>, New: RandomAccessCollection<Int32>,
  After: RandomAccessCollection<Int32>
{
  let before: Before
  let new: New
  let after: After

  var startIndex: Int { 0 }
  var endIndex: Int { before.count + new.count + after.count }

  subscript(position: Int) -> Int32 {
    if position < before.count {
      return before[before.index(before.startIndex, offsetBy: position)]
    }
    let position = position - before.count
    if position < new.count { return new[new.index(new.startIndex, offsetBy: position)] }
    return after[after.index(after.startIndex, offsetBy: position - new.count)]
  }
}
