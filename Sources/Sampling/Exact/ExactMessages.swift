// Licensed under the Apache License, Version 2.0.

internal import Dispatch

/// Rows of numbers on addresses that vectors can be loaded from.
@safe
final class MessageRows: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Double>
  /// Numbers a row.
  let stride: Int

  init(rows: Int, stride: Int) {
    self.stride = stride
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: max(1, rows * stride) * 8, alignment: 64)
    unsafe pointer = raw.bindMemory(to: Double.self, capacity: rows * stride)
  }

  deinit { unsafe UnsafeMutableRawPointer(pointer).deallocate() }

  subscript(row: Int, column: Int) -> Double {
    get { unsafe pointer[row * stride + column] }
    set { unsafe pointer[row * stride + column] = newValue }
  }

  func clear(_ row: Int) {
    unsafe (pointer + row * stride).update(repeating: 0, count: stride)
  }

  /// Room for so many columns.
  static func stride(of columns: Int) -> Int {
    columns <= 2 ? 2 : columns <= 4 ? 4 : (columns + 7) / 8 * 8
  }
}

/// For each number of tokens read, each context and each state of the automaton: the sum, or a
/// bound on the largest, of the weights of all ways to go on.
///
/// Row c of `rows[n]` belongs to texts of n tokens whose context is c. Its columns are the states
/// before the last of the n tokens, which c knows: so no column depends on the token, and a row
/// contributes to its predecessors as it is. Each column has its own unit, `logUnits[n - 1]`.
@safe
final class ExactMessages: Sendable {
  let model: BackoffAutomaton
  let layers: AutomatonLayers
  /// Whether these are bounds on the largest weight, not sums.
  let isMaximum: Bool
  /// For each number of tokens from 1, at that index less 1.
  let rows: [MessageRows]
  /// For each number of tokens: context 0's message in each state, in units of `logUnits`.
  let emptyValues: [[Double]]
  /// For each number of tokens and state: the log of what messages in that state are counted in.
  let logUnits: [[Double]]
  /// The message before the first token.
  let startValue: Double
  /// For each context: the weight of the end symbol.
  let ends: [Double]

  /// Bytes of all messages.
  static func byteCount(_ model: BackoffAutomaton, _ layers: AutomatonLayers) -> Int {
    layers.columns.dropLast().reduce(0) {
      $0 + MessageRows.stride(of: $1.count) * model.contextCount * 8
    }
  }

  /// Computes all messages; `nil` where `proceed` says `false`.
  init?(
    _ model: BackoffAutomaton, _ layers: AutomatonLayers, isMaximum: Bool, threads: Int,
    proceed: (Double) -> Bool
  ) {
    self.model = model
    self.layers = layers
    self.isMaximum = isMaximum
    let end = model.vocabulary.end.rawValue
    var ends = [Double](repeating: 0, count: model.contextCount)
    for context in model.order.lazy.map({ Int($0) }) {
      let arc = model.arc(end, of: context)
      if arc >= 0 {
        ends[context] = model.weights[arc]
      } else if context > 0 {
        ends[context] = model.backoffs[context] * ends[Int(model.failures[context])]
      }
    }
    self.ends = ends
    var rows: [MessageRows] = []
    var emptyValues: [[Double]] = []
    let most = layers.most
    var logUnits: [[Double]] = [
      layers.columns[most].map { layers.automaton.finalWeights[Int($0)] }
    ]
    var startValue = 0.0
    for count in stride(from: most, through: 0, by: -1) {
      guard proceed(Double(most - count) / Double(most + 1)) else { return nil }
      let pass = MessagePass(
        model: model, layers: layers, count: count, isMaximum: isMaximum, ends: ends,
        following: rows.last)
      let empty = pass.value(of: 0)
      emptyValues.append(empty)
      guard count > 0 else {
        startValue = pass.value(of: model.start)[0]
        break
      }
      let table = StepTable(
        layers, before: count - 1, logUnits: logUnits[logUnits.count - 1], emptyValues: empty)
      rows.append(pass.rows(table, threads: threads))
      logUnits.append(table.logUnits)
    }
    self.startValue = startValue
    self.rows = rows.reversed()
    self.emptyValues = emptyValues.reversed()
    self.logUnits = logUnits.reversed()
  }

  /// What each token contributes to the message of a context in a state: all exact, by one pass
  /// over the vocabulary.
  func contributions(_ count: Int, _ context: Int, column: Int) -> [Double] {
    MessagePass.contributions(
      model, context: context, column: column, following: rows[count])
  }

  /// What a step by a token of a class multiplies messages with.
  func factor(_ count: Int, _ column: Int, class c: Int) -> Double {
    let (next, weight) = layers.step(count, column, class: c)
    guard next >= 0 else { return 0 }
    let empty = emptyValues[count + 1][next]
    return StepTable.factor(
      weight, logUnit: logUnits[count + 1][next], empty: empty, unit: logUnits[count][column])
  }
}

/// A step of the automaton for each class of tokens, with what it multiplies messages by.
struct StepTable: Sendable {
  let stride: Int
  /// Class x column before: the column after, 0 where there is none.
  private(set) var columns: [Int32]
  /// Class x column before: the factor, 0 where there is no column after.
  private(set) var factors: [Double]
  /// For each column before: the log of its unit.
  private(set) var logUnits: [Double]
  /// For each column before: the message of the end symbol.
  private(set) var endFactors: [Double]

  init(_ layers: AutomatonLayers, before count: Int, logUnits next: [Double], emptyValues: [Double])
  {
    let states = layers.columns[count]
    let classCount = layers.automaton.classCount
    stride = MessageRows.stride(of: states.count)
    columns = [Int32](repeating: 0, count: classCount * stride)
    factors = [Double](repeating: 0, count: classCount * stride)
    endFactors = [Double](repeating: 0, count: stride)
    logUnits = []
    for (column, state) in states.enumerated() {
      let final = layers.automaton.finalWeights[Int(state)]
      // Units follow the likeliest way on, so that no number of forced tokens makes a message
      // vanish.
      var unit = layers.mayEnd(count, state) ? final : -.infinity
      for c in 0..<classCount {
        let (after, weight) = layers.step(count, column, class: c)
        if after >= 0 {
          unit = max(unit, weight + next[after] + Self.normalizer(emptyValues[after]))
        }
      }
      logUnits.append(unit)
      if layers.mayEnd(count, state) { endFactors[column] = LogSpace.exp(final - unit) }
      for c in 0..<classCount {
        let (after, weight) = layers.step(count, column, class: c)
        guard after >= 0 else { continue }
        columns[c * stride + column] = Int32(after)
        factors[c * stride + column] = Self.factor(
          weight, logUnit: next[after], empty: emptyValues[after], unit: unit)
      }
    }
  }

  /// The log of what a column's messages are divided by.
  private static func normalizer(_ empty: Double) -> Double {
    empty > 0 ? LogSpace.log(empty) : 0
  }

  static func factor(_ weight: Double, logUnit: Double, empty: Double, unit: Double) -> Double {
    let scaled = LogSpace.exp(weight + logUnit + normalizer(empty) - unit)
    return empty > 0 ? scaled / empty : scaled
  }
}
