// Licensed under the Apache License, Version 2.0.

import Runs

enum Sample: Command {
  static let name = "sample"
  static let summary = "ancestral sampling: draws one token after another"
  static let usage = "[--prompt TEXT] [options]"
  static let discussion = """
    Draws texts from the model token by token, until the text ends or has --max-tokens tokens.
    Transforms apply in the order in which they are written; by default there are none. But
    --min-tokens, --forbid, --no-repeat-ngram and --copy apply before all others. In JSON lines
    each text carries its probabilities: log_model is the model's log-probability of the whole
    text, log_drawn the log-probability with which the part after the prompt was drawn (given the
    coins that --xtc tossed).

    Under constraints, only tokens from which an allowed text can still be finished within
    --max-tokens remain. Each token is normalised on its own, so the texts are not draws from rho;
    log_probability - log_drawn is the log weight of a text.

    With --without-replacement all texts differ: each is drawn from the texts that were not drawn
    before. log_drawn is then for a single draw, and log_inclusion is the log-probability that the
    text is among the results: sums of f x exp(log_drawn - log_inclusion) are unbiased estimates of
    means. Two texts may read alike if they differ in their tokens or in what ended them; a note
    says so.

    With --best-of N each result is the best of N texts by the sum of all --score values.
    log-probability is the model's, for the part after the prompt. mean-log-probability divides it
    by the number of tokens, with the end. Any other value is a statement of the constraint file: a
    soft statement adds its nats, and a hard one rules out the texts that break it. If all N texts
    break it, a note says so.

        gensample sample --prompt "It was"
        gensample sample --temperature 0.8 --top-p 0.9 --keep-end
        gensample sample --best-of 20 --score mean-log-probability --score 'length 8..12 words'
        gensample sample --without-replacement --max-tokens 8 --samples 20
    """
  static let options =
    DecodingOptions.limits + TargetOptions.statements
    + [
      Option("samples", "N", "how many texts to print (default 5)"),
      Option("seed", "N", "the same seed gives the same results (default: a random one, printed)"),
      Option("best-of", "N", "draw N texts for each result and print the best"),
      Option(
        "score", "SCORE", isRepeatable: true,
        "log-probability, mean-log-probability or a statement (default log-probability)"),
      Option(
        flag: "without-replacement", "draw distinct texts, each with its inclusion probability"
      ),
    ] + DecodingOptions.drafting + DecodingOptions.copies + DecodingOptions.truncations
    + DecodingOptions.penalties + DecodingOptions.termination
    + DecodingOptions.output

  static func run(_ arguments: Arguments) throws {
    let samples = try arguments.integer("samples", in: 0...1_000_000_000)
    let seed = try arguments.seed("seed") ?? UInt64.random(in: 0...UInt64.max)
    let session = try DecodingSession(Self.self, arguments)
    var decoder = AncestralDecoder(session.rules, seed: seed)
    decoder.samples = samples ?? decoder.samples
    decoder.best = try best(arguments, session)
    decoder.draft = try DecodingOptions.draft(arguments, for: session.model, session.rules)
    let ways = ["best-of", "draft", "without-replacement"].filter { arguments.has($0) }
    guard ways.count < 2 else {
      throw CommandFailure.usage(
        ways.map { "--\($0)" }.joined(separator: " and ")
          + " cannot be combined: each is a different way to draw a text")
    }
    guard arguments.has("without-replacement") else { return try session.run(decoder) }
    try session.run(
      DistinctDecoder(
        session.rules, count: decoder.samples, of: "samples", option: "without-replacement",
        seed: seed))
  }

  /// The scores by which `--best-of` chooses; `nil` without `--best-of`.
  private static func best(
    _ arguments: Arguments, _ session: DecodingSession
  ) throws -> BestOfScores? {
    guard let count = try arguments.integer("best-of", in: 1...1_000_000_000) else {
      guard !arguments.has("score") else { throw CommandFailure.usage("--score needs --best-of N") }
      return nil
    }
    return try BestOfScores(
      count, by: arguments.has("score") ? arguments.texts("score") : ["log-probability"],
      session.model)
  }
}
