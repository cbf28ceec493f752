// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

enum MH: Command {
  static let name = "mh"
  static let summary = "Metropolis-Hastings: chains that edit a text step by step"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Draws texts from rho(x) = p(x)^fluency x soft weights x hard constraints, where p is the
    model's probability. Each chain starts from a random allowed text. Its steps replace,
    insert, delete and swap tokens and rewrite blocks. The printed texts follow rho once the
    chains have forgotten their start; the R-hat and effective sample size in the summary show
    whether they have.

    --moves gives a quarter of the steps to other kinds of move. move puts a token elsewhere. copy
    repeats a token or deletes it. tries proposes eight replacements at once (multiple-try
    Metropolis). block redraws two neighbouring tokens together. suffix redraws the end of the text
    from a random place on, at any length. informed weighs every token of the vocabulary for a place
    by how much it raises rho, through the square root or Barker's function (--balancing). All of
    them keep rho; which ones help depends on the target. informed takes some milliseconds per step,
    so with it the defaults of --warmup and --thin are \(PlanOptions.slowDefaults.warmup).

    --screen N is delayed acceptance: the model's n-grams of at most N tokens decide first, and only
    the moves that they accept are put to the full model, which corrects for the difference. For a
    neural model, --screen FILE takes n-grams over its tokens, which train --tokenizer makes.

        gensample mh --constraints examples/constraints/sea.txt
        gensample mh --include sea --include storm --length 6..14
        gensample mh --include sea --moves move,copy
        echo 'fluency 2' | gensample mh --constraints - --length ..12 --moves suffix
        gensample mh --model tang --match '.{5}，.{5}。.{5}，.{5}。' --include 春
    """
  static let options =
    ChainArguments.options + [
      Option(
        "moves", "KINDS",
        "other kinds of move, separated by commas: "
          + FurtherMoves.Kind.allCases.map(\.rawValue).joined(separator: ", ")),
      Option(
        "balancing", "FUNCTION",
        "weights for --moves informed: "
          + InformedBalancing.allCases.map(\.rawValue).joined(separator: " or ")
          + " (default square-root)"),
      Option(
        "screen", "N|FILE",
        "screen moves with the model's n-grams of at most N tokens; of a neural model: with the "
          + "n-grams of FILE, made by train --tokenizer"),
    ]

  static func run(_ given: Arguments) throws {
    let resumed = try ResumedRun(Self.self, given)
    let arguments = resumed?.arguments ?? given
    let kinds = try FurtherMoves.kinds(arguments)
    let balancing = try arguments.choice("balancing", as: InformedBalancing.self)
    guard balancing == nil || kinds?.contains(.informed) == true else {
      throw CommandFailure.usage("--balancing needs --moves informed")
    }
    guard !arguments.has("screen") || kinds == nil else {
      throw CommandFailure.usage("give either --screen or --moves; --moves cannot be screened")
    }
    let chains = try ChainArguments(arguments, isSlow: kinds?.contains(.informed) ?? false)
    let session = try SamplerSession(Self.self, arguments, resumed, seed: chains.plan.seed)
    var sampler = MetropolisHastingsSampler(try chains.options(session.model))
    sampler.moves = kinds
    sampler.balancing = balancing ?? sampler.balancing
    sampler.screen = try arguments.text("screen").map { text in
      if Int(text) == nil, session.model.isNeural {
        return try session.model.companion(text, for: "--screen")
      }
      let order = try arguments.integer("screen", in: 1...NGramTrie.highestOrder) ?? 1
      return try screen(session.model, order: order)
    }
    try session.run(sampler)
  }

  /// The model cut to n-grams of at most `order` tokens.
  private static func screen(_ model: LoadedModel, order: Int) throws -> LoadedModel {
    try model.require(.screen, for: "--screen")
    if let most = model.order, order >= most {
      throw CommandFailure.usage(
        "--screen \(order) must be below the model's order, which is \(most)")
    }
    return try model.lowered(to: order, .screen, for: "--screen")
  }
}

extension FurtherMoves {
  /// The kinds that `--moves` lists, each once; `nil` without `--moves`.
  static func kinds(_ arguments: Arguments) throws(CommandFailure) -> [Kind]? {
    guard let text = arguments.text("moves") else { return nil }
    var kinds: [Kind] = []
    for name in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let kind = Kind(rawValue: String(name)), !kinds.contains(kind) else {
        throw .usage(
          "--moves takes a list of \(Kind.allCases.map(\.rawValue).joined(separator: ", ")), each "
            + "at most once and separated by commas, got '\(text)'")
      }
      kinds.append(kind)
    }
    return kinds
  }
}
