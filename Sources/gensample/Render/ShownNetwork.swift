// Licensed under the Apache License, Version 2.0.

import LM
import Neural
import Runs

/// What `inspect` shows of a neural model.
struct ShownNetwork {
  private let name: String
  private let inspected: NetworkInspection
  private let tokenizer: (any NetworkTokenizer)?
  private let tokens: NeuralTokens?
  private let unsupported: [String]
  private let sums: [(file: String, sum: String)]
  /// What is wrong with the files; `nil` if gensample can use them.
  private(set) var fault: LoadError?

  /// Reads a model's headers, or all of its files.
  ///
  /// - Throws: `LoadError` if not even the headers can be read.
  init(_ path: String, isWhole: Bool) throws(LoadError) {
    name = path
    do throws(NeuralError) {
      if let builtIn = BuiltInModel(rawValue: path) {
        inspected = try NetworkInspection(NetworkFile.open(builtIn.file))
      } else {
        inspected = try NetworkInspection(path)
      }
    } catch {
      throw LoadError(.badData, path: path, error.description)
    }
    var unsupported = inspected.description.unsupported
    var fault = inspected.fault
    var tokenizer: (any NetworkTokenizer)?
    if let network = inspected.network {
      do throws(NeuralError) {
        tokenizer = try network.makeTokenizer()
      } catch {
        unsupported.append("Its tokenizer cannot be used: \(error.description)")
      }
    }
    let unused = Set(inspected.description.ignored)
    for entry in inspected.unreadable.filter({ !unused.contains($0.name) }).prefix(1) {
      unsupported.append(
        "Tensors of the type \(entry.typeName), such as '\(entry.name)', cannot be read.")
    }
    sums =
      isWhole
      ? inspected.files.map { file in
        unsafe (
          file.path.split(separator: "/").last.map(String.init) ?? "", SHA256.hex(of: file.bytes)
        )
      } : []
    if isWhole, fault == nil {
      do throws(NeuralError) { try inspected.checkNumbers() } catch { fault = error }
    }
    self.tokenizer = tokenizer
    let described = inspected.description.tokens
    tokens = tokenizer.map { NeuralTokens(described, $0) }
    self.unsupported = unsupported
    self.fault = fault.map { LoadError(.badData, path: path, $0.description) }
  }

  private var kind: String {
    inspected.description.format.hasPrefix("GGUF")
      ? "gguf" : inspected.description.format.hasPrefix("llama2.c") ? "llama2.c" : "folder"
  }

  private var ends: [Int32] { tokens?.ends ?? inspected.description.tokens.ends }

  /// The tokens before every text.
  private var beginning: [Int32] {
    guard inspected.network?.configuration.isBidirectional != true else {
      return [inspected.description.tokens.begin].compactMap { $0 }
    }
    return (try? tokens?.beginning(nil)) ?? []
  }

  /// Spellings of tokens that begin and end texts; a tokenizer does not list its own.
  private static let symbols = [
    "<s>", "</s>", "<bos>", "<eos>", "<|endoftext|>", "<|begin_of_text|>", "<|end_of_text|>",
    "<|eot_id|>", "<|eom_id|>", "<|im_start|>", "<|im_end|>", "<end_of_turn>", "<|end|>", "<EOT>",
    "[CLS]", "[SEP]",
  ]

  /// The number of a token, and its spelling where that is known.
  private func spelling(_ token: Int32) -> String {
    let known = Self.symbols.first { tokenizer?.token(spelled: $0) == token }
    return "\(token)" + (known.map { " \($0)" } ?? "")
  }

  var text: String {
    let description = inspected.description
    var lines: [(String, String)] = []
    func add(_ name: String, _ value: String?) {
      if let value, !value.isEmpty { lines.append((name, value)) }
    }
    add("name", description.name)
    if let sizes = inspected.network?.configuration {
      add(
        "sizes",
        "\(sizes.blocks.count) blocks of width \(sizes.width), \(sizes.heads) heads, "
          + "\(sizes.keyValueHeads) of keys and values, feed-forward \(sizes.feedForwardWidth)")
      add("context", "\(sizes.contextLength) tokens")
      add("vocabulary", "\(sizes.vocabularySize) tokens")
    }
    add("parameters", "\(description.parameters)")
    add("bytes", "\(inspected.byteCount)")
    for share in description.types {
      let noun = share.tensors == 1 ? "tensor" : "tensors"
      add(
        "type",
        "\(share.typeName): \(share.tensors) \(noun)"
          + (share.bytes > 0 ? ", \(share.bytes) bytes" : ""))
    }
    add("tokenizer", description.tokenizer)
    add("begin", beginning.isEmpty ? "nothing" : beginning.map(spelling).joined(separator: ", "))
    add("end", ends.map(spelling).joined(separator: ", "))
    add("chat", description.chatFormat?.rawValue)
    add("licence", description.licence)
    for sum in sums { add("sha256", sum.sum + (sums.count > 1 ? " \(sum.file)" : "")) }
    if !description.ignored.isEmpty {
      add("unused", description.ignored.prefix(4).joined(separator: ", "))
    }
    for sentence in unsupported { add("unsupported", sentence) }
    let title =
      "\(name): neural model (\(description.format), \(inspected.architecture)), "
      + (fault == nil ? "sound" : "not usable")
    return
      ([title]
      + lines.map { line in
        let (name, value) = line
        return "  \(name)" + String(repeating: " ", count: max(1, 12 - name.count)) + value
      }).joined(separator: "\n")
  }

  var object: JSONObject {
    let description = inspected.description
    var object = JSONObject()
    object.add("type", .string("model"))
    object.add("path", .string(name))
    object.add("kind", .string(kind))
    object.add("format", .string(description.format))
    object.add("architecture", .string(inspected.architecture))
    object.add("name", description.name.map { .string($0) } ?? .null)
    object.add("parameters", .integer(description.parameters))
    object.add("bytes", .integer(inspected.byteCount))
    if let sizes = inspected.network?.configuration {
      object.add("blocks", .integer(sizes.blocks.count))
      object.add("width", .integer(sizes.width))
      object.add("heads", .integer(sizes.heads))
      object.add("key_value_heads", .integer(sizes.keyValueHeads))
      object.add("head_size", .integer(sizes.headSize))
      object.add("feed_forward_width", .integer(sizes.feedForwardWidth))
      object.add("context_length", .integer(sizes.contextLength))
      object.add("vocabulary_size", .integer(sizes.vocabularySize))
    }
    object.add(
      "tensors",
      .objects(
        description.types.map { share in
          var type = JSONObject()
          type.add("type", .string(share.typeName))
          type.add("count", .integer(share.tensors))
          type.add("bytes", share.bytes > 0 ? .integer(share.bytes) : .null)
          return type
        }))
    object.add("tokenizer", description.tokenizer.map { .string($0) } ?? .null)
    object.add("begin", .integers(beginning.map(Int.init)))
    object.add("ends", .integers(ends.map(Int.init)))
    object.add("chat_format", description.chatFormat.map { .string($0.rawValue) } ?? .null)
    object.add("licence", description.licence.map { .string($0) } ?? .null)
    if !sums.isEmpty { object.add("sha256", .strings(sums.map(\.sum))) }
    object.add("unused", .strings(description.ignored))
    object.add("unsupported", .strings(unsupported))
    object.add("sound", .boolean(fault == nil))
    return object
  }
}
