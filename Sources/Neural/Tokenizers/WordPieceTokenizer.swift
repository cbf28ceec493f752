// Licensed under the Apache License, Version 2.0.

internal import Foundation

/// The WordPiece tokenizer of BERT.
///
/// Words are cut at blanks and punctuation, then into the longest pieces from the left.
/// The tokens do not hold the whole text: blanks, and as a rule case and accents, are lost. A word
/// that no pieces make is the unknown token.
package struct WordPieceTokenizer: NetworkTokenizer {
  package struct Options: Sendable {
    /// Drops control characters and makes every white space a blank.
    package var cleansText = true
    /// Every Chinese character is a word.
    package var cutsChinese = true
    package var lowercases = true
    package var stripsAccents = true
    /// Longer words are unknown.
    package var longestWord = 100
    /// Begins the pieces that continue a word.
    package var prefix = "##"
    package var unknown = "[UNK]"

    package init() {}
  }

  private let options: Options
  private let kinds: [TokenKind]
  private let contents: ByteStrings
  private let table: PieceTable
  private let prefix: [UInt8]
  private let unknown: Int32?
  private let added: AddedTokens

  package init(_ vocabulary: PieceVocabulary, options: Options = Options()) throws(NeuralError) {
    try self.init(vocabulary, options: options, added: nil)
  }

  init(
    _ vocabulary: PieceVocabulary, options: Options, added: [AddedTokens.Token]?
  ) throws(NeuralError) {
    self.options = options
    prefix = Array(options.prefix.utf8)
    var table = PieceTable(pieces: vocabulary.pieces, capacity: vocabulary.count)
    var contents = ByteStrings()
    for token in 0..<vocabulary.count {
      let piece = vocabulary.pieces[token]
      switch vocabulary.kinds[token] {
      case .normal, .userDefined:
        if let other = table.insert(token) { throw vocabulary.duplicate(token, other) }
        if !prefix.isEmpty, piece.starts(with: prefix), piece.count > prefix.count {
          contents.append(piece.dropFirst(prefix.count))
        } else if Self.standsAlone(piece, cutsChinese: options.cutsChinese) {
          contents.append(piece)
        } else {
          contents.append([0x20] + piece)
        }
      default: contents.append([])
      }
    }
    let name = options.unknown.utf8
    unknown = vocabulary.kinds.indices.first { token in
      vocabulary.kinds[token] == .unknown && vocabulary.pieces[token].elementsEqual(name)
    }.map { Int32($0) }
    self.table = table
    self.contents = contents
    kinds = vocabulary.kinds
    self.added = try AddedTokens(added ?? AddedTokens.tokens(vocabulary))
  }

  /// Whether a text is written without a blank before this piece: a Chinese character.
  private static func standsAlone(_ piece: ArraySlice<UInt8>, cutsChinese: Bool) -> Bool {
    var scalars = String(decoding: piece, as: UTF8.self).unicodeScalars.makeIterator()
    guard cutsChinese, let first = scalars.next(), scalars.next() == nil else { return false }
    return isChinese(first.value)
  }

  package var count: Int { contents.count }
  package var addsBlank: Bool { true }
  package func bytes(of token: Int32) -> [UInt8] { Array(contents[Int(token)]) }
  package func token(spelled text: String) -> Int32? { added.token(spelled: text) }

  package func isControl(_ token: Int32) -> Bool {
    kinds[Int(token)] == .control
  }

  package func encode(_ text: String, specials: Bool) throws(NeuralError) -> [Int32] {
    let bytes = Array(text.utf8)
    var tokens: [Int32] = []
    var start = 0
    for match in added.matches(in: bytes.span, 0..<bytes.count, specials: specials) {
      try encode(String(decoding: bytes[start..<match.range.lowerBound], as: UTF8.self), &tokens)
      tokens.append(match.token)
      start = match.range.upperBound
    }
    try encode(String(decoding: bytes[start...], as: UTF8.self), &tokens)
    return tokens
  }

  private func encode(_ text: String, _ tokens: inout [Int32]) throws(NeuralError) {
    for word in words(normalized(text)) {
      let start = tokens.count
      if cut(word, into: &tokens) { continue }
      tokens.removeLast(tokens.count - start)
      guard let unknown else {
        throw NeuralError(
          "the word \(quoted(word)) has no tokens, and the vocabulary no \(options.unknown). "
            + "Remove the word, or use another model.")
      }
      tokens.append(unknown)
    }
  }

  /// Appends the longest pieces from the left, or returns false if some part of the word has none.
  private func cut(_ word: [UInt8], into tokens: inout [Int32]) -> Bool {
    guard word.count(where: { $0 & 0xC0 != 0x80 }) <= options.longestWord else { return false }
    var start = 0
    var spelled = word
    while start < word.count {
      if start > 0 { spelled = prefix + word[start...] }
      var end = min(spelled.count, table.longest)
      var found: Int32?
      let shortest = start > 0 ? prefix.count : 0
      while end > shortest {
        if end == spelled.count || spelled[end] & 0xC0 != 0x80 {
          found = table.find(spelled, 0..<end)
          if found != nil { break }
        }
        end -= 1
      }
      guard let found else { return false }
      tokens.append(found)
      start += end - shortest
    }
    return true
  }

  private func normalized(_ text: String) -> String.UnicodeScalarView {
    var scalars = text.unicodeScalars
    if options.cleansText || options.cutsChinese {
      var cleaned = String.UnicodeScalarView()
      for scalar in scalars {
        if options.cleansText, Self.isControlCharacter(scalar) { continue }
        if options.cleansText, ScalarClass(scalar.value) == .space {
          cleaned.append(" ")
        } else if options.cutsChinese, Self.isChinese(scalar.value) {
          cleaned.append(contentsOf: [" ", scalar, " "])
        } else {
          cleaned.append(scalar)
        }
      }
      scalars = cleaned
    }
    if options.stripsAccents {
      let decomposed = String(scalars).decomposedStringWithCanonicalMapping
      scalars = String.UnicodeScalarView(
        decomposed.unicodeScalars.filter { $0.properties.generalCategory != .nonspacingMark })
    }
    if options.lowercases {
      var lowered = String.UnicodeScalarView()
      for scalar in scalars {
        lowered.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
      }
      scalars = lowered
    }
    return scalars
  }

  private static func isControlCharacter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0, 0xFFFD: return true
    case 0x09, 0x0A, 0x0D: return false
    default:
      switch scalar.properties.generalCategory {
      case .control, .format, .privateUse, .surrogate: return true
      default: return false
      }
    }
  }

  /// The blocks that BERT calls Chinese.
  private static func isChinese(_ value: UInt32) -> Bool {
    switch value {
    case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
      0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
      return true
    default: return false
    }
  }

  private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: return true
    case 0..<0x80: return false
    default:
      switch scalar.properties.generalCategory {
      case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
        .initialPunctuation, .finalPunctuation, .otherPunctuation:
        return true
      default: return false
      }
    }
  }

  /// What lies between white space, with punctuation apart.
  private func words(_ scalars: String.UnicodeScalarView) -> [[UInt8]] {
    var words: [[UInt8]] = []
    var word: [UInt8] = []
    func end() {
      if !word.isEmpty { words.append(word) }
      word.removeAll()
    }
    for scalar in scalars {
      if ScalarClass(scalar.value) == .space {
        end()
      } else if Self.isPunctuation(scalar) {
        end()
        word.append(contentsOf: String(scalar).utf8)
        end()
      } else {
        word.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      }
    }
    end()
    return words
  }

  /// A word ends where white space begins.
  package func pieceEnds(of text: String) -> [Int] {
    var ends: [Int] = []
    var place = 0
    var last: ScalarClass?
    for scalar in text.unicodeScalars {
      let kind = ScalarClass(scalar.value)
      if kind == .space, last != .space, last != nil { ends.append(place) }
      last = kind
      place += UTF8.width(scalar)
    }
    if place > 0 { ends.append(place) }
    return ends
  }

  /// Tokens whose bytes begin with a blank begin a word, whatever stands before them, so the answer
  /// needs the tokens between the next two of them only.
  package func isCanonical(
    _ tokens: some RandomAccessCollection<Int32>, around edit: Range<Int>
  ) -> Bool {
    let count = tokens.count
    guard knowsTokens(of: tokens, in: edit) else { return false }
    func token(_ position: Int) -> Int32 {
      tokens[tokens.index(tokens.startIndex, offsetBy: position)]
    }
    func beginsWord(_ position: Int) -> Bool {
      isControl(token(position)) || contents[Int(token(position))].first == 0x20
    }
    var lower = edit.lowerBound
    while lower > 0, !isControl(token(lower - 1)) {
      lower -= 1
      if beginsWord(lower) { break }
    }
    var upper = edit.upperBound
    while upper < count, !beginsWord(upper) { upper += 1 }
    var window: [Int32] = []
    for position in lower...upper {
      if position < upper, !isControl(token(position)) {
        window.append(token(position))
        continue
      }
      guard
        window.isEmpty
          || String(validating: decode(window), as: UTF8.self)
            .flatMap({ try? encode($0, specials: false) }) == window
      else {
        return false
      }
      window.removeAll()
    }
    return true
  }
}
