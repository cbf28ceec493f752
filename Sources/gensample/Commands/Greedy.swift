// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

enum Greedy: Command {
  static let name = "greedy"
  static let summary = "greedy decoding: the most probable token at each step"
  static let usage = "[--prompt TEXT] [options]"
  static let discussion = """
    Extends the prompt by the most probable token at each step, until the text ends or has
    --max-tokens tokens. Greedy decoding of an n-gram model often runs in circles. A line on
    standard error says whether the text ended; --non-monotone EPS makes sure that it ends.
    Penalties apply in the order in which they are written. Under constraints, only tokens from
    which an allowed text can still be finished within --max-tokens remain.

    --contrastive K,A scores each of the K most probable tokens by (1 - A) x its probability minus
    A x the similarity of the new place to earlier places of the text, and takes the best. The
    similarity is the cosine of the square roots of what the model expects next.

        gensample greedy --prompt "It was"
        gensample greedy --prompt "It was" --no-repeat-ngram 3 --include sea
        gensample greedy --prompt "It was" --contrastive 5,0.6
    """
  /// The options of contrastive search, which `audit --strategy greedy` takes as well.
  static let contrastive = [
    Option("contrastive", "K,A", "contrastive search among K tokens; A is the similarity's weight"),
    Option(
      "contrastive-window", "N", "compare with the places of the last N tokens (default 256)"),
  ]

  static let options =
    DecodingOptions.limits + TargetOptions.statements + contrastive + DecodingOptions.drafting
    + DecodingOptions.copies + DecodingOptions.penalties
    + DecodingOptions.termination + DecodingOptions.output

  static func run(_ arguments: Arguments) throws {
    let session = try DecodingSession(Self.self, arguments, truncates: false)
    let draft = try DecodingOptions.draft(arguments, for: session.model, session.rules)
    guard draft == nil || !arguments.has("contrastive") else {
      throw CommandFailure.usage(
        "--draft and --contrastive exclude each other: a draft goes ahead by the most probable "
          + "tokens")
    }
    var decoder = try decoder(arguments, session.rules)
    decoder.draft = draft
    try session.run(decoder)
  }

  /// The decoder that the options describe.
  static func decoder(_ arguments: Arguments, _ rules: DecodingRules) throws -> GreedyTextDecoder {
    guard let text = arguments.text("contrastive") else {
      guard !arguments.has("contrastive-window") else {
        throw CommandFailure.usage("--contrastive-window needs --contrastive")
      }
      return try GreedyTextDecoder(rules)
    }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count == 2, let candidates = Int(parts[0]), let penalty = Double(parts[1]) else {
      throw CommandFailure.usage(
        "--contrastive takes a whole number and a weight K,A such as 5,0.6, got '\(text)'")
    }
    do {
      return try GreedyTextDecoder(
        rules,
        contrastive: ContrastiveSearch(
          candidates: candidates, penalty: penalty,
          window: arguments.integer("contrastive-window", in: 1...10_000) ?? 256, rules))
    } catch let error as DecodingError {
      throw CommandFailure.usage("--\(error)")
    }
  }
}
