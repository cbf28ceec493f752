// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

/// The standard moves, on every bridge.
typealias BridgedMoves = MetropolisHastings<
  BridgedProposal<StandardMoves<NGramLeftTokens<TokenAutomaton>>, NGramScorer>
>

typealias AnnealedTexts = AnnealedImportance<GuidedTexts<SteeredTokens>, BridgedMoves>

extension LeftToRight {
  /// Texts led from the model's lower orders to the target, among those that are short enough.
  func annealed(
    _ shared: LeftToRightModel, _ arguments: Arguments, stages: Int, _ monitor: RunMonitor
  ) throws -> AnnealedTexts {
    let lower = try shared.lowered.get()
    let target = try bounded()
    // Both ends of the bridges allow the same texts.
    let easy = try LeftToRight(
      SentenceTarget(
        model: lower.words.model, constraint: target.constraint, fluency: target.fluency),
      lower, arguments, monitor)
    let moves = BridgedMoves(
      BridgedProposal(
        StandardMoves(for: target, left: words, weights: model.unigramWeights)))
    return AnnealedImportance(from: easy.guided, to: target, kernel: moves, stages: stages) {
      monitor.isStopping
    }
  }
}

/// What exact draws, led back, say that the evidence is at most, in expectation.
struct UpperBound {
  private let value: Double
  private let error: Double
  /// How many draws were led back, and how many were to be.
  private let count: Int
  private let asked: Int

  init(
    _ annealed: AnnealedTexts, length: ClosedRange<Int>, count: Int, memory: ExactMemory,
    random: Philox, threads: Int, _ monitor: RunMonitor
  ) throws {
    func exact(_ target: SentenceTarget<NGramModel, TokenAutomaton>) throws -> NGramInference {
      do throws(ExactInference.Fault) {
        return try NGramInference(
          target: target, length: length, memory: memory.share, threads: threads
        ) { _ in !monitor.isStopping }
      } catch {
        var reason = "\(error)"
        if case .tooLarge(let bytes, _) = error { reason = memory.refusal(bytes) }
        throw CommandFailure(
          .data, "--upper needs exact draws: \(reason); --max-tokens shortens texts too")
      }
    }
    let logFirst = try exact(annealed.base.target).logEvidence
    let steps = random.stream(1)
    var logs: [Double] = []
    _ = try exact(annealed.target).inBatches(
      count, random: random.stream(0), threads: threads, proceed: { !monitor.isStopping }
    ) { texts in
      let first = logs.count
      // Those behind one that was given up would be the quick ones.
      logs += try concurrently(texts.count, threads: threads) { number -> Double? in
        if monitor.isStopping { return nil }
        var choices = RandomChoices(steps.stream(UInt64(first + number)))
        let log = annealed.logWeightBack(from: texts[number], using: &choices)
        if log != nil { monitor.add(1) }
        return log
      }.prefix { $0 != nil }.compactMap { $0 }
    }
    self.count = logs.count
    asked = count
    let mean = logs.reduce(0, +) / Double(max(1, logs.count))
    value = logFirst - mean
    let squares = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    error = (squares / Double(max(1, logs.count - 1)) / Double(max(1, logs.count))).squareRoot()
  }

  /// Why there is none, or one by fewer draws than asked for; `nil` where all were led back.
  var missing: String? {
    count < asked ? "\(stoppedReason) after \(count) of \(counted(asked, "draw"))" : nil
  }

  func add(to summary: inout JSONObject) {
    summary.add("upper_bound", count > 0 ? .number(value) : .null)
    summary.add("upper_bound_error", count > 1 ? .number(error) : .null)
    summary.add("upper_bound_draws", .integer(count))
  }

  var line: String? {
    guard count > 0 else { return nil }
    return "  upper bound in expectation, by \(counted(count, "exact draw")) led back: "
      + String(format: "%.3f", value)
      + (count > 1
        ? String(format: " ± %.3f", error) : ", no error: one draw has no spread")
  }
}
