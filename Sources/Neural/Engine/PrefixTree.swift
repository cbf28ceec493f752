// Licensed under the Apache License, Version 2.0.

/// The tokens that a text begins with, and what a network remembers of them.
///
/// A context is a value: to copy it or to cut it costs no pass and no memory. Texts that begin alike
/// share what the network remembers of their beginning.
package struct PrefixContext: Sendable {
  let node: PrefixNode
  /// Tokens of the context.
  package let count: Int

  init(node: PrefixNode, count: Int) {
    self.node = node
    self.count = count
  }

  /// The first tokens of the context.
  ///
  /// - Complexity: one hop for 16 tokens that are cut off.
  package func truncated(to count: Int) -> PrefixContext {
    precondition(0 <= count && count <= self.count, "a context cannot be cut to \(count) tokens")
    var node = node
    while let parent = node.parent, node.start >= count { node = parent }
    return PrefixContext(node: node, count: count)
  }

  /// - Complexity: O(`count`).
  package var tokens: [Int32] {
    var tokens = [Int32](repeating: 0, count: count)
    var node = node
    var end = count
    while let parent = node.parent {
      for slot in 0..<end - node.start { tokens[node.start + slot] = node.token(slot) }
      end = node.start
      node = parent
    }
    return tokens
  }
}

/// A block of positions that follow what the parent holds.
///
/// Tokens that are set never change, so that contexts read them on any thread. All else belongs to
/// the thread that runs the network.
@safe final class PrefixNode: @unchecked Sendable {
  static let length = AttentionKernel.blockLength

  /// nil: the root, which has no positions.
  let parent: PrefixNode?
  /// The first position.
  let start: Int
  private let tokens: UnsafeMutablePointer<Int32>
  /// Positions that have a token.
  private(set) var filled = 0
  /// Keys, values and results; nil: not computed yet, or evicted.
  var storage: UnsafeMutablePointer<Float>?
  /// Positions whose numbers are in `storage`.
  var computed = 0
  /// Rows of the current pass for positions from `computed` on.
  var plannedRows: [Int] = []
  /// The last pass that read or wrote `storage`.
  var lastUse = 0
  /// A block that began with the same tokens when this one was made, and how many.
  var twin: (node: PrefixNode, count: Int)?
  private var children: [Int32: [WeakReference]] = [:]
  private var childCount = 0
  private var childLimit = candidates

  private struct WeakReference {
    weak var node: PrefixNode?
  }

  init(parent: PrefixNode?) {
    self.parent = parent
    start = parent.map { $0.parent == nil ? 0 : $0.start + Self.length } ?? 0
    unsafe tokens = .allocate(capacity: parent == nil ? 1 : Self.length)
  }

  deinit { unsafe tokens.deallocate() }

  var planned: Int { computed + plannedRows.count }

  func token(_ slot: Int) -> Int32 { unsafe tokens[slot] }

  func append(_ token: Int32) {
    unsafe tokens[filled] = token
    filled += 1
  }

  /// The child that shares most tokens with `tokens`, or a new one; `tokens` is not empty.
  ///
  /// The child holds some first tokens of `tokens` and no others, or all of those that fit.
  /// It looks at `relative`, if there is one, in any case.
  func child(
    for tokens: some RandomAccessCollection<Int32>, near relative: PrefixNode? = nil
  ) -> PrefixNode {
    guard let first = tokens.first else { preconditionFailure("a child needs a token") }
    var best = relative.map { (node: $0, count: $0.matches(tokens)) }
    // Only so many are looked at, the newest first. A match that is missed costs time, no more.
    for reference in (children[first] ?? []).suffix(Self.candidates).reversed() {
      guard let node = reference.node else { continue }
      let count = node.matches(tokens)
      if count > best?.count ?? 0 { best = (node, count) }
      if count == tokens.count || count == Self.length { break }
    }
    if let best, best.count == best.node.filled || best.count == tokens.count { return best.node }
    let node = PrefixNode(parent: self)
    node.twin = best
    for token in tokens.prefix(best?.count ?? 0) { node.append(token) }
    if childCount == childLimit {
      children = children.compactMapValues { bucket in
        let living = bucket.filter { $0.node != nil }
        return living.isEmpty ? nil : living
      }
      childCount = children.values.reduce(0) { $0 + $1.count }
      childLimit = 2 * childCount + Self.candidates
    }
    children[first, default: []].append(WeakReference(node: node))
    childCount += 1
    return node
  }

  private static let candidates = 64

  private func matches(_ tokens: some RandomAccessCollection<Int32>) -> Int {
    var count = 0
    for token in tokens {
      guard count < filled, self.token(count) == token else { break }
      count += 1
    }
    return count
  }
}

/// The blocks of all texts, within a bound of memory.
@safe final class PrefixTree {
  let root = PrefixNode(parent: nil)
  /// Numbers in a block.
  let blockSize: Int
  /// Most blocks at a time.
  let capacity: Int
  /// Grows by one with each pass; blocks with this number are in use and stay.
  private(set) var pass = 0
  private var nodes: [PrefixNode] = []
  private var spare: [UnsafeMutablePointer<Float>] = unsafe []
  private var allocated = 0

  init(blockSize: Int, memory: Int) {
    self.blockSize = blockSize
    capacity = max(0, memory) / (blockSize * MemoryLayout<Float>.stride)
  }

  deinit {
    for node in nodes { unsafe node.storage?.deallocate() }
    unsafe spare.forEach { unsafe $0.deallocate() }
  }

  func beginPass() { pass += 1 }

  /// The context with more tokens, without any of their numbers yet.
  func extend(_ context: PrefixContext, by tokens: some RandomAccessCollection<Int32>)
    -> PrefixContext
  {
    var node = context.node
    var count = context.count
    var rest = tokens[...]
    while let next = rest.first {
      var slot = node.parent == nil ? PrefixNode.length : count - node.start
      if slot == PrefixNode.length {
        node = node.child(for: rest.prefix(PrefixNode.length))
        slot = 0
      } else if slot < node.filled, node.token(slot) != next, let parent = node.parent {
        let before = (0..<slot).map { node.token($0) }
        node = parent.child(for: before + rest.prefix(PrefixNode.length - slot), near: node)
      }
      while slot < PrefixNode.length, let token = rest.first {
        if slot == node.filled { node.append(token) }
        guard node.token(slot) == token else { break }
        rest = rest.dropFirst()
        slot += 1
      }
      count = node.start + slot
    }
    return PrefixContext(node: node, count: count)
  }

  /// The blocks of a context from its beginning on.
  func path(of context: PrefixContext) -> [PrefixNode] {
    var path: [PrefixNode] = []
    var node = context.node
    while let parent = node.parent {
      path.append(node)
      node = parent
    }
    precondition(node === root, "a context belongs to the network that made it")
    return path.reversed()
  }

  /// Gives each block of a path its memory and keeps it for this pass.
  ///
  /// - Returns: whether there is enough memory beside the other blocks of this pass. If not, no block
  ///   was given memory.
  func hold(_ path: [PrefixNode]) -> Bool {
    for node in path where unsafe node.storage != nil { node.lastUse = pass }
    let missing = path.filter { unsafe $0.storage == nil }
    guard reserve(missing.count) else { return false }
    for node in missing {
      unsafe node.storage = unsafe spare.popLast()
      node.lastUse = pass
      nodes.append(node)
    }
    return true
  }

  /// Makes `count` blocks spare.
  private func reserve(_ count: Int) -> Bool {
    unsafe spare.reserveCapacity(count)
    while unsafe spare.count < count {
      if allocated < capacity {
        // Zeros: what a kernel reads beside the positions that it wants shall be harmless.
        let storage = unsafe UnsafeMutableRawPointer.allocate(
          byteCount: blockSize * MemoryLayout<Float>.stride, alignment: 64
        ).bindMemory(to: Float.self, capacity: blockSize)
        unsafe storage.initialize(repeating: 0, count: blockSize)
        unsafe spare.append(storage)
        allocated += 1
      } else if !evict() {
        return false
      }
    }
    return true
  }

  /// Takes memory from an eighth of the blocks.
  ///
  /// Those go first that no context holds, and of these those that were used longest ago. Their
  /// numbers are computed anew when they are needed.
  private func evict() -> Bool {
    var held: [Int] = []
    var free: [Int] = []
    for index in nodes.indices where nodes[index].lastUse < pass {
      if isKnownUniquelyReferenced(&nodes[index]) { free.append(index) } else { held.append(index) }
    }
    var victims = free.isEmpty ? held : free
    // A block is used whenever those that follow it are: among equals the last goes first.
    victims.sort { (nodes[$0].lastUse, -nodes[$0].start) < (nodes[$1].lastUse, -nodes[$1].start) }
    victims = Array(victims.prefix(max(1, capacity / 8)))
    guard !victims.isEmpty else { return false }
    for index in victims {
      if let storage = unsafe nodes[index].storage { unsafe spare.append(storage) }
      unsafe nodes[index].storage = nil
      nodes[index].computed = 0
    }
    nodes.removeAll { unsafe $0.storage == nil }
    return true
  }
}
