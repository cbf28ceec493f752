// Licensed under the Apache License, Version 2.0.

internal import CKernels

/// Draws of arcs in proportion to what their tokens contribute to a context's message.
///
/// What a context lists is chosen against the shorter one's message as a whole. In a split context,
/// what is drawn from the shorter one and listed is rejected.
@safe
struct ArcDraws {
  private let inference: ExactInference
  private let tables: BackoffAutomaton.Tables
  /// The messages of one more token than texts have, and of as many.
  private var rows: MessageRows?
  private var before: MessageRows?
  private var emptyValues: [Double] = []
  private var steps: (columns: [Int32], factors: [Double], stride: Int) = ([], [], 0)
  private var count = 0
  private let classes: [UInt32]
  private let end: UInt32
  private let most: Int
  private let attempts: Int
  /// Where sums for drawing begin among the rows.
  private let blockRow: Int
  /// Weights that contexts' arcs or sums over them have, for some contexts and columns.
  private let first: MessageRows
  /// For each: the context's place, the column and the number of tokens, or -1.
  private var known: [(place: Int, column: Int, count: Int)]
  private let further: MessageRows

  /// How many columns' weights are known at a time for each depth.
  private let ways: Int

  /// Draws for many texts, or for one, which is never twice in the same place.
  init(_ inference: ExactInference, _ tables: BackoffAutomaton.Tables, isShared: Bool) {
    self.inference = inference
    self.tables = tables
    let model = inference.model
    classes = inference.layers.automaton.classes
    end = model.vocabulary.end.rawValue
    most = inference.layers.most
    attempts = inference.attempts
    blockRow = model.contextCount
    let above = BackoffAutomaton.blocks(ofArcs: model.vocabulary.count).second
    let capacity = max(above, 2 * BackoffAutomaton.blockSize) + 1
    ways = isShared ? 8 : 1
    let all = (model.depthHeads.count - 1) * ways
    first = MessageRows(rows: all, stride: capacity)
    further = MessageRows(rows: 1, stride: capacity)
    known = [(Int, Int, Int)](repeating: (-1, -1, -1), count: all)
  }

  /// Goes on to texts of so many tokens.
  mutating func enter(_ count: Int, _ window: ExactMessages.Window) {
    rows = window[count]
    before = count > 0 ? window[count - 1] : nil
    emptyValues = inference.messages.emptyValues(count)
    let table = inference.messages.steps(count)
    steps = (table.columns, table.factors, table.stride)
    self.count = count
  }

  /// Asks for the rows that a context's first arcs lead to.
  func fetch(_ place: Int) {
    guard let rows else { return }
    let slot = unsafe tables.slots[place]
    for arc in Int(slot.first)..<min(Int(slot.last), Int(slot.first) &+ 16) {
      unsafe gensample_prefetch(rows.pointer + Int(tables.targets[arc]) &* rows.stride)
    }
  }

  /// One more token of a text, or its end.
  mutating func step(_ walk: inout ExactInference.Walk, _ choices: inout some ChoiceSource) {
    let arc = draw(walk.place, 0, walk, &choices)
    let token = unsafe tables.tokens[arc]
    guard token != end else {
      walk.isGoing = false
      return
    }
    let target = unsafe Int(tables.slotOf[Int(tables.targets[arc])])
    let step = Int(classes[Int(token)]) * steps.stride + walk.column
    walk.advance(
      by: Token(rawValue: token), to: target, column: Int(steps.columns[step]),
      factor: steps.factors[step], most: most)
  }

  private mutating func draw(
    _ place: Int, _ depth: Int, _ walk: ExactInference.Walk, _ choices: inout some ChoiceSource
  ) -> Int {
    let slot = unsafe tables.slots[place]
    guard slot.context > 0 else {
      return listed(place, slot, depth, failing: 0, walk.column, &choices) ?? 0
    }
    let shorter = unsafe Int(tables.lowSlots[Int(slot.shorter_row)])
    if slot.first == slot.last { return draw(shorter, depth, walk, &choices) }
    let failing = slot.backoff * message(of: shorter, walk)
    for _ in 0..<attempts {
      if let arc = listed(place, slot, depth, failing: failing, walk.column, &choices) {
        return arc
      }
      let arc = draw(shorter, depth + 1, walk, &choices)
      guard slot.is_split else { return arc }
      let token = unsafe tables.tokens[arc]
      if inference.model.arc(token, of: Int(slot.context)) < 0 { return arc }
    }
    guard let rows else { preconditionFailure("a text is entered before it is drawn") }
    let token = choices.index(
      weights: MessagePass.contributions(
        inference.model, context: Int(slot.context), column: walk.column, following: rows))
    for here in inference.model.chain(Int(slot.context)) {
      let arc = inference.model.arc(UInt32(token), of: here)
      if arc >= 0 { return arc }
    }
    preconditionFailure("context 0 lists every token")
  }

  /// An arc of a context in proportion to what it contributes, `nil` in proportion to `failing`.
  ///
  /// Many arcs are chosen among by blocks.
  private mutating func listed(
    _ place: Int, _ slot: BackoffAutomaton.Slot, _ depth: Int, failing: Double, _ column: Int,
    _ choices: inout some ChoiceSource
  ) -> Int? {
    guard let rows else { preconditionFailure("a text is entered before it is drawn") }
    let size = BackoffAutomaton.blockSize
    let low = Int(slot.first)
    let arcCount = Int(slot.last) - low
    let (blocks, above) = BackoffAutomaton.blocks(ofArcs: arcCount)
    let head = blockRow + Int(slot.block_head)
    let count = above > 0 ? above : blocks > 0 ? blocks : arcCount
    let way = depth * ways + column % ways
    let weights = unsafe first.pointer + way * first.stride
    if known[way] != (place, column, self.count) {
      known[way] = (place, column, self.count)
      if blocks == 0 {
        unsafe contributions(slot, low, count, column, rows, weights)
      } else {
        unsafe sums(head + (above > 0 ? blocks : 0), count, column, rows, weights)
      }
    }
    let chosen = unsafe choose(weights, count, failing, &choices)
    guard chosen < count else { return nil }
    guard blocks > 0 else { return low + chosen }
    let inner = unsafe further.pointer
    var block = chosen
    if above > 0 {
      let part = chosen * size..<min(blocks, (chosen + 1) * size)
      unsafe sums(head + part.lowerBound, part.count, column, rows, inner)
      block = unsafe part.lowerBound + choose(inner, part.count, 0, &choices)
    }
    let part = block * size..<min(arcCount, (block + 1) * size)
    unsafe contributions(slot, low + part.lowerBound, part.count, column, rows, inner)
    return unsafe low + part.lowerBound + choose(inner, part.count, 0, &choices)
  }

  /// What some arcs contribute.
  private func contributions(
    _ slot: BackoffAutomaton.Slot, _ arc: Int, _ count: Int, _ column: Int, _ rows: MessageRows,
    _ weights: UnsafeMutablePointer<Double>
  ) {
    let own = unsafe (slot.is_split ? tables.weights : tables.corrections) + arc
    let targets = unsafe tables.targets + arc
    let messages = unsafe rows.pointer + column
    let stride = rows.stride
    for i in 0..<count { unsafe weights[i] = own[i] * messages[Int(targets[i]) &* stride] }
  }

  /// Sums over arcs that are kept beside the messages.
  private func sums(
    _ row: Int, _ count: Int, _ column: Int, _ rows: MessageRows,
    _ weights: UnsafeMutablePointer<Double>
  ) {
    let stride = rows.stride
    let sums = unsafe rows.pointer + row * stride + column
    for i in 0..<count { unsafe weights[i] = sums[i &* stride] }
  }

  /// A place in proportion to its weight, the number of weights in proportion to `failing`.
  private func choose(
    _ weights: UnsafeMutablePointer<Double>, _ count: Int, _ failing: Double,
    _ choices: inout some ChoiceSource
  ) -> Int {
    unsafe weights[count] = failing
    let span = unsafe Span(
      _unsafeStart: UnsafePointer(weights), count: count + (failing > 0 ? 1 : 0))
    return choices.index(weights: span)
  }

  /// The message of a context that the one of a text fails to, or that fails to it in turn.
  private func message(of shorter: Int, _ walk: ExactInference.Walk) -> Double {
    let context = unsafe Int(tables.slots[shorter].context)
    guard context > 0, let before else { return emptyValues[walk.column] }
    return before[context, walk.previous] / walk.factor
  }
}
