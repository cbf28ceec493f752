// Licensed under the Apache License, Version 2.0.

/// A tokenizer as the keys `tokenizer.ggml.*` of GGUF files state it.
struct TokenizerMetadata: Equatable {
  /// The numbers of llama.cpp's token types.
  enum Kind: Int32 {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  /// "gpt2" (byte-level BPE), "llama" (SentencePiece BPE), "bert" (WordPiece).
  var model: String
  /// How a text is cut before merging.
  var pre: String?
  var tokens: [String]
  var kinds: [Kind]
  var scores: [Float]?
  var merges: [String]?
  var addsSpacePrefix: Bool?
  /// Tokens by their role: "bos", "eos", "unknown", "seperator", "padding", "cls", "mask".
  var roles: [(name: String, token: Int)] = []

  static func == (a: Self, b: Self) -> Bool {
    a.model == b.model && a.pre == b.pre && a.tokens == b.tokens && a.kinds == b.kinds
      && a.scores == b.scores && a.merges == b.merges && a.addsSpacePrefix == b.addsSpacePrefix
      && a.roles.map(\.name) == b.roles.map(\.name) && a.roles.map(\.token) == b.roles.map(\.token)
  }

  /// Reads `tokenizer.json` of a folder, or `vocab.txt` where it is all there is.
  init(folder: String, vocabularySize: Int) throws(NeuralError) {
    if FileSystem.exists(folder + "/tokenizer.json") {
      let value: JSONValue
      do throws(NeuralError) {
        value = try JSONValue(contentsOf: folder + "/tokenizer.json")
        self = try TokenizerMetadata(value)
      } catch {
        throw NeuralError("tokenizer.json: \(error.description)")
      }
    } else if let text = FileSystem.text(folder + "/vocab.txt") {
      var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      if lines.last == "" { lines.removeLast() }
      try self.init(wordPieces: lines)
    } else {
      throw NeuralError(
        "the folder has no tokenizer that GGUF files can hold (expected tokenizer.json or vocab.txt)"
      )
    }
    guard tokens.count <= vocabularySize else {
      throw NeuralError(
        "the tokenizer has more tokens than the network (found \(tokens.count), expected at most "
          + "\(vocabularySize))")
    }
    // llama.cpp wants a token for every row of the table of embeddings.
    for i in tokens.count..<vocabularySize {
      tokens.append("[PAD\(i)]")
      kinds.append(.unused)
      scores?.append(-1000)
    }
  }

  private init(_ file: JSONValue) throws(NeuralError) {
    guard let model = file["model"] else { throw NeuralError("'model' is missing") }
    let (tokens, kinds) = try Self.pieces(file, model)
    switch model["type"]?.string ?? "BPE" {
    case "BPE":
      let merges = try Self.merges(model)
      if model["byte_fallback"]?.boolean == true {
        self.init(model: "llama", pre: "default", tokens: tokens, kinds: kinds)
        // SentencePiece files state a score for each piece; earlier merges have higher ones.
        var ranks: [String: Int] = [:]
        for (rank, merge) in merges.enumerated() {
          let piece = merge.replacing(" ", with: "")
          if ranks[piece] == nil { ranks[piece] = rank }
        }
        // Pieces that no merge makes come last.
        scores = zip(tokens, kinds).map { token, kind in
          kind == .normal ? Float(ranks[token].map { -$0 } ?? -1_000_000) : 0
        }
        addsSpacePrefix = Self.addsSpacePrefix(file)
      } else {
        self.init(model: "gpt2", pre: try Self.cuts(file), tokens: tokens, kinds: kinds)
        self.merges = merges
      }
    case "WordPiece":
      guard model["continuing_subword_prefix"]?.string ?? "##" == "##" else {
        throw NeuralError("'continuing_subword_prefix' is not '##', which llama.cpp cannot read")
      }
      try self.init(wordPieces: tokens)
    case let other:
      throw NeuralError(
        "the model '\(other)' cannot be converted (expected BPE or WordPiece)")
    }
    if let unknown = model["unk_token"]?.string, let id = tokens.firstIndex(of: unknown),
      !roles.contains(where: { $0.name == "unknown" })
    {
      roles.append(("unknown", id))
      self.kinds[id] = .unknown
    }
  }

  private init(model: String, pre: String?, tokens: [String], kinds: [Kind]) {
    self.model = model
    self.pre = pre
    self.tokens = tokens
    self.kinds = kinds
  }

  /// WordPiece; llama.cpp marks the beginnings of words where BERT marks continuations.
  private init(wordPieces: [String]) throws(NeuralError) {
    self.init(
      model: "bert", pre: nil,
      tokens: wordPieces.map { piece in
        if piece.hasPrefix("[") && piece.hasSuffix("]") { return piece }
        return piece.hasPrefix("##") ? String(piece.dropFirst(2)) : "\u{2581}" + piece
      },
      kinds: wordPieces.map { piece in
        piece == "[UNK]"
          ? .unknown : piece.hasPrefix("[") && piece.hasSuffix("]") ? .control : .normal
      })
    let names = [
      ("[CLS]", "cls"), ("[CLS]", "bos"), ("[SEP]", "seperator"), ("[SEP]", "eos"),
      ("[PAD]", "padding"), ("[UNK]", "unknown"), ("[MASK]", "mask"),
    ]
    for (piece, name) in names {
      if let id = wordPieces.firstIndex(of: piece) { roles.append((name, id)) }
    }
  }

  /// Vocabulary and added tokens by id.
  private static func pieces(
    _ file: JSONValue, _ model: JSONValue
  ) throws(NeuralError) -> ([String], [Kind]) {
    guard let members = model["vocab"]?.object?.members else {
      throw NeuralError("'vocab' is \(model["vocab"]?.kind ?? "missing") (expected an object)")
    }
    let added = file["added_tokens"]?.array ?? []
    let most = members.count + added.count
    var tokens: [String?] = Array(repeating: nil, count: most)
    var kinds = [Kind](repeating: .normal, count: most)
    func id(_ value: JSONValue?, _ piece: String) throws(NeuralError) -> Int {
      guard let id = value?.integer, id >= 0, id < most else {
        throw NeuralError(
          "the id of '\(piece)' is wrong (found \(value?.kind ?? "nothing"), expected less than \(most))"
        )
      }
      return id
    }
    let hasBytes = model["byte_fallback"]?.boolean == true
    for member in members {
      let place = try id(member.value, member.name)
      tokens[place] = member.name
      let piece = member.name.utf8
      if hasBytes && piece.count == 6 && member.name.hasPrefix("<0x") && member.name.hasSuffix(">")
      {
        kinds[place] = .byte
      }
    }
    for token in added {
      let content = token["content"]?.string ?? ""
      let place = try id(token["id"], content)
      tokens[place] = content
      kinds[place] = token["special"]?.boolean == true ? .control : .userDefined
    }
    while tokens.last == .some(nil) {
      tokens.removeLast()
      kinds.removeLast()
    }
    for (i, token) in tokens.enumerated() where token == nil {
      tokens[i] = "[PAD\(i)]"
      kinds[i] = .unused
    }
    return (tokens.map { $0 ?? "" }, kinds)
  }

  private static func merges(_ model: JSONValue) throws(NeuralError) -> [String] {
    var result: [String] = []
    for (i, merge) in (model["merges"]?.array ?? []).enumerated() {
      if let line = merge.string {
        result.append(line)
      } else if let pair = merge.array, pair.count == 2, let left = pair[0].string,
        let right = pair[1].string
      {
        result.append(left + " " + right)
      } else {
        throw NeuralError("merge \(i + 1) is wrong (found \(merge.kind), expected two pieces)")
      }
    }
    return result
  }

  private static func addsSpacePrefix(_ file: JSONValue) -> Bool {
    let normalizer = file["normalizer"]
    let parts = normalizer?["normalizers"]?.array ?? normalizer.map { [$0] } ?? []
    if parts.contains(where: { $0["type"]?.string == "Prepend" }) { return true }
    let scheme = file["pre_tokenizer"]?["prepend_scheme"]?.string
    return scheme == "always" || scheme == "first"
  }

  /// llama.cpp's name for how byte-level BPE cuts texts before merging.
  private static func cuts(_ file: JSONValue) throws(NeuralError) -> String {
    guard let pre = file["pre_tokenizer"] else {
      throw NeuralError("'pre_tokenizer' is missing, so this is no byte-level BPE")
    }
    let parts = pre["pretokenizers"]?.array ?? [pre]
    let kinds = parts.map { $0["type"]?.string ?? "" }
    let addsSpace = parts.last?["add_prefix_space"]?.boolean ?? true
    if !addsSpace {
      if kinds == ["ByteLevel"] { return "gpt-2" }
      if kinds == ["Digits", "ByteLevel"], parts[0]["individual_digits"]?.boolean == true {
        return "smollm"
      }
      if kinds == ["Split", "ByteLevel"], let pattern = parts[0]["pattern"]?["Regex"]?.string {
        if pattern.contains(#"\p{N}{1,3}"#) { return "llama-bpe" }
        if pattern.contains(#"|\p{N}|"#) { return "qwen2" }
      }
    }
    throw NeuralError(
      "the pre-tokenizer \(kinds) has no name in llama.cpp that gensample knows (expected those of "
        + "GPT-2, SmolLM, Llama 3 or Qwen2)")
  }
}
