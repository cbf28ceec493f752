// Licensed under the Apache License, Version 2.0.

/// Pieces and their ids as a JSON object spells them.
struct NumberedPieces {
  private(set) var pieces = ByteStrings()
  private var ids: [Int32] = []
  private var highest = -1

  var count: Int { ids.count }

  mutating func append(_ piece: some Sequence<UInt8>, id: Int) throws(NeuralError) {
    guard id < PieceVocabulary.limit else {
      pieces.append(piece)
      throw NeuralError(
        "\(pieces.text(pieces.count - 1)) has the id \(id) (expected \(PieceVocabulary.limit - 1) at most)"
      )
    }
    pieces.append(piece)
    ids.append(Int32(id))
    highest = max(highest, id)
  }

  mutating func read(_ scanner: inout JSONScanner) throws(NeuralError) {
    try scanner.object { (scanner, piece) throws(NeuralError) in
      // The value is read into a number before the piece moves.
      let piece = piece
      try append(piece, id: scanner.integer())
    }
  }

  /// The pieces in the order of their ids.
  ///
  /// Ids that no piece has are unused; a file with many of
  /// them is refused.
  func ordered() throws(NeuralError) -> (pieces: ByteStrings, isUsed: [Bool]) {
    guard highest < count + 65_536 else {
      throw NeuralError(
        "the vocabulary has \(count) pieces, but its highest id is \(highest). "
          + "The file is damaged.")
    }
    var places = Array(repeating: Int32(-1), count: highest + 1)
    for (index, id) in ids.enumerated() {
      guard places[Int(id)] < 0 else {
        throw NeuralError(
          "\(pieces.text(Int(places[Int(id)]))) and \(pieces.text(index)) both have the id \(id). "
            + "The vocabulary is damaged.")
      }
      places[Int(id)] = Int32(index)
    }
    var ordered = ByteStrings()
    ordered.reserve(count: places.count, bytes: pieces.bytes.count)
    for place in places {
      if place < 0 { ordered.append([]) } else { ordered.append(pieces[Int(place)]) }
    }
    return (ordered, places.map { $0 >= 0 })
  }
}

/// Tokenizers of single files, of the time before `tokenizer.json`.
package enum VocabularyFiles {
  /// GPT-2's `vocab.json` and `merges.txt`.
  ///
  /// These files do not say which tokens are special. A token that is no byte and that no merge makes
  /// can come from no text, so it is one.
  package static func bytePairs(
    vocabulary json: [UInt8], merges text: [UInt8], preTokenizer: PreTokenizer = .gpt2
  ) throws(NeuralError) -> BytePairTokenizer {
    var numbered = NumberedPieces()
    var scanner = JSONScanner(json)
    try numbered.read(&scanner)
    try scanner.end()
    let merges = try Self.merges(text)
    let (pieces, isUsed) = try numbered.ordered()
    var table = PieceTable(pieces: pieces, capacity: pieces.count)
    for token in 0..<pieces.count where isUsed[token] {
      if let other = table.insert(token) {
        throw NeuralError(
          "tokens \(other) and \(token) are both \(pieces.text(token)). The vocabulary is damaged.")
      }
    }
    var kinds = isUsed.map { $0 ? TokenKind.control : .unused }
    for index in 0..<merges.count {
      let both = Array(merges.parts[2 * index]) + Array(merges.parts[2 * index + 1])
      if let token = table.find(both, 0..<both.count) { kinds[Int(token)] = .normal }
    }
    var byte = ByteStrings()
    for token in 0..<pieces.count where pieces[token].count <= 2 {
      if ByteCharacters.decode(pieces[token], into: &byte) {
        byte.endString()
        if byte[byte.count - 1].count == 1 { kinds[token] = .normal }
      }
    }
    return try BytePairTokenizer(
      PieceVocabulary(pieces: pieces, kinds: kinds), merges: merges, preTokenizer: preTokenizer)
  }

  static func merges(_ text: [UInt8]) throws(NeuralError) -> MergeList {
    var merges = MergeList()
    for (number, line) in text.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
    {
      let line = line.last == 0x0D ? line.dropLast() : line
      if line.isEmpty || number == 0 && line.starts(with: "#version".utf8) { continue }
      try merges.append(line: line)
    }
    return merges
  }

  /// BERT's `vocab.txt`, with a piece on each line.
  ///
  /// A file of single characters is a character vocabulary. `lowercases` says whether text is
  /// written in lower case first. Without it the pieces tell: a cased vocabulary has hundreds with
  /// capitals.
  package static func words(_ text: [UInt8], lowercases: Bool? = nil) throws(NeuralError)
    -> any NetworkTokenizer
  {
    var lines = text.split(separator: 0x0A, omittingEmptySubsequences: false)
    while lines.last?.isEmpty ?? false { lines.removeLast() }
    var pieces = ByteStrings()
    for line in lines { pieces.append(line.last == 0x0D ? line.dropLast() : line) }
    let vocabulary = try PieceVocabulary(pieces: pieces, kinds: wordKinds(pieces))
    if CharacterTokenizer.fits(pieces) { return try CharacterTokenizer(vocabulary) }
    var options = WordPieceTokenizer.Options()
    let capitals = (0..<pieces.count).count { index in
      vocabulary.kinds[index] == .normal
        && pieces[index].contains { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
    }
    options.lowercases = lowercases ?? (capitals < 100)
    options.stripsAccents = options.lowercases
    return try WordPieceTokenizer(vocabulary, options: options)
  }

  /// Pieces in square brackets are special; `[UNK]` stands for what has no token.
  static func wordKinds(_ pieces: ByteStrings) -> [TokenKind] {
    (0..<pieces.count).map { index in
      guard CharacterTokenizer.isSpecial(pieces[index]) else { return .normal }
      return pieces[index].elementsEqual("[UNK]".utf8) ? .unknown : .control
    }
  }
}
