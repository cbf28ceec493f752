// Licensed under the Apache License, Version 2.0.

/// The messages of one number of tokens from those of one more.
struct MessagePass: Sendable {
  let model: BackoffAutomaton
  let layers: AutomatonLayers
  /// The number of tokens.
  let count: Int
  let isMaximum: Bool
  /// For each context: the weight of the end symbol.
  let ends: [Double]
  /// The messages of one more; none after the longest texts, which can only end.
  let following: MessageRows?
  /// Where sums for drawing go if not beside the following rows, which others may be reading.
  var blocks: MessageRows?

  private var columnCount: Int { layers.columns(count).count }
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

  /// What loops read, without counting references or checking bounds.
  @safe
  private struct Tables: @unchecked Sendable {
    var slots: UnsafePointer<BackoffAutomaton.Slot>
    var weights: UnsafePointer<Double>
    var corrections: UnsafePointer<Double>
    var targets: UnsafePointer<UInt32>
    var lowerTargets: UnsafePointer<UInt32>
    var ends: UnsafePointer<Double>
    /// The messages of one more, if any, and their sums for drawing.
    var rows: UnsafeMutablePointer<Double>?
    var blocks: UnsafeMutablePointer<Double>?
  }

  private func withTables(_ body: (Tables) -> Void) {
    unsafe model.slots.withUnsafeBufferPointer { slots in
      unsafe model.weights.withUnsafeBufferPointer { weights in
        unsafe model.corrections.withUnsafeBufferPointer { corrections in
          unsafe model.targets.withUnsafeBufferPointer { targets in
            unsafe model.lowerTargets.withUnsafeBufferPointer { lowerTargets in
              unsafe ends.withUnsafeBufferPointer { ends in
                guard let slots = slots.baseAddress, let weights = weights.baseAddress,
                  let corrections = corrections.baseAddress, let targets = targets.baseAddress,
                  let lowerTargets = lowerTargets.baseAddress, let ends = ends.baseAddress
                else { preconditionFailure("context 0 has arcs") }
                unsafe body(
                  Tables(
                    slots: slots, weights: weights, corrections: corrections, targets: targets,
                    lowerTargets: lowerTargets, ends: ends, rows: following?.pointer,
                    blocks: blocks?.pointer
                      ?? following.map { unsafe $0.pointer + model.contextCount * $0.stride }))
              }
            }
          }
        }
      }
    }
  }

  /// The message of one context, from scratch; sums for drawing are made on the way.
  func value(of context: Int) -> [Double] {
    let chain = model.chain(context)
    let values = MessageRows(rows: chain.count, stride: stride)
    withTables { tables in
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

  /// All messages, seen from the states before the last token.
  func rows(_ table: StepTable, threads: Int, pool: inout RowPool) -> MessageRows {
    let out = pool.take(rows: model.contextCount + model.blockCount, stride: table.stride)
    let low = pool.take(rows: model.lowCount, stride: stride)
    for depth in 0..<model.depthHeads.count - 1 {
      let slots = model.depthHeads[depth]..<model.depthHeads[depth + 1]
      let pieces = threads > 1 && slots.count > 4096 ? threads * 8 : 1
      _ = try? concurrently(pieces, threads: threads) { piece in
        let first = slots.lowerBound + slots.count * piece / pieces
        let last = slots.lowerBound + slots.count * (piece + 1) / pieces
        withTables { tables in
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

  /// Messages of some contexts; without a vector, bounds on the largest.
  @inline(__always)
  private func fill<Vector: SIMD>(
    _ vector: Vector.Type?, _ tables: Tables, _ slots: Range<Int>, low: MessageRows,
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
            for place in slots {
              let slot = unsafe tables.slots[place]
              let target = unsafe out + Int(slot.context) * outStride
              let value = unsafe slot.lowRow >= 0 ? low + Int(slot.lowRow) * stride : own
              guard slot.isOpen else {
                if slot.lowRow >= 0 { unsafe value.update(repeating: 0, count: stride) }
                let isEnd = Int(slot.context) == model.end
                for column in 0..<outStride {
                  unsafe target[column] = isEnd ? table.endFactors[column] : 0
                }
                continue
              }
              let shorter = unsafe slot.shorterRow >= 0 ? low + Int(slot.shorterRow) * stride : low
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
    _ tables: Tables, _ slot: BackoffAutomaton.Slot, shorter: UnsafeMutablePointer<Double>,
    out: UnsafeMutablePointer<Double>
  ) {
    switch isMaximum ? 0 : stride {
    case 0: unsafe maximum(tables, slot, shorter: shorter, out: out)
    case 2: unsafe sum(SIMD2<Double>.self, tables, slot, stride, shorter: shorter, out: out)
    case 4: unsafe sum(SIMD4<Double>.self, tables, slot, stride, shorter: shorter, out: out)
    default: unsafe sum(SIMD8<Double>.self, tables, slot, stride, shorter: shorter, out: out)
    }
  }

  /// A bound on the largest weight: failing is not kept from what is listed.
  private func maximum(
    _ tables: Tables, _ slot: BackoffAutomaton.Slot, shorter: UnsafeMutablePointer<Double>,
    out: UnsafeMutablePointer<Double>
  ) {
    guard let rows = unsafe tables.rows else { return unsafe end(tables, slot, out: out) }
    for column in 0..<stride {
      unsafe out[column] = slot.context == 0 ? 0 : slot.backoff * shorter[column]
    }
    for arc in slot.arcs {
      let weight = unsafe tables.weights[Int(arc)]
      let row = unsafe rows + Int(tables.targets[Int(arc)]) * stride
      for column in 0..<stride { unsafe out[column] = max(out[column], weight * row[column]) }
    }
  }

  /// The longest texts can only end.
  private func end(
    _ tables: Tables, _ slot: BackoffAutomaton.Slot, out: UnsafeMutablePointer<Double>
  ) {
    for column in 0..<stride {
      unsafe out[column] = column < columnCount ? tables.ends[Int(slot.context)] : 0
    }
  }

  /// What is listed by vectors, some columns at a time, with the sums of blocks of arcs.
  @inline(__always)
  private func sum<Vector: SIMD>(
    _: Vector.Type, _ tables: Tables, _ slot: BackoffAutomaton.Slot, _ stride: Int,
    shorter: UnsafeMutablePointer<Double>, out: UnsafeMutablePointer<Double>
  ) where Vector.Scalar == Double {
    guard let rows = unsafe tables.rows, let blocks = unsafe tables.blocks else {
      return unsafe end(tables, slot, out: out)
    }
    @inline(__always)
    func load(_ row: UnsafeMutablePointer<Double>) -> Vector {
      unsafe UnsafeRawPointer(row).load(as: Vector.self)
    }
    @inline(__always)
    func store(_ vector: Vector, _ row: UnsafeMutablePointer<Double>) {
      unsafe UnsafeMutableRawPointer(row).storeBytes(of: vector, as: Vector.self)
    }
    let first = Int(slot.arcs.lowerBound)
    let last = Int(slot.arcs.upperBound)
    let weights = unsafe slot.isSplit ? tables.weights : tables.corrections
    var column = 0
    while column < stride {
      let rows = unsafe rows + column
      var listed = Vector.zero
      if slot.blockHead < 0 {
        var arc = first
        while arc < last {
          unsafe listed += load(rows + Int(tables.targets[arc]) * stride) * weights[arc]
          arc += 1
        }
      } else {
        var block = unsafe blocks + Int(slot.blockHead) * stride + column
        let head = unsafe block
        var arc = first
        while arc < last {
          var part = Vector.zero
          let end = min(last, arc + BackoffAutomaton.blockSize)
          while arc < end {
            unsafe part += load(rows + Int(tables.targets[arc]) * stride) * weights[arc]
            arc += 1
          }
          unsafe store(part, block)
          unsafe block += stride
          listed += part
        }
        let (count, above) = BackoffAutomaton.blocks(ofArcs: last - first)
        for i in 0..<above {
          var part = Vector.zero
          for j in i * BackoffAutomaton.blockSize..<min(count, (i + 1) * BackoffAutomaton.blockSize)
          {
            unsafe part += load(head + j * stride)
          }
          unsafe store(part, block)
          unsafe block += stride
        }
      }
      guard slot.context > 0 else {
        unsafe store(listed, out + column)
        column += Vector.scalarCount
        continue
      }
      let failed = unsafe load(shorter + column) * slot.backoff
      var rest = failed
      if slot.isSplit {
        var arc = first
        while arc < last {
          unsafe rest +=
            load(rows + Int(tables.lowerTargets[arc]) * stride) * tables.corrections[arc]
          arc += 1
        }
      }
      var sum = listed + rest
      if slot.isSplit, any(sum .< failed * (1.0 / 64)) {
        // What is left of so much subtracted is rounding: add up what is not listed instead.
        for i in 0..<Vector.scalarCount where sum[i] < failed[i] / 64 {
          guard let following else { continue }
          sum[i] = Self.contributions(
            model, context: Int(slot.context), column: column + i, following: following
          ).reduce(0, +)
        }
      }
      unsafe store(sum, out + column)
      column += Vector.scalarCount
    }
  }
}
