// Licensed under the Apache License, Version 2.0.

internal import Synchronization

/// A state that a chain kept.
public struct Draw<State: Sendable>: Sendable {
  /// The chain's number in its plan.
  public let chain: Int
  /// The step after which the state was kept, counting warm-up steps.
  public let step: Int
  /// The kept state.
  public let state: State
  /// Natural log of the target at the state, up to the target's constant.
  public let logProbability: Double

  /// Creates a draw from its parts.
  public init(chain: Int, step: Int, state: State, logProbability: Double) {
    self.chain = chain
    self.step = step
    self.state = state
    self.logProbability = logProbability
  }
}

/// The results of one chain.
public struct ChainRecord<State: Hashable & Sendable>: Sendable {
  /// The chain's number in its plan.
  public let chain: Int
  /// The kept states in order.
  public var draws: [Draw<State>] = []
  /// The most probable states seen, the most probable first.
  ///
  /// States of the warm-up count, too. Each state is kept once, with the step where it was first
  /// met. The plan gives their number; they are not draws.
  public var best: [Draw<State>] = []
  /// One row of traced quantities per trace interval after the warm-up.
  public var trace: [[Double]] = []
  /// Steps proposed after the warm-up, by kind.
  public var proposed: [Int]
  /// Steps accepted after the warm-up, by kind.
  public var accepted: [Int]
  /// The number of steps taken, including the warm-up.
  public var steps = 0
  /// Whether the chain finished its plan.
  public var isComplete = false
  /// The error that stopped the chain; `nil` if nothing failed.
  ///
  /// Draws kept before the failure are sound.
  public var failure: (any Error)?

  /// Creates the record of a chain that has not begun.
  public init(chain: Int, kinds: Int) {
    self.chain = chain
    proposed = [Int](repeating: 0, count: kinds)
    accepted = [Int](repeating: 0, count: kinds)
  }

  /// Keeps a state if it is among the most probable so far.
  ///
  /// - Parameters:
  ///   - count: the number of states to keep, at least 1.
  ///   - step: the step after which the state was met.
  ///   - logProbability: natural log of the target there, identical to the bit whenever it is met.
  ///   - state: the state, evaluated only if it may be kept.
  public mutating func keepIfBest(
    _ count: Int, step: Int, logProbability: Double, _ state: () -> State
  ) {
    if best.count == count, let worst = best.last, worst.logProbability >= logProbability { return }
    var low = 0
    var high = best.count
    while low < high {
      let middle = (low + high) / 2
      if best[middle].logProbability >= logProbability { low = middle + 1 } else { high = middle }
    }
    // The same state has the same log-probability to the bit.
    let state = state()
    var other = low - 1
    while other >= 0, best[other].logProbability == logProbability {
      if best[other].state == state { return }
      other -= 1
    }
    best.insert(
      Draw(chain: chain, step: step, state: state, logProbability: logProbability), at: low)
    if best.count > count { best.removeLast() }
  }
}

/// Watches a run from another thread: its progress, and whether it should stop.
public final class RunMonitor: Sendable {
  private let taken = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)

  /// Creates a monitor of a run that has not begun.
  public init() {}

  /// The number of steps that all chains have taken so far.
  public var steps: Int { taken.load(ordering: .relaxed) }

  /// Whether the run has been asked to stop.
  public var isStopping: Bool { stopping.load(ordering: .relaxed) }

  /// Asks the run to stop soon; chains keep their results.
  public func stop() { stopping.store(true, ordering: .relaxed) }

  /// Adds steps that a chain has taken.
  public func add(_ steps: Int) { taken.wrappingAdd(steps, ordering: .relaxed) }
}

/// Runs one chain of a plan from its start to its end.
///
/// - Parameters:
///   - chain: the chain's number in the plan, which selects its random stream.
///   - plan: how long it runs and which states it keeps.
///   - target: the distribution to sample.
///   - start: makes the first state with the chain's own choices; it must be allowed. `nil` means
///     that the run was stopped before a start was found, so the chain has not begun.
///   - kernel: makes the steps.
///   - quantities: appends a row of the trace for the current state.
///   - monitor: counts steps and can ask the run to stop.
///   - checkpoints: where the chain resumes from and leaves its checkpoints. Results do not depend on
///     it. If saving fails, the run is asked to stop.
/// - Returns: the chain's record; incomplete if it was stopped or failed, which the record says.
/// - Throws: the error of `start`, or the scorer's error if the first state cannot be scored.
@inlinable
public func runChain<Target: Sampling.Target, Kernel: TransitionKernel>(
  _ chain: Int, of plan: RunPlan, target: Target,
  start: (inout RandomChoices) throws -> Target.State?, kernel: Kernel,
  quantities: (Target.Scorer) -> [Double] = { [$0.logProbability] }, monitor: RunMonitor,
  checkpoints: ChainCheckpoints<Target.State>? = nil
) throws -> ChainRecord<Target.State> where Kernel.Scorer == Target.Scorer {
  let earlier = checkpoints?.checkpoint(ofChain: chain)
  var record =
    earlier?.record ?? ChainRecord<Target.State>(chain: chain, kinds: kernel.kinds.count)
  let random = Philox(seed: plan.seed).stream(UInt64(chain))
  // The start takes its own stream, so that another way of starting does not change later steps.
  var startChoices = RandomChoices(random.stream(0))
  var choices = RandomChoices(earlier?.random ?? random)
  guard let first = try earlier?.state ?? start(&startChoices) else {
    precondition(monitor.isStopping, "a chain has a start")
    return record
  }
  var scorer = target.makeScorer(at: first)
  if let failure = scorer.failure { throw failure }
  precondition(scorer.logProbability > -.infinity, "a chain starts at an allowed state")
  var memory = kernel.start(at: scorer)

  guard let total = plan.totalSteps(of: chain...chain) else {
    preconditionFailure("a chain's steps can be counted")
  }
  let interval = plan.traceInterval
  var nextCheckpoint = checkpoints?.nextTime()
  var unseen = 0
  // Steps between looks at the monitor: few while they are slow, as those of networks are.
  var stretch = 16
  if plan.best > 0 {
    record.keepIfBest(
      plan.best, step: record.steps, logProbability: scorer.logProbability, { scorer.state })
  }
  while record.steps < total, !monitor.isStopping {
    // The next step after which there is something to do.
    let step = record.steps
    let isWarm = step >= plan.warmup
    let after = step - plan.warmup
    var stop = isWarm ? min(total, step + stretch) : min(plan.warmup, step + stretch)
    if isWarm {
      stop = min(stop, step + min(total - step, plan.thin - after % plan.thin))
      stop = min(stop, step + min(total - step, interval - after % interval))
    }
    let began = ContinuousClock.now
    if isWarm || plan.best > 0 {
      for i in step..<stop {
        let report = kernel.step(&scorer, memory: &memory, using: &choices)
        if isWarm {
          record.proposed[report.kind] += 1
          if report.isAccepted { record.accepted[report.kind] += 1 }
        }
        if plan.best > 0 && report.isAccepted {
          record.keepIfBest(
            plan.best, step: i + 1, logProbability: scorer.logProbability, { scorer.state })
        }
      }
    } else {
      for _ in step..<stop { _ = kernel.step(&scorer, memory: &memory, using: &choices) }
    }
    if stretch < 16_384, began.duration(to: .now) < .milliseconds(20) { stretch *= 2 }
    if let failure = scorer.failure {
      // The scorer has refused every step since. Earlier results are kept, and no checkpoint is
      // left.
      record.failure = failure
      return record
    }
    record.steps = stop
    monitor.add(stop - step)
    let done = stop - plan.warmup
    if done > 0 && done % interval == 0 { record.trace.append(quantities(scorer)) }
    if done > 0 && done % plan.thin == 0 {
      record.draws.append(
        Draw(
          chain: chain, step: stop, state: scorer.state, logProbability: scorer.logProbability))
    }
    guard let checkpoints, let due = nextCheckpoint else { continue }
    // Reading the clock costs as much as a step or two.
    unseen += stop - step
    guard unseen >= 256, ContinuousClock.now >= due else { continue }
    unseen = 0
    checkpoints.leave(
      ChainCheckpoint(record: record, state: scorer.state, random: choices.random))
    if checkpoints.failure != nil { monitor.stop() }
    nextCheckpoint = checkpoints.nextTime()
  }
  record.isComplete = record.steps == total
  if let checkpoints {
    checkpoints.leave(
      ChainCheckpoint(record: record, state: scorer.state, random: choices.random))
  }
  return record
}

/// Runs chains of a plan in parallel.
///
/// ```swift
/// let records = try runChains(of: plan, target: target, kernel: kernel) { choices in
///   try start(&choices)
/// }
/// ```
/// - Parameters:
///   - chains: the numbers of the chains to run; `nil` runs all.
///   - plan: how long they run and which states they keep.
///   - target: the distribution to sample.
///   - kernel: makes the steps.
///   - quantities: appends a row of the trace for the current state.
///   - threads: how many chains run at once; results do not depend on it.
///   - monitor: counts steps and can ask the run to stop.
///   - checkpoints: where chains resume from and leave their checkpoints.
///   - start: makes a chain's first state with its own choices; it must be allowed. `nil` means that
///     the run was stopped before a start was found.
/// - Returns: the record of each chain, in order.
/// - Throws: ``PartialFailure`` if a chain fails, with the records of all chains, or the failure
///   itself if no chain made a step; the others are asked to stop. If checkpoints cannot be saved, they hold the error.
@inlinable
public func runChains<Target: Sampling.Target, Kernel: TransitionKernel>(
  _ chains: ClosedRange<Int>? = nil, of plan: RunPlan, target: Target, kernel: Kernel,
  quantities: @Sendable (Target.Scorer) -> [Double] = { [$0.logProbability] }, threads: Int,
  monitor: RunMonitor = RunMonitor(), checkpoints: ChainCheckpoints<Target.State>? = nil,
  start: @Sendable (inout RandomChoices) throws -> Target.State?
) throws -> [ChainRecord<Target.State>] where Kernel.Scorer == Target.Scorer {
  let range = chains ?? 0...plan.chains - 1
  let records = try concurrently(
    range.count, threads: threads, stoppingBy: { monitor.stop() }
  ) { i in
    let record = try runChain(
      range.lowerBound + i, of: plan, target: target, start: start, kernel: kernel,
      quantities: quantities, monitor: monitor, checkpoints: checkpoints)
    if record.failure != nil { monitor.stop() }
    return record
  }
  if let failure = records.lazy.compactMap(\.failure).first {
    // Without a step there is nothing to keep.
    guard records.contains(where: { $0.steps > 0 }) else { throw failure }
    throw PartialFailure(results: records, failure: failure)
  }
  return records
}
