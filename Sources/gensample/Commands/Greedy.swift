// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

enum Greedy: Command {
  static let name = "greedy"
  static let summary = "the most probable token, one after another"
  static let usage = "[--prompt TEXT] [options]"
  static let discussion = """
    Goes on from the prompt by the most probable token at each step, until the end or for
    --max-tokens. Greedy decoding of an n-gram model likes to run in circles: the line on standard
    error says whether the text is finished, the option --non-monotone EPS sees to it that it is.
    Penalties apply in the order in which they are written. Under constraints only tokens are left
    from which an allowed text can be finished within --max-tokens.

        gensample greedy --prompt "It was"
        gensample greedy --prompt "It was" --no-repeat-ngram 3 --include sea
    """
  static let options =
    DecodingOptions.limits + TargetOptions.statements + DecodingOptions.penalties
    + DecodingOptions.termination.filter { $0.name != "keep-end" } + DecodingOptions.output

  static func run(_ arguments: Arguments) throws {
    if let extra = arguments.positional.first {
      throw CommandFailure.usage(
        "greedy takes options only, got '\(extra)'; what the text begins with is given by "
          + "--prompt '\(extra)'")
    }
    let modelName = arguments.text("model") ?? BuiltInModel.english.rawValue
    let model = try loadModel(modelName)
    let rules = try DecodingOptions.rules(arguments, model: model)
    let prompt = try DecodingOptions.prompt(arguments, model: model)
    let decoder = try GreedyDecoder(rules)
    Interruption.watch {}
    let results = try DecodingResults(
      arguments, command: name, modelName: modelName, model: model, rules: rules,
      prompt: prompt)
    results.begin()
    try results.write(decoder.decode(model, after: prompt) { results.show($0) })
    try results.finish()
  }
}
