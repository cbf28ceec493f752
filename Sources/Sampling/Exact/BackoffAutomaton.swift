// Licensed under the Apache License, Version 2.0.

internal import CKernels

/// A model with finitely many contexts that leaves tokens it does not list to a shorter context.
///
/// `weight(w | h)` is the weight of the arc that h lists for w, or else
/// `backoff(h) x weight(w | failure(h))`. Context 0 is empty and lists every token that a text may
/// contain, and the end symbol. All arcs to a context carry the same token, its last one.
///
/// Each arc knows its difference to the shorter context's arc. So a sum over all tokens reads only
/// the listed arcs, not the vocabulary.
public struct BackoffAutomaton: Sendable {
  /// The tokens that the arcs carry.
  public let vocabulary: Vocabulary
  /// The context before the first token.
  public let start: Int
  /// The number of contexts.
  public let contextCount: Int
  /// The target of all arcs with the end symbol.
  let end: Int
  /// The token that all arcs to a context carry, for each context.
  let lastTokens: [UInt32]
  /// The weight of the end symbol in each context.
  let ends: [Double]
  let failures: [UInt32]
  let backoffs: [Double]
  /// The contexts in the order of passes: each follows its back-off context, and contexts with the
  /// same back-off are neighbours.
  let order: [UInt32]
  /// What a pass reads of each context, in the order of passes.
  private(set) var slots: [Slot]
  /// The index of each context in `slots`.
  let slotOf: [UInt32]
  /// The number of contexts that others back off to.
  let lowCount: Int
  /// Where each depth begins in `order`; depth 0 is context 0 alone.
  let depthHeads: [Int]
  /// The arcs of each context.
  let arcs: [Range<Int32>]
  /// For each context with many arcs, the index of its first sum over ``blockSize`` arcs; -1 for
  /// others.
  ///
  /// If there are many such sums, sums over blocks of them follow.
  let blockHeads: [Int32]
  let blockCount: Int
  /// The token of each arc, in the order of passes and then of tokens.
  let tokens: [UInt32]
  let weights: [Double]
  let targets: [UInt32]
  /// The index in `slots` of the target of each arc.
  let targetSlots: [UInt32]
  /// The target that backing off with the token would lead to, for each arc.
  let lowerTargets: [UInt32]
  /// What each arc adds to a sum over the shorter context.
  ///
  /// In a split context it is minus the back-off weight; in others it is the arc's weight minus the
  /// back-off weight, which is not negative.
  private(set) var corrections: [Double]
  /// Whether each context is split: `weights` must then be added to `corrections`.
  ///
  /// A context is split if backing off leads elsewhere, or weighs more than a listed arc.
  private(set) var isSplit: [Bool]

  /// Creates an automaton from its tables.
  ///
  /// - Parameters:
  ///   - vocabulary: the tokens.
  ///   - start: the context before the first token.
  ///   - lastTokens: for each context, the token that all arcs to it carry; ignored for context 0.
  ///   - failures: for each context, the shorter one to back off to; ignored for context 0.
  ///   - backoffs: for each context, its back-off weight, finite and not negative.
  ///   - heads: where the arcs of each context begin; one number more than there are contexts.
  ///   - tokens: the tokens of the arcs, ascending for each context.
  ///   - weights: the weights of the arcs, finite and not negative.
  ///   - targets: the contexts that the arcs lead to.
  /// - Complexity: O(arcs x log of arcs a context).
  public init(
    vocabulary: Vocabulary, start: Int, lastTokens: [UInt32], failures: [UInt32],
    backoffs: [Double], heads: [Int], tokens: [UInt32], weights: [Double], targets: [UInt32]
  ) {
    let count = lastTokens.count
    precondition(
      failures.count == count && backoffs.count == count && heads.count == count + 1,
      "each context has one last token, failure and back-off")
    precondition(
      tokens.count == heads[count] && weights.count == heads[count]
        && targets.count == heads[count], "each arc has one token, weight and target")
    self.vocabulary = vocabulary
    self.start = start
    contextCount = count
    self.lastTokens = lastTokens
    self.failures = failures
    self.backoffs = backoffs

    var depths = [Int32](repeating: -1, count: count)
    depths[0] = 0
    var path: [Int] = []
    for context in 0..<count where depths[context] < 0 {
      var here = context
      while depths[here] < 0 {
        path.append(here)
        here = Int(failures[here])
        precondition(path.count <= count, "failures end at context 0")
      }
      var depth = depths[here]
      while let last = path.popLast() {
        depth += 1
        depths[last] = depth
      }
    }
    // Sorted by back-off context, then, in a stable way, by depth.
    let byFailure = Self.sorted(0..<count, by: { $0 == 0 ? 0 : Int(failures[$0]) }, below: count)
    let depthCount = Int(depths.max() ?? 0) + 1
    let order = Self.sorted(byFailure, by: { Int(depths[$0]) }, below: depthCount)
    var depthHeads = [Int](repeating: 0, count: depthCount + 1)
    for depth in depths { depthHeads[Int(depth) + 1] += 1 }
    for i in 0..<depthCount { depthHeads[i + 1] += depthHeads[i] }
    self.order = order.map { UInt32($0) }
    self.depthHeads = depthHeads
    var lowRows = [Int32](repeating: -1, count: count)
    for context in 1..<max(1, count) { lowRows[Int(failures[context])] = 0 }
    lowRows[0] = 0
    var lowCount = 0
    for context in order where lowRows[context] >= 0 {
      lowRows[context] = Int32(lowCount)
      lowCount += 1
    }
    self.lowCount = lowCount

    let table = ArcTable(
      order: order, failures: failures, backoffs: backoffs, heads: heads, tokens: tokens,
      weights: weights, targets: targets, lastTokens: lastTokens, vocabulary: vocabulary)
    end = table.end
    ends = table.ends
    arcs = table.arcs
    blockHeads = table.blockHeads
    blockCount = table.blockCount
    self.tokens = table.tokens
    self.weights = table.weights
    self.targets = table.targets
    lowerTargets = table.lowerTargets
    corrections = table.corrections
    isSplit = table.isSplit
    var slotOf = [UInt32](repeating: 0, count: count)
    for (slot, context) in order.enumerated() { slotOf[context] = UInt32(slot) }
    self.slotOf = slotOf
    targetSlots = tokens.indices.map { slotOf[Int(table.targets[$0])] }
    slots = order.map { context in
      let shorter = context == 0 ? 0 : failures[context]
      return Slot(
        first: table.arcs[context].lowerBound, last: table.arcs[context].upperBound,
        context: UInt32(context), token: lastTokens[context], low_row: lowRows[context],
        shorter_row: context == 0 ? -1 : lowRows[Int(shorter)], shorter: shorter,
        shorter_place: slotOf[Int(shorter)],
        block_head: table.blockHeads[context], is_split: table.isSplit[context],
        is_open: context == 0 || vocabulary.isDrawable(Token(rawValue: lastTokens[context])),
        backoff: context == 0 ? 0 : backoffs[context])
    }
  }

  /// The data that a pass reads of a context.
  typealias Slot = gensample_context

  /// A stable counting sort.
  private static func sorted(
    _ items: some Sequence<Int>, by key: (Int) -> Int, below bound: Int
  ) -> [Int] {
    let items = Array(items)
    var heads = [Int](repeating: 0, count: bound + 1)
    for item in items { heads[key(item) + 1] += 1 }
    for i in 0..<bound { heads[i + 1] += heads[i] }
    var sorted = [Int](repeating: 0, count: items.count)
    for item in items {
      sorted[heads[key(item)]] = item
      heads[key(item)] += 1
    }
    return sorted
  }

  /// The arc that a context lists for a token, or -1.
  func arc(_ token: UInt32, of context: Int) -> Int {
    ArcTable.place(of: token, in: arcs[context]) { tokens[$0] }
  }

  /// The weight of a token in a context, and where it leads.
  func step(_ context: Int, _ token: UInt32) -> (weight: Double, target: Int) {
    var factor = 1.0
    var here = context
    while true {
      let arc = arc(token, of: here)
      if arc >= 0 { return (factor * weights[arc], Int(targets[arc])) }
      if here == 0 { return (0, 0) }
      factor *= backoffs[here]
      here = Int(failures[here])
    }
  }

  /// The contexts that a context backs off to, one after another; the last is context 0.
  func chain(_ context: Int) -> [Int] {
    var chain = [context]
    while let last = chain.last, last > 0 { chain.append(Int(failures[last])) }
    return chain
  }

  /// Turns this into the mutant whose back-off sums include the listed tokens.
  package mutating func forgetToSubtract() {
    for slot in slots.indices where slots[slot].context > 0 {
      slots[slot].is_split = false
      isSplit[Int(slots[slot].context)] = false
      for arc in slots[slot].first..<slots[slot].last { corrections[Int(arc)] = weights[Int(arc)] }
    }
  }
}
