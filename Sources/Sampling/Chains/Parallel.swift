// Licensed under the Apache License, Version 2.0.

internal import Dispatch
internal import Synchronization

/// That a piece of concurrent work failed, with what the others had done when they were stopped.
public struct PartialFailure<Result: Sendable>: Error {
  /// The results by piece; `nil` for pieces that failed or were not begun.
  public let results: [Result?]
  /// Why the first failed piece, in the work's order, failed.
  public let failure: any Error

  /// A failure with what there is.
  public init(results: [Result?], failure: any Error) {
    self.results = results
    self.failure = failure
  }
}

/// Does independent pieces of work on some threads and returns the results in the work's order.
///
/// Once a piece fails no other is begun; those at work go on to their end.
///
/// - Parameters:
///   - count: the number of pieces.
///   - threads: how many run at once, positive.
///   - work: piece i; what it returns must not depend on the others.
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

/// Does the same, and keeps what was done where a piece fails.
///
/// - Parameters:
///   - count: the number of pieces.
///   - threads: how many run at once, positive.
///   - stop: called once a piece has failed, to ask those at work to end soon.
///   - work: piece i; what it returns must not depend on the others.
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
      throw PartialFailure(results: results.map { try? $0?.get() }, failure: failure)
    }
    return try results.compactMap { try $0?.get() }
  }
}
