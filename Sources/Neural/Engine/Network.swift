// Licensed under the Apache License, Version 2.0.

import Foundation

/// A network that answers for many texts at once.
///
/// Any number of threads may ask at a time; what is asked while a pass runs is answered together by the
/// next one. The same text gets the same bits in every batch, on any number of threads, and whether
/// its beginning was known or not.
package final class Network: @unchecked Sendable {
  package let configuration: NetworkConfiguration
  private let team: Team
  private let forward: ForwardPass
  private let head: NetworkHead?
  private let tree: PrefixTree
  private let layout: BlockLayout
  private let gate = Gate()
  /// Positions that went through the blocks so far, for tests and measurements.
  private(set) var rowsComputed = 0

  /// A network whose passes are shared by so many threads, the caller's included.
  ///
  /// `memory` bounds the bytes for keys and values of texts. A piece of work is worth handing to another
  /// thread if it takes `pieceCost` operations.
  package init(
    _ configuration: NetworkConfiguration, _ weights: NetworkWeights, threads: Int = 1,
    memory: Int = 96 << 20, pieceCost: Int = 100_000
  ) {
    self.configuration = configuration
    let team = Team(size: threads)
    let forward = ForwardPass(configuration, weights, team: team, pieceCost: pieceCost)
    self.team = team
    self.forward = forward
    head = weights.head.map { NetworkHead($0, weights.headTransform, forward, team) }
    layout = BlockLayout(
      keyValueHeads: configuration.keyValueHeads, headSize: configuration.headSize,
      width: configuration.width, layers: configuration.blocks.count)
    tree = PrefixTree(blockSize: layout.size, memory: memory)
  }

  /// The context of an empty text.
  package var root: PrefixContext { PrefixContext(node: tree.root, count: 0) }

  /// Most tokens that a text may have.
  package var longestText: Int { configuration.contextLength }

  /// Reads the tokens of each request after its context and answers its questions.
  ///
  /// - Throws: `NeuralError` if a text is too long for the network or for its memory, if a token is not
  ///   in its vocabulary, or if it gives no number. Nothing is answered then.
  package func score(_ requests: [Request], into results: Results) throws(NeuralError) {
    let call = Call(requests, results)
    gate.enter(call) { answer($0) }
    if let error = call.error { throw error }
  }

  /// What the head gives at some positions of texts that are read whole, one list of rows for a text.
  ///
  /// For masked networks, where every position sees all others.
  package func encode(
    _ texts: [[Int32]], wanted: [[Int]]
  ) throws(NeuralError) -> [[[Float]]] {
    guard let head else { throw NeuralError("the model has no head that gives logits") }
    var all: [[[Float]]] = []
    let size = configuration.vocabularySize
    try readWhole(texts) { (text, states) throws(NeuralError) in
      let logits = NumberBuffer(count: wanted[text].count * size)
      let places = wanted[text].indices.map { logits.numbers.advanced(by: $0 * size) }
      let answers = head.answer(
        wanted[text].map { states[$0] }, rows: places.enumerated().map { ($0.offset, $0.element) })
      for (index, position) in wanted[text].enumerated() {
        try Self.check(finite: answers.logNormalisers[index], position: position)
      }
      all.append(
        places.map { unsafe Array(UnsafeBufferPointer(start: $0.start, count: size)) })
    }
    return all
  }

  /// The states before the head at all positions of texts that are read whole.
  package func states(_ texts: [[Int32]]) throws(NeuralError) -> [[[Float]]] {
    var all: [[[Float]]] = []
    try readWhole(texts) { (text, states) throws(NeuralError) in
      var rows: [[Float]] = []
      for (position, state) in states.enumerated() {
        let row = unsafe Array(
          UnsafeBufferPointer(start: state.start, count: configuration.width))
        try Self.check(finite: Double(row.reduce(0, +)), position: position)
        rows.append(row)
      }
      all.append(rows)
    }
    return all
  }

  /// The mean of the states of each text, divided by its length.
  package func embeddings(_ texts: [[Int32]]) throws(NeuralError) -> [[Double]] {
    try states(texts).map { states in
      var mean = [Double](repeating: 0, count: configuration.width)
      for state in states { for (d, x) in state.enumerated() { mean[d] += Double(x) } }
      let length = mean.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return mean.map { length > 0 ? $0 / length : 0 }
    }
  }

  /// The residual stream of all positions behind the embedding and behind each block, to find the first
  /// layer that differs from another program's.
  package func trace(_ tokens: [Int32]) throws(NeuralError) -> [[[Float]]] {
    var layers: [[[Float]]] = []
    let width = configuration.width
    try readWhole([tokens]) { numbers in
      layers.append(
        tokens.indices.map {
          unsafe Array(UnsafeBufferPointer(start: numbers.start + $0 * width, count: width))
        })
    } body: { (_, _) throws(NeuralError) in
    }
    return layers
  }

  fileprivate static func check(finite number: Double, position: Int) throws(NeuralError) {
    guard !number.isFinite else { return }
    throw NeuralError(
      "the model gives no number at position \(position). Its weights may be damaged.")
  }

  private func check(_ tokens: [Int32], before: Int = 0) throws(NeuralError) {
    guard before + tokens.count <= longestText else {
      throw NeuralError(
        "the text has \(before + tokens.count) tokens, and the model reads at most \(longestText). "
          + "Shorten the text.")
    }
    let size = configuration.vocabularySize
    guard let wrong = tokens.first(where: { $0 < 0 || Int($0) >= size }) else { return }
    throw NeuralError("the model has no token \(wrong) (it has 0 to \(size - 1))")
  }

  // MARK: Texts that are read whole

  private func readWhole(
    _ texts: [[Int32]], trace: ((Numbers) -> Void)? = nil,
    body: (Int, [Numbers]) throws(NeuralError) -> Void
  ) throws(NeuralError) {
    for text in texts { try check(text) }
    var failure: NeuralError?
    gate.enterAlone {
      do throws(NeuralError) {
        try readWholeAlone(texts, trace: trace, body: body)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  private func readWholeAlone(
    _ texts: [[Int32]], trace: ((Numbers) -> Void)?,
    body: (Int, [Numbers]) throws(NeuralError) -> Void
  ) throws(NeuralError) {
    let layout = BlockLayout(
      keyValueHeads: configuration.keyValueHeads, headSize: configuration.headSize,
      width: configuration.width, layers: 1)
    var first = 0
    while first < texts.count {
      let plan = PassPlan()
      var states: [[Numbers]] = []
      var buffers: [NumberBuffer] = []
      var next = first
      while next < texts.count,
        next == first || plan.rows.count + texts[next].count <= ForwardPass.rowLimit
      {
        let text = texts[next]
        let length = PrefixNode.length
        let blocks = (0..<(text.count + length - 1) / length).map { _ in
          NumberBuffer(count: layout.size)
        }
        buffers += blocks
        let index = plan.addText(blocks.map(\.numbers))
        var results: [Numbers] = []
        for (position, token) in text.enumerated() {
          let row = plan.addRow(
            .init(
              token: token, position: position, text: index,
              end: configuration.isBidirectional ? text.count : position + 1))
          let block = blocks[position / length].numbers
          plan.addStore(.init(row: row, block: block, slot: position % length))
          results.append(block.advanced(by: layout.result(position % length)))
        }
        states.append(results)
        next += 1
      }
      plan.finish()
      forward.run(plan, rows: 0..<plan.rows.count, layout: layout, trace: trace)
      for (offset, results) in states.enumerated() { try body(first + offset, results) }
      team.waitForStragglers()
      withExtendedLifetime(buffers) {}
      first = next
    }
  }

  // MARK: Requests after contexts

  /// A request of a call, planned for the current pass.
  private struct Item {
    let call: Call
    let request: Int
    let path: [PrefixNode]
  }

  private func answer(_ calls: [Call]) {
    var open: [(call: Call, request: Int)] = []
    for call in calls {
      call.results.begin(
        rows: call.requests.reduce(0) { $0 + $1.rows }, size: configuration.vocabularySize)
      for request in call.requests.indices { open.append((call, request)) }
    }
    var next = 0
    while next < open.count {
      tree.beginPass()
      let plan = PassPlan()
      var touched: [PrefixNode] = []
      var items: [Item] = []
      filling: while next < open.count, plan.rows.count < 4 * ForwardPass.rowLimit {
        let (call, index) = open[next]
        guard call.error == nil else {
          next += 1
          continue
        }
        do throws(NeuralError) {
          let request = call.requests[index]
          try check(request)
          let context = tree.extend(request.context, by: request.tokens)
          let path = tree.path(of: context)
          if !tree.hold(path) {
            // Its turn comes when the texts before it are done.
            if !items.isEmpty { break filling }
            throw tooLittleMemory(for: context)
          }
          self.plan(path, context, plan, &touched)
          call.results.contexts.append(context)
          items.append(Item(call: call, request: index, path: path))
        } catch {
          call.error = error
        }
        next += 1
      }
      plan.finish()
      rowsComputed += plan.rows.count
      var start = 0
      while start < plan.rows.count {
        let end = min(start + ForwardPass.rowLimit, plan.rows.count)
        forward.run(plan, rows: start..<end, layout: layout)
        start = end
      }
      for node in touched {
        node.computed = node.planned
        node.plannedRows.removeAll(keepingCapacity: true)
      }
      answer(items)
    }
  }

  private func check(_ request: Request) throws(NeuralError) {
    try check(request.tokens, before: request.context.count)
    for question in request.questions {
      precondition(
        0 <= question.after && question.after <= request.tokens.count,
        "a question after \(question.after) of \(request.tokens.count) tokens")
      guard request.context.count + question.after > 0 else {
        throw NeuralError("the model needs a token before the first one that it scores")
      }
      if case .logProbabilities(let tokens) = question.wanted {
        let size = configuration.vocabularySize
        if let wrong = tokens.first(where: { $0 < 0 || Int($0) >= size }) {
          throw NeuralError("the model has no token \(wrong) (it has 0 to \(size - 1))")
        }
      }
    }
    guard head != nil || request.questions.isEmpty else {
      throw NeuralError("the model has no head that gives logits")
    }
  }

  private func tooLittleMemory(for context: PrefixContext) -> NeuralError {
    let blocks = (context.count + PrefixNode.length - 1) / PrefixNode.length
    let megabyte = 1 << 20
    let needed = (blocks * layout.size * MemoryLayout<Float>.stride + megabyte - 1) / megabyte
    let given = tree.capacity * layout.size * MemoryLayout<Float>.stride / megabyte
    return NeuralError(
      "a text of \(context.count) tokens needs \(needed) MB of memory (found \(given) MB). "
        + "Use --memory \(needed)M or more.")
  }

  /// Adds the rows of a path that are not computed yet.
  private func plan(
    _ path: [PrefixNode], _ context: PrefixContext, _ plan: PassPlan, _ touched: inout [PrefixNode]
  ) {
    var text: Int?
    for node in path {
      guard let storage = unsafe node.storage else { continue }
      let block = unsafe Numbers(start: storage)
      let needed = min(PrefixNode.length, context.count - node.start)
      if let twin = node.twin {
        node.twin = nil
        copy(twin.node, count: twin.count, to: node, block, plan)
        if !node.plannedRows.isEmpty { touched.append(node) }
      }
      guard node.planned < needed else { continue }
      if node.plannedRows.isEmpty { touched.append(node) }
      let index =
        text
        ?? plan.addText(
          path.compactMap { node in unsafe node.storage.map { unsafe Numbers(start: $0) } })
      text = index
      while node.planned < needed {
        let slot = node.planned
        let row = plan.addRow(
          .init(
            token: node.token(slot), position: node.start + slot, text: index,
            end: node.start + slot + 1))
        plan.addStore(.init(row: row, block: block, slot: slot))
        node.plannedRows.append(row)
      }
    }
  }

  /// Takes over what is known of the first `count` positions of a block that begins alike.
  private func copy(
    _ twin: PrefixNode, count: Int, to node: PrefixNode, _ block: Numbers, _ plan: PassPlan
  ) {
    guard let storage = unsafe twin.storage else { return }
    let known = min(count, twin.computed)
    if known > 0 {
      unsafe block.start.update(from: storage, count: layout.size)
      node.computed = known
    }
    for slot in known..<max(known, min(count, twin.planned)) {
      let row = twin.plannedRows[slot - twin.computed]
      plan.addStore(.init(row: row, block: block, slot: slot))
      node.plannedRows.append(row)
    }
  }

  private func answer(_ items: [Item]) {
    guard let head else { return }
    var batch = Batch()
    for item in items {
      let request = item.call.requests[item.request]
      for question in request.questions {
        if batch.states.count == ForwardPass.rowLimit {
          batch.answer(with: head)
          batch = Batch()
        }
        let position = request.context.count + question.after - 1
        let node = item.path[position / PrefixNode.length]
        guard let storage = unsafe node.storage else { continue }
        let state = unsafe Numbers(start: storage + layout.result(position - node.start))
        batch.add(item.call, state, position: position, question.wanted)
      }
    }
    batch.answer(with: head)
  }

  /// Questions that go through the head together.
  private struct Batch {
    var states: [Numbers] = []
    private var rows: [(state: Int, to: Numbers)] = []
    private var picks: [NetworkHead.Pick] = []
    private var places: [Place] = []

    private struct Place {
      let call: Call
      let position: Int
      /// Row of logits; nil: log-probabilities.
      let row: Int?
      /// The first log-probability, and how many there are.
      let first: Int
      let count: Int
    }

    mutating func add(
      _ call: Call, _ state: Numbers, position: Int, _ wanted: Request.Wanted
    ) {
      let index = states.count
      states.append(state)
      switch wanted {
      case .logits:
        let row = call.answeredRows
        call.answeredRows += 1
        rows.append((index, call.results.place(row)))
        places.append(Place(call: call, position: position, row: row, first: 0, count: 0))
      case .logProbabilities(let tokens):
        places.append(
          Place(
            call: call, position: position, row: nil, first: picks.count, count: tokens.count))
        for token in tokens { picks.append(.init(state: index, token: Int(token))) }
      }
    }

    func answer(with head: NetworkHead) {
      guard !states.isEmpty else { return }
      let answers = head.answer(states, rows: rows, picks: picks)
      for (place, normaliser) in zip(places, answers.logNormalisers) {
        do throws(NeuralError) {
          try Network.check(finite: normaliser, position: place.position)
        } catch {
          place.call.error = place.call.error ?? error
        }
        if let row = place.row { place.call.results.logNormalisers[row] = normaliser }
        for logit in answers.picked[place.first..<place.first + place.count] {
          place.call.results.logProbabilities.append(Double(logit) - normaliser)
        }
      }
    }
  }
}

extension Request {
  /// Rows of logits that are asked for.
  fileprivate var rows: Int {
    questions.reduce(0) { count, question in
      if case .logits = question.wanted { count + 1 } else { count }
    }
  }
}
