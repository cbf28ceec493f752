// Licensed under the Apache License, Version 2.0.

internal import Synchronization

/// A state that a chain kept.
public struct Draw<State: Sendable>: Sendable {
  /// The chain's number in its plan.
  public let chain: Int
  /// The step after which it was kept, the warm-up's among them.
  public let step: Int
  /// The state.
  public let state: State
  /// Natural log of the target there, up to its constant.
  public let logProbability: Double

  /// A kept state.
  public init(chain: Int, step: Int, state: State, logProbability: Double) {
    self.chain = chain
    self.step = step
    self.state = state
    self.logProbability = logProbability
  }
}

/// What one chain did.
public struct ChainRecord<State: Hashable & Sendable>: Sendable {
  /// The chain's number in its plan.
  public let chain: Int
  /// The kept states in order.
  public var draws: [Draw<State>] = []
  /// The most probable states seen, the most probable first.
  ///
  /// The warm-up's are among them; each is kept once, where it was first. As many as the plan asks
  /// for; they are no draws.
  public var best: [Draw<State>] = []
  /// One row of quantities at each trace interval after the warm-up.
  public var trace: [[Double]] = []
  /// Steps proposed after the warm-up, by kind.
  public var proposed: [Int]
  /// Steps accepted after the warm-up, by kind.
  public var accepted: [Int]
  /// Steps taken, the warm-up's among them.
  public var steps = 0
  /// Whether the whole plan was carried out.
  public var isComplete = false
  /// Why the chain could not go on; `nil` where nothing failed. What it kept before is sound.
  public var failure: (any Error)?

  /// The record of a chain that has not begun.
  public init(chain: Int, kinds: Int) {
    self.chain = chain
    proposed = [Int](repeating: 0, count: kinds)
    accepted = [Int](repeating: 0, count: kinds)
  }

  /// Takes a state among the best, if it is one of them.
  ///
  /// - Parameters:
  ///   - count: how many are kept, 1 or more.
  ///   - step: after which step it was met.
  ///   - logProbability: natural log of the target there, the same to the bit wherever it is met.
  ///   - state: the state, asked for where it may be kept.
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

/// Watches a run from outside: how far it is, and whether it should stop.
public final class RunMonitor: Sendable {
  private let taken = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)

  /// A monitor of a run that has not begun.
  public init() {}

  /// Steps taken by all chains so far.
  public var steps: Int { taken.load(ordering: .relaxed) }

  /// Whether the run was asked to stop.
  public var isStopping: Bool { stopping.load(ordering: .relaxed) }

  /// Asks the run to stop soon; chains keep what they have.
  public func stop() { stopping.store(true, ordering: .relaxed) }

  /// Counts steps that a chain has taken.
  public func add(_ steps: Int) { taken.wrappingAdd(steps, ordering: .relaxed) }
}

/// Runs one chain of a plan from its start to its end.
///
/// - Parameters:
///   - chain: its number in the plan, which decides its stream.
///   - plan: how long it runs and what it keeps.
///   - target: what is sampled.
///   - start: the first state, drawn by the chain's own choices; it must be allowed. `nil` where the
///     run was stopped before one was found: the chain has then not begun.
///   - kernel: the steps.
///   - quantities: appends a row of the trace for a chain's working copy.
///   - monitor: counts steps and asks to stop.
///   - checkpoints: where it goes on from, and leaves what it needs to go on; the results do not
///     depend on it. Where it cannot save them the run is asked to stop.
/// - Returns: what it kept; incomplete where it was stopped, or failed, which its record says.
/// - Throws: what `start` throws, and where the first state cannot be scored.
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
  // The start takes a stream of its own, so that another way of starting moves no later step.
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
  if plan.best > 0 {
    record.keepIfBest(
      plan.best, step: record.steps, logProbability: scorer.logProbability, { scorer.state })
  }
  while record.steps < total, !monitor.isStopping {
    // Up to the next step after which there is something to do.
    let step = record.steps
    let isWarm = step >= plan.warmup
    let after = step - plan.warmup
    var stop = isWarm ? min(total, step + 16_384) : min(plan.warmup, step + 16_384)
    if isWarm {
      stop = min(stop, step + min(total - step, plan.thin - after % plan.thin))
      stop = min(stop, step + min(total - step, interval - after % interval))
    }
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
    if let failure = scorer.failure {
      // It has refused all since: what came before is kept, and no checkpoint is left.
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
    // A look at the clock costs as much as a step or two.
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

/// Runs chains of a plan side by side.
///
/// ```swift
/// let records = try runChains(of: plan, target: target, kernel: kernel) { choices in
///   try start(&choices)
/// }
/// ```
/// - Parameters:
///   - chains: which of the plan's chains; `nil` for all.
///   - plan: how long they run and what they keep.
///   - target: what is sampled.
///   - kernel: the steps.
///   - quantities: appends a row of the trace for a chain's working copy.
///   - threads: how many run at once; the results do not depend on it.
///   - monitor: counts steps and asks to stop.
///   - checkpoints: where chains go on from, and leave what they need to go on.
///   - start: a chain's first state, drawn by its own choices; it must be allowed. `nil` where the
///     run was stopped before one was found.
/// - Returns: what each chain kept, in order.
/// - Throws: where a chain fails, a ``PartialFailure`` with what it and the others kept, which are
///   asked to stop; where checkpoints could not be saved, they say so.
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
    throw PartialFailure(results: records, failure: failure)
  }
  return records
}
