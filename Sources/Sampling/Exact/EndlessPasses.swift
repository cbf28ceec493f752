// Licensed under the Apache License, Version 2.0.

/// Messages for texts of any length, as the limit of those for at most t more tokens.
///
/// With K for one more token and e for the end, the messages of fewer than t more tokens are `V(t)
/// = e + K e + ... + K^(t-1) e`. If `V(2m) - V(m) = K^m V(m)` is at most r times V(m) in each
/// context and state, with r below 1, then `V(k m)` leaves out at most `r^k / (1 - r)` times V(m):
/// r^(1/m) bounds the largest eigenvalue of K. If it is at least V(m) in every context of some
/// states that are never left, the sum diverges.
///
/// Source: Collatz 1942, "Einschließungssatz für die charakteristischen Zahlen von Matrizen"; the
/// test vector is the sum so far.
struct EndlessPasses {
  enum Fault: Error {
    case stopped
    /// The sums over longer and longer texts diverge.
    case divergent
    /// No bound was found within the horizon.
    case unproved
  }

  /// The number of sets of rows in memory at one time.
  static let rowCount = 3

  let rows: MessageRows
  let steps: StepTable
  let emptyValues: [Double]
  let startValue: Double
  /// The share of the messages that is left out, at most.
  let tail: Double

  /// Computes the messages; for bounds on the largest weight, until they stop rising.
  init(
    _ model: BackoffAutomaton, _ layers: AutomatonLayers, isMaximum: Bool, ends: [Double],
    threads: Int, tolerance: Double, horizon: Int, proceed: (Double) -> Bool
  ) throws(Fault) {
    let columnCount = layers.columns(0).count
    var pool = RowPool()
    var steps = StepTable(
      layers, before: 0, logUnits: [Double](repeating: -.infinity, count: columnCount),
      emptyValues: [Double](repeating: 0, count: columnCount))
    var rows = pool.take(rows: model.contextCount + model.blockCount, stride: steps.stride)
    rows.clear()
    for column in 0..<steps.stride { rows[model.end, column] = steps.endFactors[column] }
    var earlier: (rows: MessageRows, logUnits: [Double])?
    /// Units that no longer change, and the number of tokens since when.
    var fixed: (units: [Double], since: Int)?
    /// The smallest number of tokens that leaves out at most the tolerance, and what it leaves out.
    var goal: (tokens: Int, tail: Double)?
    var share = 0.0
    var tokens = 0
    while true {
      share = max(share, Double(tokens) / Double(goal?.tokens ?? horizon))
      guard proceed(min(1, share)) else { throw .stopped }
      let pass = MessagePass(
        model: model, layers: layers, count: 0, isMaximum: isMaximum, ends: ends, following: rows)
      let empty = pass.value(of: 0)
      let nextSteps = StepTable(
        layers, before: 0, logUnits: steps.logUnits, emptyValues: empty, units: fixed?.units)
      let next = pass.rows(nextSteps, threads: threads, pool: &pool)
      // Steps between fixed units need rows in these units.
      if let fixed, tokens > fixed.since + 1 {
        let isDone =
          isMaximum
          ? rows.equals(next, rows: model.contextCount) : goal.map { $0.tokens <= tokens } ?? false
        if isDone {
          self.rows = rows
          self.steps = steps
          emptyValues = empty
          startValue = pass.value(of: model.start)[layers.startColumn]
          tail = goal?.tail ?? 0
          return
        }
      }
      if tokens >= horizon { throw .unproved }
      // At each power of two, compare with the rows of the last one.
      if tokens & (tokens - 1) == 0, tokens > 0 {
        if isMaximum {
          if fixed == nil, !steps.logUnits.contains(-.infinity) {
            fixed = (nextSteps.logUnits, tokens + 1)
          }
        } else {
          if let earlier {
            // Each token adds rounding errors of about ten units in the last place.
            let ratio =
              try Self.ratio(
                model, layers, of: rows, steps.logUnits, to: earlier.rows, earlier.logUnits)
              + Double(tokens) * 2e-15
            if ratio < 1 {
              // The bound needs at least twice as many.
              let times = max(
                2, (LogSpace.log(tolerance * (1 - ratio)) / LogSpace.log(ratio)).rounded(.up))
              let needed = times * Double(tokens / 2)
              if needed < Double(goal?.tokens ?? .max) {
                goal = (
                  Int(needed), LogSpace.exp(times * LogSpace.log(ratio)) / (1 - ratio)
                )
              }
              if fixed == nil { fixed = (nextSteps.logUnits, tokens + 1) }
            }
            pool.give(earlier.rows)
          }
          earlier = (rows, steps.logUnits)
        }
      }
      if earlier?.rows !== rows { pool.give(rows) }
      rows = next
      steps = nextSteps
      tokens += 1
    }
  }

  /// The largest ratio of what rows have gained since earlier rows to these.
  ///
  /// - Throws: `Fault.divergent` if the sum is proved to diverge.
  private static func ratio(
    _ model: BackoffAutomaton, _ layers: AutomatonLayers, of rows: MessageRows,
    _ logUnits: [Double], to earlier: MessageRows, _ earlierUnits: [Double]
  ) throws(Fault) -> Double {
    let automaton = layers.automaton
    let states = layers.columns(0)
    let components = automaton.components
    var isLeft = [Bool](repeating: false, count: (components.max() ?? 0) + 1)
    for state in states {
      let row = Int(state) * automaton.classCount
      for next in automaton.transitions[row..<row + automaton.classCount]
      where next != TokenAutomaton.dead && components[Int(next)] != components[Int(state)] {
        isLeft[components[Int(state)]] = true
      }
    }
    var most = 0.0
    var least = [Double](repeating: .infinity, count: isLeft.count)
    for (column, state) in states.enumerated() where logUnits[column] > -.infinity {
      let scale = LogSpace.exp(logUnits[column] - earlierUnits[column])
      var columnLeast = Double.infinity
      for context in 1..<model.contextCount where context != model.end {
        let now = rows[context, column]
        guard now.isFinite else { throw .unproved }
        guard now > 0 else { continue }
        // A unit that was still zero gives an infinite scale.
        let before = earlier[context, column]
        let ratio = before > 0 ? now * scale / before - 1 : .infinity
        most = max(most, ratio)
        columnLeast = min(columnLeast, ratio)
      }
      let component = components[Int(state)]
      least[component] = min(least[component], columnLeast)
    }
    for (component, ratio) in least.enumerated()
    where !isLeft[component] && ratio >= 1 && ratio < .infinity { throw .divergent }
    return most
  }
}
