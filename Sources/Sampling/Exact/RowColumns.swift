// Licensed under the Apache License, Version 2.0.

internal import CKernels

/// Weighted sums of rows, computed for a few columns at a time.
@safe
struct RowColumns<Vector: SIMD> where Vector.Scalar == Double {
  let rows: UnsafeMutablePointer<Double>
  let stride: Int

  @inline(__always)
  func load(_ row: Int) -> Vector {
    unsafe UnsafeRawPointer(rows + row &* stride).load(as: Vector.self)
  }

  @inline(__always)
  func store(_ vector: Vector, _ row: Int) {
    unsafe UnsafeMutableRawPointer(rows + row &* stride).storeBytes(of: vector, as: Vector.self)
  }

  /// A sum plus the weighted rows of some arcs.
  @inline(__always)
  func sum(
    _ start: Vector, _ first: Int, _ last: Int, _ targets: UnsafePointer<UInt32>,
    _ weights: UnsafePointer<Double>
  ) -> Vector {
    var sum = start
    var arc = first
    while arc < last {
      // This also prefetches for later contexts, because arcs lie in the order of passes.
      unsafe gensample_prefetch(rows + Int(targets[arc &+ ArcTable.arcsAhead]) &* stride)
      unsafe sum += load(Int(targets[arc])) * weights[arc]
      arc &+= 1
    }
    return sum
  }

  /// The sum over many arcs, which also stores the sums of their blocks.
  @inline(__always)
  func sumByBlocks(
    _ sums: RowColumns, _ first: Int, _ last: Int, _ targets: UnsafePointer<UInt32>,
    _ weights: UnsafePointer<Double>
  ) -> Vector {
    let size = ArcTable.blockSize
    let (count, above) = ArcTable.blocks(ofArcs: last - first)
    var listed = Vector.zero
    for block in 0..<count {
      let low = first &+ block &* size
      let part = unsafe sum(.zero, low, min(last, low &+ size), targets, weights)
      sums.store(part, block)
      listed += part
    }
    for i in 0..<above {
      var part = Vector.zero
      for j in i &* size..<min(count, (i &+ 1) &* size) { part += sums.load(j) }
      sums.store(part, count &+ i)
    }
    return listed
  }
}
