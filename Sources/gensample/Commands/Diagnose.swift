// Licensed under the Apache License, Version 2.0.

import Foundation
import Sampling

enum Diagnose: Command {
  static let name = "diagnose"
  static let summary = "have the chains of a run met, and how much are they worth"
  static let usage = "RUN... [options]"
  static let discussion = """
    Judges the chains of a run by every traced quantity of the text: mean and its Monte Carlo error,
    spread, quantiles, effective draws of bulk and tails, autocorrelation time (in rows of the
    trace), rank-normalised R-hat; how often each kind of move was accepted; how different the
    texts are. What is wrong is named in sentences that say what to do.

    RUN is a folder that --run made, or a sample file of Stan, one a chain. Parts of one run that
    --chain-range split over machines are merged. Columns of Stan that end in __ are left out, but
    for lp__. Of a folder of rejection, importance, anneal, smc or exact, which have no chains, it
    tells the run's own figures and what speaks against them.

        gensample diagnose run
        gensample diagnose part-0 part-1 --format jsonl
        gensample diagnose bernoulli_1.csv bernoulli_2.csv
    """
  static let options =
    [
      Option(
        "superchain", "N",
        "every N chains in a row began at one state: adds nested R-hat, for many short chains"),
      PlanOptions.threads,
    ] + OutputOptions.report + [OutputOptions.progress]

  static func run(_ arguments: Arguments) throws {
    guard !arguments.positional.isEmpty else {
      throw CommandFailure.usage("diagnose needs a run: gensample diagnose \(usage)")
    }
    _ = try OutputOptions.format(arguments)
    let superchain = try arguments.integer("superchain", in: 1...1_000_000)
    let threads = try PlanOptions.threads(arguments)
    let mode = try arguments.choice("progress", as: ProgressMode.self) ?? .auto
    let monitor = RunMonitor()
    let progress = Progress(
      arguments.has("quiet") ? .never : mode, unit: "files", total: arguments.positional.count,
      done: { monitor.steps })
    defer { progress.finish() }
    let parts = try RunParts(arguments.positional, threads: threads, counted: monitor)
    if let diagnosis = parts.independent {
      guard superchain == nil else {
        throw CommandFailure.usage("--superchain is about chains, of which this run has none")
      }
      progress.finish()
      return try OutputOptions.write(diagnosis.object, arguments, text: diagnosis.text)
    }
    let diagnosis = try parts.diagnosis(superchain: superchain, threads: threads)
    progress.finish()
    try OutputOptions.write(diagnosis.object, arguments, text: diagnosis.text)
  }
}
