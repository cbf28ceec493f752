// Licensed under the Apache License, Version 2.0.

import Foundation
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
  static let options =
    TargetOptions.all + [
      Option("start", "TEXT", "the text that every chain starts from (default: a random one each)")
    ] + PlanOptions.all + [
      Option("best", "N", "the N most probable texts seen, which are no draws"),
      Option(flag: "unique", "each text once, which makes them no draws"),
      OutputOptions.format, OutputOptions.output,
      Option("run", "DIR", "keep plan, results and traces in a folder"),
      OutputOptions.quiet, OutputOptions.progress,
    ]

  static func run(_ arguments: Arguments) throws {
    if let extra = arguments.positional.first {
      throw CommandFailure.usage(
        "mh takes options only, got '\(extra)'; a file of constraints is "
          + "given by --constraints \(extra)")
    }
    let plan = try PlanOptions.plan(arguments)
    let chains = try PlanOptions.chainRange(arguments, plan)
    let threads = try PlanOptions.threads(arguments)
    let format = try OutputOptions.format(arguments)
    let progressMode = try arguments.choice("progress", as: ProgressMode.self) ?? .auto
    let isQuiet = arguments.has("quiet")
    let best = try arguments.integer("best", in: 1...1_000_000)
    let constraints = try TargetOptions.constraints(arguments)
    let sets = try arguments.text("each").map(TargetOptions.keywordSets)
    let modelName = arguments.text("model") ?? BuiltInModel.english.rawValue
    let model = try loadFastModel(modelName)
    let tree = VocabularyTree(model.vocabulary)
    let start = try arguments.text("start").map {
      try CompiledTarget.tokens(of: $0, model: model, option: "--start")
    }
    // With one target, what is wrong with it is said before anything is written.
    let single = sets == nil ? try CompiledTarget(constraints, model: model, tree: tree) : nil
    if let single { try check(start, single) }

    let folder = try arguments.text("run").map { (path) throws -> RunFolder in
      guard sets == nil else {
        throw CommandFailure.usage("--run keeps one target; give --each or --run")
      }
      let folder = try RunFolder(path)
      try folder.write(
        plan: plan, chains: chains, command: name, model: modelName, constraints: constraints,
        start: arguments.text("start"))
      return folder
    }
    let monitor = RunMonitor()
    Interruption.watch { monitor.stop() }
    let words = NGramLeftWords(model)
    let stream = try ResultStream(path: arguments.text("output"))
    let samples = try folder?.stream("samples.jsonl")
    let targetCount = sets?.count ?? 1
    let stepsOfAll = chains.reduce(0) { $0 + plan.warmup + plan.steps(ofChain: $1) } * targetCount
    let progress = Progress(
      isQuiet ? .never : progressMode, unit: "steps", total: stepsOfAll, done: { monitor.steps })
    let began = ContinuousClock.now
    var last: (records: [ChainResults.Record], kinds: [String], [ChainResults.Quantity])?
    var faults = 0
    do {
      let targets: [(line: Int?, constraint: Constraint?)] =
        sets?.map { ($0.line, $0.constraint) } ?? [(nil, nil)]
      for (line, constraint) in targets {
        if monitor.isStopping || stream.isClosedByReader { break }
        let target: CompiledTarget
        do {
          target =
            try single
            ?? CompiledTarget(
              constraints + [constraint].compactMap { $0 }, model: model, tree: tree)
          try check(start, target)
        } catch let failure as CommandFailure where line != nil {
          faults += 1
          report("gensample: \(failure.message)")
          if format == .jsonl {
            var object = JSONObject()
            object.add("type", .string("error"))
            object.add("target", .integer(line ?? 0))
            object.add("message", .string(failure.message))
            try stream.writeLine(object.text)
          }
          continue
        }
        var own = plan
        if let line {
          // Each target has a seed of its own, whatever stands on the other lines.
          var random = Philox(seed: plan.seed).stream(UInt64(line))
          own.seed = random.next()
        }
        let kernel = NGramMoves(for: target.target, words: words)
        let quantities = ChainResults.quantities(target)
        let records = try runChains(
          chains, of: own, target: target.target, kernel: kernel,
          quantities: { ChainResults.row(quantities, $0) }, threads: threads, monitor: monitor
        ) { choices in
          if let start { return start }
          guard let text = target.target.randomStart(using: &choices) else {
            throw CommandFailure(
              .failed, "the model gives no allowed text a positive probability")
          }
          return text
        }
        let all = ChainResults.draws(records)
        var shown = all
        if arguments.has("unique") { shown = ChainResults.unique(shown) }
        if let best { shown = ChainResults.best(all, best) }
        for draw in shown {
          let object = ChainResults.object(draw, target, number: line)
          switch format {
          case .text: try stream.writeLine(model.vocabulary.text(of: draw.state))
          case .jsonl: try stream.writeLine(object.text)
          }
        }
        for draw in all {
          try samples?.writeLine(ChainResults.object(draw, target, number: line).text)
        }
        if let folder {
          for record in records {
            try folder.write(
              trace: record, plan: plan, model: modelName, quantities: quantities)
          }
        }
        last = (records, kernel.kinds, quantities)
      }
    } catch {
      progress.finish()
      throw error
    }
    progress.finish()
    let seconds = began.duration(to: .now) / .seconds(1)
    var summary = JSONObject()
    summary.add("type", .string("summary"))
    summary.add("command", .string(name))
    summary.add("model", .string(modelName))
    summary.add("seed", .unsigned(plan.seed))
    summary.add("seconds", .number(seconds))
    summary.add("steps", .integer(monitor.steps))
    summary.add("steps_per_second", .number(Double(monitor.steps) / max(seconds, 1e-9)))
    summary.add("draws", .boolean(best == nil && !arguments.has("unique")))
    if sets != nil {
      summary.add("targets", .integer(targetCount))
      summary.add("failed_targets", .integer(faults))
    } else if let last {
      ChainResults.add(to: &summary, last.records, kinds: last.kinds, quantities: last.2)
    }
    if monitor.isStopping { summary.add("stopped", .boolean(true)) }
    if format == .jsonl { try stream.writeLine(summary.text) }
    try samples?.writeLine(summary.text)
    try stream.finish()
    try samples?.finish()
    if !isQuiet && format == .text {
      report(
        "\n\(chains.count) chain\(chains.count == 1 ? "" : "s"), \(monitor.steps) steps in "
          + String(format: "%.2f s (%.2f M/s)", seconds, Double(monitor.steps) / seconds / 1e6)
          + ", seed \(plan.seed)")
      if sets == nil, let last {
        report(ChainResults.summary(last.records, kinds: last.kinds, quantities: last.2))
      }
      if best != nil { report("  these are the most probable texts seen, no draws from rho") }
      if best == nil, arguments.has("unique") {
        report("  each text is shown once: these are no draws from rho")
      }
    }
    if let code = Interruption.exitCode {
      throw CommandFailure(code, "stopped; what was drawn so far is printed")
    }
    if faults > 0 {
      throw CommandFailure(.data, "\(faults) of \(targetCount) lines could not be sampled for")
    }
  }

  private static func check(_ start: TokenSequence?, _ target: CompiledTarget) throws {
    guard let start else { return }
    if let unmet = target.firstUnmet(by: start) {
      throw CommandFailure(
        .data,
        "--start: '\(target.target.model.vocabulary.text(of: start))' does not meet "
          + "\(unmet.constraint.origin): \(unmet.constraint.text); a chain begins at an allowed "
          + "text")
    }
    guard target.target.logProbability(of: start) > -.infinity else {
      throw CommandFailure(.data, "--start: the model gives this text no probability")
    }
  }
}
