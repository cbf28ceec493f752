// Licensed under the Apache License, Version 2.0.

import Dispatch
import Foundation
import Synchronization

/// Ctrl-C and SIGTERM as a request to stop with what there is; a second one ends at once.
enum Interruption {
  private static let received = Atomic<Int32>(0)
  /// When the first signal came, in milliseconds.
  private static let firstAt = Atomic<Int>(0)
  // Written by the one thread that sets up a command, before any other starts.
  private nonisolated(unsafe) static var sources: [any DispatchSourceSignal] = []

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

  private static func endAtOnce(_ number: Int32) -> Never {
    for path in temporaries.withLock({ $0 }) { unsafe unlink(path) }
    report("gensample: stopped")
    // Exit handlers would run beside threads that are still at work.
    _exit(number == SIGINT ? 130 : 143)
  }

  /// Calls `stop` when a signal asks for it.
  static func watch(_ stop: @escaping @Sendable () -> Void) {
    for number in [SIGINT, SIGTERM] {
      Foundation.signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(
        signal: number, queue: DispatchQueue.global(qos: .userInteractive))
      source.setEventHandler {
        let now = Int(DispatchTime.now().uptimeNanoseconds / 1_000_000)
        if isIndivisible.load(ordering: .sequentiallyConsistent) { endAtOnce(number) }
        if received.exchange(number, ordering: .sequentiallyConsistent) != 0 {
          // Some send one to the program and one to its group, as `timeout` does.
          if now - firstAt.load(ordering: .relaxed) < 200 { return }
          endAtOnce(number)
        }
        firstAt.store(now, ordering: .relaxed)
        stop()
      }
      source.resume()
      unsafe sources.append(source)
    }
  }
}
