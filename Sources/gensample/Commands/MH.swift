// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

enum MH: Command {
  static let name = "mh"
  static let summary = "Metropolis-Hastings: chains of edited texts"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Draws texts from rho(x) = p(x)^fluency x soft weights x hard constraints, p being an n-gram
    model. Each chain begins at a random allowed text and goes on by words replaced, inserted,
    deleted and swapped and by blocks rewritten; what is printed follows rho once the chains have
    forgotten their beginnings, which the summary's R-hat and effective draws judge.

    --moves gives a quarter of the steps to further kinds: move takes a word elsewhere, copy repeats
    one or deletes it, tries proposes eight replacements at once (multiple-try Metropolis), block
    draws two neighbours together, suffix writes the end of the text anew from a random place, at
    any length, and informed weighs every word of the vocabulary at a place by how much likelier rho
    is with it, by the square root or Barker's function (--balancing). All keep rho; which help
    depends on the target. informed takes some milliseconds a step, so that --warmup and --thin are
    \(PlanOptions.slowDefaults.warmup) with it where they are not given.

    --screen N puts each move to the model's n-grams of at most N words first, and only those that
    they accept to the model itself (delayed acceptance), which decides by what was left out.

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
        "further kinds, with commas between: "
          + FurtherMoves.Kind.allCases.map(\.rawValue).joined(separator: ", ")),
      Option(
        "balancing", "FUNCTION",
        "how --moves informed weighs: "
          + Balancing.allCases.map(\.rawValue).joined(separator: " or ") + " (default square-root)"),
      Option("screen", "N", "screen moves by the model's n-grams of at most N words"),
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
    if let cheap = moves.screen {
      let words = NGramLeftTokens<TokenAutomaton>(cheap)
      return try command.run(
        of: { ScreenedTarget($0.target, screenedBy: $0.target.screen(by: cheap)) },
        by: { ScreenedMoves(for: $0.target, left: words) })
    }
    guard let kinds = moves.kinds else {
      return try command { NGramMoves(for: $0.target, left: words) }
    }
    let full = NGramFullTokens<TokenAutomaton>(command.model)
    let shared = LeftToRightModel(command.model)
    try command { compiled in
      FurtherMoves.kernel(
        for: compiled.target, kinds, left: words, full: full, balancing: moves.balancing,
        suffix: kinds.contains(.suffix)
          ? try LeftToRight(compiled.target, shared, command.arguments, command.monitor)
            .guided.tokens : nil)
    }
  }

  /// Which moves the options ask for.
  private struct Moves {
    /// Further kinds; `nil` for none.
    var kinds: [FurtherMoves.Kind]?
    var balancing = Balancing.squareRoot
    /// The cheap model that screens moves.
    var screen: NGramModel?

    init() {}

    init(_ arguments: Arguments, _ model: NGramModel) throws {
      kinds = try FurtherMoves.kinds(arguments)
      if let given = try arguments.choice("balancing", as: Balancing.self) {
        guard kinds?.contains(.informed) == true else {
          throw CommandFailure.usage(
            "--balancing says how --moves informed weighs words; give both or none")
        }
        balancing = given
      }
      guard let order = try arguments.integer("screen", in: 1...NGramTrie.highestOrder) else {
        return
      }
      guard kinds == nil else {
        throw CommandFailure.usage("further --moves are not screened; give --screen or --moves")
      }
      guard order < model.order else {
        throw CommandFailure.usage(
          "--screen \(order): the model's own order is \(model.order), and a screen is to cost less; "
            + "give a lower one")
      }
      screen = try model.lowered(to: order)
    }
  }
}

/// The standard moves and further ones, which take a quarter of the steps.
///
/// **Keeps** the scorer's target: which kernel takes a step does not depend on the text.
enum FurtherMoves {
  /// Further kinds of move.
  enum Kind: String, CaseIterable {
    case move, copy, tries, block, suffix, informed
  }

  static func kernel(
    for target: SentenceTarget<NGramModel, TokenAutomaton>, _ further: [Kind],
    left: NGramLeftTokens<TokenAutomaton>, full: NGramFullTokens<TokenAutomaton>,
    balancing: LocallyInformed<NGramScorer>.Balancing, suffix: SteeredTokens?
  ) -> some TransitionKernel<NGramScorer> {
    precondition(!further.contains(.suffix) || suffix != nil, "what writes ends")
    return Mixture {
      Weighted(3 * further.count, NGramMoves(for: target, left: left))
      if further.contains(.move) {
        Weighted(1, MetropolisHastings(MoveToken<NGramScorer>()))
      }
      if further.contains(.copy) {
        Weighted(
          1, MetropolisHastings(CopyOrDeleteToken<NGramScorer>()), named: ["copy", "delete-copy"])
      }
      if further.contains(.tries) {
        Weighted(1, MultipleTry(ReplaceToken(left), trials: 8), named: ["tries"])
      }
      if further.contains(.block) {
        Weighted(1, ReplaceBlock(left: left, full: full, length: 2))
      }
      if let suffix {
        Weighted(1, MetropolisHastings(ResampleSuffix<SteeredTokens, NGramScorer>(suffix)))
      }
      if further.contains(.informed) {
        Weighted(1, LocallyInformed<NGramScorer>(balancing, among: .onePlace))
      }
    }
  }

  /// What `--moves` lists, each once; `nil` where it is not given.
  static func kinds(_ arguments: Arguments) throws(CommandFailure) -> [Kind]? {
    guard let text = arguments.text("moves") else { return nil }
    var kinds: [Kind] = []
    for name in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let kind = Kind(rawValue: String(name)), !kinds.contains(kind) else {
        throw .usage(
          "--moves takes some of \(Kind.allCases.map(\.rawValue).joined(separator: ", ")), each "
            + "once, with commas between; got '\(text)'")
      }
      kinds.append(kind)
    }
    return kinds
  }
}
