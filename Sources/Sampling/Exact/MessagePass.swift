// Licensed under the Apache License, Version 2.0.

internal import Dispatch

/// The messages of one number of tokens from those of one more.
@safe
struct MessagePass: @unchecked Sendable {
  let model: BackoffAutomaton
  let layers: AutomatonLayers
  /// The number of tokens.
  let count: Int
  let isMaximum: Bool
  /// For each context: the weight of the end symbol.
  let ends: [Double]
  /// The messages of one more; none after the longest texts, which can only end.
  let following: MessageRows?

  private var columnCount: Int { layers.columns[count].count }
  private var stride: Int { MessageRows.stride(of: columnCount) }

  /// What each token contributes to the message of a context in a state.
  ///
  /// - Complexity: O(vocabulary + arcs of the context and of those it fails to).
  static func contributions(
    _ model: BackoffAutomaton, context: Int, column: Int, following: MessageRows
  ) -> [Double] {
    var contributions = [Double](repeating: 0, count: model.vocabulary.count)
    for here in model.chain(context).reversed() {
      if here > 0 {
        let backoff = model.backoffs[here]
        for token in contributions.indices { contributions[token] *= backoff }
      }
      for arc in model.arcs[here] {
        let arc = Int(arc)
        contributions[Int(model.tokens[arc])] =
          model.weights[arc] * following[Int(model.targets[arc]), column]
      }
    }
    return contributions
  }

  /// The arcs where loops read them without counting references.
  @safe
  private struct Arcs {
    var ranges: UnsafePointer<Range<Int32>>
    var weights: UnsafePointer<Double>
    var corrections: UnsafePointer<Double>
    var targets: UnsafePointer<UInt32>
    var lowerTargets: UnsafePointer<UInt32>
  }

  private func withArcs<Result>(_ body: (Arcs) -> Result) -> Result {
    unsafe model.arcs.withUnsafeBufferPointer { ranges in
      unsafe model.weights.withUnsafeBufferPointer { weights in
        unsafe model.corrections.withUnsafeBufferPointer { corrections in
          unsafe model.targets.withUnsafeBufferPointer { targets in
            unsafe model.lowerTargets.withUnsafeBufferPointer { lowerTargets in
              guard let ranges = ranges.baseAddress, let weights = weights.baseAddress,
                let corrections = corrections.baseAddress, let targets = targets.baseAddress,
                let lowerTargets = lowerTargets.baseAddress
              else { preconditionFailure("context 0 has arcs") }
              return unsafe body(
                Arcs(
                  ranges: ranges, weights: weights, corrections: corrections, targets: targets,
                  lowerTargets: lowerTargets))
            }
          }
        }
      }
    }
  }

  /// The message of one context, from scratch.
  func value(of context: Int) -> [Double] {
    let chain = model.chain(context)
    let values = MessageRows(rows: chain.count, stride: stride)
    withArcs { arcs in
      for (i, here) in chain.enumerated().reversed() {
        let shorter = min(i + 1, chain.count - 1)
        unsafe message(
          arcs, here, shorter: values.pointer + shorter * stride,
          out: values.pointer + i * stride)
      }
    }
    return (0..<columnCount).map { values[0, $0] }
  }

  /// All messages, seen from the states before the last token.
  func rows(_ table: StepTable, threads: Int) -> MessageRows {
    let out = MessageRows(rows: model.contextCount, stride: table.stride)
    let low = MessageRows(rows: model.lowCount, stride: stride)
    for depth in 0..<model.depthHeads.count - 1 {
      let slots = model.depthHeads[depth]..<model.depthHeads[depth + 1]
      let pieces = threads > 1 && slots.count > 4096 ? threads * 4 : 1
      @Sendable func work(_ piece: Int) {
        let first = slots.lowerBound + slots.count * piece / pieces
        let last = slots.lowerBound + slots.count * (piece + 1) / pieces
        fill(first..<last, low: low, out: out, table)
      }
      if pieces > 1 {
        DispatchQueue.concurrentPerform(iterations: pieces, execute: work)
      } else {
        work(0)
      }
    }
    return out
  }

  private func fill(_ slots: Range<Int>, low: MessageRows, out: MessageRows, _ table: StepTable) {
    let own = MessageRows(rows: 1, stride: stride)
    withArcs { arcs in
      for slot in slots {
        let context = Int(model.order[slot])
        let lowRow = Int(model.lowRows[context])
        let value = unsafe lowRow >= 0 ? low.pointer + lowRow * stride : own.pointer
        let token = model.lastTokens[context]
        guard context == 0 || model.vocabulary.isDrawable(Token(rawValue: token)) else {
          if lowRow >= 0 { low.clear(lowRow) }
          out.clear(context)
          if context == model.end {
            for column in 0..<table.stride { out[context, column] = table.endFactors[column] }
          }
          continue
        }
        let shorter = context == 0 ? 0 : Int(model.lowRows[Int(model.failures[context])])
        unsafe message(
          arcs, context, shorter: low.pointer + shorter * stride, out: value)
        guard context > 0 else {
          out.clear(0)
          continue
        }
        let row = Int(layers.automaton.classes[Int(token)]) * table.stride
        let target = unsafe out.pointer + context * table.stride
        for column in 0..<table.stride {
          unsafe target[column] =
            value[Int(table.columns[row + column])] * table.factors[row + column]
        }
      }
    }
  }

  private func message(
    _ arcs: Arcs, _ context: Int, shorter: UnsafeMutablePointer<Double>,
    out: UnsafeMutablePointer<Double>
  ) {
    guard let following else {
      for column in 0..<stride { unsafe out[column] = column < columnCount ? ends[context] : 0 }
      return
    }
    if isMaximum {
      let backoff = context == 0 ? 0 : model.backoffs[context]
      for column in 0..<stride {
        unsafe out[column] = context == 0 ? 0 : backoff * shorter[column]
      }
      for arc in unsafe arcs.ranges[context] {
        let weight = unsafe arcs.weights[Int(arc)]
        let row = unsafe following.pointer + Int(arcs.targets[Int(arc)]) * stride
        for column in 0..<stride { unsafe out[column] = max(out[column], weight * row[column]) }
      }
      return
    }
    switch stride {
    case 2: unsafe sum(SIMD2<Double>.self, arcs, context, following, shorter, out, 0)
    case 4: unsafe sum(SIMD4<Double>.self, arcs, context, following, shorter, out, 0)
    default:
      for block in Swift.stride(from: 0, to: stride, by: 8) {
        unsafe sum(SIMD8<Double>.self, arcs, context, following, shorter, out, block)
      }
    }
    guard context > 0 else { return }
    let backoff = model.backoffs[context]
    for column in 0..<columnCount where unsafe out[column] < backoff * shorter[column] / 64 {
      // What is left of so much subtracted is rounding: add up what is not listed instead.
      unsafe out[column] = Self.contributions(
        model, context: context, column: column, following: following
      ).reduce(0, +)
    }
  }

  @inline(__always)
  private func sum<Vector: SIMD>(
    _: Vector.Type, _ arcs: Arcs, _ context: Int, _ following: MessageRows,
    _ shorter: UnsafeMutablePointer<Double>, _ out: UnsafeMutablePointer<Double>, _ block: Int
  ) where Vector.Scalar == Double {
    @inline(__always)
    func load(_ row: UnsafeMutablePointer<Double>) -> Vector {
      unsafe UnsafeRawPointer(row + block).load(as: Vector.self)
    }
    var sum = Vector.zero
    if context > 0 { unsafe sum = load(shorter) * model.backoffs[context] }
    let range = unsafe arcs.ranges[context]
    var arc = Int(range.lowerBound)
    let end = Int(range.upperBound)
    let rows = unsafe following.pointer
    while arc < end {
      unsafe sum +=
        load(rows + Int(arcs.lowerTargets[arc]) * stride) * arcs.corrections[arc]
      arc += 1
    }
    if model.isSplit[context] {
      arc = Int(range.lowerBound)
      while arc < end {
        unsafe sum += load(rows + Int(arcs.targets[arc]) * stride) * arcs.weights[arc]
        arc += 1
      }
    }
    unsafe UnsafeMutableRawPointer(out + block).storeBytes(of: sum, as: Vector.self)
  }
}
