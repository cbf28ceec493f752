// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

enum RejectionCommand: Command {
  static let name = "rejection"
  static let summary = "rejection sampling: proposes whole texts and keeps independent draws"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Draws independent texts from rho(x) = p(x)^fluency x soft weights x hard constraints. It
    proposes texts and keeps each with probability weight / M. By default the model itself proposes
    the texts: impossible texts are not proposed a second time, and M follows from the constraints.
    The share that will be kept is estimated at the start. --proposal guided guides the texts
    towards the constraints, for targets that the model's own texts hardly ever meet; M is then
    --bound, or else an estimate. The run stops with an error as soon as a text's weight exceeds M.

        gensample rejection --include sea --include storm --length 6..14
        gensample rejection --proposal guided --include war --include river --include album \\
          --length ..20
    """
  static let options =
    TargetOptions.all + [
      ParticleOptions.samples,
      Option("proposal", "KIND", "model or guided: what proposes the texts (default model)"),
      Option("bound", "NATS", "log M, an upper bound of the log weight of every text"),
      ParticleOptions.lookAhead, ParticleOptions.memory,
      ParticleOptions.maxTokens, ParticleOptions.seed, ParticleOptions.threads,
    ] + KeptRun.options + OutputOptions.sampler

  enum Proposal: String, CaseIterable {
    case model, guided
  }

  /// Independent learners: a fixed number, so results do not depend on the number of threads.
  private static let lanes = 8
  /// The number of texts from which the forecast and a guided bound are estimated.
  static let pilot = 1000

  static func run(_ given: Arguments) throws {
    let kept = try KeptRun(Self.self, given)
    let arguments = kept.arguments
    let samples = try ParticleOptions.samples(arguments)
    let proposal = try arguments.choice("proposal", as: Proposal.self) ?? .model
    let bound = try arguments.number(
      "bound", in: -1e6...1e6, expected: "a number of nats from -1e6 to 1e6")
    let run = try SamplerRun(
      Self.self, arguments, seed: try ParticleOptions.seed(arguments),
      threads: try PlanOptions.threads(arguments), kept: kept)
    let shared = LeftToRightModel(run.model)
    try run.each(
      unit: "proposals", total: 0,
      head: { summary, effort in
        summary.add("proposal", .string(proposal.rawValue))
        summary.add("draws", .boolean(true))
        summary.add("proposals", .integer(effort.count))
      },
      lines: { effort in
        [
          counted(effort.count, "proposal") + String(format: " in %.2f s", effort.seconds)
            + ", seed \(effort.seed)"
        ]
      }
    ) { compiled, line, seed in
      let texts = try LeftToRight(compiled.target, shared, arguments, run.monitor)
      let forecast = try Forecast(texts, proposal, bound: bound, pilot: pilot, seed: seed, run)
      run.tell(forecast.line(samples: samples, threads: run.threads), of: line)
      let lanes = try keep(samples, texts, proposal, forecast, seed: seed, run)
      return try outcome(
        lanes, texts, forecast, compiled, line: line, asked: samples,
        isStopped: run.monitor.isStopping)
    }
  }

  /// The acceptance rate and the time that are expected, which users see before the wait.
  struct Forecast {
    var logBound: Double
    /// Whether `logBound` is an estimate, and not a proved bound.
    var isEstimated = false
    var acceptance: Double
    var secondsPerProposal: Double

    init(
      _ texts: LeftToRight, _ proposal: Proposal, bound: Double?, pilot: Int, seed: UInt64,
      _ run: SamplerRun
    ) throws {
      // The draws use the streams below this one.
      var choices = RandomChoices(Philox(seed: seed).stream(UInt64(RejectionCommand.lanes)))
      var weighted = WeightedTexts()
      var clock = ContinuousClock.now
      for _ in 0..<pilot where !run.monitor.isStopping {
        weighted.append(try texts.guided.draw(using: &choices))
      }
      guard weighted.draws.count > 0 || run.monitor.isStopping else {
        throw CommandFailure(.failed, "the model gives every allowed text probability 0")
      }
      switch proposal {
      case .guided:
        secondsPerProposal = clock.duration(to: .now) / .seconds(1) / Double(max(1, pilot))
        // The largest of 100 times as many weights with this tail, plus a margin.
        let tail = max(0, weighted.smoothed.shape.value ?? 0.5)
        let most =
          (weighted.draws.map(\.logWeight).max() ?? 0) + 1 + tail * LogSpace.log(100)
        logBound = bound ?? most
        isEstimated = bound == nil
      case .model:
        let automaton = texts.lookAhead.constraint
        if let bound {
          logBound = bound
        } else if texts.target.fluency >= 1, let most = automaton.largestLogWeight {
          logBound = most
        } else {
          throw CommandFailure.usage(
            "the model's own texts have no largest weight here, because the fluency is below 1 or "
              + "soft weights are unbounded; give --bound or --proposal guided")
        }
        let plain = ModelTexts(texts.target, texts.lookAhead, source: texts.source)
        clock = .now
        for _ in 0..<pilot where !run.monitor.isStopping { _ = try plain.draw(using: &choices) }
        secondsPerProposal = clock.duration(to: .now) / .seconds(1) / Double(max(1, pilot))
        if bound == nil {
          // Rounded probabilities add up to 1 within 1e-7, those of a text to e within 1e-4.
          let excesses = weighted.draws.map { texts.logExcess(of: $0.text) }
          let excess = excesses.max() ?? 0
          isEstimated = excess > 1e-4
          // An excess is a sum of many small terms, so its tail is light.
          logBound += isEstimated ? 2 * excess : 1e-3
        }
      }
      acceptance = min(1, LogSpace.exp(weighted.logEvidence - logBound))
    }

    func line(samples: Int, threads: Int) -> String {
      let seconds = secondsPerProposal * Double(samples) / acceptance / Double(threads)
      var line =
        "expected: \(percentOrPower(acceptance)) of the proposals are kept, "
        + "\(counted(samples, "result")) take about \(Self.wait(seconds))"
      if isEstimated {
        line += String(format: "; log M = %.2f is an estimate", logBound)
      }
      return line
    }

    private static func wait(_ seconds: Double) -> String {
      switch seconds {
      case ..<120: String(format: "%.1f s", seconds)
      case ..<7200: String(format: "%.0f minutes", seconds / 60)
      case ..<172_800: String(format: "%.0f hours", seconds / 3600)
      default:
        String(format: "%.3g days", seconds / 86_400)
          + "; --proposal guided, importance, smc or mh are faster"
      }
    }
  }

  /// The state of one lane.
  struct Lane: Sendable {
    var kept: [TokenSequence] = []
    var proposals = 0
    /// The sum over proposals of 1 / (the share of texts that could still be proposed).
    var inverses = 0.0
    var isExhausted = false
  }

  static func keep(
    _ samples: Int, _ texts: LeftToRight, _ proposal: Proposal, _ forecast: Forecast,
    seed: UInt64, _ run: SamplerRun
  ) throws -> [Lane] {
    let hasFailed = SharedCount()
    let lanes = lanes
    let guided = texts.guided
    let monitor = run.monitor
    return try concurrently(lanes, threads: run.threads) { number in
      var lane = Lane()
      let share = samples / lanes + (number < samples % lanes ? 1 : 0)
      var choices = RandomChoices(Philox(seed: seed).stream(UInt64(number)))
      var adaptive = AdaptiveRejection(
        texts.target, texts.lookAhead, source: texts.source, logBound: forecast.logBound)
      let plain = Rejection(guided, logBound: forecast.logBound)
      do {
        while lane.kept.count < share, !monitor.isStopping, hasFailed.value == 0 {
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
        hasFailed.value = 1
        throw CommandFailure(
          .failed,
          "'\(texts.model.vocabulary.text(of: error.text))' has the log weight "
            + String(format: "%.4f, above log M = %.4f", error.logWeight, error.logBound)
            + "; nothing is printed, because draws under a wrong bound do not follow rho; "
            + String(format: "give --bound %.1f or more", error.logWeight + 1))
      } catch {
        hasFailed.value = 1
        throw error
      }
      return lane
    }
  }

  /// The results of all lanes, and the share of proposals kept.
  struct Kept {
    let texts: [TokenSequence]
    let proposals: Int
    let estimate: ShareKept
    /// The log of the evidence; `nil` where the share kept is undefined.
    let logEvidence: Double?
    /// The 95 % confidence interval of the log evidence; `nil` where nothing was kept.
    let logEvidenceInterval: ClosedRange<Double>?

    init(_ lanes: [Lane], _ forecast: Forecast, isStopped: Bool) throws(CommandFailure) {
      if lanes.contains(where: \.isExhausted) {
        throw CommandFailure(.failed, "the model gives every allowed text probability 0")
      }
      let most = lanes.map(\.kept.count).max() ?? 0
      texts = (0..<most).flatMap { i in
        lanes.compactMap { i < $0.kept.count ? $0.kept[i] : nil }
      }
      proposals = lanes.reduce(0) { $0 + $1.proposals }
      estimate = ShareKept(
        kept: texts.count, proposals: proposals, inverses: lanes.reduce(0) { $0 + $1.inverses },
        isStopped: isStopped)
      logEvidence = estimate.value.value.map { forecast.logBound + LogSpace.log($0) }
      logEvidenceInterval = estimate.interval.map {
        forecast.logBound + LogSpace.log($0.lowerBound)...forecast.logBound
          + LogSpace.log($0.upperBound)
      }
    }
  }

  private static func outcome(
    _ lanes: [Lane], _ texts: LeftToRight, _ forecast: Forecast, _ compiled: CompiledTarget,
    line: Int?, asked: Int, isStopped: Bool
  ) throws(CommandFailure) -> SamplerOutcome {
    let sum = try Kept(lanes, forecast, isStopped: isStopped)
    let (kept, estimate, logEvidence) = (sum.texts, sum.estimate, sum.logEvidence)
    let ratio = estimate.value.value
    var outcome = SamplerOutcome()
    outcome.results = kept.enumerated().map { number, text in
      texts.result(text, compiled, line: line, number: number)
    }
    outcome.summarise = { summary in
      texts.summarise(&summary)
      summary.add("accepted", .integer(kept.count))
      summary.add("log_bound", .number(forecast.logBound))
      summary.add("bound_is_estimated", .boolean(forecast.isEstimated))
      summary.add("expected_acceptance", .number(forecast.acceptance))
      summary.add(
        "kept_share",
        sum.proposals > 0 ? .number(Double(kept.count) / Double(sum.proposals)) : .null)
      summary.add("acceptance", ratio.map { .number($0) } ?? .null)
      summary.add(
        "acceptance_interval",
        estimate.interval.map { .numbers([$0.lowerBound, $0.upperBound]) } ?? .null)
      summary.add("log_evidence", logEvidence.map { .number($0) } ?? .null)
      summary.add(
        "log_evidence_error", estimate.relativeError.value.map { .number($0) } ?? .null)
      summary.add(
        "log_evidence_interval",
        sum.logEvidenceInterval.map { .numbers([$0.lowerBound, $0.upperBound]) } ?? .null)
      if let reason = estimate.value.reason ?? estimate.relativeError.reason {
        summary.add("reason", .string(reason))
      }
    }
    outcome.shortfall = isStopped ? Shortfall(of: kept.count, asked: asked, stoppedReason) : nil
    outcome.lines = sum.lines + texts.lines
    return outcome
  }
}

extension RejectionCommand.Kept {
  /// The lines of the text summary.
  fileprivate var lines: [String] {
    guard let interval = estimate.interval, let logs = logEvidenceInterval else {
      return ["  nothing was kept"]
    }
    func within(_ low: String, _ high: String) -> String { "(\(low) to \(high))" }
    let share = estimate.value.value.map { percentOrPower($0) + " " } ?? ""
    var line =
      "  Z / M: " + share
      + within(
        percentOrPower(interval.lowerBound),
        percentOrPower(interval.upperBound))
    line += ", log evidence "
    if let error = estimate.relativeError.value, let logEvidence {
      return [line + String(format: "%.3f ± %.3f", logEvidence, error)]
    }
    // An estimate without an error would suggest more than is known.
    line += within(
      String(format: "%.3f", logs.lowerBound), String(format: "%.3f", logs.upperBound))
    let reason = estimate.value.reason ?? estimate.relativeError.reason
    return [line + (reason.map { ", no standard error: \($0)" } ?? "")]
  }
}

/// An estimate of Z / M from the number of proposals kept.
///
/// Each lane runs until it has its results, so its last proposal is always kept. A text that turned
/// out to be impossible is not proposed again, so each later proposal counts for several of the
/// model's own proposals. That number soon hardly changes; its mean is used.
struct ShareKept {
  /// The estimate of Z / M.
  let value: Estimate
  /// The standard error divided by the estimate.
  let relativeError: Estimate
  /// The 95 % confidence interval of Z / M; `nil` where nothing was kept.
  let interval: ClosedRange<Double>?

  init(kept: Int, proposals: Int, inverses: Double, isStopped: Bool) {
    guard kept > 0 else {
      value = .undefined("nothing was kept")
      relativeError = value
      interval = nil
      return
    }
    let unit = inverses / Double(proposals)
    let trials = InverseBinomial(successes: kept, trials: proposals)
    guard !isStopped else {
      // An interrupt stops at any proposal, kept or not, so the count is binomial.
      let share = Double(kept) / Double(proposals)
      value = .value(share / unit)
      relativeError = .value(((1 - share) / Double(kept)).squareRoot())
      let missed = Double(proposals - kept)
      let low = betaQuantile(0.025, Double(kept), missed + 1)
      let high = missed > 0 ? betaQuantile(0.975, Double(kept + 1), missed) : 1
      interval = low / unit...max(low / unit, min(1, high / unit))
      return
    }
    let share = trials.share
    value = share.value.value.map { .value($0 / unit) } ?? share.value
    relativeError =
      if let mean = share.value.value, let error = share.error.value {
        .value(error / mean)
      } else {
        share.error
      }
    let ends = trials.interval()
    let low = min(1, ends.lowerBound / unit)
    interval = low...max(low, min(1, ends.upperBound / unit))
  }
}
