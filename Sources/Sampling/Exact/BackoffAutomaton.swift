// Licensed under the Apache License, Version 2.0.

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
  let failures: [UInt32]
  let backoffs: [Double]
  /// Contexts in the order of passes: each after what it fails to, neighbours failing to the same.
  let order: [UInt32]
  /// For each context that others fail to: its number among these; -1 for others.
  let lowRows: [Int32]
  let lowCount: Int
  /// Where each depth begins in `order`, depth 0 being context 0 alone.
  let depthHeads: [Int]
  /// For each context: its arcs.
  let arcs: [Range<Int32>]
  /// For each arc, in the order of passes and then of tokens.
  let tokens: [UInt32]
  let weights: [Double]
  let targets: [UInt32]
  /// What failing with the token would lead to.
  let lowerTargets: [UInt32]
  /// Where both targets are one: the weight less the weight of failing; else less than or equal to
  /// 0, the weight of failing taken off.
  private(set) var corrections: [Double]
  /// For each context: whether `weights` are to be added to what `corrections` say.
  let isSplit: [Bool]

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
    self.lowRows = lowRows
    self.lowCount = lowCount

    var arcs = [Range<Int32>](repeating: 0..<0, count: count)
    var newTokens: [UInt32] = []
    var newWeights: [Double] = []
    var newTargets: [UInt32] = []
    var lowerTargets: [UInt32] = []
    var corrections: [Double] = []
    newTokens.reserveCapacity(tokens.count)
    newWeights.reserveCapacity(tokens.count)
    newTargets.reserveCapacity(tokens.count)
    lowerTargets.reserveCapacity(tokens.count)
    corrections.reserveCapacity(tokens.count)
    var isSplit = [Bool](repeating: false, count: count)
    var end: Int?
    for context in order {
      let low = newTokens.count
      var failed: [Double] = []
      for arc in heads[context]..<heads[context + 1] {
        let token = tokens[arc]
        let target = targets[arc]
        precondition(
          lastTokens[Int(target)] == token
            && (newTokens.count == low || newTokens[newTokens.count - 1] < token),
          "arcs ascend by token, and all to a context carry its last token")
        if token == vocabulary.end.rawValue {
          precondition(end ?? Int(target) == Int(target), "all ends are one")
          end = Int(target)
        }
        newTokens.append(token)
        newWeights.append(weights[arc])
        newTargets.append(target)
        guard context > 0 else {
          lowerTargets.append(target)
          corrections.append(weights[arc])
          continue
        }
        var factor = backoffs[context]
        var shorter = Int(failures[context])
        while true {
          let place = Self.place(of: token, in: arcs[shorter], newTokens)
          if place >= 0 {
            factor *= newWeights[place]
            lowerTargets.append(newTargets[place])
            break
          }
          precondition(shorter > 0, "context 0 lists every token")
          factor *= backoffs[shorter]
          shorter = Int(failures[shorter])
        }
        failed.append(factor)
        // A weight far below that of failing would be lost in the difference.
        if lowerTargets[lowerTargets.count - 1] != target || weights[arc] < factor / 64 {
          isSplit[context] = true
        }
      }
      if context > 0 {
        for (i, factor) in failed.enumerated() {
          corrections.append(isSplit[context] ? -factor : newWeights[low + i] - factor)
        }
      }
      arcs[context] = Int32(low)..<Int32(newTokens.count)
    }
    precondition(end != nil, "context 0 lists the end symbol")
    self.end = end ?? 0
    self.arcs = arcs
    self.tokens = newTokens
    self.weights = newWeights
    self.targets = newTargets
    self.lowerTargets = lowerTargets
    self.corrections = corrections
    self.isSplit = isSplit
  }

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

  private static func place(of token: UInt32, in arcs: Range<Int32>, _ tokens: [UInt32]) -> Int {
    var low = Int(arcs.lowerBound)
    var high = Int(arcs.upperBound)
    while low < high {
      let middle = (low + high) / 2
      if tokens[middle] < token { low = middle + 1 } else { high = middle }
    }
    return low < arcs.upperBound && tokens[low] == token ? low : -1
  }

  /// The arc that a context lists for a token, or -1.
  func arc(_ token: UInt32, of context: Int) -> Int {
    Self.place(of: token, in: arcs[context], tokens)
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
    for context in 1..<contextCount {
      for arc in arcs[context] {
        corrections[Int(arc)] = isSplit[context] ? 0 : weights[Int(arc)]
      }
    }
  }
}
