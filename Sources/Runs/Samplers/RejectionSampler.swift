// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import Synchronization

/// `rejection`: proposes whole texts and keeps independent draws.
package struct RejectionSampler: Sampler {
  package static let name = "rejection"
  package static let unit = "proposals"

  /// Independent learners: a fixed number, so results do not depend on the number of threads.
  private static let lanes = 8
  /// The number of texts from which the forecast and a guided bound are estimated.
  private static let pilot = 1000

  package var samples = 5
  package var proposal = RejectionReport.ProposalKind.model
  /// The log of M; `nil` for what follows from the constraints, or an estimate.
  package var bound: Double?
  package var lookAhead = LookAheadOptions()
  /// Whether people are told what to expect.
  package var tellsForecast = true

  package init() {}

  package var furtherModels: [FurtherModel] { lookAhead.furtherModels }
  package var work: Int { 0 }
  package var figures: RunFigures { .rejection(RejectionReport(proposal)) }

  package func run(_ task: SamplingTask) throws -> RunReport {
    let (lanes, figures) = try lanes(task)
    var report = task.report
    let kept = Self.texts(lanes)
    report.texts = kept.enumerated().map { number, text in
      SampledText(
        text, of: task.target, logProbability: task.target.logProbability(of: text), draw: number)
    }
    report.figures = .rejection(figures)
    report.isStopped = task.monitor.isStopping
    if report.isStopped {
      report.shortfall = Shortfall(of: kept.count, asked: samples, stoppedReason)
    }
    return report
  }

  /// What each lane kept, and the figures of all.
  func lanes(_ task: SamplingTask) throws -> (lanes: [[TokenSequence]], figures: RejectionReport) {
    try lanes(task, task.target.model.chainModel)
  }

  /// The first text of each lane, then the second of each, and so on.
  private static func texts(_ lanes: [[TokenSequence]]) -> [TokenSequence] {
    (0..<(lanes.map(\.count).max() ?? 0)).flatMap { i in
      lanes.compactMap { i < $0.count ? $0[i] : nil }
    }
  }

  @specialized(where Model == NGramModel)
  private func lanes<Model: ChainModel>(
    _ task: SamplingTask, _ model: Model
  ) throws -> (lanes: [[TokenSequence]], figures: RejectionReport) {
    let texts = try LeftToRight<Model>(
      task.target.sentences(of: model), of: task.target.model, lookAhead, task.monitor)
    let forecast = try forecast(texts, seed: task.seed, task.monitor)
    if tellsForecast {
      task.output.expect(
        forecast, samples: samples, threads: task.threads, of: task.report.target)
    }
    let lanes = try keep(texts, forecast, task)
    var figures = RejectionReport(proposal)
    figures.lookAhead = texts.report
    figures.forecast = forecast
    figures.kept = try RejectionReport.Kept(
      lanes, logBound: forecast.logBound, isStopped: task.monitor.isStopping)
    return (lanes.map(\.kept), figures)
  }

  private func forecast<Model: ChainModel>(
    _ texts: LeftToRight<Model>, seed: UInt64, _ monitor: RunMonitor
  ) throws -> RejectionReport.Forecast {
    // The draws use the streams below this one.
    var choices = RandomChoices(Philox(seed: seed).stream(UInt64(Self.lanes)))
    var weighted = WeightedTexts()
    let guided = texts.guided
    let perProposal: Double
    let logBound: Double
    var isEstimated = false
    var clock = ContinuousClock.now
    func seconds() -> Double { clock.duration(to: .now) / .seconds(1) / Double(Self.pilot) }
    for _ in 0..<Self.pilot where !monitor.isStopping {
      weighted.append(try guided.draw(using: &choices))
    }
    guard weighted.draws.count > 0 || monitor.isStopping else {
      throw RunError(.failed, "the model gives every allowed text probability 0")
    }
    switch proposal {
    case .guided:
      perProposal = seconds()
      // The largest of 100 times as many weights with this tail, plus a margin.
      let tail = max(0, weighted.smoothed.shape.value ?? 0.5)
      let most = (weighted.draws.map(\.logWeight).max() ?? 0) + 1 + tail * LogSpace.log(100)
      logBound = bound ?? most
      isEstimated = bound == nil
    case .model:
      let most: Double
      if let bound {
        most = bound
      } else if texts.target.fluency >= 1, let largest = texts.lookAhead.constraint.largestLogWeight
      {
        most = largest
      } else {
        throw RunError.usage(
          "the model's own texts have no largest weight here, because the fluency is below 1 or "
            + "soft weights are unbounded; give --bound or --proposal guided")
      }
      let plain = ModelTexts(texts.target, texts.lookAhead, source: texts.source)
      clock = .now
      for _ in 0..<Self.pilot where !monitor.isStopping { _ = try plain.draw(using: &choices) }
      perProposal = seconds()
      if bound == nil {
        // Rounded probabilities add up to 1 within 1e-7, those of a text to e within 1e-4.
        let excess =
          weighted.draws.map { texts.target.model.logExcess(of: $0.text, by: texts.source) }
          .max() ?? 0
        isEstimated = excess > 1e-4
        // An excess is a sum of many small terms, so its tail is light.
        logBound = most + (isEstimated ? 2 * excess : 1e-3)
      } else {
        logBound = most
      }
    }
    return RejectionReport.Forecast(
      logBound: logBound, isEstimated: isEstimated,
      acceptance: min(1, LogSpace.exp(weighted.logEvidence - logBound)),
      secondsPerProposal: perProposal)
  }

  private func keep<Model: ChainModel>(
    _ texts: LeftToRight<Model>, _ forecast: RejectionReport.Forecast, _ task: SamplingTask
  ) throws -> [RejectionLane] {
    let hasFailed = Atomic(false)
    let lanes = Self.lanes
    let guided = texts.guided
    let monitor = task.monitor
    let seed = task.seed
    let vocabulary = task.target.model.vocabulary
    return try concurrently(lanes, threads: task.threads) { number in
      var lane = RejectionLane()
      let share = samples / lanes + (number < samples % lanes ? 1 : 0)
      var choices = RandomChoices(Philox(seed: seed).stream(UInt64(number)))
      var adaptive = AdaptiveRejection(
        texts.target, texts.lookAhead, source: texts.source, logBound: forecast.logBound)
      let plain = Rejection(guided, logBound: forecast.logBound)
      do {
        while lane.kept.count < share, !monitor.isStopping, !hasFailed.load(ordering: .relaxed) {
          let inverse = proposal == .model ? 1 / adaptive.share : 1
          switch proposal {
          case .guided:
            if let text = try plain.attempt(using: &choices) { lane.kept.append(text) }
          case .model:
            switch try adaptive.attempt(using: &choices) {
            case .accepted(let text): lane.kept.append(text)
            case .rejected: break
            case .exhausted:
              lane.isExhausted = true
              return lane
            }
          }
          lane.proposals += 1
          lane.inverses += inverse
          monitor.add(1)
        }
      } catch let error as BoundExceeded {
        hasFailed.store(true, ordering: .relaxed)
        throw RunError(
          .failed,
          "'\(vocabulary.text(of: error.text))' has the log weight "
            + String(format: "%.4f, above log M = %.4f", error.logWeight, error.logBound)
            + "; nothing is printed, because draws under a wrong bound do not follow rho; "
            + String(format: "give --bound %.1f or more", error.logWeight + 1))
      } catch {
        hasFailed.store(true, ordering: .relaxed)
        throw error
      }
      return lane
    }
  }
}

/// The state of one lane.
private struct RejectionLane: Sendable {
  var kept: [TokenSequence] = []
  var proposals = 0
  /// The sum over proposals of 1 / (the share of texts that could still be proposed).
  var inverses = 0.0
  var isExhausted = false
}

extension RejectionReport.Kept {
  /// The figures of all lanes.
  fileprivate init(_ lanes: [RejectionLane], logBound: Double, isStopped: Bool) throws(RunError) {
    if lanes.contains(where: \.isExhausted) {
      throw RunError(.failed, "the model gives every allowed text probability 0")
    }
    count = lanes.reduce(0) { $0 + $1.kept.count }
    proposals = lanes.reduce(0) { $0 + $1.proposals }
    let share = ShareKept(
      kept: count, proposals: proposals, inverses: lanes.reduce(0) { $0 + $1.inverses },
      isStopped: isStopped)
    acceptance = share.value
    relativeError = share.relativeError
    interval = share.interval
    logEvidence = share.value.value.map { logBound + LogSpace.log($0) }
    logEvidenceInterval = share.interval.map {
      logBound + LogSpace.log($0.lowerBound)...logBound + LogSpace.log($0.upperBound)
    }
  }
}
