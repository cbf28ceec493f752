// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

enum Sample: Command {
  static let name = "sample"
  static let summary = "tokens drawn one after another"
  static let usage = "[--prompt TEXT] [options]"
  static let discussion = """
    Draws texts from the model, token by token, until the end or for --max-tokens. Transforms apply
    in the order in which they are written, and none unless written. In jsonl each text says what it
    is worth: log_model is the model's log-probability of the whole text, log_drawn that with which
    what follows the prompt was drawn. Under constraints only tokens are left from which an allowed
    text can be finished within --max-tokens; each token is normalised by itself, so these are no
    draws from rho, and log_probability - log_drawn is a text's log weight.

        gensample sample --prompt "It was"
        gensample sample --temperature 0.8 --top-p 0.9 --keep-end
    """
  static let options =
    DecodingOptions.limits + TargetOptions.statements
    + [
      Option("samples", "N", "how many results (default 5)"),
      Option("seed", "N", "the same seed gives the same results (default: a random one, printed)"),
    ] + DecodingOptions.truncations + DecodingOptions.penalties + DecodingOptions.termination
    + DecodingOptions.output

  static func run(_ arguments: Arguments) throws {
    if let extra = arguments.positional.first {
      throw CommandFailure.usage(
        "sample takes options only, got '\(extra)'; what the texts begin with is given by "
          + "--prompt '\(extra)'")
    }
    let samples = try arguments.integer("samples", in: 0...1_000_000_000) ?? 5
    let seed = try arguments.seed("seed") ?? UInt64.random(in: 0...UInt64.max)
    let modelName = arguments.text("model") ?? BuiltInModel.english.rawValue
    let model = try loadModel(modelName)
    let rules = try DecodingOptions.rules(arguments, model: model)
    let prompt = try DecodingOptions.prompt(arguments, model: model)
    let sampler = AncestralSampler(rules)
    Interruption.watch {}
    let results = try DecodingResults(
      arguments, command: name, modelName: modelName, model: model, rules: rules,
      prompt: prompt)
    let random = Philox(seed: seed)
    for number in 0..<samples {
      if results.isAtEnd { break }
      // A stream a text: the first of many are the same as when few are asked for.
      var choices = RandomChoices(random.stream(UInt64(number)))
      results.begin()
      try results.write(
        sampler.draw(from: model, after: prompt, using: &choices) { results.show($0) })
    }
    try results.finish(seed: seed)
  }
}
