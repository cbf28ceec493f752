// Licensed under the Apache License, Version 2.0.

internal import CKernels

/// A model of finitely many contexts in which what a context does not list is left to a shorter one.
///
/// `weight(w | h)` is that of the arc which h lists for w, else
/// `backoff(h) x weight(w | failure(h))`. Context 0 remembers nothing and lists every token that a
/// text may hold, and the end symbol. All arcs to a context carry one token, its last.
///
/// An arc knows what is to be added to a sum over the shorter context, so that a sum over all
/// tokens takes one pass over what is listed and none over the vocabulary.
public struct BackoffAutomaton: Sendable {
  /// The tokens.
  public let vocabulary: Vocabulary
  /// The context before the first token.
  public let start: Int
  /// How many contexts there are.
  public let contextCount: Int
  /// What all arcs by the end symbol lead to.
  let end: Int
  /// For each context: the token that all arcs to it carry.
  let lastTokens: [UInt32]
  /// For each context: the weight of the end symbol.
  let ends: [Double]
  let failures: [UInt32]
  let backoffs: [Double]
  /// Contexts in the order of passes: each after what it fails to, neighbours failing to the same.
  let order: [UInt32]
  /// For each context, in the order of passes: what a pass reads of it.
  private(set) var slots: [Slot]
  /// For each context: its place in `slots`.
  let slotOf: [UInt32]
  /// How many contexts others fail to.
  let lowCount: Int
  /// Where each depth begins in `order`, depth 0 being context 0 alone.
  let depthHeads: [Int]
  /// For each context: its arcs.
  let arcs: [Range<Int32>]
  /// For each context with many arcs: the first of its sums over ``blockSize`` arcs each, followed,
  /// where these are many, by sums over as many of them; -1 for others.
  let blockHeads: [Int32]
  let blockCount: Int
  /// For each arc, in the order of passes and then of tokens.
  let tokens: [UInt32]
  let weights: [Double]
  let targets: [UInt32]
  /// For each arc: the place in `slots` of what it leads to.
  let targetSlots: [UInt32]
  /// What failing with the token would lead to.
  let lowerTargets: [UInt32]
  /// What is added to a sum over the shorter context: of a split context the weight of failing,
  /// taken off; of others the weight less that of failing, not negative.
  private(set) var corrections: [Double]
  /// For each context: whether `weights` are to be added to what `corrections` say, as is so where
  /// failing leads elsewhere or weighs more than what is listed.
  private(set) var isSplit: [Bool]

  /// An automaton given by its tables.
  ///
  /// - Parameters:
  ///   - vocabulary: the tokens.
  ///   - start: the context before the first token.
  ///   - lastTokens: for each context the token that all arcs to it carry; any for context 0.
  ///   - failures: for each context a shorter one; any for context 0.
  ///   - backoffs: for each context the weight of failing, finite and not negative.
  ///   - heads: where each context's arcs begin, one number more than contexts.
  ///   - tokens: the arcs' tokens, ascending for each context.
  ///   - weights: the arcs' weights, finite and not negative.
  ///   - targets: where the arcs lead.
  /// - Complexity: O(arcs x log of arcs a context).
  public init(
    vocabulary: Vocabulary, start: Int, lastTokens: [UInt32], failures: [UInt32],
    backoffs: [Double], heads: [Int], tokens: [UInt32], weights: [Double], targets: [UInt32]
  ) {
    let count = lastTokens.count
    precondition(
      failures.count == count && backoffs.count == count && heads.count == count + 1,
      "one last token, failure and back-off a context")
    precondition(
      tokens.count == heads[count] && weights.count == heads[count]
        && targets.count == heads[count], "one token, weight and target an arc")
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
    // Sorted by failure, then, keeping that order, by depth.
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

  /// What a pass reads of a context.
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

  /// The contexts that a context fails to, one after another, the last being context 0.
  func chain(_ context: Int) -> [Int] {
    var chain = [context]
    while let last = chain.last, last > 0 { chain.append(Int(failures[last])) }
    return chain
  }

  /// Makes the mutant whose failures add up what is listed too.
  package mutating func forgetToSubtract() {
    for slot in slots.indices where slots[slot].context > 0 {
      slots[slot].is_split = false
      isSplit[Int(slots[slot].context)] = false
      for arc in slots[slot].first..<slots[slot].last { corrections[Int(arc)] = weights[Int(arc)] }
    }
  }
}
