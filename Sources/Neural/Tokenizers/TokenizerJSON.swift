// Licensed under the Apache License, Version 2.0.

/// A `tokenizer.json` of Hugging Face tokenizers.
package struct TokenizerJSON {
  private var normalizer: JSONScanner.Value?
  private var preTokenizer: JSONScanner.Value?
  private var decoder: JSONScanner.Value?
  private var addedTokens: [JSONScanner.Value] = []
  private var model: [String: JSONScanner.Value] = [:]
  private var numbered = NumberedPieces()
  private var scores: [Float] = []
  private var merges = MergeList()
  private var hasModel = false

  package static func tokenizer(_ bytes: [UInt8]) throws(NeuralError) -> any NetworkTokenizer {
    try TokenizerJSON(bytes).tokenizer()
  }

  private init(_ bytes: [UInt8]) throws(NeuralError) {
    var scanner = JSONScanner(bytes)
    try scanner.object { (scanner, name) throws(NeuralError) in
      switch String(decoding: name, as: UTF8.self) {
      case "normalizer": normalizer = try scanner.value()
      case "pre_tokenizer": preTokenizer = try scanner.value()
      case "decoder": decoder = try scanner.value()
      case "added_tokens": addedTokens = try scanner.value().array ?? []
      case "model": try readModel(&scanner)
      default: _ = try scanner.value()
      }
    }
    try scanner.end()
    if normalizer == .null { normalizer = nil }
    if preTokenizer == .null { preTokenizer = nil }
    guard hasModel else { throw NeuralError("'model' is missing. This is no tokenizer.json.") }
  }

  private mutating func readModel(_ scanner: inout JSONScanner) throws(NeuralError) {
    hasModel = true
    try scanner.object { (scanner, name) throws(NeuralError) in
      let name = String(decoding: name, as: UTF8.self)
      switch name {
      case "vocab":
        if try scanner.peek() == UInt8(ascii: "{") {
          try numbered.read(&scanner)
        } else {
          try readScores(&scanner)
        }
      case "merges":
        try scanner.array { (scanner) throws(NeuralError) in try readMerge(&scanner) }
      default: model[name] = try scanner.value()
      }
    }
  }

  /// `["piece", -3.5]` for each token of a unigram model.
  private mutating func readScores(_ scanner: inout JSONScanner) throws(NeuralError) {
    try scanner.array { (scanner) throws(NeuralError) in
      var field = 0
      try scanner.array { (scanner) throws(NeuralError) in
        switch field {
        case 0: try numbered.append(scanner.string(), id: numbered.count)
        case 1: scores.append(Float(try scanner.number()))
        default: _ = try scanner.value()
        }
        field += 1
      }
      guard field == 2 else {
        throw NeuralError(
          "entry \(numbered.count) of 'vocab' has \(field) fields (expected a piece and a score)")
      }
    }
  }

  private mutating func readMerge(_ scanner: inout JSONScanner) throws(NeuralError) {
    if try scanner.peek() == UInt8(ascii: "\"") {
      try merges.append(line: scanner.string())
      return
    }
    var parts: [[UInt8]] = []
    try scanner.array { (scanner) throws(NeuralError) in parts.append(Array(try scanner.string())) }
    guard parts.count == 2 else {
      throw NeuralError(
        "merge \(merges.count + 1) has \(parts.count) pieces (expected 2)")
    }
    merges.append(left: parts[0], right: parts[1])
  }

  private func refuse(_ part: String, _ value: JSONScanner.Value?) -> NeuralError {
    NeuralError(
      "the tokenizer's \(part) is \(Self.name(value)), which gensample does not support")
  }

  private static func name(_ value: JSONScanner.Value?) -> String {
    guard let value else { return "missing" }
    let type = value["type"]?.string ?? "unnamed"
    for key in ["normalizers", "pretokenizers", "decoders"] {
      if let parts = value[key]?.array {
        return "\(type)(" + parts.map { name($0) }.joined(separator: ", ") + ")"
      }
    }
    if let pattern = value["pattern"]?["Regex"]?.string { return "\(type) with /\(pattern)/" }
    return type
  }

  private func tokenizer() throws(NeuralError) -> any NetworkTokenizer {
    let type = model["type"]?.string ?? (scores.isEmpty ? "BPE" : "Unigram")
    switch type {
    case "BPE":
      guard model["dropout"]?.number ?? 0 == 0 else {
        throw NeuralError(
          "the tokenizer drops merges at random ('dropout'), so it has no exact law")
      }
      for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        guard model[key]?.string ?? "" == "" else {
          throw NeuralError("the tokenizer uses '\(key)', which gensample does not support")
        }
      }
      return try bytePairs()
    case "Unigram": return try unigram()
    case "WordPiece": return try wordPieces()
    default:
      throw NeuralError(
        "the tokenizer's model is \(type) (expected BPE, Unigram or WordPiece)")
    }
  }

  private func bytePairs() throws(NeuralError) -> any NetworkTokenizer {
    if let spelling = try sentencePieceSpelling() {
      let (vocabulary, added) = try vocabulary(hasBytes: true)
      let list = merges
      return try SentencePieceTokenizer(
        vocabulary, scores: Array(repeating: 0, count: vocabulary.count), added: added,
        normalizer: spelling.normalizer, splitsAtBlanks: spelling.splitsAtBlanks
      ) { (table, _) throws(NeuralError) in .merges(try Self.mergeTable(list, table)) }
    }
    let isComposed: Bool
    switch normalizer?["type"]?.string {
    case nil: isComposed = false
    case "NFC": isComposed = true
    default: throw refuse("normalizer", normalizer)
    }
    let (vocabulary, added) = try vocabulary(hasBytes: false)
    return try BytePairTokenizer(
      vocabulary, merges: merges, preTokenizer: byteLevel(), added: added,
      wholeWordsFirst: model["ignore_merges"]?.boolean ?? false, isComposed: isComposed)
  }

  private func wordPieces() throws(NeuralError) -> any NetworkTokenizer {
    guard preTokenizer?["type"]?.string == "BertPreTokenizer" else {
      throw refuse("pre-tokenizer", preTokenizer)
    }
    var options = WordPieceTokenizer.Options()
    switch normalizer?["type"]?.string {
    case nil:
      options.cleansText = false
      options.cutsChinese = false
      options.lowercases = false
      options.stripsAccents = false
    case "BertNormalizer":
      options.cleansText = normalizer?["clean_text"]?.boolean ?? true
      options.cutsChinese = normalizer?["handle_chinese_chars"]?.boolean ?? true
      options.lowercases = normalizer?["lowercase"]?.boolean ?? true
      options.stripsAccents = normalizer?["strip_accents"]?.boolean ?? options.lowercases
    default: throw refuse("normalizer", normalizer)
    }
    options.prefix = model["continuing_subword_prefix"]?.string ?? "##"
    options.unknown = model["unk_token"]?.string ?? "[UNK]"
    if let limit = model["max_input_chars_per_word"]?.number.flatMap(Int.init(exactly:)) {
      options.longestWord = max(0, limit)
    }
    var (vocabulary, added) = try vocabulary(hasBytes: false)
    // A file without added tokens means the pieces in square brackets.
    if added.isEmpty || CharacterTokenizer.fits(vocabulary.pieces) {
      vocabulary.kinds = VocabularyFiles.wordKinds(vocabulary.pieces)
    }
    if CharacterTokenizer.fits(vocabulary.pieces) { return try CharacterTokenizer(vocabulary) }
    for token in 0..<vocabulary.count
    where vocabulary.pieces[token].elementsEqual(options.unknown.utf8) {
      vocabulary.kinds[token] = .unknown
    }
    return try WordPieceTokenizer(vocabulary, options: options, added: added.isEmpty ? nil : added)
  }

  private func unigram() throws(NeuralError) -> any NetworkTokenizer {
    guard let spelling = try sentencePieceSpelling() else { throw refuse("normalizer", normalizer) }
    var (vocabulary, added) = try vocabulary(hasBytes: model["byte_fallback"]?.boolean ?? false)
    if let unknown = model["unk_id"]?.number.flatMap(Int.init(exactly:)),
      vocabulary.kinds.indices.contains(unknown)
    {
      vocabulary.kinds[unknown] = .unknown
    }
    return try SentencePieceTokenizer.unigram(
      vocabulary, scores: scores + Array(repeating: 0, count: vocabulary.count - scores.count),
      added: added, normalizer: spelling.normalizer, splitsAtBlanks: spelling.splitsAtBlanks)
  }

  private static func mergeTable(
    _ list: MergeList, _ table: PieceTable
  ) throws(NeuralError) -> MergeTable {
    var merges = MergeTable(capacity: list.count)
    for rank in 0..<list.count {
      let left = SentencePieceTokenizer.blanked(list.parts[2 * rank])
      let right = SentencePieceTokenizer.blanked(list.parts[2 * rank + 1])
      let both = left + right
      guard let leftToken = table.find(left, 0..<left.count),
        let rightToken = table.find(right, 0..<right.count),
        let token = table.find(both, 0..<both.count)
      else {
        throw list.missingPiece(rank)
      }
      guard merges.insert(leftToken, rightToken, Merge(rank: UInt32(rank), token: token)) else {
        throw list.repeated(rank)
      }
    }
    return merges
  }

  /// How a text is spelled for SentencePiece; nil if the file says nothing of U+2581.
  private func sentencePieceSpelling() throws(NeuralError) -> (
    normalizer: SentencePieceNormalizer, splitsAtBlanks: Bool
  )? {
    var spelling = SentencePieceNormalizer(addsBlank: false)
    var splitsAtBlanks = false
    var replacesBlanks = false
    var parts = normalizer.map { [$0] } ?? []
    if normalizer?["type"]?.string == "Sequence" { parts = normalizer?["normalizers"]?.array ?? [] }
    for part in parts {
      switch part["type"]?.string {
      case "Prepend" where part["prepend"]?.string == "\u{2581}": spelling.addsBlank = true
      case "Replace"
      where part["pattern"]?["String"]?.string == " " && part["content"]?.string == "\u{2581}":
        replacesBlanks = true
      case "NFC" where parts.count == 1: break
      default: throw refuse("normalizer", normalizer)
      }
    }
    var cuts = preTokenizer.map { [$0] } ?? []
    if preTokenizer?["type"]?.string == "Sequence" {
      cuts = preTokenizer?["pretokenizers"]?.array ?? []
    }
    for cut in cuts {
      switch cut["type"]?.string {
      case "Metaspace" where cut["replacement"]?.string ?? "\u{2581}" == "\u{2581}":
        replacesBlanks = true
        splitsAtBlanks = cut["split"]?.boolean ?? true
        let scheme = cut["prepend_scheme"]?.string
        if scheme == "always" || scheme == "first"
          || scheme == nil && cut["add_prefix_space"]?.boolean ?? true
        {
          spelling.addsBlank = true
        }
      // Gemma's, which cuts at blanks that the normalizer has replaced already.
      case "Split" where cut["pattern"]?["String"]?.string == " " && replacesBlanks: break
      default:
        if replacesBlanks { throw refuse("pre-tokenizer", preTokenizer) }
      }
    }
    return replacesBlanks ? (spelling, splitsAtBlanks) : nil
  }

  /// The pieces with the added tokens, which may have ids beyond the vocabulary.
  private func vocabulary(hasBytes: Bool) throws(NeuralError) -> (
    PieceVocabulary, [AddedTokens.Token]
  ) {
    var (pieces, isUsed) = try numbered.ordered()
    var added: [AddedTokens.Token] = []
    var beyond: [Int: String] = [:]
    var special: [Int: Bool] = [:]
    for entry in addedTokens {
      guard let number = entry["id"]?.number, let id = Int(exactly: number), id >= 0,
        let content = entry["content"]?.string
      else {
        throw NeuralError("an entry of 'added_tokens' has no id or no content")
      }
      guard id < pieces.count + addedTokens.count else {
        throw NeuralError(
          "the added token \(quoted(Array(content.utf8))) has the id \(id), but the vocabulary has "
            + "\(pieces.count) pieces. The file is damaged.")
      }
      let isSpecial = entry["special"]?.boolean ?? false
      if id < pieces.count, isUsed[id] {
        guard pieces[id].elementsEqual(content.utf8) else {
          throw NeuralError(
            "token \(id) is \(pieces.text(id)) in the vocabulary, but "
              + "\(quoted(Array(content.utf8))) in 'added_tokens'. The file is damaged.")
        }
      } else if beyond.updateValue(content, forKey: id) != nil {
        throw NeuralError("two added tokens have the id \(id). The file is damaged.")
      }
      var token = AddedTokens.Token(
        token: Int32(id), spelling: Array(content.utf8), isSpecial: isSpecial)
      token.stripsLeft = entry["lstrip"]?.boolean ?? false
      token.stripsRight = entry["rstrip"]?.boolean ?? false
      guard !(entry["single_word"]?.boolean ?? false),
        isSpecial || !(token.stripsLeft || token.stripsRight)
      else {
        throw NeuralError(
          "the added token \(quoted(token.spelling)) takes only whole words or blanks along "
            + "('single_word', 'lstrip', 'rstrip'), which gensample does not support")
      }
      special[id] = isSpecial
      added.append(token)
    }
    if !beyond.isEmpty {
      let count = max(pieces.count, (beyond.keys.max() ?? 0) + 1)
      var all = ByteStrings()
      for id in 0..<count {
        if let content = beyond[id] {
          all.append(content.utf8)
        } else {
          all.append(id < pieces.count ? pieces[id] : [])
        }
      }
      isUsed = (0..<count).map { beyond[$0] != nil || $0 < isUsed.count && isUsed[$0] }
      pieces = all
    }
    var kinds = isUsed.indices.map { id in
      special[id].map { $0 ? TokenKind.control : .userDefined } ?? (isUsed[id] ? .normal : .unused)
    }
    if hasBytes {
      for id in kinds.indices where kinds[id] == .normal {
        if SentencePieceTokenizer.byte(pieces[id]) != nil { kinds[id] = .byte }
      }
    }
    return (try PieceVocabulary(pieces: pieces, kinds: kinds), added)
  }

  /// The pre-tokeniser of byte-level BPE.
  private func byteLevel() throws(NeuralError) -> PreTokenizer {
    var parts = [preTokenizer ?? .null]
    if preTokenizer?["type"]?.string == "Sequence" {
      parts = preTokenizer?["pretokenizers"]?.array ?? []
    }
    guard let last = parts.popLast(), last["type"]?.string == "ByteLevel",
      !(last["add_prefix_space"]?.boolean ?? true)
    else {
      throw refuse("pre-tokenizer", preTokenizer)
    }
    let usesPattern = last["use_regex"]?.boolean ?? true
    if parts.isEmpty, usesPattern { return .gpt2 }
    guard parts.count == 1 else { throw refuse("pre-tokenizer", preTokenizer) }
    let first = parts[0]
    switch first["type"]?.string {
    case "Digits" where first["individual_digits"]?.boolean == true && usesPattern:
      return .digitsThenGPT2
    case "Split" where !usesPattern:
      guard first["behavior"]?.string == "Isolated", first["invert"]?.boolean != true,
        let pattern = first["pattern"]?["Regex"]?.string,
        let known = PreTokenizer(pattern: pattern)
      else {
        throw refuse("pre-tokenizer", preTokenizer)
      }
      return known
    default: throw refuse("pre-tokenizer", preTokenizer)
    }
  }
}
