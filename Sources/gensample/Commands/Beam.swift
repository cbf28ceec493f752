// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

enum Beam: Command {
  static let name = "beam"
  static let summary = "beam search: the best texts that a beam of fixed width finds"
  static let usage = "[--prompt TEXT] [options]"
  static let discussion = """
    Extends the prompt token by token, keeps the best --width texts at each step, and prints the
    best --best finished texts. The score is the log-probability divided by length^A, where the
    length includes the end. The search stops when no unfinished text can beat the finished ones,
    or with --patience F once F x width texts are finished. Under constraints, texts are ranked by
    log rho. The beam is then divided among the distances to an allowed end, so that the search
    tries keywords in every order.

    --coverage adds to the score of a text that covers more of a source. Each token of the text is
    shared among the places of the source that hold it. --alternatives N shows what else could
    stand at one place of the best text: each line holds the probability, the token and the best
    text with this token, separated by tabs.

    --stochastic adds Gumbel noise to the log-probabilities. The --width texts that it finds are
    draws without replacement, the same as those of 'sample --without-replacement' with this seed,
    with log_drawn and log_inclusion. Two texts may read alike if they differ in their tokens or in
    what ended them; a note says so.

        gensample beam --prompt "It was" --alternatives 5 --at 2
        gensample beam --prompt "It was" --width 8 --length-penalty 1 --best 3
        gensample beam --include sea --include storm --length 6..12
        gensample beam --width 6 --groups 3 --diversity 2 --best 6
        gensample beam --stochastic --width 20 --max-tokens 8
    """
  /// The options of the search itself, which `audit --strategy beam` takes as well.
  static let search = [
    Option("width", "N", "how many texts are kept at each step (default 4)"),
    Option("length-penalty", "A", "exponent of the length in the score (default 0)"),
    Option(
      "patience", "F",
      "stop once F x width texts are finished (default: when no better text is possible)"),
    Option("groups", "N", "divide the beam into N groups that avoid each other (default 1)"),
    Option("diversity", "D", "penalty for a token, per text of an earlier group that chose it"),
    Option(
      "coverage", "B,F",
      "add B x the log of how far each token of --source is covered, at least F"),
  ]

  static let options =
    DecodingOptions.limits + TargetOptions.statements + search + [
      Option(
        flag: "stochastic",
        "draw --width distinct texts, each with its inclusion probability"),
      Option("seed", "N", "the same seed gives the same texts (default: a random one, printed)"),
      Option("best", "N", "how many finished texts to print, at most (default 1)"),
      Option(
        "alternatives", "N",
        "show the N most probable tokens at one place of the best text, each completed"),
      Option(
        "at", "I", "the place for --alternatives, counted from 1 after the prompt (default 1)"),
    ] + DecodingOptions.copies + DecodingOptions.penalties
    + DecodingOptions.termination + DecodingOptions.output

  static func run(_ arguments: Arguments) throws {
    let best = try arguments.integer("best", in: 1...100_000)
    let session = try DecodingSession(Self.self, arguments, truncates: false)
    var decoder = BeamDecoder(
      session.rules, try search(arguments, session.rules, session.model))
    let count = try arguments.integer("alternatives", in: 1...100_000)
    let place = try arguments.integer("at", in: 1...1_000_000_000)
    guard place == nil || count != nil else {
      throw CommandFailure.usage("--at needs --alternatives N")
    }
    guard count == nil || best == nil else {
      throw CommandFailure.usage("give either --alternatives or --best, not both")
    }
    decoder.best = best ?? decoder.best
    decoder.alternatives = count.map { ($0, place ?? 1) }
    if let stochastic = try stochastic(arguments, session.rules, decoder.search) {
      return try session.run(stochastic)
    }
    try session.run(decoder)
  }

  /// The stochastic beam; `nil` without `--stochastic`.
  private static func stochastic(
    _ arguments: Arguments, _ rules: DecodingRules, _ search: BeamSearch
  ) throws -> DistinctDecoder? {
    guard arguments.has("stochastic") else {
      guard !arguments.has("seed") else {
        throw CommandFailure.usage("--seed needs --stochastic; a plain beam draws nothing")
      }
      return nil
    }
    let ranking = self.search.map(\.name).filter { $0 != "width" } + ["best", "alternatives"]
    if let other = ranking.first(where: arguments.has) {
      throw CommandFailure.usage(
        "--stochastic cannot be combined with --\(other): a stochastic beam ranks texts only by "
          + "perturbed log-probabilities and prints all of them")
    }
    return try DistinctDecoder(
      rules, count: search.width, of: "width", option: "stochastic",
      seed: try arguments.seed("seed") ?? UInt64.random(in: 0...UInt64.max))
  }

  /// The search that the options describe.
  static func search(
    _ arguments: Arguments, _ rules: DecodingRules, _ model: LoadedModel
  ) throws -> BeamSearch {
    guard !arguments.has("diversity") || arguments.has("groups") else {
      throw CommandFailure.usage("--diversity needs --groups N")
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
    _ arguments: Arguments, _ model: LoadedModel
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
