// Licensed under the Apache License, Version 2.0.

import LM
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

        gensample convert model.arpa.gz model.gsm --layout small
    """
  static let options = [
    ModelOptions.tokens,
    Option("quantize", "BITS", "bits per value in the small layout, 2 to 16"),
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
    let form = try ModelForm(output)
    let quantized = try arguments.integer("quantize", in: 2...16)
    let layout = try arguments.choice("layout", as: NGramLayout.self)
    try form.check(layout: layout, quantized: quantized)
    Interruption.watch {}
    try Interruption.beginIndivisible()
    try form.checkPlace(output)
    let isGSM =
      input.hasSuffix(".gsm") || BuiltInModel(rawValue: input) != nil
      || FileBeginning(path: input).isGSM
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
}
