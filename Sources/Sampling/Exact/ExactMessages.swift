// Licensed under the Apache License, Version 2.0.

/// The sum (or a bound on the largest) of the weights of all continuations, for each number of
/// tokens read, each context and each state of the automaton.
///
/// Row c of the rows for n tokens belongs to texts whose last token leads to context c. Its columns
/// are the states before that token, which c determines. So no column depends on the token, and
/// predecessors can add the row without changes. Each column has its own unit.
///
/// If memory does not hold all rows, those of every k-th number of tokens are kept, and the rows in
/// between are computed again when they are read. If texts may have any length, one set of rows
/// serves every number of tokens.
@safe
final class ExactMessages: Sendable {
  let model: BackoffAutomaton
  let layers: AutomatonLayers
  /// Whether these are bounds on the largest weight instead of sums.
  let isMaximum: Bool
  let threads: Int
  /// The distance between kept rows, in tokens; 1 if all are kept.
  let interval: Int
  /// The kept rows, by the number of tokens minus 1.
  private let kept: [MessageRows?]
  /// All rows, if they are kept.
  private let whole: Window?
  /// Context 0's message in each state, for each layer, in units of `logUnits`.
  private let emptyValues: [[Double]]
  /// The steps by one more token, for each layer except the last.
  private let steps: [StepTable]
  /// The message before the first token, and the log of its unit.
  let startValue: Double
  let startLogUnit: Double
  /// The weight of the end symbol in each context.
  let ends: [Double]
  /// The share by which a message is too small, at most, because long texts are left out.
  let tail: Double

  /// Context 0's message in each state after so many tokens.
  func emptyValues(_ count: Int) -> [Double] { emptyValues[layers.isEndless ? 0 : count] }

  /// The steps by one more token.
  func steps(_ count: Int) -> StepTable { steps[layers.isEndless ? 0 : count] }

  /// The size in bytes of the rows for each number of tokens.
  private static func sizes(_ model: BackoffAutomaton, _ layers: AutomatonLayers) -> [Int] {
    (0..<layers.stepCount).map {
      MessageRows.stride(of: layers.columns($0).count) * (model.contextCount + model.blockCount) * 8
    }
  }

  /// The size in bytes of all rows.
  static func byteCount(_ model: BackoffAutomaton, _ layers: AutomatonLayers) -> Int {
    sizes(model, layers).reduce(0, +) * (layers.isEndless ? EndlessPasses.rowCount : 1)
  }

  /// The smallest interval whose rows fit into some bytes; if none does, the bytes of the interval
  /// that needs the least.
  static func interval(
    _ model: BackoffAutomaton, _ layers: AutomatonLayers, memory: Int
  ) -> (interval: Int?, least: Int) {
    let sizes = sizes(model, layers)
    if layers.isEndless {
      let bytes = EndlessPasses.rowCount * (sizes.first ?? 0)
      return (bytes <= memory ? 1 : nil, bytes)
    }
    var least = Int.max
    for interval in 1...max(1, sizes.count) {
      var kept = 0
      var between = 0
      for head in stride(from: 0, to: sizes.count, by: interval) {
        kept += sizes[head]
        let segment = sizes[max(0, head - 1)..<min(head + interval, sizes.count)]
        if interval > 1 { between = max(between, segment.reduce(0, +)) }
      }
      if kept + between <= memory { return (interval, kept + between) }
      least = min(least, kept + between)
    }
    return (nil, least)
  }

  /// Computes all messages for texts of bounded length; `nil` if `proceed` returns `false`.
  init?(
    _ model: BackoffAutomaton, _ layers: AutomatonLayers, isMaximum: Bool, interval: Int,
    threads: Int, proceed: (Double) -> Bool
  ) {
    self.model = model
    self.layers = layers
    self.isMaximum = isMaximum
    self.interval = interval
    self.threads = threads
    let ends = model.ends
    self.ends = ends
    let most = layers.most
    var kept = [MessageRows?](repeating: nil, count: most)
    var emptyValues: [[Double]] = []
    var steps: [StepTable] = []
    var logUnits = layers.columns(most).map { layers.automaton.finalWeights[Int($0)] }
    var following: MessageRows?
    var pool = RowPool()
    for count in stride(from: most, to: 0, by: -1) {
      guard proceed(Double(most - count) / Double(most + 1)) else { return nil }
      let pass = MessagePass(
        model: model, layers: layers, count: count, isMaximum: isMaximum, ends: ends,
        following: following)
      let empty = pass.value(of: 0)
      emptyValues.append(empty)
      let table = StepTable(layers, before: count - 1, logUnits: logUnits, emptyValues: empty)
      let rows = pass.rows(table, threads: threads, pool: &pool)
      if let following, kept.count <= count || kept[count] == nil { pool.give(following) }
      if (count - 1) % interval == 0 { kept[count - 1] = rows }
      following = rows
      steps.append(table)
      logUnits = table.logUnits
    }
    let pass = MessagePass(
      model: model, layers: layers, count: 0, isMaximum: isMaximum, ends: ends,
      following: following)
    emptyValues.append(pass.value(of: 0))
    startValue = pass.value(of: model.start)[0]
    startLogUnit = logUnits[0]
    self.kept = kept
    whole = interval == 1 ? Window(first: 0, rows: kept.compactMap { $0 }) : nil
    self.emptyValues = emptyValues.reversed()
    self.steps = steps.reversed()
    tail = 0
  }

  /// Computes the messages for texts of any length.
  ///
  /// - Throws: `EndlessPasses.Fault`.
  init(
    endless model: BackoffAutomaton, _ layers: AutomatonLayers, isMaximum: Bool, threads: Int,
    tolerance: Double, horizon: Int, proceed: (Double) -> Bool
  ) throws(EndlessPasses.Fault) {
    self.model = model
    self.layers = layers
    self.isMaximum = isMaximum
    self.threads = threads
    interval = 1
    ends = model.ends
    let passes = try EndlessPasses(
      model, layers, isMaximum: isMaximum, ends: ends, threads: threads, tolerance: tolerance,
      horizon: horizon, proceed: proceed)
    kept = [passes.rows]
    whole = Window(first: 0, rows: [passes.rows], isEndless: true)
    emptyValues = [passes.emptyValues]
    steps = [passes.steps]
    startValue = passes.startValue
    startLogUnit = passes.steps.logUnits[layers.startColumn]
    tail = passes.tail
  }

  /// The rows for consecutive numbers of tokens.
  struct Window {
    /// The number of tokens of the texts that step to the first rows.
    let first: Int
    let rows: [MessageRows]
    /// Whether the first rows serve every number of tokens.
    var isEndless = false

    subscript(count: Int) -> MessageRows { rows[isEndless ? 0 : count - first] }
    /// The first number of tokens without rows.
    var end: Int { isEndless ? .max : first + rows.count }
  }

  /// The rows that texts of `count` tokens step to, those that step to these texts, and as many
  /// later ones as are kept or computed together.
  ///
  /// - Complexity: O(1) if all rows are kept, otherwise that of computing `interval` rows.
  func window(from count: Int) -> Window {
    if let whole { return whole }
    let head = count / interval * interval
    let end = min(head + interval, layers.most)
    var following = end < layers.most ? kept[end] : nil
    var rows: [MessageRows] = []
    var pool = RowPool()
    func pass(_ count: Int) -> MessagePass {
      MessagePass(
        model: model, layers: layers, count: count, isMaximum: isMaximum, ends: ends,
        following: following)
    }
    for count in stride(from: end, to: max(0, head - 1), by: -1) {
      var pass = pass(count)
      if rows.isEmpty, let following {
        pass.blocks = MessageRows(rows: model.blockCount, stride: following.stride)
      }
      let made = pass.rows(steps[count - 1], threads: threads, pool: &pool)
      rows.append(made)
      following = made
    }
    // Compute the sums for the first token.
    if head == 0 { _ = pass(0).value(of: model.start) }
    return Window(first: max(0, head - 1), rows: rows.reversed())
  }
}
