// Licensed under the Apache License, Version 2.0.

import Foundation
import Runs
import Sampling

enum Diagnose: Command {
  static let name = "diagnose"
  static let summary = "whether chains converged, and how many effective draws they gave"
  static let usage = "RUN... [options]"
  static let discussion = """
    Judges a run of chains by every traced quantity: its mean with the Monte Carlo error, standard
    deviation, quantiles, effective sample size (bulk and tail), autocorrelation time (in rows of
    the trace) and rank-normalised R-hat. It also shows the acceptance rate of each kind of move
    and how different the texts are. Every problem is named together with what to do about it.

    RUN is a folder made by --run, or one Stan sample file per chain. Parts of one run that were
    split over machines by --chain-range are merged. Columns of Stan that end in __ are skipped,
    except lp__. Runs of rejection, importance, anneal, smc and exact have no chains: for these it
    shows the run's own figures and their problems.

        gensample diagnose run
        gensample diagnose part-0 part-1 --format jsonl
        gensample diagnose bernoulli_1.csv bernoulli_2.csv
    """
  static let options =
    [
      Option(
        "superchain", "N",
        "every N neighbouring chains share a start: adds nested R-hat, for many short chains"),
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
        throw CommandFailure.usage("--superchain needs chains, and this run has none")
      }
      progress.finish()
      return try OutputOptions.write(diagnosis.object, arguments, text: diagnosis.text)
    }
    let diagnosis = try parts.diagnosis(superchain: superchain, threads: threads)
    progress.finish()
    try OutputOptions.write(diagnosis.object, arguments, text: diagnosis.text)
  }
}
