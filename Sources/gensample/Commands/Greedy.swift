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

    With --contrastive K,A each of the K most probable tokens scores (1 - A) x its probability less A
    x how much the place behind it resembles earlier places of the text: the cosine of the square
    roots of what the model expects next. The best score is taken.

        gensample greedy --prompt "It was"
        gensample greedy --prompt "It was" --no-repeat-ngram 3 --include sea
        gensample greedy --prompt "It was" --contrastive 5,0.6
    """
  /// What is said of contrastive search.
  static let contrastive = [
    Option("contrastive", "K,A", "contrastive search among K tokens, resemblance weighing A"),
    Option(
      "contrastive-window", "N", "it looks back at the last N tokens' places (default 256)"),
  ]

  static let options =
    DecodingOptions.limits + TargetOptions.statements + contrastive + DecodingOptions.drafting
    + DecodingOptions.copies + DecodingOptions.penalties
    + DecodingOptions.termination + DecodingOptions.output

  static func run(_ arguments: Arguments) throws {
    if let extra = arguments.positional.first {
      throw CommandFailure.usage(
        "greedy takes options only, got '\(extra)'; what the text begins with is given by "
          + "--prompt '\(extra)'")
    }
    let modelName = arguments.text("model") ?? BuiltInModel.english.rawValue
    let model = try loadModel(modelName)
    let rules = try DecodingOptions.rules(arguments, model: model, truncates: false)
    let prompt = try DecodingOptions.prompt(arguments, model: model)
    let draft = try DecodingOptions.draft(arguments, for: model, rules)
    guard draft == nil || !arguments.has("contrastive") else {
      throw CommandFailure.usage(
        "--draft and --contrastive exclude each other: a draft goes ahead by the most probable "
          + "tokens")
    }
    let decode = try decoder(arguments, rules, model, prompt)
    Interruption.watch {}
    let results = try DecodingResults(
      arguments, command: name, modelName: modelName, model: model, rules: rules,
      prompt: prompt)
    let made = SharedCount()
    let progress = try results.progress(
      arguments, unit: "tokens", total: rules.maxTokens, isSeen: results.isTerminal, made)
    defer { progress.finish() }
    func show(_ token: Token) {
      results.show(token)
      made.value += 1
    }
    results.begin()
    guard let draft else {
      let decoded = try decode(show)
      progress.finish()
      try results.write(decoded)
      return try results.finish()
    }
    var tally = SpeculativeDecoder.Tally()
    let decoded = try draft.decoder.decode(
      model, draft: draft.model, after: prompt, tally: &tally, watch: show)
    progress.finish()
    try results.write(decoded)
    try results.finish(draft: tally)
  }

  /// The decoder that the options write down.
  static func decoder(
    _ arguments: Arguments, _ rules: DecodingRules, _ model: NGramModel, _ prompt: TokenSequence
  ) throws -> ((Token) -> Void) throws -> DecodedText {
    guard let text = arguments.text("contrastive") else {
      guard !arguments.has("contrastive-window") else {
        throw CommandFailure.usage("--contrastive-window says something of --contrastive")
      }
      let decoder = try GreedyDecoder(rules)
      return { try decoder.decode(model, after: prompt, watch: $0) }
    }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count == 2, let candidates = Int(parts[0]), let penalty = Double(parts[1]) else {
      throw CommandFailure.usage(
        "--contrastive takes a whole number and a weight K,A such as 5,0.6, got '\(text)'")
    }
    do {
      let search = try ContrastiveSearch(
        candidates: candidates, penalty: penalty,
        window: arguments.integer("contrastive-window", in: 1...10_000) ?? 256, rules)
      return { try search.decode(model, after: prompt, watch: $0) }
    } catch let error as DecodingError {
      throw CommandFailure.usage("--\(error)")
    }
  }
}
