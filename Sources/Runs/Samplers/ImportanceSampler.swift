// Licensed under the Apache License, Version 2.0.

package import LM
import Sampling

/// `importance`: weighted texts, estimates and the evidence.
package struct ImportanceSampler: Sampler {
  package static let name = "importance"
  package static let unit = "texts"

  /// The number of texts that are drawn.
  package var particles = 1000
  /// The number of distributions that texts are moved through; `nil` to draw them directly.
  package var stages: Int?
  /// The number of exact draws for an upper bound, which needs stages; `nil` for none.
  package var upper: Int?
  /// What the sums for the upper bound may take.
  package var memory = MemoryLimit(1 << 30)
  package var choice = WeightedChoice()
  package var lookAhead = LookAheadOptions()

  package init() {}

  package var needs: [(capability: Capability, what: String)] {
    [(.language, Self.name)]
      + (stages == nil || lookAhead.companion != nil ? [] : [(.backoff, "--anneal")])
      + (upper == nil ? [] : [(.exact, "--upper")])
  }
  package var furtherModels: [FurtherModel] { lookAhead.furtherModels }
  package var areDraws: Bool { choice.areDraws }
  package var work: Int { particles + (upper ?? 0) }
  package var figures: RunFigures {
    .importance(ImportanceReport(particles: particles, stages: stages, choice: choice))
  }

  package func run(_ task: SamplingTask) throws -> RunReport {
    try run(task, task.target.model.chainModel)
  }

  @specialized(where Model == NGramModel)
  private func run<Model: ChainModel>(_ task: SamplingTask, _ model: Model) throws -> RunReport {
    let loaded = task.target.model
    let random = Philox(seed: task.seed)
    // The texts use the streams below this one.
    var choices = RandomChoices(random.stream(UInt64(particles)))
    guard let stages else {
      let texts = try LeftToRight<Model>(
        task.target.sentences(of: model), of: loaded, lookAhead, task.monitor)
      let drawn = try draw(texts.guided, random, threads: task.threads, task.monitor)
      return report(drawn, texts, task, using: &choices)
    }
    if let companion = lookAhead.companion {
      let texts = try LeftToRight<Model>(
        task.target.sentences(of: model), of: loaded, lookAhead, task.monitor)
      let annealed = try texts.annealed(from: companion, stages: stages, task.monitor)
      let drawn = try draw(annealed, random, threads: task.threads, task.monitor)
      return report(drawn, texts, task, using: &choices)
    }
    let model = try loaded.ngrams(.backoff, for: "--anneal")
    let texts = try LeftToRight<NGramModel>(
      task.target.sentences(of: model), of: loaded, lookAhead, task.monitor)
    let annealed = try texts.annealed(loaded, lookAhead, stages: stages, task.monitor)
    let drawn = try draw(annealed, random, threads: task.threads, task.monitor)
    var report = report(drawn, texts, task, using: &choices)
    guard let upper else { return report }
    guard !task.monitor.isStopping else {
      report.missing.append(MissingPart("upper_bound", stoppedReason))
      return report
    }
    let bound: UpperBoundReport
    do {
      bound = try UpperBoundReport(
        annealed, length: 0...texts.lookAhead.mostTokens, count: upper, memory: memory,
        random: random.stream(UInt64(particles) + 1), threads: task.threads, task.monitor)
    } catch {
      // Print the texts if only the bound was interrupted.
      guard task.monitor.isStopping else { throw error }
      report.missing.append(MissingPart("upper_bound", stoppedReason))
      return report
    }
    if case .importance(var figures) = report.figures {
      figures.upperBound = bound
      report.figures = .importance(figures)
    }
    if let missing = bound.missing { report.missing.append(MissingPart("upper_bound", missing)) }
    return report
  }

  private func report<Model: ChainModel>(
    _ drawn: WeightedTexts, _ texts: LeftToRight<Model>, _ task: SamplingTask,
    using choices: inout some ChoiceSource
  ) -> RunReport {
    var report = choice.report(drawn, texts, task, using: &choices)
    var figures = ImportanceReport(particles: particles, stages: stages, choice: choice)
    figures.lookAhead = texts.report
    figures.weights = WeightReport(drawn)
    report.figures = .importance(figures)
    if drawn.count < particles {
      report.missing.append(
        MissingPart("other texts", "\(stoppedReason) after \(drawn.count) of \(particles)"))
    }
    return report
  }

  /// Draws weighted texts without a report, for a comparison.
  func weightedTexts(_ task: SamplingTask, random: Philox) throws -> (WeightedTexts, [String]) {
    func draw<Model: ChainModel>(_ model: Model) throws -> (WeightedTexts, [String]) {
      let texts = try LeftToRight<Model>(
        task.target.sentences(of: model), of: task.target.model, lookAhead, task.monitor)
      let drawn = try self.draw(texts.guided, random, threads: task.threads, task.monitor)
      return (drawn, texts.report.notes)
    }
    return try draw(task.target.model.chainModel)
  }

  /// Draws each text from its own random stream; an interrupt leaves fewer than asked for.
  private func draw(
    _ texts: some TextProposal, _ random: Philox, threads: Int, _ monitor: RunMonitor
  ) throws -> WeightedTexts {
    let size = 64
    let count = particles
    let pieces = try concurrently((count + size - 1) / size, threads: threads) { piece in
      var drawn: [WeightedText?] = []
      for number in piece * size..<min(count, (piece + 1) * size) {
        if monitor.isStopping { return drawn }
        var choices = RandomChoices(random.stream(UInt64(number)))
        let text = try texts.draw(using: &choices)
        // A text that was interrupted has no weight.
        if monitor.isStopping { return drawn }
        drawn.append(text)
        monitor.add(1)
      }
      return drawn
    }
    var all = WeightedTexts()
    for draw in pieces.joined() { all.append(draw) }
    return all
  }
}
