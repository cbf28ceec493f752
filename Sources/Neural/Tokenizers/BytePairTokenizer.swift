// Licensed under the Apache License, Version 2.0.

/// Byte-level BPE: GPT-2, Llama 3, Qwen, SmolLM, Pythia.
///
/// The text is cut into words by a `PreTokenizer`, and inside each word the bytes are merged pair by
/// pair in the order that training found. Every text has exactly one sequence of tokens, except where
/// a byte has no token at all (SmolLM2 lacks 21).
package struct BytePairTokenizer: PiecewiseTokenizer {
  package let preTokenizer: PreTokenizer
  private let kinds: [TokenKind]
  /// The bytes that a token adds to a text.
  private let contents: ByteStrings
  private let table: PieceTable
  private let merges: MergeTable
  private let bytes: [Int32]
  let added: AddedTokens
  /// A word that is a token is that token, even if the merges make others of it (Llama 3).
  private let wholeWordsFirst: Bool
  /// The text is brought to normal form C first (Qwen, Pythia).
  package let isComposed: Bool

  package init(
    _ vocabulary: PieceVocabulary, merges list: MergeList, preTokenizer: PreTokenizer,
    wholeWordsFirst: Bool = false, isComposed: Bool = false
  ) throws(NeuralError) {
    try self.init(
      vocabulary, merges: list, preTokenizer: preTokenizer, added: nil,
      wholeWordsFirst: wholeWordsFirst, isComposed: isComposed)
  }

  /// `added` says how added tokens are recognised; without it, the kinds do.
  init(
    _ vocabulary: PieceVocabulary, merges list: MergeList, preTokenizer: PreTokenizer,
    added: [AddedTokens.Token]?, wholeWordsFirst: Bool, isComposed: Bool
  ) throws(NeuralError) {
    self.preTokenizer = preTokenizer
    self.wholeWordsFirst = wholeWordsFirst
    self.isComposed = isComposed
    var contents = ByteStrings()
    contents.reserve(count: vocabulary.count, bytes: vocabulary.pieces.bytes.count)
    var isWord = Array(repeating: false, count: vocabulary.count)
    for token in 0..<vocabulary.count {
      switch vocabulary.kinds[token] {
      case .normal, .byte:
        isWord[token] = ByteCharacters.decode(vocabulary.pieces[token], into: &contents)
        if isWord[token] {
          contents.endString()
        } else {
          // Such a piece is never the result of merges; it decodes to what it says.
          contents.append(vocabulary.pieces[token])
        }
      case .userDefined: contents.append(vocabulary.pieces[token])
      case .control, .unknown, .unused: contents.append([])
      }
    }
    var table = PieceTable(pieces: contents, capacity: vocabulary.count)
    for token in 0..<vocabulary.count where isWord[token] {
      if contents.range(token).isEmpty {
        throw NeuralError("token \(token) is empty (expected a piece of text)")
      }
      if let other = table.insert(token) { throw vocabulary.duplicate(token, other) }
    }
    var bytes = Array(repeating: Int32(-1), count: 256)
    for byte in 0..<256 { bytes[byte] = table.find([UInt8(byte)], 0..<1) ?? -1 }
    self.merges = try Self.merges(list, table)
    self.contents = contents
    self.table = table
    self.bytes = bytes
    kinds = vocabulary.kinds
    self.added = try AddedTokens(added ?? AddedTokens.tokens(vocabulary))
  }

  private static func merges(
    _ list: MergeList, _ table: PieceTable
  ) throws(NeuralError) -> MergeTable {
    guard list.count <= 4 * PieceVocabulary.limit else {
      throw NeuralError("the tokenizer has \(list.count) merges, which cannot be")
    }
    var merges = MergeTable(capacity: list.count)
    var pair: [UInt8] = []
    for rank in 0..<list.count {
      pair.removeAll(keepingCapacity: true)
      let isLeft = ByteCharacters.append(list.parts[2 * rank], to: &pair)
      let middle = pair.count
      let isRight = ByteCharacters.append(list.parts[2 * rank + 1], to: &pair)
      guard isLeft, isRight,
        let left = table.find(pair, 0..<middle),
        let right = table.find(pair, middle..<pair.count),
        let both = table.find(pair, 0..<pair.count)
      else {
        throw list.missingPiece(rank)
      }
      guard merges.insert(left, right, Merge(rank: UInt32(rank), token: both)) else {
        throw list.repeated(rank)
      }
    }
    return merges
  }

  package var count: Int { contents.count }

  package func bytes(of token: Int32) -> [UInt8] { Array(contents[Int(token)]) }

  func slice(of token: Int32) -> ArraySlice<UInt8> { contents[Int(token)] }

  package func isControl(_ token: Int32) -> Bool { kinds[Int(token)] == .control }

  package func token(spelled text: String) -> Int32? { added.token(spelled: text) }

  func spelling(of text: ArraySlice<UInt8>) -> [UInt8]? {
    isComposed && !Composition.isComposed(text) ? Composition.composed(text) : nil
  }

  var isSpelledLocally: Bool { true }

  func isBoundary(_ left: UInt32, _ right: UInt32) -> Bool {
    preTokenizer.isBoundary(left, right)
      && !(isComposed && Composition.mayChange(atScalar: right))
      && !added.hasPlainPair(left, right)
  }

  /// The start of the words that what follows may change.
  ///
  /// Inside a word, a merge that ends at a place does not depend on what follows it. But the words
  /// may change: white space at the end, `'l` before another `l`, and the word that
  /// an incomplete character may belong to.
  func openStart(of bytes: [UInt8], length: Int) -> Int? {
    var start =
      added.matches(in: bytes.span, 0..<bytes.count, specials: false).last?.range.upperBound ?? 0
    guard start < length else { return length < bytes.count ? start : nil }
    var words: [Int] = []
    while start < length {
      words.append(start)
      start = preTokenizer.wordEnd(bytes.span, start, length)
    }
    var space = length
    while space > words[0] {
      var previous = space - 1
      while previous > words[0], bytes[previous] & 0xC0 == 0x80 { previous -= 1 }
      guard ScalarClass(UTF8Scalars.next(bytes.span, previous).value) == .space else { break }
      space = previous
    }
    if space < length { return words.last { $0 <= space } }
    let quote = UInt8(ascii: "'")
    if words.count > 1, bytes[words[words.count - 2]] == quote,
      words[words.count - 1] == words[words.count - 2] + 1, length == words[words.count - 1] + 1
    {
      return words[words.count - 2]
    }
    // With whole words first, a word may be a token, and yet the beginning of one that is cut
    // elsewhere.
    return length < bytes.count || wholeWordsFirst ? words.last : nil
  }

  /// The token of a single byte, or -1.
  func token(of byte: UInt8) -> Int32 { bytes[Int(byte)] }

  func merge(_ left: Int32, _ right: Int32) -> Merge { merges.find(left, right) }

  /// Whether the merges give exactly this token for its own bytes.
  func isReachable(_ token: Int32) -> Bool {
    let bytes = bytes(of: token)
    guard !bytes.isEmpty else { return false }
    var workspace = MergeWorkspace()
    var tokens: [Int32] = []
    merge(bytes.span, 0..<bytes.count, &workspace, into: &tokens)
    return tokens == [token]
  }

  func encode(
    fragment range: Range<Int>, of bytes: borrowing Span<UInt8>,
    _ workspace: inout MergeWorkspace, into tokens: inout [Int32]
  ) -> Int? {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = preTokenizer.wordEnd(bytes, start, range.upperBound)
      merge(bytes, start..<end, &workspace, into: &tokens)
      if workspace.missing >= 0 { return workspace.missing }
      start = end
    }
    return nil
  }

  @inline(__always)
  private func merge(
    _ text: borrowing Span<UInt8>, _ range: Range<Int>, _ workspace: inout MergeWorkspace,
    into tokens: inout [Int32]
  ) {
    workspace.missing = -1
    if wholeWordsFirst, let token = table.find(text, range) {
      tokens.append(token)
      return
    }
    workspace.begin()
    for place in range {
      let token = bytes[Int(text[place])]
      if token < 0 {
        workspace.missing = place
        return
      }
      workspace.append(token, start: place)
    }
    workspace.end(at: range.upperBound)
    // A closure that captures the whole tokenizer copies it for every word.
    let merges = merges
    workspace.mergeAll(text) { left, right, _, _ in merges.find(left, right) }
    tokens.append(contentsOf: workspace.tokens)
  }
}
