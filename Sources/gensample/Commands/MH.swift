// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

enum MH: Command {
  static let name = "mh"
  static let summary = "Metropolis-Hastings: chains that edit a text step by step"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Draws texts from rho(x) = p(x)^fluency x soft weights x hard constraints, where p is an n-gram
    model. Each chain starts from a random allowed text. Its steps replace, insert, delete and swap
    tokens and rewrite blocks. The printed texts follow rho once the chains have forgotten their
    start; the R-hat and effective sample size in the summary show whether they have.

    --moves gives a quarter of the steps to other kinds of move. move puts a token elsewhere. copy
    repeats a token or deletes it. tries proposes eight replacements at once (multiple-try
    Metropolis). block redraws two neighbouring tokens together. suffix redraws the end of the text
    from a random place on, at any length. informed weighs every token of the vocabulary for a place
    by how much it raises rho, through the square root or Barker's function (--balancing). All of
    them keep rho; which ones help depends on the target. informed takes some milliseconds per step,
    so with it the defaults of --warmup and --thin are \(PlanOptions.slowDefaults.warmup).

    --screen N is delayed acceptance: the model's n-grams of at most N tokens decide first, and only
    the moves that they accept are put to the full model, which corrects for the difference.

        gensample mh --constraints examples/constraints/sea.txt
        gensample mh --include sea --include storm --length 6..14
        gensample mh --include sea --moves move,copy
        echo 'fluency 2' | gensample mh --constraints - --length ..12 --moves suffix
        gensample mh --model tang --match '.{5}，.{5}。.{5}，.{5}。' --include 春
    """
  static let options =
    ChainCommand.options + [
      Option(
        "moves", "KINDS",
        "other kinds of move, separated by commas: "
          + FurtherMoves.Kind.allCases.map(\.rawValue).joined(separator: ", ")),
      Option(
        "balancing", "FUNCTION",
        "weights for --moves informed: "
          + Balancing.allCases.map(\.rawValue).joined(separator: " or ")
          + " (default square-root)"),
      Option("screen", "N", "screen moves with the model's n-grams of at most N tokens"),
    ]

  fileprivate typealias Balancing = LocallyInformed<NGramScorer>.Balancing

  static func run(_ arguments: Arguments) throws {
    var moves = Moves()
    let command = try ChainCommand(
      Self.self, arguments,
      isSlow: { try FurtherMoves.kinds($0)?.contains(.informed) ?? false }
    ) { arguments, model in
      moves = try Moves(arguments, model)
      return []
    }
    let words = command.makeWords()
    if let surrogate = moves.screen {
      let words = NGramLeftTokens<TokenAutomaton>(surrogate)
      return try command.run(
        of: { ScreenedTarget($0.target, screenedBy: $0.target.screen(by: surrogate)) },
        by: {
          ScreenedMoves(
            for: $0.target.screen(by: surrogate), left: words, weights: surrogate.unigramWeights)
        })
    }
    guard let kinds = moves.kinds else {
      return try command { NGramMoves(for: $0.target, left: words) }
    }
    let full = NGramFullTokens<TokenAutomaton>(command.model)
    let shared = LeftToRightModel(command.model)
    try command { compiled in
      FurtherMoves.kernel(
        for: compiled.target, kinds, left: words, full: full,
        weights: command.model.unigramWeights, balancing: moves.balancing,
        suffix: kinds.contains(.suffix)
          ? try LeftToRight(compiled.target, shared, command.arguments, command.monitor)
            .guided.tokens : nil)
    }
  }

  /// The moves that the options ask for.
  private struct Moves {
    /// The other kinds of move; `nil` without `--moves`.
    var kinds: [FurtherMoves.Kind]?
    var balancing = Balancing.squareRoot
    /// The surrogate model that screens moves.
    var screen: NGramModel?

    init() {}

    init(_ arguments: Arguments, _ model: NGramModel) throws {
      kinds = try FurtherMoves.kinds(arguments)
      if let given = try arguments.choice("balancing", as: Balancing.self) {
        guard kinds?.contains(.informed) == true else {
          throw CommandFailure.usage(
            "--balancing needs --moves informed")
        }
        balancing = given
      }
      guard let order = try arguments.integer("screen", in: 1...NGramTrie.highestOrder) else {
        return
      }
      guard kinds == nil else {
        throw CommandFailure.usage("give either --screen or --moves; --moves cannot be screened")
      }
      guard order < model.order else {
        throw CommandFailure.usage(
          "--screen \(order) must be below the model's order, which is \(model.order)")
      }
      screen = try model.lowered(to: order)
    }
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
