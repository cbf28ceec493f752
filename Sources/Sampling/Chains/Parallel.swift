// Licensed under the Apache License, Version 2.0.

internal import Dispatch
internal import Synchronization

/// Does independent pieces of work on some threads and returns the results in the work's order.
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
  precondition(threads > 0, "work needs a thread")
  let results = Mutex([Swift.Result<Result, any Error>?](repeating: nil, count: count))
  let next = Atomic<Int>(0)
  DispatchQueue.concurrentPerform(iterations: min(threads, count)) { _ in
    while true {
      let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard piece < count else { return }
      let result = Swift.Result { try work(piece) }
      results.withLock { $0[piece] = result }
    }
  }
  return try results.withLock { try $0.compactMap { try $0?.get() } }
}
