// Licensed under the Apache License, Version 2.0.

internal import CKernels

/// The arcs of a back-off automaton in the order of passes.
///
/// Each arc is stored beside the target that backing off with its token would lead to.
struct ArcTable {
  /// The arcs of each context.
  private(set) var arcs: [Range<Int32>]
  /// For each context, the index of its first sum for drawing, or -1.
  private(set) var blockHeads: [Int32]
  private(set) var blockCount = 0
  private(set) var isSplit: [Bool]
  private(set) var tokens: [UInt32]
  private(set) var weights: [Double]
  private(set) var targets: [UInt32]
  private(set) var lowerTargets: [UInt32]
  private(set) var corrections: [Double]
  /// The target of all arcs with the end symbol.
  private(set) var end = 0
  /// The weight of the end symbol in each context.
  private(set) var ends: [Double]

  /// The number of arcs that a sum for drawing covers.
  static var blockSize: Int { 32 }

  /// The number of block sums of a context with so many arcs, and of sums over those.
  static func blocks(ofArcs count: Int) -> (first: Int, second: Int) {
    guard count > 2 * blockSize else { return (0, 0) }
    let first = (count + blockSize - 1) / blockSize
    return (first, first > 2 * blockSize ? (first + blockSize - 1) / blockSize : 0)
  }

  /// How many arcs ahead a pass prefetches memory.
  static var arcsAhead: Int { Int(GENSAMPLE_ARCS_AHEAD) }

  /// How many contexts ahead a pass prefetches memory.
  private static let contextsAhead = 8

  /// The arc in a range that carries a token, or -1.
  @inline(__always)
  static func place(of token: UInt32, in arcs: Range<Int32>, tokenAt: (Int) -> UInt32) -> Int {
    var low = Int(arcs.lowerBound)
    var high = Int(arcs.upperBound)
    while low < high {
      let middle = (low &+ high) / 2
      if tokenAt(middle) < token { low = middle &+ 1 } else { high = middle }
    }
    return low < Int(arcs.upperBound) && tokenAt(low) == token ? low : -1
  }

  /// Sorts arcs by an order of contexts in which each follows its back-off context, and contexts
  /// with the same back-off are neighbours.
  init(
    order: [Int], failures: [UInt32], backoffs: [Double], heads: [Int], tokens oldTokens: [UInt32],
    weights oldWeights: [Double], targets oldTargets: [UInt32], lastTokens: [UInt32],
    vocabulary: Vocabulary
  ) {
    let count = oldTokens.count
    arcs = [Range<Int32>](repeating: 0..<0, count: order.count)
    blockHeads = [Int32](repeating: -1, count: order.count)
    isSplit = [Bool](repeating: false, count: order.count)
    tokens = [UInt32](repeating: 0, count: count)
    weights = [Double](repeating: 0, count: count)
    // A pass prefetches some arcs ahead, so the arrays are a little longer.
    targets = [UInt32](repeating: 0, count: count + Self.arcsAhead)
    lowerTargets = targets
    corrections = weights
    ends = [Double](repeating: 0, count: order.count)
    var hasEnd = false
    var arc = 0
    // For each token, where the common back-off context lists it, if it does.
    var places = [Int32](repeating: -1, count: vocabulary.count)
    var shorter = -1
    for (number, context) in order.enumerated() {
      Self.fetch(
        order, number + Self.contextsAhead, heads, oldTokens, oldWeights, oldTargets)
      let first = arc
      let old = heads[context]..<heads[context + 1]
      let isLowest = context == 0
      if !isLowest, shorter != Int(failures[context]) {
        shorter = Int(failures[context])
        for arc in arcs[shorter] { places[Int(tokens[Int(arc)])] = arc }
      }
      let listed = isLowest ? 0..<0 : arcs[shorter]
      let backoff = isLowest ? 1 : backoffs[context]
      if !isLowest { ends[context] = backoff * ends[shorter] }
      var mustSplit = false
      for old in old {
        let token = oldTokens[old]
        let target = oldTargets[old]
        let weight = oldWeights[old]
        precondition(
          lastTokens[Int(target)] == token && (arc == first || tokens[arc - 1] < token),
          "arcs ascend by token, and all arcs to a context carry its last token")
        if token == vocabulary.end.rawValue {
          precondition(!hasEnd || end == Int(target), "all end arcs lead to the same context")
          end = Int(target)
          hasEnd = true
          ends[context] = weight
        }
        tokens[arc] = token
        weights[arc] = weight
        targets[arc] = target
        if isLowest {
          lowerTargets[arc] = target
          corrections[arc] = weight
        } else {
          var factor = backoff
          var lower = places[Int(token)]
          // Places that belong to another context are outside its range.
          if !listed.contains(lower) {
            (factor, lower) = fall(token, below: shorter, factor, failures, backoffs)
          }
          factor *= weights[Int(lower)]
          lowerTargets[arc] = targets[Int(lower)]
          corrections[arc] = factor
          if targets[Int(lower)] != target || weight < factor { mustSplit = true }
        }
        arc += 1
      }
      if !isLowest {
        isSplit[context] = mustSplit
        for place in first..<arc {
          let factor = corrections[place]
          corrections[place] = mustSplit ? -factor : weights[place] - factor
        }
      }
      arcs[context] = Int32(first)..<Int32(arc)
      let blocks = Self.blocks(ofArcs: arc - first)
      if blocks.first > 0 {
        blockHeads[context] = Int32(blockCount)
        blockCount += blocks.first + blocks.second
      }
    }
    precondition(hasEnd, "context 0 lists the end symbol")
  }

  /// Prefetches what will be read of a context a few places ahead.
  private static func fetch(
    _ order: [Int], _ number: Int, _ heads: [Int], _ tokens: [UInt32], _ weights: [Double],
    _ targets: [UInt32]
  ) {
    guard number < order.count else { return }
    let far = min(order.count - 1, number + contextsAhead)
    unsafe heads.withUnsafeBufferPointer { heads in
      if let base = heads.baseAddress { unsafe gensample_prefetch(base + order[far]) }
    }
    let head = heads[order[number]]
    unsafe tokens.withUnsafeBufferPointer {
      if let base = $0.baseAddress { unsafe gensample_prefetch(base + head) }
    }
    unsafe weights.withUnsafeBufferPointer {
      if let base = $0.baseAddress { unsafe gensample_prefetch(base + head) }
    }
    unsafe targets.withUnsafeBufferPointer {
      if let base = $0.baseAddress { unsafe gensample_prefetch(base + head) }
    }
  }

  /// Follows back-off from a context to the first one that lists a token, and returns that arc with
  /// the product of the back-off weights.
  private func fall(
    _ token: UInt32, below context: Int, _ factor: Double, _ failures: [UInt32],
    _ backoffs: [Double]
  ) -> (factor: Double, arc: Int32) {
    var factor = factor
    var here = context
    while here > 0 {
      factor *= backoffs[here]
      here = Int(failures[here])
      let arc = Self.place(of: token, in: arcs[here]) { tokens[$0] }
      if arc >= 0 { return (factor, Int32(arc)) }
    }
    preconditionFailure("context 0 lists every token")
  }
}
