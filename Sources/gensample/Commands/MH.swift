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
    draws two neighbours together. All keep rho; which help depends on the target.

        gensample mh --constraints examples/constraints/sea.txt
        gensample mh --include sea --include storm --length 6..14
        gensample mh --include sea --moves move,copy
        gensample mh --model tang --match '.{5}，.{5}。.{5}，.{5}。' --include 春
    """
  static let options =
    ChainCommand.options + [
      Option("moves", "KINDS", "further kinds, with commas between: move, copy, tries, block")
    ]

  static func run(_ arguments: Arguments) throws {
    let command = try ChainCommand(Self.self, arguments)
    let words = command.makeWords()
    guard let kinds = try FurtherMoves.kinds(command.arguments) else {
      return try command { NGramMoves(for: $0.target, words: words) }
    }
    let full = NGramFullWords(command.model)
    try command { FurtherMoves(for: $0.target, kinds, left: words, full: full) }
  }
}

/// The moves of `mh` and further ones, which take a quarter of the steps.
///
/// **Keeps** the scorer's target: which kernel takes a step does not depend on the text.
struct FurtherMoves: TransitionKernel {
  /// Further kinds of move.
  enum Kind: String, CaseIterable {
    case move, copy, tries, block
  }

  private let base: NGramMoves
  private let further: [Kind]
  private let move = MetropolisHastings(MoveWord<NGramModel>())
  private let copy = MetropolisHastings(CopyOrDeleteWord<NGramModel>())
  private let tries: MultipleTry<ReplaceWord<NGramLeftWords>>
  private let block: ReplaceBlock<NGramLeftWords, NGramFullWords>

  init(
    for target: SentenceTarget<NGramModel>, _ further: [Kind], left: NGramLeftWords,
    full: NGramFullWords
  ) {
    base = NGramMoves(for: target, words: left)
    self.further = further
    tries = MultipleTry(ReplaceWord(left), trials: 8)
    block = ReplaceBlock(left: left, full: full, length: 2)
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

  var kinds: [String] { base.kinds + further.map(\.rawValue) }

  func step(
    _ scorer: inout SentenceScorer<NGramModel>, using choices: inout some ChoiceSource
  ) -> StepReport {
    guard choices.index(below: 4) == 0 else { return base.step(&scorer, using: &choices) }
    let place = choices.index(below: further.count)
    let report =
      switch further[place] {
      case .move: move.step(&scorer, using: &choices)
      case .copy: copy.step(&scorer, using: &choices)
      case .tries: tries.step(&scorer, using: &choices)
      case .block: block.step(&scorer, using: &choices)
      }
    return StepReport(isAccepted: report.isAccepted, kind: base.kinds.count + place)
  }
}
