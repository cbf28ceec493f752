// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

extension ExactSampler {
  /// The most texts that are listed unless another number is given.
  package static let usualLimit = 10_000

  /// Lists all texts and draws from the list.
  func runListed(_ task: SamplingTask, limit: Int) throws -> RunReport {
    func run(_ model: some ChainModel) throws -> RunReport {
      try runListed(task, task.target.sentences(of: model), limit: limit)
    }
    return try run(task.target.model.chainModel)
  }

  private func runListed<Target: TextTarget>(
    _ task: SamplingTask, _ target: Target, limit: Int
  ) throws -> RunReport where Target.Constraint == TokenAutomaton {
    let monitor = task.monitor
    var report = task.report
    var figures = exactReport
    let list: EnumeratedTexts
    var done = 0
    do {
      list = try EnumeratedTexts(target, limit: limit) { share in
        monitor.add(Int(share * Double(ExactSums.parts)) - done)
        done = Int(share * Double(ExactSums.parts))
        return !monitor.isStopping
      }
    } catch let fault as EnumeratedTexts.Fault {
      switch fault {
      case .stopped:
        report.missing = [
          MissingPart("log_evidence", stoppedReason + " before the sums were complete")
        ]
        report.isStopped = true
        return report
      case .tooMany:
        throw RunError(.data, "--limit \(limit): \(fault)")
      case .impossible: throw RunError(.failed, "\(fault)")
      }
    }
    monitor.add(ExactSums.parts - done)
    let began = ContinuousClock.now
    let chosen = try texts(list, seed: task.seed)
    for entry in chosen {
      if monitor.isStopping || task.output.isClosed { break }
      let text = SampledText(
        entry.text, of: task.target, logProbability: entry.logProbability,
        logModel: entry.logModel,
        probability: best == nil && !printsAll ? nil : list.probability(of: entry))
      try task.output.write(text, of: report.target)
      if best == nil, !printsAll {
        if report.texts.count < RunReport.mostKeptTexts { report.texts.append(text) }
      } else if report.best.count < RunReport.mostKeptTexts {
        report.best.append(text)
      }
      figures.drawn += 1
    }
    figures.drawnSeconds = began.duration(to: .now) / .seconds(1)
    report.shortfall = best.flatMap {
      Shortfall(of: figures.drawn, asked: $0, "no other texts are allowed")
    }
    figures.sums = ExactReport.Sums(
      logEvidence: list.logEvidence, logEvidenceError: 0, texts: list.entries.count,
      entropy: list.entropy)
    let law = marginals == nil && compared == nil ? nil : list.marginals
    if let marginals, let law {
      figures.marginals = Self.report(law, likeliest: marginals, task.target)
    }
    figures.probabilities = statements.map { statement in
      ExactReport.StatementProbability(
        statement: statement.text,
        probability: list.probability { statement.automaton.logWeight(of: $0) > -.infinity })
    }
    if let compared, let law, !monitor.isStopping {
      figures.comparison = try ComparisonReport(
        compared, task, logEvidence: list.logEvidence, marginals: law,
        statements: Array(zip(statements, figures.probabilities.map(\.probability))),
        memory: comparedMemory)
    }
    report.figures = .exact(figures)
    report.isStopped = monitor.isStopping
    return report
  }

  /// What is printed: all texts, the best ones, or draws, each with random numbers of its own.
  private func texts(_ list: EnumeratedTexts, seed: UInt64) throws -> [EnumeratedTexts.Entry] {
    if printsAll { return list.entries }
    if let best { return Array(list.entries.prefix(best)) }
    let table = list.makeTable()
    let random = Philox(seed: seed)
    var seen: Set<Int> = []
    return (0..<samples).compactMap { number in
      var choices = RandomChoices(random.stream(UInt64(number)))
      let index = table.draw(using: &choices)
      return !isUnique || seen.insert(index).inserted ? list.entries[index] : nil
    }
  }
}
