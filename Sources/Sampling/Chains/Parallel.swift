// Licensed under the Apache License, Version 2.0.

internal import Dispatch
internal import Synchronization

/// The failure of concurrent work, with the results that were complete.
public struct PartialFailure<Result: Sendable>: Error {
  /// The result of each piece; `nil` for pieces that failed or were not begun.
  public let results: [Result?]
  /// The error of the first failed piece, in the work's order.
  public let failure: any Error

  /// Creates a failure from the results and the first error.
  public init(results: [Result?], failure: any Error) {
    self.results = results
    self.failure = failure
  }
}

/// Runs independent pieces of work on several threads, and returns the results in order.
///
/// Once a piece fails, no other is begun; those already running finish.
///
/// - Parameters:
///   - count: the number of pieces.
///   - threads: how many run at once, positive.
///   - work: does one piece, given its number; its result must not depend on other pieces.
/// - Returns: the results, by piece.
/// - Throws: the error of the first piece, in order, that threw one.
public func concurrently<Result: Sendable>(
  _ count: Int, threads: Int, _ work: @Sendable (Int) throws -> Result
) throws -> [Result] {
  do {
    return try concurrently(count, threads: threads, stoppingBy: {}, work)
  } catch let partial as PartialFailure<Result> {
    throw partial.failure
  }
}

/// Runs independent pieces of work, and keeps the complete results if one fails.
///
/// - Parameters:
///   - count: the number of pieces.
///   - threads: how many run at once, positive.
///   - stop: called once a piece has failed, to ask the running ones to end soon.
///   - work: does one piece, given its number; its result must not depend on other pieces.
/// - Returns: the results, by piece.
/// - Throws: ``PartialFailure``, which holds what the other pieces returned.
public func concurrently<Result: Sendable>(
  _ count: Int, threads: Int, stoppingBy stop: @Sendable () -> Void,
  _ work: @Sendable (Int) throws -> Result
) throws -> [Result] {
  precondition(threads > 0, "work needs a thread")
  let results = Mutex([Swift.Result<Result, any Error>?](repeating: nil, count: count))
  let next = Atomic<Int>(0)
  let hasFailed = Atomic<Bool>(false)
  DispatchQueue.concurrentPerform(iterations: min(threads, count)) { _ in
    while !hasFailed.load(ordering: .relaxed) {
      let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard piece < count else { return }
      let result = Swift.Result { try work(piece) }
      results.withLock { $0[piece] = result }
      if case .failure = result, !hasFailed.exchange(true, ordering: .relaxed) { stop() }
    }
  }
  return try results.withLock { results in
    for case .failure(let failure) in results {
      let kept = results.map { try? $0?.get() }
      guard kept.contains(where: { $0 != nil }) else { throw failure }
      throw PartialFailure(results: kept, failure: failure)
    }
    return try results.compactMap { try $0?.get() }
  }
}
