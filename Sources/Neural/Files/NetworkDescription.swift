// Licensed under the Apache License, Version 2.0.

/// What a network's files say about it, for people.
package struct NetworkDescription: Sendable, Equatable {
  /// Tokens with a meaning of their own.
  package struct Tokens: Sendable, Equatable {
    package var begin: Int32?
    /// Tokens that end a text; the file's own end token first.
    package var ends: [Int32] = []
    /// Whether the begin token stands before every text; nil if the files do not say.
    package var addsBegin: Bool?
    package var addsEnd: Bool?
    package var unknown: Int32?
    package var padding: Int32?
    /// Tokens that the tokenizer knows; nil if it was not looked at.
    package var count: Int?

    package init(
      begin: Int32? = nil, ends: [Int32] = [], addsBegin: Bool? = nil, count: Int? = nil
    ) {
      self.begin = begin
      self.ends = ends
      self.addsBegin = addsBegin
      self.count = count
    }
  }

  /// How many tensors of a type there are, and how large they are together.
  package struct TypeShare: Sendable, Equatable {
    package let typeName: String
    package var tensors: Int
    package var bytes: Int
  }

  /// How turns of a chat are written.
  package enum ChatFormat: String, Sendable {
    case chatML = "ChatML"
    case llama2 = "Llama 2"
    case llama3 = "Llama 3"
    case gemma = "Gemma"
    case zephyr = "Zephyr"

    /// The format of a Jinja template, known by the marks that it writes.
    package init?(template: String) {
      let marks: [(String, ChatFormat)] = [
        ("<|im_start|>", .chatML), ("<|start_header_id|>", .llama3), ("<start_of_turn>", .gemma),
        ("[INST]", .llama2), ("<|user|>", .zephyr),
      ]
      guard let found = marks.first(where: { template.contains($0.0) }) else { return nil }
      self = found.1
    }
  }

  /// "GGUF version 3", "safetensors".
  package var format: String
  package var name: String?
  package var parameters: Int
  package var types: [TypeShare]
  /// What makes tokens of a text: "byte-level BPE (smollm)".
  package var tokenizer: String?
  package var tokens: Tokens
  package var chatTemplate: String?
  package var chatFormat: ChatFormat?
  package var licence: String?
  /// Tensors that the forward pass does not use.
  package var ignored: [String] = []
  /// What the files ask for and gensample cannot do, in sentences.
  package var unsupported: [String] = []

  init(
    format: String, tensors: [TensorTable.Entry], tokens: Tokens, ignored: [String] = []
  ) {
    self.format = format
    self.tokens = tokens
    self.ignored = ignored
    types = []
    parameters = 0
    let unused = Set(ignored)
    for entry in tensors where !unused.contains(entry.name) {
      let bytes = entry.byteCount ?? 0
      parameters += entry.shape.reduce(1, *)
      if let i = types.firstIndex(where: { $0.typeName == entry.typeName }) {
        types[i].tensors += 1
        types[i].bytes += bytes
      } else {
        types.append(.init(typeName: entry.typeName, tensors: 1, bytes: bytes))
      }
    }
    types.sort { $0.bytes > $1.bytes }
  }

  init(_ file: GGUFFile, tokens: Tokens, ignored: [String] = []) throws(NeuralError) {
    self.init(
      format: "GGUF version \(file.version)", tensors: file.tensors.entries, tokens: tokens,
      ignored: ignored)
    name = try file.string("general.name")
    licence = try file.string("general.license")
    tokenizer = try NetworkDescription.tokenizer(file)
    take(template: try file.string("tokenizer.chat_template"))
  }

  init(folder: String, table: TensorTable, tokens: Tokens, ignored: [String] = []) {
    self.init(format: "safetensors", tensors: table.entries, tokens: tokens, ignored: ignored)
    name = folder.split(separator: "/").last.map(String.init)
    let files = FileSystem.names(in: folder)
    tokenizer =
      ["tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model"].first { files.contains($0) }
    if tokenizer == nil { unsupported.append("The folder has no tokenizer.") }
    licence =
      FileSystem.frontMatter("license", of: folder + "/README.md")
      ?? files.first { $0.uppercased().hasPrefix("LICEN") }.map { "see \($0)" }
    take(template: NetworkDescription.chatTemplate(folder: folder))
  }

  private mutating func take(template: String?) {
    guard let template else { return }
    chatTemplate = template
    chatFormat = ChatFormat(template: template)
    if chatFormat == nil {
      unsupported.append("The chat template is in a format that gensample does not know.")
    }
  }

  private static func tokenizer(_ file: GGUFFile) throws(NeuralError) -> String? {
    let pre = try file.string("tokenizer.ggml.pre")
    return switch try file.string("tokenizer.ggml.model") {
    case nil: nil
    case "gpt2": "byte-level BPE" + (pre.map { " (\($0))" } ?? "")
    case "llama": "SentencePiece BPE"
    case "t5": "SentencePiece unigram"
    case "bert": "WordPiece"
    case let other?: other
    }
  }

  /// The chat template of a folder: a file of its own, or in `tokenizer_config.json`.
  static func chatTemplate(folder: String) -> String? {
    if let text = FileSystem.text(folder + "/chat_template.jinja") { return text }
    guard let config = try? FileSystem.json("tokenizer_config.json", in: folder),
      let template = config["chat_template"]
    else { return nil }
    if let text = template.string { return text }
    // Several templates with names.
    let list = template.array ?? []
    let own = list.first { $0["name"]?.string == "default" } ?? list.first
    return own?["template"]?.string
  }
}

extension NetworkDescription.Tokens {
  /// Pieces that end a text in the models that have them; a file names only one of its own.
  private static let endPieces: Set<String> = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
    "<|eom_id|>", "<EOT>", "</s>", "<eos>",
  ]

  init(_ file: GGUFFile) throws(NeuralError) {
    func token(_ name: String) throws(NeuralError) -> Int32? {
      let key = "tokenizer.ggml.\(name)_token_id"
      guard let id = try file.integer(key) else { return nil }
      // Some programs write -1, or its 32 bits, for none.
      if id < 0 || id == Int(UInt32.max) { return nil }
      guard let result = Int32(exactly: id) else {
        throw NeuralError(
          "the metadata key '\(key)' is wrong (found \(id), expected a token)")
      }
      return result
    }
    begin = try token("bos")
    unknown = try token("unknown")
    padding = try token("padding")
    addsBegin = try file.boolean("tokenizer.ggml.add_bos_token")
    addsEnd = try file.boolean("tokenizer.ggml.add_eos_token")
    for name in ["eos", "eot", "eom"] {
      if let end = try token(name), !ends.contains(end) { ends.append(end) }
    }
    guard let pieces = try file.array("tokenizer.ggml.tokens") else { return }
    count = pieces.count
    guard let types = try file.array("tokenizer.ggml.token_type")?.integers,
      types.count == pieces.count
    else { return }
    var more: [Int32] = []
    unsafe pieces.forEachString { id, bytes in
      // Control tokens are type 3, user-defined ones 4.
      guard types[id] == 3, bytes.count <= 20, bytes.count >= 4 else { return }
      if unsafe Self.endPieces.contains(String(decoding: bytes, as: UTF8.self)) {
        more.append(Int32(truncatingIfNeeded: id))
      }
    }
    ends += more.filter { !ends.contains($0) }
  }

  init(folder: String, config: JSONValue) throws(NeuralError) {
    let text = config["text_config"] ?? config
    let generation =
      FileSystem.exists(folder + "/generation_config.json")
      ? try FileSystem.json("generation_config.json", in: folder) : nil
    func tokens(_ name: String) throws(NeuralError) -> [Int32] {
      for (file, source) in [("generation_config.json", generation), ("config.json", text)] {
        guard let value = source?[name] ?? (file == "config.json" ? config[name] : nil) else {
          continue
        }
        let list = value.array ?? [value]
        let ids = list.compactMap(\.integer).filter { $0 >= 0 }.compactMap { Int32(exactly: $0) }
        guard ids.count == list.count || list == [.integer(-1)] else {
          throw NeuralError(
            "\(file): '\(name)' is wrong (found \(value.kind), expected a token or several)")
        }
        return ids
      }
      return []
    }
    begin = try tokens("bos_token_id").first
    ends = try tokens("eos_token_id")
    padding = try tokens("pad_token_id").first
    if FileSystem.exists(folder + "/tokenizer_config.json") {
      let own = try FileSystem.json("tokenizer_config.json", in: folder)
      addsBegin = own["add_bos_token"]?.boolean
      addsEnd = own["add_eos_token"]?.boolean
    }
    if let processor = FileSystem.postProcessor(of: folder) { take(processor) }
  }

  /// What a `post_processor` puts around a text, where nothing else said so.
  private mutating func take(_ processor: JSONValue) {
    let all = processor["processors"]?.array ?? [processor]
    for part in all {
      var (first, last): (Int?, Int?) = (nil, nil)
      switch part["type"]?.string {
      case "BertProcessing", "RobertaProcessing":
        first = part["cls"]?.array?.last?.integer
        last = part["sep"]?.array?.last?.integer
      case "TemplateProcessing":
        guard let items = part["single"]?.array,
          let text = items.firstIndex(where: { $0["Sequence"] != nil })
        else { continue }
        func token(_ item: JSONValue?) -> Int? {
          guard let name = item?["SpecialToken"]?["id"]?.string else { return nil }
          return part["special_tokens"]?[name]?["ids"]?.array?.first?.integer
        }
        first = text > 0 ? token(items.first) : nil
        last = text < items.count - 1 ? token(items.last) : nil
      default: continue
      }
      if addsBegin == nil { addsBegin = first != nil }
      if addsEnd == nil { addsEnd = last != nil }
      if begin == nil { begin = first.flatMap(Int32.init(exactly:)) }
      if ends.isEmpty, let last = last.flatMap(Int32.init(exactly:)) { ends = [last] }
    }
  }

  /// Throws if a token is none of the network's.
  func check(vocabularySize: Int) throws(NeuralError) {
    if let count, count > vocabularySize {
      throw NeuralError(
        "the tokenizer has more tokens than the network (found \(count), expected at most "
          + "\(vocabularySize))")
    }
    let all: [(String, Int32?)] =
      [("beginning", begin), ("unknown", unknown)] + ends.map { ("end", $0) }
    for (name, token) in all {
      guard let token, token < 0 || Int(token) >= vocabularySize else { continue }
      throw NeuralError(
        "the \(name) token is none of the network's (found \(token), expected less than "
          + "\(vocabularySize))")
    }
  }
}
