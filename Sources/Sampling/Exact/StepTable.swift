// Licensed under the Apache License, Version 2.0.

/// The automaton's step for each class of tokens, with the factors that it applies to messages.
struct StepTable: Sendable {
  let stride: Int
  /// For each class and each column before, the column after; 0 if there is none.
  private(set) var columns: [Int32]
  /// For each class and each column before, the factor; 0 if there is no column after.
  private(set) var factors: [Double]
  /// For each class, whether every column before leads to the same column after, or nowhere.
  private(set) var isStraight: [Bool]
  /// The log of the unit of each column before.
  private(set) var logUnits: [Double]
  /// The message of the end symbol for each column before.
  private(set) var endFactors: [Double]

  /// Computes the steps of a layer.
  ///
  /// - Parameters:
  ///   - layers: the automaton.
  ///   - count: the number of tokens before the step.
  ///   - next: the log of the unit of each column after; minus infinity where messages are 0.
  ///   - emptyValues: context 0's message for each column after.
  ///   - units: the log of the unit of each column before; `nil` chooses the units.
  init(
    _ layers: AutomatonLayers, before count: Int, logUnits next: [Double], emptyValues: [Double],
    units: [Double]? = nil
  ) {
    let states = layers.columns(count)
    let classCount = layers.automaton.classCount
    let after = MessageRows.stride(of: layers.columns(count + 1).count)
    stride = MessageRows.stride(of: states.count)
    columns = [Int32](repeating: 0, count: classCount * stride)
    factors = [Double](repeating: 0, count: classCount * stride)
    endFactors = [Double](repeating: 0, count: stride)
    logUnits = []
    let normalizers = emptyValues.map { $0 > 0 ? LogSpace.log($0) : 0 }
    for (column, state) in states.enumerated() {
      let final = layers.automaton.finalWeights[Int(state)]
      // Units follow the likeliest continuation, so that forced tokens never make a message
      // underflow.
      var unit = layers.mayEnd(count, state) ? final : -.infinity
      for c in 0..<classCount {
        let (after, weight) = layers.step(count, column, class: c)
        if after >= 0 { unit = max(unit, weight + next[after] + normalizers[after]) }
      }
      if let units { unit = units[column] }
      logUnits.append(unit)
      if layers.mayEnd(count, state) { endFactors[column] = LogSpace.exp(final - unit) }
      for c in 0..<classCount {
        let (after, weight) = layers.step(count, column, class: c)
        guard after >= 0, next[after] > -.infinity else { continue }
        columns[c * stride + column] = Int32(after)
        if units != nil {
          // The factors do not depend on the messages, so that these can converge.
          factors[c * stride + column] = LogSpace.exp(weight + next[after] - unit)
          continue
        }
        let scaled = LogSpace.exp(weight + next[after] + normalizers[after] - unit)
        factors[c * stride + column] =
          emptyValues[after] > 0 ? scaled / emptyValues[after] : scaled
      }
    }
    isStraight = []
    for c in 0..<classCount {
      var isOne = stride == after
      for column in 0..<stride where factors[c * stride + column] != 0 {
        if columns[c * stride + column] != Int32(column) { isOne = false }
      }
      isStraight.append(isOne)
    }
  }

  /// The factor that a step by a token of a class applies to messages.
  func factor(_ column: Int, class c: Int) -> Double { factors[c * stride + column] }
}
