// Licensed under the Apache License, Version 2.0.

/// The equations (I - P) x = b on a component that every text leaves.
///
/// Small components are solved by elimination without subtraction, so that every figure keeps its
/// digits. Large ones are swept until the residual is below rounding errors.
///
/// Reference: Grassmann, Taksar and Heyman 1985, "Regenerative analysis and steady state
/// distributions for Markov chains", for elimination; Gauss-Seidel for the sweeps.
struct TransientSystem {
  /// An upper bound of the largest expected number of steps within the component.
  private(set) var reach = 1.0
  private let heads: [Int]
  private let columns: [Int32]
  private let values: [Double]
  /// The transitions that leave the component.
  private let exits: [(row: Int, target: Int, probability: Double)]
  /// For each row, the probability of leaving, and of leaving or going to another row.
  private let leaving: [Double]
  private let pivots: [Double]
  /// The error in the equations of the expected numbers of steps.
  private var slack = 0.0

  static let largestEliminated = 64
  /// An error below this is due to rounding.
  private static let goal = 1e-14
  private static let mostSweeps = 20_000
  /// The number of sweeps over which the rate of change is measured.
  private static let window = 250

  init<Context>(_ chain: ContextChain<Context>, _ states: [Int]) {
    var local: [Int: Int32] = [:]
    for (i, state) in states.enumerated() { local[state] = Int32(i) }
    var heads = [0]
    var columns: [Int32] = []
    var values: [Double] = []
    var exits: [(Int, Int, Double)] = []
    var leaving: [Double] = []
    var pivots: [Double] = []
    for (row, state) in states.enumerated() {
      var out = chain.ends[state]
      var across = 0.0
      for step in chain.steps[chain.ranges[state]] {
        guard let column = local[Int(step.target)] else {
          exits.append((row, Int(step.target), step.probability))
          out += step.probability
          continue
        }
        guard column != Int32(row) else { continue }
        columns.append(column)
        values.append(step.probability)
        across += step.probability
      }
      heads.append(columns.count)
      leaving.append(out)
      pivots.append(out + across)
    }
    self.heads = heads
    self.columns = columns
    self.values = values
    self.exits = exits
    self.leaving = leaving
    self.pivots = pivots
    let ones = [Double](repeating: 1, count: states.count)
    let (counts, residual) = unbounded(ones)
    reach = counts.max() ?? 1
    slack = residual
  }

  /// For each row, the sum of values over the targets of leaving transitions, weighted by
  /// probability.
  func outside(_ values: [Double]) -> [Double] {
    var sums = [Double](repeating: 0, count: pivots.count)
    for exit in exits { sums[exit.row] += exit.probability * values[exit.target] }
    return sums
  }

  /// The solution and a bound of its error.
  func solve(_ right: [Double]) -> (solution: [Double], error: Double) {
    guard right.contains(where: { $0 != 0 }) else { return (right, 0) }
    let (solution, residual) = unbounded(right)
    return (solution, slack < 1 ? residual * reach / (1 - slack) : .infinity)
  }

  private func unbounded(_ right: [Double]) -> (solution: [Double], residual: Double) {
    let solution = pivots.count <= Self.largestEliminated ? eliminated(right) : swept(right)
    return (solution, residual(solution, right))
  }

  /// The largest residual, plus what rounding may hide in it.
  private func residual(_ x: [Double], _ right: [Double]) -> Double {
    var worst = 0.0
    for row in pivots.indices {
      var sum = right[row]
      for place in heads[row]..<heads[row + 1] { sum += values[place] * x[Int(columns[place])] }
      let terms = Double(heads[row + 1] - heads[row] + 2)
      worst = max(worst, abs(sum - pivots[row] * x[row]) + terms * sum.ulp)
    }
    return worst
  }

  private func swept(_ right: [Double]) -> [Double] {
    var x = [Double](repeating: 0, count: pivots.count)
    var largest = 0.0
    var earlier = Double.infinity
    for sweep in 1...Self.mostSweeps {
      var change = 0.0
      // Sweep in both directions in turn, because each carries changes only one way.
      for i in pivots.indices {
        let row = sweep % 2 == 0 ? i : pivots.count - 1 - i
        var sum = right[row]
        for place in heads[row]..<heads[row + 1] { sum += values[place] * x[Int(columns[place])] }
        let new = sum / pivots[row]
        change = max(change, abs(new - x[row]))
        largest = max(largest, new)
        x[row] = new
      }
      let goal = Self.goal * largest / max(1, reach)
      if change <= goal { break }
      guard sweep % Self.window == 0 else { continue }
      // Changes slow down, so if their present rate does not reach the goal, nothing will.
      let windows = Double((Self.mostSweeps - sweep) / Self.window)
      if LogSpace.log(change) + windows * LogSpace.log(change / earlier) > LogSpace.log(goal) {
        break
      }
      earlier = change
    }
    return x
  }

  private func eliminated(_ right: [Double]) -> [Double] {
    let n = pivots.count
    var p = [Double](repeating: 0, count: n * n)
    for row in 0..<n {
      for place in heads[row]..<heads[row + 1] { p[row * n + Int(columns[place])] += values[place] }
    }
    var b = right
    var out = leaving
    var x = b
    var sums = out
    for k in 0..<n {
      sums[k] = out[k]
      for j in k + 1..<n { sums[k] += p[k * n + j] }
      for i in k + 1..<n where p[i * n + k] > 0 {
        let factor = p[i * n + k] / sums[k]
        for j in k + 1..<n where j != i { p[i * n + j] += factor * p[k * n + j] }
        b[i] += factor * b[k]
        out[i] += factor * out[k]
      }
    }
    for k in stride(from: n - 1, through: 0, by: -1) {
      var sum = b[k]
      for j in k + 1..<n { sum += p[k * n + j] * x[j] }
      x[k] = sum / sums[k]
    }
    return x
  }
}
