// Licensed under the Apache License, Version 2.0.

extension ExactInference {
  /// The texts with the largest weights, the largest first, each text once.
  ///
  /// This is an A* search. It extends the beginnings of texts in the order of an upper bound on
  /// what they can become: the largest weight of a continuation, where back-off is allowed even for
  /// listed tokens. The bound is never too low, so no text comes before one with more weight
  /// (except for rounding). The automaton is deterministic, so no text comes twice.
  ///
  /// Source: Hart, Nilsson and Raphael 1968, "A formal basis for the heuristic determination of
  /// minimum cost paths" (A*).
  ///
  /// - Parameters:
  ///   - count: the number of texts; there are fewer if fewer have a positive weight.
  ///   - memory: the most bytes for bounds. If they need more, some are computed again whenever the
  ///     search returns to texts of such lengths.
  ///   - proceed: called now and then with the share of the bounds that is done; `false` stops.
  /// - Returns: the texts with the logs of their weights.
  /// - Throws: ``Fault``.
  /// - Complexity: that of the sums, and O(vocabulary) for each beginning extended. If memory does
  ///   not hold all bounds, also that of computing a window of them whenever the best beginning
  ///   lies in another window.
  public func best(
    _ count: Int, memory: Int = 4 << 30, proceed: (Double) -> Bool = { _ in true }
  ) throws(Fault) -> [(text: TokenSequence, logWeight: Double)] {
    let (interval, least) = ExactMessages.interval(model, layers, memory: memory)
    guard let interval else { throw .tooLarge(bytes: least, allowed: memory) }
    let bounds = try Self.messages(
      model, layers, isMaximum: true, interval: interval, threads: threads, tolerance: tolerance,
      horizon: horizon, proceed: proceed)
    var search = BestSearch(self, bounds)
    var found: [(text: TokenSequence, logWeight: Double)] = []
    while found.count < count, let item = search.next() {
      guard proceed(1) else { throw .stopped }
      if let text = search.text(of: item) {
        found.append((text, item.bound))
      } else {
        search.follow(item)
      }
    }
    return found
  }
}

/// A queue of beginnings of texts, ordered by what they can become.
private struct BestSearch {
  /// A beginning whose continuations were examined.
  private struct Node {
    var parent: Int
    var token: Token
    var count: Int
    var context: Int
    var column: Int
    /// The log of the weight so far.
    var logWeight: Double
  }

  /// An entry of the queue: a token after a node, or what follows the last token examined there.
  struct Item {
    /// The log of the largest weight that it can lead to.
    var bound: Double
    fileprivate var node: Int
    fileprivate var token: UInt32
    fileprivate var contribution: Double
    fileprivate var isRest: Bool
  }

  /// The number of tokens after a beginning that are examined together.
  private static let breadth = 64
  /// How far to work ahead in the current window: the number of items, and the nats below the best.
  ///
  /// This affects only the time, because texts still come out in the order of their bounds.
  private static let ahead = (items: 256, nats: 1.0)

  private let inference: ExactInference
  private let bounds: ExactMessages
  private var window: ExactMessages.Window
  private var nodes: [Node]
  /// The queue entries, by the window of bounds that they need.
  private var open: [MaximumHeap]
  /// The complete texts.
  private var complete = MaximumHeap()
  /// The current window, and the number of items to follow in it before changing to another.
  private var windowNumber = 0
  private var patience = 0
  private var floor = -Double.infinity

  init(_ inference: ExactInference, _ bounds: ExactMessages) {
    self.inference = inference
    self.bounds = bounds
    window = bounds.window(from: 0)
    open = [MaximumHeap](
      repeating: MaximumHeap(),
      count: window.isEndless ? 1 : max(0, inference.layers.most - 1) / bounds.interval + 1)
    nodes = [
      Node(
        parent: -1, token: inference.model.vocabulary.start, count: 0,
        context: inference.model.start, column: inference.layers.startColumn, logWeight: 0)
    ]
    look(0, after: nil)
  }

  /// The next item: the one with the largest bound, or one in the current window that is not much
  /// lower, if that saves a change of window.
  mutating func next() -> Item? {
    if patience > 0, let here = open[windowNumber].first, here.bound >= floor,
      complete.first.map({ $0.bound < here.bound }) ?? true
    {
      patience -= 1
      return open[windowNumber].popFirst()
    }
    var best: (window: Int, bound: Double)?
    for (number, heap) in open.enumerated() {
      guard let first = heap.first, first.bound > best?.bound ?? -.infinity else { continue }
      best = (number, first.bound)
    }
    guard let best, best.bound > complete.first?.bound ?? -.infinity else {
      return complete.popFirst()
    }
    if best.window != windowNumber {
      window = bounds.window(from: best.window * bounds.interval)
      windowNumber = best.window
      patience = Self.ahead.items
      floor = best.bound - Self.ahead.nats
    }
    return open[windowNumber].popFirst()
  }

  /// The text that an item completes; `nil` if it completes none.
  func text(of item: Item) -> TokenSequence? {
    guard !item.isRest, item.token == inference.model.vocabulary.end.rawValue else { return nil }
    var text: [Token] = []
    var here = item.node
    while here > 0 {
      text.append(nodes[here].token)
      here = nodes[here].parent
    }
    return TokenSequence(text.reversed())
  }

  private mutating func insert(_ item: Item) {
    guard item.isRest || item.token != inference.model.vocabulary.end.rawValue else {
      return complete.insert(item)
    }
    // Continuations are read from texts with one more token; the longest texts have none.
    let count = min(
      nodes[item.node].count + (item.isRest ? 0 : 1), max(0, inference.layers.most - 1))
    open[open.count == 1 ? 0 : count / bounds.interval].insert(item)
  }

  /// Follows an item.
  mutating func follow(_ item: Item) {
    if item.isRest { return look(item.node, after: item) }
    let model = inference.model
    let node = nodes[item.node]
    let (weight, target) = model.step(node.context, item.token)
    let token = Token(rawValue: item.token)
    let step = inference.layers.step(
      node.count, node.column, class: Int(inference.layers.automaton.classes[token.index]))
    nodes.append(
      Node(
        parent: item.node, token: token, count: node.count + 1, context: target,
        column: step.column, logWeight: node.logWeight + LogSpace.log(weight) + step.weight))
    look(nodes.count - 1, after: nil)
  }

  /// Examines the tokens after a node that contribute most, starting after an earlier item.
  private mutating func look(_ number: Int, after last: Item?) {
    let node = nodes[number]
    let end = inference.model.vocabulary.end.rawValue
    guard node.count < inference.layers.most else {
      // The longest texts can only end.
      let weight = bounds.ends[node.context]
      let state = inference.layers.columns(node.count)[node.column]
      guard weight > 0 else { return }
      let bound =
        node.logWeight + LogSpace.log(weight)
        + inference.layers.automaton.finalWeights[Int(state)]
      insert(Item(bound: bound, node: number, token: end, contribution: 0, isRest: false))
      return
    }
    let contributions = MessagePass.contributions(
      inference.model, context: node.context, column: node.column, following: window[node.count])
    let unit = node.logWeight + bounds.steps(node.count).logUnits[node.column]
    // The heap yields the smallest of the largest first; among equal ones, the highest token.
    var largest = MaximumHeap()
    for token in contributions.indices.reversed() where contributions[token] > 0 {
      let contribution = contributions[token]
      let token = UInt32(token)
      if let last, (last.contribution, token) <= (contribution, last.token) { continue }
      if largest.count == Self.breadth, let first = largest.first, contribution < -first.bound {
        continue
      }
      largest.insert(
        Item(
          bound: -contribution, node: number, token: token, contribution: contribution,
          isRest: false))
      if largest.count > Self.breadth { _ = largest.popFirst() }
    }
    let isFull = largest.count == Self.breadth
    var isFirst = true
    while var item = largest.popFirst() {
      item.bound = unit + LogSpace.log(item.contribution)
      if isFirst, isFull {
        var rest = item
        rest.isRest = true
        insert(rest)
      }
      isFirst = false
      insert(item)
    }
  }
}

/// A heap of items by their bounds, the largest first; equal ones come out in the order of
/// insertion.
private struct MaximumHeap {
  private var items: [(order: Int, item: BestSearch.Item)] = []
  private var inserted = 0

  var count: Int { items.count }
  var first: BestSearch.Item? { items.first?.item }

  mutating func insert(_ item: BestSearch.Item) {
    items.append((inserted, item))
    inserted += 1
    var place = items.count - 1
    while place > 0, isBefore(place, (place - 1) / 2) {
      items.swapAt(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  mutating func popFirst() -> BestSearch.Item? {
    guard let first = items.first else { return nil }
    let last = items.removeLast()
    if !items.isEmpty {
      items[0] = last
      var place = 0
      while true {
        var most = place
        for child in [2 * place + 1, 2 * place + 2]
        where child < items.count && isBefore(child, most) { most = child }
        guard most != place else { break }
        items.swapAt(place, most)
        place = most
      }
    }
    return first.item
  }

  private func isBefore(_ a: Int, _ b: Int) -> Bool {
    (items[b].item.bound, items[a].order) < (items[a].item.bound, items[b].order)
  }
}
