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

        gensample mh --constraints examples/constraints/sea.txt
        gensample mh --include sea --include storm --length 6..14
        gensample mh --model tang --match '.{5}，.{5}。.{5}，.{5}。' --include 春
    """
  static let options = ChainCommand.options

  static func run(_ arguments: Arguments) throws {
    let command = try ChainCommand(Self.self, arguments)
    let words = command.makeWords()
    try command { NGramMoves(for: $0.target, words: words) }
  }
}
