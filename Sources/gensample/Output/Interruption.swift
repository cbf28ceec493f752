// Licensed under the Apache License, Version 2.0.

import Dispatch
import Foundation
import Synchronization

/// Ctrl-C and SIGTERM as a request to stop with what there is; a second one ends at once, and so does
/// the first as long as there is nothing to keep.
enum Interruption {
  private static let received = Atomic<Int32>(0)
  /// When the first signal came, in milliseconds.
  private static let firstAt = Atomic<Int>(0)
  // Written by the one thread that starts the program, before any other starts.
  private nonisolated(unsafe) static var sources: [any DispatchSourceSignal] = []
  /// What a first signal calls; `nil` as long as there is nothing to keep.
  private static let stop = Mutex<(@Sendable () -> Void)?>(nil)

  /// The signal that asked to stop, if one did.
  static var signal: Int32? {
    let signal = received.load(ordering: .relaxed)
    return signal == 0 ? nil : signal
  }

  /// The exit code that tells of the signal.
  static var exitCode: CommandFailure.Code? {
    signal.map { $0 == SIGINT ? .interrupted : .terminated }
  }

  /// Has a file taken away where the program ends at once.
  static func removeAtEnd(_ path: String) { temporaries.withLock { _ = $0.insert(path) } }

  private static let temporaries = Mutex<Set<String>>([])

  /// From here on the first signal ends the program: the work cannot be kept in part.
  static func beginIndivisible() throws(CommandFailure) {
    isIndivisible.store(true, ordering: .sequentiallyConsistent)
    if let code = exitCode { throw CommandFailure(code, "stopped; nothing was written") }
  }

  private static let isIndivisible = Atomic<Bool>(false)

  private static func endAtOnce(_ number: Int32, isNothingKept: Bool) -> Never {
    for path in temporaries.withLock({ $0 }) { unsafe unlink(path) }
    Progress.leaveLine()
    report("gensample: stopped" + (isNothingKept ? "; nothing was written" : ""))
    // Exit handlers would run beside threads that are still at work.
    _exit(number == SIGINT ? 130 : 143)
  }

  /// Listens to signals; as long as nothing is watched, the first one ends the program.
  static func begin() {
    for number in [SIGINT, SIGTERM] {
      Foundation.signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(
        signal: number, queue: DispatchQueue.global(qos: .userInteractive))
      source.setEventHandler { heed(number) }
      source.resume()
      unsafe sources.append(source)
    }
  }

  private static func heed(_ number: Int32) {
    let now = Int(DispatchTime.now().uptimeNanoseconds / 1_000_000)
    guard !isIndivisible.load(ordering: .sequentiallyConsistent), let stop = stop.withLock({ $0 })
    else { endAtOnce(number, isNothingKept: true) }
    if received.exchange(number, ordering: .sequentiallyConsistent) != 0 {
      // Some send one to the program and one to its group, as `timeout` does.
      if now - firstAt.load(ordering: .relaxed) < 200 { return }
      endAtOnce(number, isNothingKept: false)
    }
    firstAt.store(now, ordering: .relaxed)
    stop()
  }

  /// Calls `stop` when a signal asks for it.
  static func watch(_ stop: @escaping @Sendable () -> Void) { self.stop.withLock { $0 = stop } }
}
