// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

enum Inspect: Command {
  static let name = "inspect"
  static let summary = "what a model file contains, and whether it is valid"
  static let usage = "FILE... [options]"
  static let discussion = """
    Prints the kind, order, sizes and vocabulary of a model of n-grams and how it was made, and
    checks the whole file. If the file is not valid, the fault goes to standard error and the exit
    code is 65.

    Of a neural model it prints the architecture, the sizes, the tensors by type, the tokenizer, the
    tokens before and behind a text, the chat format, the licence, and what gensample does not
    support. FILE is a GGUF file, a folder with config.json, or a llama2.c checkpoint. It reads the
    headers alone, unless --checksum asks for the whole file.

        gensample inspect model.gsm
        gensample inspect model.gguf --checksum
    """
  static let options =
    [
      ModelOptions.tokens,
      Option(
        flag: "checksum",
        "read a neural model whole: print its SHA-256, and refuse numbers that are not finite"),
    ] + OutputOptions.report

  static func run(_ arguments: Arguments) throws {
    guard !arguments.positional.isEmpty else {
      throw CommandFailure.usage("inspect needs a file: gensample inspect \(usage)")
    }
    let format = try OutputOptions.format(arguments)
    let stream = try ResultStream(path: nil)
    var last: (any Error)?
    for name in arguments.positional {
      if NeuralModel.isNeural(path: name) {
        do {
          let shown = try ShownNetwork(name, isWhole: arguments.has("checksum"))
          try stream.writeLine(format == .text ? shown.text : shown.object.text)
          if let fault = shown.fault { throw fault }
        } catch {
          if let last { tell(last) }
          last = error
        }
        continue
      }
      let model: NGramModel
      do {
        model = try loadModel(name, arguments, isReversed: true)
        try model.verify()
      } catch {
        if let last { tell(last) }
        last = error
        continue
      }
      let isGSM = BuiltInModel(rawValue: name) != nil || FileBeginning(path: name).isGSM
      let kind = isGSM ? "gsm" : "arpa"
      let totals = model.contextTotals { $0 != model.vocabulary.start }
      let size = BuiltInModel(rawValue: name) == nil ? fileSize(name) : model.byteCount
      let vocabulary = model.vocabulary
      let tokens =
        model.ownerOfTokens == nil ? Tokenization(vocabulary.spacing).rawValue : "subwords"
      switch format {
      case .jsonl:
        var object = JSONObject()
        object.add("type", .string("model"))
        object.add("path", .string(name))
        object.add("kind", .string(kind))
        object.add("order", .integer(model.order))
        object.add("counts", .integers(model.counts))
        object.add("bytes", .integer(size))
        if kind == "gsm" {
          object.add("layout", .string(model.layout.rawValue))
          object.add("quantized_bits", .integer(model.quantizedBits))
        }
        object.add("tokens", .string(tokens))
        object.add("has_unknown", .boolean(vocabulary.unknown != nil))
        object.add("least_context_sum", .number(totals.least))
        object.add("largest_context_sum", .number(totals.most))
        var made = JSONObject()
        for (key, value) in model.description { made.add(key, .string(value)) }
        object.add("made", .object(made))
        object.add("sound", .boolean(true))
        try stream.writeLine(object.text)
      case .text:
        let bits = model.quantizedBits > 0 ? ", \(model.quantizedBits) bits per value" : ""
        let form = kind == "gsm" ? ".gsm, \(model.layout.rawValue) layout\(bits)" : "ARPA"
        var lines = [
          "\(name): n-gram model (\(form)), sound",
          "  order       \(model.order)",
          "  n-grams     \(model.counts.map(String.init).joined(separator: " / "))",
          "  bytes       \(size)",
          "  vocabulary  \(vocabulary.count) entries, \(tokens)"
            + (vocabulary.unknown == nil ? ", no unknown token" : ""),
          "  contexts    " + sums(totals, vocabulary),
        ]
        for (key, value) in model.description {
          lines.append("  \(key.padding(toLength: 11, withPad: " ", startingAt: 0)) \(value)")
        }
        try stream.writeLine(lines.joined(separator: "\n"))
      }
    }
    try stream.finish()
    if let last { throw last }
  }

  /// What the probabilities of the contexts add up to, for people.
  private static func sums(_ totals: ContextTotals, _ vocabulary: Vocabulary) -> String {
    func short(_ sum: Double) -> String { String(format: "%.4g", sum) }
    let (least, most) = (short(totals.least), short(totals.most))
    guard totals.isOverOne else {
      return least == most ? "each adds up to \(most)" : "add up to \(least) ... \(most)"
    }
    return "add up to \(least) ... \(most), expected 1: \(most) \(totals.place(in: vocabulary)); "
      + "the sum over all texts may be infinite"
  }

  private static func fileSize(_ path: String) -> Int {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return (attributes?[.size] as? Int) ?? 0
  }
}
