// Licensed under the Apache License, Version 2.0.

internal import Sampling

extension KneserNey {
  /// Computes the estimates of one order above 1 from those of the order below.
  struct Step {
    /// The n-grams without their last tokens, in the same order.
    let parents: CountedOrder
    let own: CountedOrder
    /// The probabilities of the order below, including pruned n-grams.
    let lower: Column<Double>
    /// The discounts for counts of 0, 1, 2, and 3 or more.
    let discount: [Double]
    let parentThreshold: Int
    let threshold: Int
    let isHighest: Bool
    let options: TrainingOptions
    let budget: MemoryBudget

    /// The results for one order.
    struct Result {
      /// The n-grams of the order, without weights and children.
      var level: NGramTrie.Level
      /// The back-off weights of the order below.
      var backoffs: FlatBuffer<Float>
      /// The first children in the order below.
      var firstChildren: FlatBuffer<UInt32>
      /// All probabilities of the order, including pruned n-grams; `nil` at the highest order.
      var probabilities: Column<Double>?
    }

    /// A run of parents with their children, and the numbers of kept ones before it.
    private struct Part: Sendable {
      var parents: Range<Int>
      var keptParents: Int
      var keptChildren: Int
    }

    private struct Target: Sendable {
      var probabilities: Column<Double>?
      var backoffs: Column<Float>
      var firstChildren: Column<UInt32>
      var words: Column<UInt32>
      var logs: Column<Float>
    }

    func run() throws -> Result {
      guard let heads = parents.firstChildren, let suffixes = own.suffixes else {
        preconditionFailure("orders above 1 have parents and suffixes")
      }
      let gathered = lower.isInMemory ? nil : try gather(suffixes)
      let (parts, keptParents, keptChildren) = try divide(heads)
      let isWhole = keptChildren == own.count && keptParents == parents.count
      let target = Target(
        probabilities: isHighest ? nil : try budget.column(of: Double.self, own.count),
        backoffs: try budget.column(of: Float.self, keptParents),
        firstChildren: isWhole ? heads : try budget.column(of: UInt32.self, keptParents + 1),
        words: isWhole ? own.words : try budget.column(of: UInt32.self, keptChildren),
        logs: try budget.column(of: Float.self, keptChildren))
      _ = try concurrently(parts.count, threads: options.threads) { i in
        if options.isCancelled() { throw LoadError(.cancelled, "stopped") }
        estimate(parts[i], heads, suffixes, gathered, isWhole: isWhole, into: target)
      }
      if !isWhole { unsafe target.firstChildren.pointer[keptParents] = UInt32(keptChildren) }
      return Result(
        level: NGramTrie.Level(
          words: target.words.keep(), logProbabilities: target.logs.keep(),
          backoffs: FlatBuffer(count: 0), firstChildren: FlatBuffer(count: 0)),
        backoffs: target.backoffs.keep(), firstChildren: target.firstChildren.keep(),
        probabilities: target.probabilities)
    }

    private func isKept(_ counted: CountedOrder, _ threshold: Int, _ i: Int) -> Bool {
      guard threshold > 0, let raw = counted.raw else { return true }
      return unsafe Int(raw.pointer[i]) > threshold
    }

    private func keptCount(_ counted: CountedOrder, _ threshold: Int, _ range: Range<Int>) -> Int {
      guard threshold > 0, let raw = counted.raw else { return range.count }
      let counts = unsafe raw.pointer
      var count = 0
      for i in range { count += unsafe Int(counts[i]) > threshold ? 1 : 0 }
      raw.release(range)
      return count
    }

    /// Divides the parents into parts with about equally many children.
    private func divide(
      _ heads: Column<UInt32>
    ) throws -> (parts: [Part], keptParents: Int, keptChildren: Int) {
      let size = max(1 << 14, min(1 << 17, own.count / (options.threads * 8)))
      var parts: [Part] = []
      var (keptParents, keptChildren) = (0, 0)
      var first = 0
      while first < parents.count {
        // The last parent whose children begin within the part.
        let goal = unsafe UInt32(truncatingIfNeeded: Int(heads.pointer[first]) + size)
        var (low, high) = (first + 1, min(parents.count, first + size))
        while low < high {
          let middle = (low + high + 1) / 2
          if unsafe heads.pointer[middle] <= goal { low = middle } else { high = middle - 1 }
        }
        parts.append(
          Part(parents: first..<low, keptParents: keptParents, keptChildren: keptChildren))
        keptParents += keptCount(parents, parentThreshold, first..<low)
        let children = unsafe Int(heads.pointer[first])..<Int(heads.pointer[low])
        keptChildren += keptCount(own, threshold, children)
        heads.release(first..<low)
        first = low
      }
      return (parts, keptParents, keptChildren)
    }

    /// The lower-order probability of each n-gram, for as many at a time as fit into memory.
    private func gather(_ suffixes: Column<UInt32>) throws -> Column<Double> {
      let target = try budget.column(of: Double.self, suffixes.count)
      let (share, _) = budget.share(of: lower.count, bytes: 8, threads: 1)
      for first in stride(from: 0, to: lower.count, by: share) {
        if options.isCancelled() { throw LoadError(.cancelled, "stopped") }
        let size = min(share, lower.count - first)
        let block = budget.scratch(of: Double.self, size)
        for range in steps(size) {
          unsafe (block.pointer + range.lowerBound).update(
            from: lower.pointer + first + range.lowerBound, count: range.count)
          lower.release(first + range.lowerBound..<first + range.upperBound)
        }
        let (places, from, to) = unsafe (suffixes.pointer, block.pointer, target.pointer)
        for range in steps(suffixes.count) {
          for i in range {
            let place = unsafe Int(places[i]) - first
            if place >= 0, place < size { unsafe to[i] = from[place] }
          }
          suffixes.release(range)
          target.release(range)
        }
      }
      return target
    }

    private func estimate(
      _ part: Part, _ heads: Column<UInt32>, _ suffixes: Column<UInt32>,
      _ gathered: Column<Double>?, isWhole: Bool, into target: Target
    ) {
      let adjusted = unsafe own.adjusted.pointer
      let table = (self.discount[0], self.discount[1], self.discount[2], self.discount[3])
      func discount(_ count: UInt32) -> Double {
        count == 1 ? table.1 : count == 2 ? table.2 : count == 0 ? table.0 : table.3
      }
      let lowerValues = unsafe lower.pointer
      let places = unsafe suffixes.pointer
      let gatheredValues = unsafe gathered?.pointer
      let probabilities = unsafe target.probabilities?.pointer
      let words = unsafe own.words.pointer
      let (keptWords, logs) = unsafe (target.words.pointer, target.logs.pointer)
      var keptParent = part.keptParents
      var keptChild = part.keptChildren
      for parent in part.parents {
        let range = unsafe Int(heads.pointer[parent])..<Int(heads.pointer[parent + 1])
        let isParentKept = isKept(parents, parentThreshold, parent)
        if isParentKept, !isWhole {
          unsafe target.firstChildren.pointer[keptParent] = UInt32(keptChild)
        }
        if !range.isEmpty {
          var sum = 0.0
          var discounted = 0.0
          for i in range {
            let count = unsafe adjusted[i]
            sum += Double(count)
            discounted += isKept(own, threshold, i) ? discount(count) : Double(count)
          }
          let gamma = discounted / sum
          if isParentKept {
            // A weight of 0 has no logarithm; ARPA files write 10^-99.
            unsafe target.backoffs.pointer[keptParent] = Float(
              max(-99, LogSpace.log(gamma) / logOf10))
          }
          for i in range {
            let count = unsafe adjusted[i]
            let below = unsafe gatheredValues?[i] ?? lowerValues[Int(places[i])]
            let p = (Double(count) - discount(count)) / sum + gamma * below
            unsafe probabilities?[i] = p
            if isKept(own, threshold, i) {
              unsafe logs[keptChild] = Float(LogSpace.log(p) / logOf10)
              if !isWhole { unsafe keptWords[keptChild] = words[i] }
              keptChild += 1
            }
          }
        }
        if isParentKept { keptParent += 1 }
      }
      let firstChild = unsafe Int(heads.pointer[part.parents.lowerBound])
      let children = unsafe firstChild..<Int(heads.pointer[part.parents.upperBound])
      own.adjusted.release(children)
      own.raw?.release(children)
      own.words.release(children)
      suffixes.release(children)
      gathered?.release(children)
      target.probabilities?.release(children)
      heads.release(part.parents)
      parents.raw?.release(part.parents)
      target.words.release(part.keptChildren..<keptChild)
      target.logs.release(part.keptChildren..<keptChild)
      target.backoffs.release(part.keptParents..<keptParent)
    }
  }
}
