// Licensed under the Apache License, Version 2.0.

/// A `tokenizer.json` of Hugging Face tokenizers.
struct TokenizerJSON {
  private var normalizer: JSONScanner.Value?
  private var preTokenizer: JSONScanner.Value?
  private var decoder: JSONScanner.Value?
  private var addedTokens: [JSONScanner.Value] = []
  private var model: [String: JSONScanner.Value] = [:]
  private var numbered = NumberedPieces()
  private var scores: [Float] = []
  private var merges = MergeList()
  private var hasModel = false

  package static func tokenizer(_ bytes: [UInt8]) throws(NeuralError) -> any Tokenizer {
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

  private func tokenizer() throws(NeuralError) -> any Tokenizer {
    let type = model["type"]?.string ?? (scores.isEmpty ? "BPE" : "Unigram")
    switch type {
    case "BPE":
      guard model["dropout"]?.number ?? 0 == 0 else {
        throw NeuralError("the tokenizer drops merges at random ('dropout'), so it has no exact law")
      }
      for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        guard model[key]?.string ?? "" == "" else {
          throw NeuralError("the tokenizer uses '\(key)', which gensample does not support")
        }
      }
      return try bytePairs()
    default:
      throw NeuralError(
        "the tokenizer's model is \(type) (expected BPE, Unigram or WordPiece)")
    }
  }

  private func bytePairs() throws(NeuralError) -> any Tokenizer {
    let isComposed: Bool
    switch normalizer?["type"]?.string {
    case nil: isComposed = false
    case "NFC": isComposed = true
    default: throw refuse("normalizer", normalizer)
    }
    let (vocabulary, added) = try vocabulary()
    return try BytePairTokenizer(
      vocabulary, merges: merges, preTokenizer: byteLevel(), added: added,
      wholeWordsFirst: model["ignore_merges"]?.boolean ?? false, isComposed: isComposed)
  }

  /// The pieces with the added tokens, which may have ids beyond the vocabulary.
  private func vocabulary() throws(NeuralError) -> (Vocabulary, [AddedTokens.Token]) {
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
    let kinds = isUsed.indices.map { id in
      special[id].map { $0 ? TokenKind.control : .userDefined } ?? (isUsed[id] ? .normal : .unused)
    }
    return (try Vocabulary(pieces: pieces, kinds: kinds), added)
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
