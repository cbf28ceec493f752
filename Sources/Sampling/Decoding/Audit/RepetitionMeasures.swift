// Licensed under the Apache License, Version 2.0.

/// How much a Markov chain repeats itself.
///
/// Let A be the elementwise square of the transition matrix. The repetition is the sum over k >= 1
/// of trace(A^k): the expected number of times that two independent walks from a state close the
/// same round. A deterministic round makes it infinite.
///
/// Reference: Fu, Lam, So and Shi 2021, "A theoretical analysis of the repetition problem in text
/// generation", definition 2 and theorem 1, for repetition and inflow.
public struct RepetitionMeasures: Sendable {
  /// An interval that contains the repetition; if it is computed, both ends agree up to rounding.
  public let repetition: ClosedRange<Double>
  /// The trace of A alone, which measures tokens that follow themselves.
  public let trace: Double

  /// The largest number of states for which the repetition is computed; above, it is bounded.
  public static let largestComputed = 400

  /// The measures of a matrix of transition probabilities; the rest of each row ends the text.
  ///
  /// - Complexity: cubic up to ``largestComputed`` rows, otherwise O(transitions x rounds).
  public init(rows: [[Double]]) {
    self.init(
      rows.map { row in row.enumerated().filter { $1 > 0 }.map { ($0.offset, $0.element) } })
  }

  /// The measures of a decoder; states with unknown transitions count as ends.
  ///
  /// - Parameters:
  ///   - chain: the decoder.
  ///   - isCancelled: called now and then; `true` keeps the bound reached so far.
  public init<Context>(_ chain: ContextChain<Context>, isCancelled: () -> Bool = { false }) {
    self.init(
      chain.ranges.map { range in
        var sums: [Int: Double] = [:]
        for step in chain.steps[range] { sums[Int(step.target), default: 0] += step.probability }
        return sums.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
      }, isCancelled: isCancelled)
  }

  private init(
    _ rows: [[(column: Int, probability: Double)]], isCancelled: () -> Bool = { false }
  ) {
    let squares = rows.map { row in row.map { ($0.column, $0.probability * $0.probability) } }
    var trace = 0.0
    for (i, row) in squares.enumerated() {
      for (column, value) in row where column == i { trace += value }
    }
    self.trace = trace
    repetition =
      rows.count <= Self.largestComputed
      ? Self.computed(squares)
      : Self.bounded(squares, trace, isCancelled)
  }

  /// trace((I - A)^-1) - n by Gauss-Jordan elimination; infinite if a pivot vanishes.
  private static func computed(_ rows: [[(Int, Double)]]) -> ClosedRange<Double> {
    let n = rows.count
    var a = [Double](repeating: 0, count: n * n)
    var inverse = a
    for (i, row) in rows.enumerated() {
      a[i * n + i] = 1
      inverse[i * n + i] = 1
      for (column, value) in row { a[i * n + column] -= value }
    }
    for k in 0..<n {
      // A row of squares sums to 1 only if a step is certain; then only rounding errors are left.
      guard a[k * n + k] > 1e-14 else { return Double.infinity...Double.infinity }
      let scale = 1 / a[k * n + k]
      for j in 0..<n {
        a[k * n + j] *= scale
        inverse[k * n + j] *= scale
      }
      for i in 0..<n where i != k && a[i * n + k] != 0 {
        let factor = a[i * n + k]
        for j in 0..<n {
          a[i * n + j] -= factor * a[k * n + j]
          inverse[i * n + j] -= factor * inverse[k * n + j]
        }
      }
    }
    let sum = (0..<n).reduce(0.0) { $0 + (inverse[$1 * n + $1] - 1) }
    return sum...sum
  }

  /// Computes rounds of one and two steps exactly, and bounds longer ones by all walks of that
  /// length.
  private static func bounded(
    _ rows: [[(Int, Double)]], _ trace: Double, _ isCancelled: () -> Bool
  ) -> ClosedRange<Double> {
    var second = 0.0
    for (i, row) in rows.enumerated() {
      for (column, value) in row {
        let back = rows[column]
        // The columns ascend.
        var low = 0
        var high = back.count
        while low < high {
          let middle = (low + high) / 2
          if back[middle].0 < i { low = middle + 1 } else { high = middle }
        }
        if low < back.count, back[low].0 == i { second += value * back[low].1 }
      }
    }
    let low = trace + second
    var walks = [Double](repeating: 1, count: rows.count)
    var tail = 0.0
    let largest = rows.map { row in row.reduce(0) { $0 + $1.1 } }.max() ?? 0
    guard largest < 1 else { return low...Double.infinity }
    for length in 1...1_000 {
      if isCancelled() { return low...Double.infinity }
      walks = rows.map { row in row.reduce(0) { $0 + $1.1 * walks[$1.0] } }
      let sum = walks.reduce(0, +)
      if length > 2 { tail += sum }
      let rest = sum * largest / (1 - largest)
      if length > 2, rest < 1e-12 * (low + tail) || length == 1_000 {
        tail += rest
        break
      }
    }
    return low...(low + tail)
  }
}
