// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

enum Exact: Command {
  static let name = "exact"
  static let summary = "exact independent draws, and exact sums over all texts"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Sums rho(x) = p(x)^fluency x soft weights x hard constraints over all texts and draws from it,
    where p is an n-gram model. Each result is an exact draw, independent of all others.
    log_evidence is the log of the sum. Texts may have any length: what the sum then leaves out is
    proved to be at most the share --tolerance, or the sum is proved to be infinite.
    log_evidence_error is the proved bound. --compare runs another sampler with its defaults (except
    for how long) and shows how many standard errors its evidence and means are off.

    --marginals and --probability compute without estimates what draws would only suggest: which
    token stands at which place, how long texts are, and how probable a statement is. --best prints
    the most probable texts of all.

        gensample exact --include sea --length ..12 --best 10
        gensample exact --model tang --match '.{5}，.{5}。' --marginals 3 --samples 0
        gensample exact --match 'the sea .{1,9}' --probability 'include "ship"'
    """
  static let options =
    TargetOptions.all + [
      Option("samples", "N", "how many draws to print (default 5)"),
      Option("best", "N", "print the N most probable texts of all; they are not draws"),
      Option(flag: "unique", "print each text once; the texts are then not draws"),
      Option("marginals", "N", "print the N likeliest tokens of each place, and text lengths"),
      Option(
        "probability", "STATEMENT", isRepeatable: true,
        "print the probability of a statement such as 'include \"love\"'"),
      Option(
        "compare", "SAMPLER",
        "also run this sampler and show how far it is from the truth: "
          + ComparedSampler.allCases.map(\.rawValue).joined(separator: ", ")),
      Option(
        "tolerance", "X",
        "share of the sum that the longest texts left out may have (default 1e-12)"),
      Option(
        "memory", "SIZE",
        "memory for the sums, such as 800M (default 4G); with --best or --probability there are "
          + "two sums, each with half of it"),
      Option("seed", "N", "the same seed gives the same results (default: a random one, printed)"),
      Option("threads", "N", "how many threads to use (default: all cores)"),
    ] + KeptRun.options + OutputOptions.sampler

  static func run(_ given: Arguments) throws {
    let kept = try KeptRun(Self.self, given)
    let arguments = kept.arguments
    let samples = try arguments.integer("samples", in: 0...1_000_000_000) ?? 5
    let isUnique = arguments.has("unique")
    let best = try arguments.integer("best", in: 1...1_000_000)
    guard best == nil || !arguments.has("samples") && !isUnique else {
      throw CommandFailure.usage(
        "--best prints no draws; give either --best, or --samples and --unique")
    }
    let marginals = try arguments.integer("marginals", in: 1...1_000_000)
    let compared = try arguments.choice("compare", as: ComparedSampler.self)
    let tolerance =
      try arguments.number("tolerance", in: 1e-14...0.5, expected: "a share from 1e-14 to 0.5")
      ?? 1e-12
    let threads = try PlanOptions.threads(arguments)
    let run = try SamplerRun(
      Self.self, arguments,
      seed: try arguments.seed("seed") ?? UInt64.random(in: 0...UInt64.max), threads: threads,
      refusingDivergence: false, kept: kept)
    let statements = try ExactStatement.all(arguments, run)
    let memory = try ExactMemory(
      arguments, otherwise: 4 << 30, parts: best == nil && statements.isEmpty ? 1 : 2)
    try run.each(
      unit: "parts",
      total: CheckedNumbers.product(
        ExactRun.parts + (best ?? samples) + (compared?.work ?? 0), run.targetCount) ?? .max,
      head: { summary, effort in
        let drawn = effort.drawn
        summary.add("samples", .integer(drawn.count))
        summary.add(
          "samples_per_second",
          drawn.seconds > 0 ? .number(Double(drawn.count) / drawn.seconds) : .null)
        summary.add("draws", .boolean(best == nil && !isUnique))
      },
      lines: { effort in
        [
          counted(effort.drawn.count, best == nil ? "exact draw" : "text") + " in "
            + String(format: "%.2f s, all in %.2f s", effort.drawn.seconds, effort.seconds)
            + ", seed \(effort.seed)"
        ] + (isUnique ? ["  each text is shown once, so these are not draws from rho"] : [])
          + (best == nil
            ? [] : ["  these are the most probable texts of all, not draws from rho"])
      }
    ) { target, line, seed in
      var outcome = SamplerOutcome()
      guard
        let exact = try ExactRun(target, line: line, run: run, memory: memory, tolerance: tolerance)
      else {
        outcome.missing = [
          MissingPart("log_evidence", stoppedReason + " before the sums were complete")
        ]
        return outcome
      }
      let began = ContinuousClock.now
      let drawn =
        try best.map { try exact.writeBest($0) }
        ?? exact.draw(samples, seed: seed, isUnique: isUnique)
      outcome.drawn = (drawn, began.duration(to: .now) / .seconds(1))
      outcome.shortfall =
        run.monitor.isStopping
        ? Shortfall(of: drawn, asked: best ?? samples, stoppedReason)
        : best.flatMap { Shortfall(of: drawn, asked: $0, "no other texts are allowed") }
      let law = try marginals.flatMap { try exact.writeMarginals($0) }
      if marginals != nil, law == nil {
        outcome.missing.append(MissingPart("marginals", stoppedReason))
      }
      var probabilities: [(name: String, probability: Double)] = []
      for statement in statements {
        guard let probability = try exact.probability(of: statement) else { break }
        probabilities.append((statement.text, probability))
        if run.format == .text {
          try run.write("probability of \(statement.text): \(probability)", of: line)
        }
      }
      outcome.missing += statements.dropFirst(probabilities.count).map {
        MissingPart("probability of \($0.text)", stoppedReason)
      }
      let comparison = try (run.monitor.isStopping ? nil : compared).flatMap { sampler in
        try (law ?? exact.marginals()).map { law in
          try ExactComparison(
            sampler, target, logEvidence: exact.inference.logEvidence, marginals: law,
            statements: Array(zip(statements, probabilities.map(\.probability))), seed: seed,
            run: run)
        }
      }
      if compared != nil, comparison == nil {
        outcome.missing.append(MissingPart("compare", stoppedReason))
      }
      if run.format == .text {
        for text in comparison?.texts ?? [] { try run.write(text, of: line) }
      }
      outcome.summarise = { summary in
        summary.add("log_evidence", .number(exact.inference.logEvidence))
        summary.add("log_evidence_error", .number(exact.logEvidenceError))
        if let law {
          summary.add("expected_length", .number(law.expectedLength))
          summary.add("lengths", .numbers(law.lengths))
        }
        if !probabilities.isEmpty {
          var object = JSONObject()
          for (name, probability) in probabilities { object.add(name, .number(probability)) }
          summary.add("probabilities", .object(object))
        }
        if let comparison { summary.add("compare", .object(comparison.object)) }
      }
      outcome.lines =
        [
          "  log evidence \(exact.inference.logEvidence)"
            + (exact.logEvidenceError > 0
              ? String(
                format: ", too low by at most %.1e because the longest texts are left out",
                exact.logEvidenceError) : "")
        ] + (law.map { ["  expected length \($0.expectedLength) tokens"] } ?? [])
        + (comparison?.notes ?? [])
      return outcome
    }
  }
}
