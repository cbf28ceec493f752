// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

enum Sample: Command {
  static let name = "sample"
  static let summary = "tokens drawn one after another"
  static let usage = "[--prompt TEXT] [options]"
  static let discussion = """
    Draws texts from the model, token by token, until the end or for --max-tokens. Transforms
    apply in the order in which they are written, and none unless written. In jsonl each text
    says what it is worth: log_model is the model's log-probability of the whole text, log_drawn
    that with which what follows the prompt was drawn, given the coins that --xtc threw. Under
    constraints only tokens are left from which an allowed text can be finished within
    --max-tokens; each token is normalised by itself, so these are no draws from rho, and
    log_probability - log_drawn is a text's log weight. With --without-replacement all texts
    differ, each drawn with those before it left out; log_drawn is then that of one draw alone,
    and log_inclusion its log-probability of being among the texts: sums of f x exp(log_drawn -
    log_inclusion) estimate means without bias. Texts differ in their tokens or in what ended
    them; two may read alike, which is said.

    With --best-of N each result is the best of N texts by the sum of all --score: log-probability
    is the model's, of what follows the prompt; mean-log-probability divides it by the tokens, the
    end among them; any other value is a statement of the constraint file: a soft one scores its
    nats, a hard one rules a text out that does not meet it, where there are others; where there are
    none, that is said.

        gensample sample --prompt "It was"
        gensample sample --temperature 0.8 --top-p 0.9 --keep-end
        gensample sample --best-of 20 --score mean-log-probability --score 'length 8..12 words'
        gensample sample --without-replacement --max-tokens 8 --samples 20
    """
  static let options =
    DecodingOptions.limits + TargetOptions.statements
    + [
      Option("samples", "N", "how many results (default 5)"),
      Option("seed", "N", "the same seed gives the same results (default: a random one, printed)"),
      Option("best-of", "N", "print the best of N texts for each result"),
      Option(
        "score", "SCORE", isRepeatable: true,
        "log-probability, mean-log-probability or a statement (default log-probability)"),
      Option(
        flag: "without-replacement", "distinct texts, each with its probability of being among them"
      ),
    ] + DecodingOptions.drafting + DecodingOptions.copies + DecodingOptions.truncations
    + DecodingOptions.penalties + DecodingOptions.termination
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
    let best = try BestOfScores(arguments, model)
    let draft = try DecodingOptions.draft(arguments, for: model, rules)
    let ways = ["best-of", "draft", "without-replacement"].filter { arguments.has($0) }
    guard ways.count < 2 else {
      throw CommandFailure.usage(
        ways.map { "--\($0)" }.joined(separator: " and ")
          + " exclude each other: each is a way of its own to draw a text")
    }
    let distinct =
      arguments.has("without-replacement")
      ? try DistinctRun(rules, count: samples, of: "samples", option: "without-replacement") : nil
    Interruption.watch {}
    let results = try DecodingResults(
      arguments, command: name, modelName: modelName, model: model, rules: rules,
      prompt: prompt)
    let random = Philox(seed: seed)
    let drawn = SharedCount()
    let progress = try results.progress(
      arguments, unit: "texts", total: samples, isSeen: distinct == nil && results.isTerminal, drawn
    )
    defer { progress.finish() }
    if let distinct {
      return try distinct.write(to: results, model, after: prompt, seed: seed) {
        drawn.value += 1
      } drawn: {
        progress.finish()
      }
    }
    var tally = SpeculativeDecoder.Tally()
    for number in 0..<samples {
      if results.isAtEnd { break }
      // A stream a text: the first of many are the same as when few are asked for.
      var choices = RandomChoices(random.stream(UInt64(number)))
      if let best {
        let (text, score) = try best.choice(of: sampler).draw(
          from: model, after: prompt, using: &choices)
        try results.write(text, best: BestOfScores.Chosen(score: score, by: best))
        drawn.value += 1
        continue
      }
      results.begin()
      if let draft {
        try results.write(
          draft.decoder.draw(
            from: model, draft: draft.model, after: prompt, using: &choices, tally: &tally
          ) { results.show($0) })
      } else {
        try results.write(
          sampler.draw(from: model, after: prompt, using: &choices) { results.show($0) })
      }
      drawn.value += 1
    }
    progress.finish()
    try results.finish(seed: seed, draft: draft == nil ? nil : tally)
  }
}
