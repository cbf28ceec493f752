// Licensed under the Apache License, Version 2.0.

/// SentencePiece: BPE over characters (Llama 2, Gemma) or unigram, with bytes for characters that have no
/// piece.
///
/// There are no words: a piece may span blanks. What is local here is found from the pieces
/// themselves: two neighbouring characters that stand side by side in no piece are never in one
/// token, and as merges and paths cannot cross that place, both sides are tokenized apart. In Gemma
/// and Llama 2 most ends of words are such places.
package struct SentencePieceTokenizer: PiecewiseTokenizer {
  enum Algorithm: Sendable {
    /// Merges the neighbours whose joined piece has the best score.
    case scores
    /// Merges in the order of a list.
    case merges(MergeTable)
    /// Takes the sequence of pieces with the largest sum of scores.
    case unigram(unknown: Double)
  }

  private let kinds: [TokenKind]
  /// With blanks where the file has U+2581.
  private let contents: ByteStrings
  private let table: PieceTable
  private let bytes: [Int32]
  /// Scores as the ranks of merges: the better, the lower.
  private let ranks: [UInt32]
  private let scores: [Float]
  private let algorithm: Algorithm
  private let neighbours: NeighbourSet
  private let normalizer: SentencePieceNormalizer
  /// A blank always begins a new piece (Hugging Face's Metaspace).
  private let splitsAtBlanks: Bool
  let added: AddedTokens

  /// BPE by scores, as GGUF files have it.
  package init(
    _ vocabulary: PieceVocabulary, scores: [Float], addsBlank: Bool
  ) throws(NeuralError) {
    try self.init(
      vocabulary, scores: scores, added: nil,
      normalizer: SentencePieceNormalizer(addsBlank: addsBlank), splitsAtBlanks: false
    ) { (_, _) in .scores }
  }

  /// The unigram model of SentencePiece.
  ///
  /// Its user-defined pieces have the best scores and compete
  /// with the others.
  static func unigram(
    _ vocabulary: PieceVocabulary, scores: [Float], added: [AddedTokens.Token]?,
    normalizer: SentencePieceNormalizer, splitsAtBlanks: Bool
  ) throws(NeuralError) -> SentencePieceTokenizer {
    var vocabulary = vocabulary
    var scores = scores
    let normal = vocabulary.kinds.indices.filter { vocabulary.kinds[$0] == .normal }
    let lowest = normal.reduce(Float.infinity) { min($0, $1 < scores.count ? scores[$1] : $0) }
    if added == nil {
      let highest = normal.reduce(-Float.infinity) { max($0, $1 < scores.count ? scores[$1] : $0) }
      for token in vocabulary.kinds.indices
      where vocabulary.kinds[token] == .userDefined && token < scores.count {
        scores[token] = Float(vocabulary.pieces[token].count) * highest - 0.1
        vocabulary.kinds[token] = .normal
      }
    }
    return try SentencePieceTokenizer(
      vocabulary, scores: scores, added: added, normalizer: normalizer,
      splitsAtBlanks: splitsAtBlanks
    ) { (_, _) in .unigram(unknown: Double(lowest) - 10) }
  }

  /// `added` says how added tokens are recognised; without it, the kinds do.
  init(
    _ vocabulary: PieceVocabulary, scores: [Float], added: [AddedTokens.Token]?,
    normalizer: SentencePieceNormalizer, splitsAtBlanks: Bool,
    algorithm makeAlgorithm: (PieceTable, [UInt32]) throws(NeuralError) -> Algorithm
  ) throws(NeuralError) {
    guard scores.count == vocabulary.count else {
      throw NeuralError(
        "the tokenizer has \(vocabulary.count) tokens, but \(scores.count) scores. "
          + "The file is damaged.")
    }
    var contents = ByteStrings()
    contents.reserve(count: vocabulary.count, bytes: vocabulary.pieces.bytes.count)
    var bytes = Array(repeating: Int32(-1), count: 256)
    for token in 0..<vocabulary.count {
      let piece = vocabulary.pieces[token]
      switch vocabulary.kinds[token] {
      case .normal, .userDefined: Self.appendBlanked(piece, to: &contents)
      case .byte:
        guard let byte = Self.byte(piece) else {
          throw NeuralError(
            "token \(token), \(vocabulary.pieces.text(token)), stands for a byte "
              + "(expected a spelling like <0x41>)")
        }
        guard bytes[Int(byte)] < 0 else { throw vocabulary.duplicate(token, bytes[Int(byte)]) }
        bytes[Int(byte)] = Int32(token)
        contents.append([byte])
      case .control, .unknown, .unused: contents.append([])
      }
    }
    self.bytes = bytes
    var table = PieceTable(pieces: contents, capacity: vocabulary.count)
    var neighbours = NeighbourSet(count: vocabulary.count)
    for token in 0..<vocabulary.count where vocabulary.kinds[token] == .normal {
      guard !contents.range(token).isEmpty else {
        throw NeuralError("token \(token) is empty (expected a piece of text)")
      }
      guard !scores[token].isNaN else {
        throw NeuralError("the score of token \(token), \(contents.text(token)), is no number")
      }
      if let other = table.insert(token) { throw vocabulary.duplicate(token, other) }
      neighbours.insert(contents[token])
    }
    ranks = scores.map { Self.rank($0) }
    algorithm = try makeAlgorithm(table, ranks)
    self.contents = contents
    self.table = table
    self.neighbours = neighbours
    self.normalizer = normalizer
    self.splitsAtBlanks = splitsAtBlanks
    self.scores = scores
    kinds = vocabulary.kinds
    var tokens = added ?? AddedTokens.tokens(vocabulary)
    for index in tokens.indices where !tokens[index].isSpecial {
      tokens[index].spelling = Array(contents[Int(tokens[index].token)])
    }
    self.added = try AddedTokens(tokens)
  }

  /// U+2581 stands for a blank.
  private static func appendBlanked(_ piece: ArraySlice<UInt8>, to contents: inout ByteStrings) {
    var index = piece.startIndex
    while index < piece.endIndex {
      if piece[index] == 0xE2, piece[index...].starts(with: [0xE2, 0x96, 0x81]) {
        contents.append(0x20)
        index += 3
      } else {
        contents.append(piece[index])
        index += 1
      }
    }
    contents.endString()
  }

  static func blanked(_ piece: ArraySlice<UInt8>) -> [UInt8] {
    var strings = ByteStrings()
    appendBlanked(piece, to: &strings)
    return Array(strings[0])
  }

  static func byte(_ piece: ArraySlice<UInt8>) -> UInt8? {
    guard piece.count == 6, piece.starts(with: "<0x".utf8), piece.last == UInt8(ascii: ">") else {
      return nil
    }
    return UInt8(String(decoding: piece.dropFirst(3).dropLast(), as: UTF8.self), radix: 16)
  }

  /// Falls as the score rises, for all scores but NaN.
  private static func rank(_ score: Float) -> UInt32 {
    let bits = (score + 0).bitPattern
    return bits >> 31 == 1 ? bits : ~(bits | 1 << 31)
  }

  package var count: Int { contents.count }
  package var addsBlank: Bool { normalizer.addsBlank }
  package func bytes(of token: Int32) -> [UInt8] { Array(contents[Int(token)]) }
  func slice(of token: Int32) -> ArraySlice<UInt8> { contents[Int(token)] }
  package func isControl(_ token: Int32) -> Bool { kinds[Int(token)] == .control }
  package func token(spelled text: String) -> Int32? { added.token(spelled: text) }
  func spelling(of text: ArraySlice<UInt8>) -> [UInt8]? { normalizer.spelling(of: text) }
  var isSpelledLocally: Bool { normalizer.isLocal }

  func isBoundary(_ left: UInt32, _ right: UInt32) -> Bool {
    let left = left == 0x2581 ? 0x20 : left
    let right = right == 0x2581 ? 0x20 : right
    if added.hasPlainPair(left, right) { return false }
    return splitsAtBlanks && right == 0x20 || !neighbours.contains(left, right)
  }

  /// The start of an incomplete character, or 0 where the spelling depends on the whole text.
  ///
  /// Merges and paths that end at a place do not depend on what follows it.
  func openStart(of bytes: [UInt8], length: Int) -> Int? {
    isSpelledLocally ? (length < bytes.count ? length : nil) : 0
  }

  func encode(
    fragment range: Range<Int>, of text: borrowing Span<UInt8>,
    _ workspace: inout MergeWorkspace, into tokens: inout [Int32]
  ) -> Int? {
    workspace.begin()
    var start = range.lowerBound
    var position = start
    var last: UInt32 = 0
    while position < range.upperBound {
      let (value, next) = UTF8Scalars.next(text, position)
      if position > start,
        !neighbours.contains(last, value) || splitsAtBlanks && value == 0x20
      {
        if let missing = encode(part: start..<position, of: text, &workspace, into: &tokens) {
          return missing
        }
        workspace.begin()
        start = position
      }
      workspace.append(
        table.find(text, position..<next) ?? -1, start: position)
      (last, position) = (value, next)
    }
    guard start < position else { return nil }
    return encode(part: start..<position, of: text, &workspace, into: &tokens)
  }

  /// Encodes what lies between boundaries; its characters are in the workspace.
  private func encode(
    part range: Range<Int>, of text: borrowing Span<UInt8>, _ workspace: inout MergeWorkspace,
    into tokens: inout [Int32]
  ) -> Int? {
    workspace.end(at: range.upperBound)
    switch algorithm {
    case .scores:
      // A closure that captures the whole tokenizer copies it for every part.
      let (table, ranks) = (table, ranks)
      workspace.mergeAll(text) { left, right, text, range in
        guard let token = table.find(text, range) else { return .none }
        return Merge(rank: ranks[Int(token)], token: token)
      }
    case .merges(let merges):
      workspace.mergeAll(text) { left, right, _, _ in merges.find(left, right) }
    case .unigram(let unknown): bestPath(range, text, &workspace, unknown)
    }
    for (index, token) in workspace.tokens.enumerated() {
      if token >= 0 {
        tokens.append(token)
      } else {
        for place in workspace.starts[index]..<workspace.starts[index + 1] {
          let byte = bytes[Int(text[place])]
          guard byte >= 0 else { return place }
          tokens.append(byte)
        }
      }
    }
    return nil
  }

  /// The path with the largest sum of scores (Viterbi), the shorter last piece first on a tie.
  private func bestPath(
    _ range: Range<Int>, _ text: borrowing Span<UInt8>, _ workspace: inout MergeWorkspace,
    _ unknown: Double
  ) {
    let length = range.count
    var best = Array(repeating: -Double.infinity, count: length + 1)
    var from = Array(repeating: (start: -1, token: Int32(-1)), count: length + 1)
    best[0] = 0
    for index in 0..<workspace.tokens.count {
      let start = workspace.starts[index]
      let next = workspace.starts[index + 1] - range.lowerBound
      let offset = start - range.lowerBound
      var hasCharacter = false
      table.forEachPrefix(of: text, start..<range.upperBound) { token, end in
        let end = end - range.lowerBound
        let sum = best[offset] + Double(scores[Int(token)])
        if from[end].start < 0 || sum > best[end] {
          best[end] = sum
          from[end] = (offset, token)
        }
        if end == next { hasCharacter = true }
      }
      if !hasCharacter {
        let sum = best[offset] + unknown
        if from[next].start < 0 || sum > best[next] {
          best[next] = sum
          from[next] = (offset, -1)
        }
      }
    }
    var path: [(start: Int, token: Int32)] = []
    var end = length
    while end > 0 {
      path.append(from[end])
      end = from[end].start
    }
    workspace.begin()
    for (start, token) in path.reversed() {
      workspace.append(token, start: range.lowerBound + start)
    }
    workspace.end(at: range.upperBound)
  }
}

/// Pairs of scalars that stand side by side in some piece.
///
/// A table of bits by hash: it may hold a pair that no piece has, which makes parts of a text longer
/// than they need be, but never lacks one.
private struct NeighbourSet: Sendable {
  private var bits: [UInt64]
  private let shift: Int

  init(count: Int) {
    var logarithm = 12
    while logarithm < 24, 1 << logarithm < count * 16 { logarithm += 1 }
    bits = Array(repeating: 0, count: 1 << (logarithm - 6))
    shift = 64 - logarithm
  }

  @inline(__always)
  private func place(_ left: UInt32, _ right: UInt32) -> Int {
    let key = (UInt64(left) << 32 | UInt64(right)) &* 0x9E37_79B9_7F4A_7C15
    let hash = (key ^ (key &>> 31)) &* 0xD6E8_FEB8_6659_FD93
    return Int(truncatingIfNeeded: hash &>> UInt64(shift))
  }

  @inline(__always)
  func contains(_ left: UInt32, _ right: UInt32) -> Bool {
    let place = place(left, right)
    return bits[place >> 6] >> UInt64(place & 63) & 1 == 1
  }

  mutating func insert(_ piece: ArraySlice<UInt8>) {
    var last: UInt32?
    for scalar in String(decoding: piece, as: UTF8.self).unicodeScalars {
      if let last {
        let place = place(last, scalar.value)
        bits[place >> 6] |= 1 << UInt64(place & 63)
      }
      last = scalar.value
    }
  }
}
