// Licensed under the Apache License, Version 2.0.

import LM
import Neural
import Runs

enum Convert: Command {
  static let name = "convert"
  static let summary = "write a model in another format"
  static let usage = "IN OUT [options]"
  static let discussion = """
    Reads a built-in model, a .gsm file or an ARPA file and writes OUT in the format of its suffix:
    .gsm, .arpa or .arpa.gz. Numbers keep every bit unless --quantize rounds them. Back-off
    weights of the highest order are dropped with a note, because no longer n-gram uses them. With
    --tokens characters, an ARPA file whose words are single characters becomes a model of texts
    without spaces between them.

    A folder with config.json and safetensors becomes a GGUF file that llama.cpp reads, too. Without
    --quantize its matrices are f16.

        gensample convert model.arpa.gz model.gsm --layout small
        gensample convert SmolLM2-135M smollm2.gguf --quantize q8_0
    """
  static let options = [
    ModelOptions.tokens,
    Option(
      "quantize", "BITS|TYPE",
      "bits per value in the small layout, 2 to 16; of a .gguf file: q8_0, q4_1 or f16"),
    Option(
      "layout", "LAYOUT",
      "small (least memory) or fast (default: fast, but small with --quantize)"),
    OutputOptions.quiet,
  ]

  static func run(_ arguments: Arguments) throws {
    guard arguments.positional.count == 2 else {
      throw CommandFailure.usage("convert takes two files: gensample convert \(usage)")
    }
    let (input, output) = (arguments.positional[0], arguments.positional[1])
    if output.hasSuffix(".gguf") { return try convertNetwork(input, output, arguments) }
    guard !NeuralModel.isNeural(path: input) else {
      throw CommandFailure.usage(
        "'\(input)' is a neural model, which becomes a .gguf file only, got '\(output)'")
    }
    let form = try ModelForm(output)
    let quantized = try arguments.integer("quantize", in: 2...16)
    let layout = try arguments.choice("layout", as: NGramLayout.self)
    try form.check(layout: layout, quantized: quantized)
    Interruption.watch {}
    try Interruption.beginIndivisible()
    try ModelForm.checkPlace(output)
    let isGSM =
      input.hasSuffix(".gsm") || BuiltInModel(rawValue: input) != nil
      || FileBeginning(path: input).isGSM
    if isGSM, form == .arpa,
      let owner = try loadModel(input, arguments, isReversed: true).ownerOfTokens
    {
      throw CommandFailure.usage(
        "'\(input)' has the tokens of '\(owner)', which ARPA files cannot hold; write a .gsm file")
    }
    let trie =
      isGSM
      ? try loadModel(input, arguments, isReversed: true).makeTrie()
      : try NGramTrie(
        arpa: input, tokenization: ModelOptions.tokens(arguments) == .characters ? .characters : nil
      ) {
        if !arguments.has("quiet") { report("gensample: \($0)") }
      }
    try form.write(
      trie, to: output, layout: layout ?? (quantized == nil ? .fast : .small),
      quantized: quantized)
  }

  /// Writes a folder as GGUF.
  private static func convertNetwork(
    _ input: String, _ output: String, _ arguments: Arguments
  ) throws {
    guard NeuralModel.isNeural(path: input) else {
      throw CommandFailure.usage(
        "'\(input)' is a model of n-grams, which becomes .gsm, .arpa or .arpa.gz, got '\(output)'")
    }
    if let option = ["layout", "tokens"].first(where: arguments.has) {
      throw CommandFailure.usage("--\(option) is for models of n-grams")
    }
    let types: [String: TensorType] = ["q8_0": .q8_0, "q4_1": .q4_1, "f16": .f16]
    let name = arguments.text("quantize") ?? "f16"
    guard let type = types[name.lowercased()] else {
      throw CommandFailure.usage(
        "--quantize takes one of q8_0, q4_1, f16 for a .gguf file, got '\(name)'")
    }
    Interruption.watch {}
    try Interruption.beginIndivisible()
    try ModelForm.checkPlace(output)
    do throws(NeuralError) {
      let notes = try GGUFConversion.write(NetworkFile.open(input), to: output, as: type).notes
      if !arguments.has("quiet") { for note in notes { report("gensample: \(note)") } }
    } catch {
      throw LoadError(.badData, path: input, error.description)
    }
  }
}
