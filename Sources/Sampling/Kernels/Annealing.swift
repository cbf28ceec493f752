// Licensed under the Apache License, Version 2.0.

/// How the inverse temperature rises along an annealing run.
public enum AnnealingSchedule: String, CaseIterable, Hashable, Sendable {
  /// Multiplies by the same factor at each stage.
  case geometric
  /// Adds the same amount at each stage.
  case linear
  /// Grows with the logarithm of the stage, slowest at the end.
  case logarithmic
  /// Rises more slowly where the target's log varies more, so that each stage stays near the last.
  ///
  /// Reference: Huang, Romeo and Sangiovanni-Vincentelli 1986, with lambda = .7.
  case adaptive

  /// The inverse temperature of the stage after a given one.
  ///
  /// - Parameters:
  ///   - stage: the number of the given stage, from 0.
  ///   - stages: the number of stages, at least 2.
  ///   - bounds: the first and the last inverse temperature, positive.
  ///   - now: the inverse temperature of the given stage.
  ///   - deviation: the standard deviation of the target's log during it.
  /// - Returns: at most the upper bound.
  public func inverseTemperature(
    after stage: Int, of stages: Int, within bounds: ClosedRange<Double>, now: Double,
    deviation: Double
  ) -> Double {
    let (low, high) = (bounds.lowerBound, bounds.upperBound)
    let share = Double(stage + 1) / Double(stages - 1)
    switch self {
    case .geometric:
      return min(high, low * LogSpace.exp(LogSpace.log(high / low) * share))
    case .linear: return min(high, low + (high - low) * share)
    case .logarithmic:
      let place = LogSpace.log(Double(stage + 2)) / LogSpace.log(Double(stages))
      return min(high, low + (high - low) * place)
    case .adaptive:
      // Without variation there is no distribution to stay near.
      guard deviation > 0 else { return high }
      return min(high, now * LogSpace.exp(0.7 / (now * deviation)))
    }
  }
}

/// Simulated annealing: raises the target to growing powers, so that the chain settles on likely
/// texts.
///
/// **Keeps** no distribution. It is an optimiser, and its results are not draws. Each stage's
/// kernel keeps the target raised to that stage's power. Reference: Kirkpatrick, Gelatt and Vecchi
/// 1983.
public struct Annealing<Target: TextTarget>: Sendable {
  /// The target to maximise.
  public let target: Target
  /// How the inverse temperature rises.
  public let schedule: AnnealingSchedule
  /// The first and the last inverse temperature.
  public let bounds: ClosedRange<Double>
  /// The number of stages, at least 2.
  public let stages: Int

  /// Creates an annealing of a target.
  public init(
    _ target: Target, schedule: AnnealingSchedule = .geometric,
    bounds: ClosedRange<Double> = 0.3...20, stages: Int = 100
  ) {
    precondition(bounds.lowerBound > 0 && bounds.upperBound < .infinity, "powers are positive")
    precondition(stages > 1, "temperatures change between stages")
    self.target = target
    self.schedule = schedule
    self.bounds = bounds
    self.stages = stages
  }

  /// The result of an annealing run.
  public struct Result: Sendable {
    /// The most likely text seen.
    public var best: TokenSequence
    /// Natural log of the target at the best text.
    public var logProbability: Double
    /// The step after which it was first seen.
    public var step = 0
    /// The number of steps taken.
    public var steps = 0
    /// The last stage's inverse temperature.
    public var inverseTemperature: Double
  }

  /// Runs a number of steps, shared equally among the stages.
  ///
  /// - Parameters:
  ///   - start: an allowed text.
  ///   - steps: the number of steps, at least one per stage.
  ///   - kernel: makes the kernel that keeps a given target.
  ///   - monitor: counts steps and can ask the run to stop.
  ///   - choices: the source of random choices.
  /// - Returns: the best text so far, also if the run was stopped.
  /// - Throws: the scorer's error.
  public func run<Kernel: TransitionKernel<Target.Scorer>>(
    from start: TokenSequence, steps: Int,
    kernel: (Target) -> Kernel,
    monitor: RunMonitor = RunMonitor(), using choices: inout some ChoiceSource
  ) throws -> Result {
    var now = bounds.lowerBound
    var result = Result(
      best: start, logProbability: -.infinity, inverseTemperature: now)
    var text = start
    for stage in 0..<stages where !monitor.isStopping {
      result.inverseTemperature = now
      let hot = target.tempered(now)
      let kernel = kernel(hot)
      var scorer = hot.makeScorer(at: text)
      if let failure = scorer.failure { throw failure }
      var memory = kernel.start(at: scorer)
      // Stages differ by one step at most. The product of both numbers could overflow.
      let share = steps / stages + (stage < steps % stages ? 1 : 0)
      var log = scorer.logProbability / now
      if stage == 0 { result.logProbability = log }
      var mean = 0.0
      var squares = 0.0
      for step in 0..<share {
        if kernel.step(&scorer, memory: &memory, using: &choices).isAccepted {
          log = scorer.logProbability / now
          // Rounding differences are not progress.
          if log > result.logProbability + 1e-9 {
            result.best = scorer.state
            result.logProbability = log
            result.step = result.steps + step + 1
          }
        }
        // Welford's updates.
        let difference = log - mean
        mean += difference / Double(step + 1)
        squares += difference * (log - mean)
        if step % 4096 == 4095 {
          monitor.add(4096)
          if monitor.isStopping { break }
        }
      }
      if let failure = scorer.failure { throw failure }
      result.steps += share
      monitor.add(share % 4096)
      text = scorer.state
      now = schedule.inverseTemperature(
        after: stage, of: stages, within: bounds, now: now,
        deviation: share > 1 ? (squares / Double(share - 1)).squareRoot() : 0)
    }
    return result
  }
}
