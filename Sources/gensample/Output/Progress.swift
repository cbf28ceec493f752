// Licensed under the Apache License, Version 2.0.

import Foundation
import Runs
import Sampling
import Synchronization

/// When progress is shown.
enum ProgressMode: String, CaseIterable {
  case auto, always, never
}

/// A line on standard error that shows the progress of long work, its rate and the time left.
final class Progress: Sendable {
  private let isDone = Atomic<Bool>(false)
  private let finished = DispatchSemaphore(value: 0)
  private let isShown: Bool
  /// What is on the terminal: all that is written there on progress is written under this lock.
  private static let terminal = Mutex((isLineShown: false, isOver: false))

  /// Shows a line and updates it five times a second until ``finish()``.
  ///
  /// - Parameters:
  ///   - mode: `auto` shows the line only on a terminal.
  ///   - line: the text to show after some seconds.
  init(_ mode: ProgressMode, line: @escaping @Sendable (_ elapsed: Double) -> String) {
    let isTerminal = isatty(STDERR_FILENO) == 1
    isShown = mode == .always || (mode == .auto && isTerminal)
    guard isShown else { return }
    let began = ContinuousClock.now
    Thread.detachNewThread { [self] in
      var isFirst = true
      while !isDone.load(ordering: .relaxed) {
        Thread.sleep(forTimeInterval: 0.2)
        if isDone.load(ordering: .relaxed) { break }
        let elapsed = began.duration(to: .now) / .seconds(1)
        let line = line(elapsed)
        let isNow = isTerminal || isFirst || CheckedNumbers.whole(elapsed * 5) % 25 == 0
        Self.terminal.withLock { terminal in
          guard isNow, !terminal.isOver, !isDone.load(ordering: .relaxed) else { return }
          writeToStandardError(
            isTerminal ? (isFirst ? "" : "\r") + line + "\u{1B}[K" : line + "\n")
          terminal.isLineShown = isTerminal
        }
        isFirst = false
      }
      Self.leaveLine()
      finished.signal()
    }
  }

  /// Shows how much is done, the rate and the time left.
  ///
  /// - Parameters:
  ///   - mode: `auto` shows the line only on a terminal.
  ///   - unit: what is counted.
  ///   - total: the number of units in all; 0 if unknown.
  ///   - done: the number of units done so far.
  convenience init(
    _ mode: ProgressMode, unit: String, total: Int, done: @escaping @Sendable () -> Int
  ) {
    // An earlier run's work must not count towards this run's rate.
    let earlier = done()
    self.init(mode) { elapsed in
      Progress.line(done: done(), earlier: earlier, total: total, elapsed: elapsed, unit: unit)
    }
  }

  /// Clears the progress line, if there is one, so that another message can be printed.
  static func leaveLine() {
    terminal.withLock { leaveLine(&$0) }
  }

  /// Takes it away, and shows no other: the program ends.
  static func end() {
    terminal.withLock { terminal in
      leaveLine(&terminal)
      terminal.isOver = true
    }
  }

  private static func leaveLine(_ terminal: inout (isLineShown: Bool, isOver: Bool)) {
    guard terminal.isLineShown else { return }
    writeToStandardError("\r\u{1B}[K")
    terminal.isLineShown = false
  }

  /// Stops updating and clears the line.
  func finish() {
    guard isShown, !isDone.exchange(true, ordering: .relaxed) else { return }
    finished.wait()
  }

  static func line(done: Int, earlier: Int, total: Int, elapsed: Double, unit: String) -> String {
    let rate = elapsed > 0 ? Double(done - earlier) / elapsed : 0
    guard total > 0 else {
      return "\(done) \(unit), \(short(rate)) \(unit)/s, after \(duration(elapsed))"
    }
    let share = min(1, Double(done) / Double(total))
    let filled = Int(share * 24)
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
    let left = rate > 0 ? Double(max(0, total - done)) / rate : 0
    return String(
      format: "%@ %3.0f %%  %@ %@/s  %@ left", bar, share * 100, short(rate), unit,
      duration(left))
  }

  private static func short(_ rate: Double) -> String {
    switch rate {
    case 1e6...: String(format: "%.1f M", rate / 1e6)
    case 1e3...: String(format: "%.1f k", rate / 1e3)
    default: String(format: "%.0f", rate)
    }
  }

  static func duration(_ seconds: Double) -> String {
    let whole = Int(min(seconds, 359_999))
    return whole >= 3600
      ? String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
      : String(format: "%d:%02d", whole / 60, whole % 60)
  }
}

/// A number that worker threads set and the progress line shows.
final class SharedCount: Sendable {
  private let stored = Atomic<Int>(0)

  var value: Int {
    get { stored.load(ordering: .relaxed) }
    set { stored.store(newValue, ordering: .relaxed) }
  }
}
