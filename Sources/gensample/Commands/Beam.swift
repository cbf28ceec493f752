// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

enum Beam: Command {
  static let name = "beam"
  static let summary = "the best texts that a beam of fixed width finds"
  static let usage = "[--prompt TEXT] [options]"
  static let discussion = """
    Goes on from the prompt by the --width best texts at each step and prints the --best ones that
    are finished. A score is the log-probability divided by length^A, the end counted. The search
    stops when nothing that is still open can reach what is finished, or with --patience F as soon
    as F x width texts are finished. Under constraints a text is ranked by log rho, and the beam is
    shared among the distances to an allowed end, so that keywords in any order get their turn.

    A text's score may also gain what it covers of a source (--coverage), each token shared by the
    places of the source that hold it. With --alternatives N a line says what else could stand at a
    place of the best text: the probability, the token, and the best text that has it, by tabs.

    With --stochastic the beam is ranked by log-probabilities that Gumbel noise perturbs: the --width
    texts that it finds are draws without replacement, as those of 'sample --without-replacement'
    with the same seed, with log_drawn and log_inclusion. Texts differ in their tokens or in what
    ended them; two may read alike, which is said.

        gensample beam --prompt "It was" --alternatives 5 --at 2
        gensample beam --prompt "It was" --width 8 --length-penalty 1 --best 3
        gensample beam --include sea --include storm --length 6..12
        gensample beam --width 6 --groups 3 --diversity 2 --best 6
        gensample beam --stochastic --width 20 --max-tokens 8
    """
  /// What is said of the search itself.
  static let search = [
    Option("width", "N", "texts that go on at each step (default 4)"),
    Option("length-penalty", "A", "the exponent of the length in the score (default 0)"),
    Option(
      "patience", "F",
      "stop once F x width texts are finished (default: when none better can come)"),
    Option("groups", "N", "search in N groups that avoid each other (default 1)"),
    Option("diversity", "D", "what a token loses for each earlier group's text that takes it"),
    Option(
      "coverage", "B,F",
      "the score gains B x log of how far each token of --source is covered, F at least"),
  ]

  static let options =
    DecodingOptions.limits + TargetOptions.statements + search + [
      Option(
        flag: "stochastic",
        "draw --width distinct texts, each with its probability of being among them"),
      Option("seed", "N", "the same seed gives the same texts (default: a random one, printed)"),
      Option("best", "N", "how many texts are printed, at most those finished (default 1)"),
      Option(
        "alternatives", "N",
        "the N most probable tokens at a place of the best text, each completed"),
      Option(
        "at", "I", "the place of --alternatives, counted from 1 behind the prompt (default 1)"),
    ] + DecodingOptions.copies + DecodingOptions.penalties
    + DecodingOptions.termination + DecodingOptions.output

  static func run(_ arguments: Arguments) throws {
    if let extra = arguments.positional.first {
      throw CommandFailure.usage(
        "beam takes options only, got '\(extra)'; what the text begins with is given by "
          + "--prompt '\(extra)'")
    }
    let best = try arguments.integer("best", in: 1...100_000) ?? 1
    let modelName = arguments.text("model") ?? BuiltInModel.english.rawValue
    let model = try loadModel(modelName)
    let rules = try DecodingOptions.rules(arguments, model: model, truncates: false)
    let prompt = try DecodingOptions.prompt(arguments, model: model)
    let search = try search(arguments, rules, model)
    let count = try arguments.integer("alternatives", in: 1...100_000)
    let place = try arguments.integer("at", in: 1...1_000_000_000)
    guard place == nil || count != nil else {
      throw CommandFailure.usage("--at is the place of --alternatives N, which is missing")
    }
    guard count == nil || !arguments.has("best") else {
      throw CommandFailure.usage("--alternatives prints one text each; leave --best out")
    }
    let stochastic = try stochastic(arguments, rules, search)
    Interruption.watch {}
    let results = try DecodingResults(
      arguments, command: name, modelName: modelName, model: model, rules: rules,
      prompt: prompt)
    let made = SharedCount()
    let progress = try results.progress(
      arguments, unit: stochastic == nil ? "tokens" : "texts",
      total: stochastic == nil ? rules.maxTokens : search.width, isSeen: false, made)
    defer { progress.finish() }
    if let stochastic {
      return try stochastic.run.write(to: results, model, after: prompt, seed: stochastic.seed) {
        made.value += 1
      } drawn: {
        progress.finish()
      }
    }
    if let count {
      do {
        let all = try search.alternatives(count, at: place ?? 1, in: model, after: prompt)
        progress.finish()
        for one in all {
          try results.write(one.result.decoded, beam: one.result, alternative: one)
        }
      } catch let error as DecodingError where error.kind == .badArgument {
        throw CommandFailure.usage("--\(error)")
      }
      return try results.finish(
        shortfall: Shortfall(
          of: results.count, asked: count,
          rules.isTimeUp() ? "time was up" : "no more tokens are left at this place"))
    }
    let found = try search.decode(model, after: prompt) { made.value = $0 }
    progress.finish()
    for result in found.prefix(best) { try results.write(result.decoded, beam: result) }
    try results.finish(
      shortfall: Shortfall(
        of: found.count, asked: best,
        rules.isTimeUp()
          ? "time was up"
          : search.groups > 1 && search.diversity == 0
            ? "without --diversity the groups find the same texts"
            : search.patience != nil
              ? "--patience ended the search" : "a beam of --width \(search.width) finds no more"))
  }

  /// What draws a stochastic beam, and its seed; `nil` where none is asked for.
  private static func stochastic(
    _ arguments: Arguments, _ rules: DecodingRules, _ search: BeamSearch
  ) throws -> (run: DistinctRun, seed: UInt64)? {
    guard arguments.has("stochastic") else {
      guard !arguments.has("seed") else {
        throw CommandFailure.usage("--seed is for --stochastic; without it a beam draws nothing")
      }
      return nil
    }
    let ranking = self.search.map(\.name).filter { $0 != "width" } + ["best", "alternatives"]
    if let other = ranking.first(where: arguments.has) {
      throw CommandFailure.usage(
        "--stochastic and --\(other) exclude each other: a stochastic beam is ranked by perturbed "
          + "log-probabilities alone, and prints all its texts")
    }
    return (
      try DistinctRun(rules, count: search.width, of: "width", option: "stochastic"),
      try arguments.seed("seed") ?? UInt64.random(in: 0...UInt64.max)
    )
  }

  /// The search that the options write down.
  static func search(
    _ arguments: Arguments, _ rules: DecodingRules, _ model: NGramModel
  ) throws -> BeamSearch {
    guard !arguments.has("diversity") || arguments.has("groups") else {
      throw CommandFailure.usage("--diversity is between groups; say how many with --groups")
    }
    let width = try arguments.integer("width", in: 1...100_000) ?? 4
    do {
      return try BeamSearch(
        width: width, lengthPenalty: try number("length-penalty", arguments) ?? 0,
        patience: try number("patience", arguments),
        groups: try arguments.integer("groups", in: 1...width) ?? 1,
        diversity: try number("diversity", arguments) ?? 0,
        coverage: try coverage(arguments, model), rules)
    } catch let error as DecodingError {
      throw CommandFailure.usage("--\(error)")
    }
  }

  private static func coverage(
    _ arguments: Arguments, _ model: NGramModel
  ) throws -> CoveragePenalty? {
    guard let text = arguments.text("coverage") else { return nil }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).compactMap {
      Double($0)
    }
    guard parts.count == 2 else {
      throw CommandFailure.usage(
        "--coverage takes a weight and a floor B,F such as 0.2,0.01, got '\(text)'")
    }
    return try CoveragePenalty(
      of: DecodingOptions.source(arguments, for: "coverage", model: model).flatMap { $0 },
      weight: parts[0],
      floor: parts[1])
  }

  private static func number(
    _ name: String, _ arguments: Arguments
  ) throws(CommandFailure) -> Double? {
    guard let text = arguments.text(name) else { return nil }
    guard let number = Double(text) else {
      throw .usage("--\(name) takes a number, got '\(text)'")
    }
    return number
  }
}
