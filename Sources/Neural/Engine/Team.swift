// Licensed under the Apache License, Version 2.0.

import CKernels
import Foundation
import Synchronization

/// A few threads that share the pieces of one piece of work after another.
///
/// The thread that calls works, too. A helper thread may lose its processor to another program at any
/// time: it writes to memory of its own, and if it doesn't hand its piece over in time, the caller
/// does that piece itself. So the caller is never slower than it would be alone.
final class Team: Sendable {
  /// One piece of work; `scratch` holds at least the numbers that were asked for.
  ///
  /// With `isShared` false the piece may write straight to where its results belong, for nobody
  /// else does this piece. Otherwise it leaves its results in `scratch`, and `keep` copies them.
  @safe struct Piece: @unchecked Sendable {
    var index: Int
    var scratch: UnsafeMutablePointer<Float>
    var isShared: Bool
  }

  private final class Work: Sendable {
    let count: Int
    let scratchSize: Int
    let body: @Sendable (Piece) -> Void
    let keep: @Sendable (Piece) -> Void
    let next = Atomic(0)
    let finished = Atomic(0)
    /// Who has a piece: 0 nobody, 1 a helper, 2 a helper that copies its results, 3 the caller.
    let holders: [Holder]

    final class Holder: Sendable {
      let state = Atomic(0)

      func change(from old: Int, to new: Int) -> Bool {
        state.compareExchange(expected: old, desired: new, ordering: .acquiringAndReleasing)
          .exchanged
      }
    }

    init(
      count: Int, scratchSize: Int, body: @escaping @Sendable (Piece) -> Void,
      keep: @escaping @Sendable (Piece) -> Void
    ) {
      self.count = count
      self.scratchSize = scratchSize
      self.body = body
      self.keep = keep
      holders = (0..<count).map { _ in Holder() }
    }
  }

  /// Scratch memory that grows and belongs to one thread.
  @safe private final class Scratch: @unchecked Sendable {
    private var numbers: UnsafeMutablePointer<Float>
    private var size = 0

    init() { unsafe numbers = .allocate(capacity: 1) }
    deinit { unsafe numbers.deallocate() }

    func pointer(_ size: Int) -> UnsafeMutablePointer<Float> {
      if size > self.size {
        unsafe numbers.deallocate()
        self.size = size + size / 4
        unsafe numbers =
          UnsafeMutableRawPointer.allocate(
            byteCount: self.size * MemoryLayout<Float>.stride, alignment: 64
          ).bindMemory(to: Float.self, capacity: self.size)
        unsafe numbers.initialize(repeating: 0, count: self.size)
      }
      return unsafe numbers
    }
  }

  /// What helpers wait for.
  private final class Board: Sendable {
    let work = Mutex<Work?>(nil)
    /// Grows by one with each piece of work that is put up.
    let edition = Atomic(0)
    let parked = Atomic(0)
    /// Helpers that hold a piece of work, perhaps one that is long over.
    let busy = Atomic(0)
    let isOver = Atomic(false)
    let condition = NSCondition()
  }

  /// Threads that share the work, the caller's included.
  let size: Int
  private let board = Board()
  private let scratch = Scratch()

  init(size: Int) {
    self.size = max(1, size)
    let board = board
    for _ in 1..<self.size {
      let thread = Thread { Self.help(board) }
      thread.name = "gensample network"
      thread.stackSize = 1 << 20
      thread.start()
    }
  }

  deinit {
    board.condition.lock()
    board.isOver.store(true, ordering: .sequentiallyConsistent)
    board.edition.add(1, ordering: .sequentiallyConsistent)
    board.condition.broadcast()
    board.condition.unlock()
    waitForStragglers()
  }

  /// Waits until no helper reads what any earlier work has left.
  func waitForStragglers() {
    while board.busy.load(ordering: .sequentiallyConsistent) > 0 { sched_yield() }
  }

  /// Does pieces `0 ..< count` of a work, in any order.
  ///
  /// Only one thread may call at a time. What a piece reads must stay where it is, though it may change, until `waitForStragglers`.
  func run(
    count: Int, scratchSize: Int, body: @escaping @Sendable (Piece) -> Void,
    keep: @escaping @Sendable (Piece) -> Void
  ) {
    let own = unsafe scratch.pointer(scratchSize)
    guard size > 1, count > 1 else {
      for index in 0..<count { unsafe body(Piece(index: index, scratch: own, isShared: false)) }
      return
    }
    let work = Work(count: count, scratchSize: scratchSize, body: body, keep: keep)
    board.work.withLock { $0 = work }
    board.edition.add(1, ordering: .sequentiallyConsistent)
    if board.parked.load(ordering: .sequentiallyConsistent) > 0 {
      board.condition.lock()
      board.condition.broadcast()
      board.condition.unlock()
    }
    let start = ContinuousClock.now
    var done = 0
    while true {
      let index = work.next.add(1, ordering: .relaxed).oldValue
      guard index < count else { break }
      work.holders[index].state.store(3, ordering: .relaxed)
      unsafe body(Piece(index: index, scratch: own, isShared: false))
      work.finished.add(1, ordering: .acquiringAndReleasing)
      done += 1
    }
    // A helper that still works gets the time of one piece, then its piece is done here.
    let now = ContinuousClock.now
    let patience = (now - start) / max(1, done) + .microseconds(2)
    var spins = 0
    while work.finished.load(ordering: .acquiring) < count {
      spins += 1
      gensample_pause()
      guard spins % 32 == 0, ContinuousClock.now - now > patience else { continue }
      for (index, holder) in work.holders.enumerated() {
        guard holder.change(from: 1, to: 3) || holder.change(from: 0, to: 3) else { continue }
        unsafe body(Piece(index: index, scratch: own, isShared: false))
        work.finished.add(1, ordering: .acquiringAndReleasing)
      }
      // What is left is being copied by its helper.
      if spins > 4096 { sched_yield() }
    }
    board.work.withLock { $0 = nil }
  }

  private static func help(_ board: Board) {
    let scratch = Scratch()
    var seen = 0
    while true {
      var edition = board.edition.load(ordering: .acquiring)
      var spins = 0
      var deadline = ContinuousClock.now + patience
      while edition == seen {
        spins += 1
        gensample_pause()
        if spins % 64 == 0, ContinuousClock.now > deadline {
          board.condition.lock()
          board.parked.add(1, ordering: .sequentiallyConsistent)
          while board.edition.load(ordering: .sequentiallyConsistent) == seen {
            board.condition.wait()
          }
          board.parked.subtract(1, ordering: .sequentiallyConsistent)
          board.condition.unlock()
          deadline = ContinuousClock.now + patience
        }
        edition = board.edition.load(ordering: .acquiring)
      }
      seen = edition
      if board.isOver.load(ordering: .sequentiallyConsistent) { return }
      board.busy.add(1, ordering: .sequentiallyConsistent)
      if let work = board.work.withLock({ $0 }) { share(work, scratch) }
      board.busy.subtract(1, ordering: .sequentiallyConsistent)
    }
  }

  /// How long a helper waits for work before it gives its processor back.
  private static let patience = Duration.microseconds(50)

  private static func share(_ work: Work, _ scratch: Scratch) {
    let numbers = unsafe scratch.pointer(work.scratchSize)
    while true {
      let index = work.next.add(1, ordering: .relaxed).oldValue
      guard index < work.count else { return }
      let holder = work.holders[index]
      guard holder.change(from: 0, to: 1) else { continue }
      let piece = unsafe Piece(index: index, scratch: numbers, isShared: true)
      work.body(piece)
      guard holder.change(from: 1, to: 2) else { continue }
      work.keep(piece)
      work.finished.add(1, ordering: .acquiringAndReleasing)
    }
  }
}
