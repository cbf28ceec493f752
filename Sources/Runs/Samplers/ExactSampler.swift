// Licensed under the Apache License, Version 2.0.

package import LM
import Sampling

/// `exact`: independent draws by exact sums over all texts.
package struct ExactSampler: Sampler {
  package static let name = "exact"
  package static let unit = "parts"

  package var samples = 5
  /// The number of most probable texts to print; `nil` for draws.
  package var best: Int?
  /// Whether each text is printed once.
  package var isUnique = false
  /// The number of likeliest tokens of each place to report; `nil` for none.
  package var marginals: Int?
  /// Statements whose probabilities are reported.
  package var statements: [ExactStatement] = []
  /// A sampler to run beside.
  package var compared: ComparedSampler?
  /// The bytes that the look-ahead of a compared sampler may take; `nil` for its default.
  package var comparedMemory: Int?
  /// The share of the sum that the longest texts left out may have.
  package var tolerance = 1e-12
  package var memory = MemoryLimit(4 << 30)
  /// The most texts that are listed, under any model; `nil` for sums without a list.
  package var limit: Int?
  /// Whether all texts are printed.
  package var printsAll = false

  package init() {}

  package var needs: [(capability: Capability, what: String)] {
    [(limit == nil ? .exact : .language, Self.name)]
  }
  package var areDraws: Bool { best == nil && !isUnique && !printsAll }
  package var work: Int {
    CheckedNumbers.sum(ExactSums.parts + (compared?.work ?? 0), best ?? samples) ?? .max
  }
  package var figures: RunFigures { .exact(exactReport) }
  var exactReport: ExactReport {
    ExactReport(best: printsAll ? limit : best, isUnique: isUnique)
  }

  package func run(_ task: SamplingTask) throws -> RunReport {
    if let limit { return try runListed(task, limit: limit) }
    let monitor = task.monitor
    var report = task.report
    var figures = ExactReport(best: best, isUnique: isUnique)
    guard
      let sums = try ExactSums(
        task.target, for: Self.name, memory: memory, tolerance: tolerance, threads: task.threads,
        monitor)
    else {
      report.missing = [
        MissingPart("log_evidence", stoppedReason + " before the sums were complete")
      ]
      report.isStopped = monitor.isStopping
      return report
    }
    let began = ContinuousClock.now
    figures.drawn =
      try best.map { try writeBest($0, sums, task, &report) }
      ?? draw(sums, task, &report)
    figures.drawnSeconds = began.duration(to: .now) / .seconds(1)
    report.shortfall =
      monitor.isStopping
      ? Shortfall(of: figures.drawn, asked: best ?? samples, stoppedReason)
      : best.flatMap { Shortfall(of: figures.drawn, asked: $0, "no other texts are allowed") }
    figures.sums = sums.report
    let law = marginals == nil ? nil : sums.marginals()
    figures.marginals = law.map { Self.report($0, likeliest: marginals ?? 0, task.target) }
    if marginals != nil, law == nil {
      report.missing.append(MissingPart("marginals", stoppedReason))
    }
    for statement in statements {
      guard let probability = try sums.probability(of: statement) else { break }
      figures.probabilities.append(
        ExactReport.StatementProbability(statement: statement.text, probability: probability))
    }
    report.missing += statements.dropFirst(figures.probabilities.count).map {
      MissingPart("probability of \($0.text)", stoppedReason)
    }
    figures.comparison = try (monitor.isStopping ? nil : compared).flatMap { sampler in
      try (law ?? sums.marginals()).map { law in
        try ComparisonReport(
          sampler, task, logEvidence: sums.logEvidence, marginals: law,
          statements: Array(zip(statements, figures.probabilities.map(\.probability))),
          memory: comparedMemory)
      }
    }
    if compared != nil, figures.comparison == nil {
      report.missing.append(MissingPart("compare", stoppedReason))
    }
    report.figures = .exact(figures)
    report.isStopped = monitor.isStopping
    return report
  }

  /// Draws and prints; a text's random numbers are its own, whatever else is drawn.
  private func draw(
    _ sums: ExactSums, _ task: SamplingTask, _ report: inout RunReport
  ) throws -> Int {
    var seen: Set<TokenSequence> = []
    return try sums.inference.inBatches(
      samples, random: Philox(seed: task.seed), threads: task.threads,
      proceed: { !task.monitor.isStopping && !task.output.isClosed }
    ) { texts in
      for text in texts where !isUnique || seen.insert(text).inserted {
        let text = self.text(text, sums, task)
        try task.output.write(text, of: report.target)
        if report.texts.count < RunReport.mostKeptTexts { report.texts.append(text) }
      }
      task.monitor.add(texts.count)
    }
  }

  /// Prints the most probable texts.
  private func writeBest(
    _ count: Int, _ sums: ExactSums, _ task: SamplingTask, _ report: inout RunReport
  ) throws -> Int {
    guard let texts = try sums.best(count) else { return 0 }
    for text in texts {
      let text = self.text(text, sums, task)
      try task.output.write(text, of: report.target)
      if report.best.count < RunReport.mostKeptTexts { report.best.append(text) }
    }
    task.monitor.add(texts.count)
    return texts.count
  }

  private func text(_ text: TokenSequence, _ sums: ExactSums, _ task: SamplingTask) -> SampledText {
    SampledText(
      text, of: task.target, logProbability: sums.inference.target.logProbability(of: text))
  }

  static func report(
    _ law: ExactMarginals, likeliest count: Int, _ target: CompiledTarget
  ) -> ExactReport.Marginals {
    let vocabulary = target.model.vocabulary
    return ExactReport.Marginals(
      expectedLength: law.expectedLength, lengths: law.lengths,
      places: law.tokens.map { probabilities in
        ExactReport.Place(
          probability: probabilities.reduce(0, +),
          tokens: probabilities.indices.filter { probabilities[$0] > 0 }
            .sorted { (probabilities[$1], $0) < (probabilities[$0], $1) }.prefix(count)
            .map { token in
              ExactReport.PlacedToken(
                token: token, text: vocabulary.text(of: TokenSequence([Token(token)])),
                probability: probabilities[token])
            })
      })
  }
}
