// Licensed under the Apache License, Version 2.0.

/// A partition of 0 ..< n into blocks that can be split.
///
/// Reference: Valmari and Lehtinen 2008, "Efficient minimization of DFAs with partial transition
/// functions".
struct RefinablePartition {
  /// All members, block after block.
  ///
  /// In each block the marked members come first.
  private var elements: [Int]
  private var placeOf: [Int]
  private var blockOf: [Int]
  private var first: [Int] = []
  private var end: [Int] = []
  private var marked: [Int] = []
  private var touched: [Int] = []

  /// Creates one block for each sort.
  ///
  /// - Parameters:
  ///   - sorts: the sort of each member; each of 0 ..< `sortCount` occurs at least once.
  ///   - sortCount: the number of sorts.
  init(sorts: [Int], sortCount: Int) {
    blockOf = sorts
    elements = [Int](repeating: 0, count: sorts.count)
    placeOf = elements
    var heads = [Int](repeating: 0, count: sortCount + 1)
    for sort in sorts { heads[sort + 1] += 1 }
    for sort in 0..<sortCount { heads[sort + 1] += heads[sort] }
    first = Array(heads[..<sortCount])
    end = Array(heads[1...])
    marked = first
    for (member, sort) in sorts.enumerated() {
      elements[heads[sort]] = member
      placeOf[member] = heads[sort]
      heads[sort] += 1
    }
  }

  var count: Int { first.count }

  func block(of member: Int) -> Int { blockOf[member] }

  func members(_ block: Int) -> ArraySlice<Int> { elements[first[block]..<end[block]] }

  /// Marks a member that is not marked yet.
  mutating func mark(_ member: Int) {
    let block = blockOf[member]
    if marked[block] == first[block] { touched.append(block) }
    let place = placeOf[member]
    let other = marked[block]
    elements.swapAt(place, other)
    placeOf[elements[place]] = place
    placeOf[member] = other
    marked[block] += 1
  }

  /// Splits each block that has both marked and other members; the marked ones become a new block.
  ///
  /// - Parameter body: called after each split with the old block, the new block, and whether the
  ///   new one is no larger.
  mutating func splitMarked(_ body: (_ old: Int, _ new: Int, _ isNewSmaller: Bool) -> Void) {
    while let block = touched.popLast() {
      let middle = marked[block]
      marked[block] = first[block]
      guard middle < end[block] else { continue }
      let new = count
      first.append(first[block])
      end.append(middle)
      marked.append(first[block])
      first[block] = middle
      marked[block] = middle
      for place in first[new]..<middle { blockOf[elements[place]] = new }
      body(block, new, middle - first[new] <= end[block] - middle)
    }
  }
}
