// Licensed under the Apache License, Version 2.0.

internal import CKernels

/// Computes the messages for one number of tokens from those for one more.
struct MessagePass: Sendable {
  let model: BackoffAutomaton
  let layers: AutomatonLayers
  /// The number of tokens.
  let count: Int
  let isMaximum: Bool
  /// The weight of the end symbol in each context.
  let ends: [Double]
  /// The messages for one more token; `nil` after the longest texts, which can only end.
  let following: MessageRows?
  /// Where sums for drawing are stored, if others may be reading the following rows.
  var blocks: MessageRows?

  private var columnCount: Int { layers.columns(count).count }
  private var stride: Int { MessageRows.stride(of: columnCount) }

  /// What each token contributes to the message of a context in a state.
  ///
  /// - Complexity: O(vocabulary + arcs of the context and of its back-off contexts).
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

  /// The sums for drawing.
  private var sums: UnsafeMutablePointer<Double>? {
    unsafe blocks?.pointer
      ?? following.map { unsafe $0.pointer + model.contextCount * $0.stride }
  }

  /// The input of the vector kernel; `nil` if there is nothing to sum.
  private func kernel(
    _ tables: BackoffAutomaton.Tables, _ table: StepTable, _ low: UnsafeMutablePointer<Double>,
    _ own: UnsafeMutablePointer<Double>, _ classes: UnsafePointer<UInt32>?,
    _ isStraight: UnsafePointer<Bool>?, _ columns: UnsafePointer<Int32>?,
    _ factors: UnsafePointer<Double>?, _ out: UnsafeMutablePointer<Double>
  ) -> gensample_messages? {
    guard let rows = unsafe following?.pointer, let blocks = unsafe sums,
      let classes = unsafe classes, let isStraight = unsafe isStraight,
      let columns = unsafe columns, let factors = unsafe factors
    else { return nil }
    return unsafe gensample_messages(
      stride: stride, out_stride: table.stride, weights: tables.weights,
      corrections: tables.corrections, targets: tables.targets,
      lower_targets: tables.lowerTargets, rows: rows, blocks: blocks,
      block_size: Int32(ArcTable.blockSize), low: low, classes: classes,
      is_straight: isStraight, columns: columns, factors: factors, own: own, out: out)
  }

  /// The message of one context, computed from scratch together with its sums for drawing.
  func value(of context: Int) -> [Double] {
    let chain = model.chain(context)
    let values = MessageRows(rows: chain.count, stride: stride)
    model.withTables { tables in
      for (i, here) in chain.enumerated().reversed() {
        let shorter = min(i + 1, chain.count - 1)
        let slot = model.slots[Int(model.slotOf[here])]
        unsafe message(
          tables, slot, shorter: values.pointer + shorter * stride,
          out: values.pointer + i * stride)
      }
    }
    return (0..<columnCount).map { values[0, $0] }
  }

  /// All messages, as seen from the states before the last token.
  func rows(_ table: StepTable, threads: Int, pool: inout RowPool) -> MessageRows {
    let out = pool.take(rows: model.contextCount + model.blockCount, stride: table.stride)
    let low = pool.take(rows: model.lowCount, stride: stride)
    for depth in 0..<model.depthHeads.count - 1 {
      let slots = model.depthHeads[depth]..<model.depthHeads[depth + 1]
      let pieces = threads > 1 && slots.count > 4096 ? threads * 8 : 1
      _ = try? concurrently(pieces, threads: threads) { piece in
        let first = slots.lowerBound + slots.count * piece / pieces
        let last = slots.lowerBound + slots.count * (piece + 1) / pieces
        model.withTables { tables in
          switch isMaximum ? 0 : stride {
          case 2: fill(SIMD2<Double>.self, tables, first..<last, low: low, out: out, table)
          case 4: fill(SIMD4<Double>.self, tables, first..<last, low: low, out: out, table)
          case 0: fill(nil as SIMD2<Double>.Type?, tables, first..<last, low: low, out: out, table)
          default: fill(SIMD8<Double>.self, tables, first..<last, low: low, out: out, table)
          }
        }
      }
    }
    pool.give(low)
    return out
  }

  /// The messages of some contexts; without a vector kernel, bounds on the largest weight.
  @inline(__always)
  private func fill<Vector: SIMD>(
    _ vector: Vector.Type?, _ tables: BackoffAutomaton.Tables, _ slots: Range<Int>,
    low: MessageRows,
    out: MessageRows, _ table: StepTable
  ) where Vector.Scalar == Double {
    let buffer = MessageRows(rows: 1, stride: stride)
    defer { withExtendedLifetime(buffer) {} }
    let (own, low, out) = unsafe (buffer.pointer, low.pointer, out.pointer)
    let stride = stride
    let outStride = table.stride
    unsafe layers.automaton.classes.withUnsafeBufferPointer { classes in
      unsafe table.columns.withUnsafeBufferPointer { allColumns in
        unsafe table.factors.withUnsafeBufferPointer { allFactors in
          unsafe table.isStraight.withUnsafeBufferPointer { isStraight in
            let factors = UnsafeRawBufferPointer(allFactors)
            let kernel =
              vector != nil && Vector.scalarCount == 8
              ? unsafe kernel(
                tables, table, low, own, classes.baseAddress, isStraight.baseAddress,
                allColumns.baseAddress, allFactors.baseAddress, out) : nil
            var next = slots.lowerBound
            while true {
              if var kernel = unsafe kernel {
                next = unsafe gensample_sum_messages(tables.slots, next, slots.upperBound, &kernel)
              }
              guard next < slots.upperBound else { break }
              let slot = unsafe tables.slots[next]
              next += 1
              let target = unsafe out + Int(slot.context) * outStride
              let value = unsafe slot.low_row >= 0 ? low + Int(slot.low_row) * stride : own
              guard slot.is_open else {
                if slot.low_row >= 0 { unsafe value.update(repeating: 0, count: stride) }
                let isEnd = Int(slot.context) == model.end
                for column in 0..<outStride {
                  unsafe target[column] = isEnd ? table.endFactors[column] : 0
                }
                continue
              }
              let shorter =
                unsafe slot.shorter_row >= 0 ? low + Int(slot.shorter_row) * stride : low
              if let vector {
                unsafe sum(vector, tables, slot, stride, shorter: shorter, out: value)
              } else {
                unsafe maximum(tables, slot, shorter: shorter, out: value)
              }
              guard slot.context > 0 else {
                unsafe target.update(repeating: 0, count: outStride)
                continue
              }
              let c = unsafe Int(classes[Int(slot.token)])
              let row = c * outStride
              if vector != nil, unsafe isStraight[c] {
                for column in Swift.stride(from: 0, to: outStride, by: Vector.scalarCount) {
                  let scaled =
                    unsafe UnsafeRawPointer(value + column).load(as: Vector.self)
                    * factors.loadUnaligned(fromByteOffset: (row + column) * 8, as: Vector.self)
                  unsafe UnsafeMutableRawPointer(target + column).storeBytes(
                    of: scaled, as: Vector.self)
                }
                continue
              }
              for column in 0..<outStride {
                unsafe target[column] =
                  value[Int(allColumns[row + column])] * allFactors[row + column]
              }
            }
          }
        }
      }
    }
  }

  private func message(
    _ tables: BackoffAutomaton.Tables, _ slot: BackoffAutomaton.Slot,
    shorter: UnsafeMutablePointer<Double>,
    out: UnsafeMutablePointer<Double>
  ) {
    switch isMaximum ? 0 : stride {
    case 0: unsafe maximum(tables, slot, shorter: shorter, out: out)
    case 2: unsafe sum(SIMD2<Double>.self, tables, slot, stride, shorter: shorter, out: out)
    case 4: unsafe sum(SIMD4<Double>.self, tables, slot, stride, shorter: shorter, out: out)
    default: unsafe sum(SIMD8<Double>.self, tables, slot, stride, shorter: shorter, out: out)
    }
  }

  /// A bound on the largest weight, which allows back-off even for listed tokens.
  private func maximum(
    _ tables: BackoffAutomaton.Tables, _ slot: BackoffAutomaton.Slot,
    shorter: UnsafeMutablePointer<Double>,
    out: UnsafeMutablePointer<Double>
  ) {
    guard let rows = unsafe following?.pointer else { return unsafe end(tables, slot, out: out) }
    for column in 0..<stride {
      unsafe out[column] = slot.context == 0 ? 0 : slot.backoff * shorter[column]
    }
    for arc in slot.first..<slot.last {
      let weight = unsafe tables.weights[Int(arc)]
      let row = unsafe rows + Int(tables.targets[Int(arc)]) * stride
      for column in 0..<stride { unsafe out[column] = max(out[column], weight * row[column]) }
    }
  }

  /// The messages of the longest texts, which can only end.
  private func end(
    _ tables: BackoffAutomaton.Tables, _ slot: BackoffAutomaton.Slot,
    out: UnsafeMutablePointer<Double>
  ) {
    for column in 0..<stride {
      unsafe out[column] = column < columnCount ? ends[Int(slot.context)] : 0
    }
  }

  /// Sums over listed arcs by vectors of columns, with the sums of blocks of arcs.
  @inline(__always)
  private func sum<Vector: SIMD>(
    _: Vector.Type, _ tables: BackoffAutomaton.Tables, _ slot: BackoffAutomaton.Slot, _ stride: Int,
    shorter: UnsafeMutablePointer<Double>, out: UnsafeMutablePointer<Double>
  ) where Vector.Scalar == Double {
    guard let allRows = unsafe following?.pointer, let blocks = unsafe sums else {
      return unsafe end(tables, slot, out: out)
    }
    let first = Int(slot.first)
    let last = Int(slot.last)
    let weights = unsafe slot.is_split ? tables.weights : tables.corrections
    let targets = unsafe tables.targets
    var column = 0
    while column < stride {
      let rows = unsafe RowColumns<Vector>(rows: allRows + column, stride: stride)
      let shorter = unsafe RowColumns<Vector>(rows: shorter + column, stride: stride)
      let out = unsafe RowColumns<Vector>(rows: out + column, stride: stride)
      let failed = slot.context > 0 ? shorter.load(0) * slot.backoff : Vector.zero
      var listed = Vector.zero
      if slot.block_head < 0 {
        listed = unsafe rows.sum(listed, first, last, targets, weights)
      } else {
        let sums = unsafe RowColumns<Vector>(
          rows: blocks + Int(slot.block_head) &* stride + column, stride: stride)
        listed = unsafe rows.sumByBlocks(sums, first, last, targets, weights)
      }
      guard slot.is_split else {
        out.store(listed + failed, 0)
        column &+= Vector.scalarCount
        continue
      }
      let rest = unsafe rows.sum(failed, first, last, tables.lowerTargets, tables.corrections)
      var sum = listed + rest
      if any(sum .< failed * (1.0 / 64)) {
        // After such a subtraction only rounding errors remain, so add up what is not listed.
        for i in 0..<Vector.scalarCount where sum[i] < failed[i] / 64 {
          guard let following else { continue }
          sum[i] = Self.contributions(
            model, context: Int(slot.context), column: column + i, following: following
          ).reduce(0, +)
        }
      }
      out.store(sum, 0)
      column &+= Vector.scalarCount
    }
  }
}
