// Licensed under the Apache License, Version 2.0.

internal import CKernels

/// Draws arcs of the back-off automaton in proportion to what their tokens contribute to a message.
///
/// The choice is between the arcs that a context lists and the message of the shorter context as a
/// whole. In a split context, a token drawn from the shorter context is rejected if it is listed.
/// Don't copy this value: that would count many references.
@safe
struct ArcDraws: ~Copyable {
  private let inference: ExactInference
  private let tables: BackoffAutomaton.Tables
  /// Keeps the messages in memory.
  private var window: ExactMessages.Window?
  /// The messages for one more token than the texts have, and for as many.
  private var rows: Rows?
  private var before: Rows?
  private var emptyValues: [Double] = []
  private var steps: (columns: [Int32], factors: [Double], stride: Int) = ([], [], 0)
  private var count = 0
  private let classes: [UInt32]
  private let end: UInt32
  private let most: Int
  private let attempts: Int
  /// The first row of the sums for drawing.
  private let blockRow: Int
  /// Weights of arcs or blocks, for some contexts and columns.
  ///
  /// Each row is followed by one with its running sums.
  private let first: MessageRows
  /// The length of such a row.
  private let capacity: Int
  /// What each row holds: the place of the context, the column and the number of tokens, or -1.
  private var known: [(place: Int, column: Int, count: Int)]
  private let further: MessageRows

  /// Messages that are read without counting references.
  @safe
  private struct Rows {
    let pointer: UnsafeMutablePointer<Double>
    let stride: Int

    init(_ rows: MessageRows) {
      unsafe pointer = rows.pointer
      stride = rows.stride
    }
  }

  /// The number of columns per depth whose weights are kept.
  private let ways: Int
  /// Whether many texts are drawn together.
  private let isShared: Bool

  /// Draws for many texts, or for a single one, which never visits the same place twice.
  init(_ inference: ExactInference, _ tables: BackoffAutomaton.Tables, isShared: Bool) {
    self.inference = inference
    self.tables = tables
    let model = inference.model
    classes = inference.layers.automaton.classes
    end = model.vocabulary.end.rawValue
    most = inference.layers.most
    attempts = inference.attempts
    blockRow = model.contextCount
    let above = ArcTable.blocks(ofArcs: model.vocabulary.count).second
    capacity = max(above, 2 * ArcTable.blockSize) + 1
    self.isShared = isShared
    ways = isShared ? 8 : 1
    let all = (model.depthHeads.count - 1) * ways
    first = MessageRows(rows: 2 * all, stride: capacity)
    further = MessageRows(rows: 2, stride: capacity)
    known = [(Int, Int, Int)](repeating: (-1, -1, -1), count: all)
  }

  /// Continues with texts of `count` tokens.
  mutating func enter(_ count: Int, _ window: ExactMessages.Window) {
    self.window = window
    rows = Rows(window[count])
    before = count > 0 ? Rows(window[count - 1]) : nil
    emptyValues = inference.messages.emptyValues(count)
    let table = inference.messages.steps(count)
    steps = (table.columns, table.factors, table.stride)
    self.count = count
  }

  /// Prefetches the start of the context of a text, and the rows that its first arcs lead to.
  func fetch(_ walk: borrowing ExactInference.Walk) {
    guard let rows else { return }
    let slot = unsafe tables.slots[walk.place]
    fetch(slot, previous: walk.previous)
    for arc in Int(slot.first)..<min(Int(slot.last), Int(slot.first) &+ 16) {
      unsafe gensample_prefetch(rows.pointer + Int(tables.targets[arc]) &* rows.stride)
    }
  }

  /// Prefetches together what would otherwise be waited for one after another.
  @inline(__always)
  private func fetch(_ slot: BackoffAutomaton.Slot, previous: Int) {
    tables.fetch(Int(slot.shorter_place))
    let first = Int(slot.first)
    unsafe gensample_prefetch(tables.targets + first)
    unsafe gensample_prefetch((slot.is_split ? tables.weights : tables.corrections) + first)
    guard let before else { return }
    let rows = unsafe before.pointer + previous
    unsafe gensample_prefetch(rows + Int(slot.context) &* before.stride)
    unsafe gensample_prefetch(rows + Int(slot.shorter) &* before.stride)
  }

  /// Draws one more token of a text, or its end.
  mutating func step(_ walk: inout ExactInference.Walk, _ choices: inout some ChoiceSource) {
    let arc = draw(walk.place, 0, walk, &choices)
    let token = unsafe tables.tokens[arc]
    guard token != end else {
      walk.isGoing = false
      return
    }
    let target = unsafe Int(tables.targetSlots[arc])
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
    let shorter = Int(slot.shorter_place)
    // Texts that are drawn together have been prefetched already.
    if !isShared { fetch(slot, previous: walk.previous) }
    if slot.first == slot.last { return draw(shorter, depth, walk, &choices) }
    let failing = slot.backoff * message(of: Int(slot.shorter), walk)
    if !slot.is_split, before != nil {
      // The whole message is known, so the listed arcs are read only if they are chosen. If it is
      // small, though, the subtraction leaves only rounding errors.
      let whole = message(of: Int(slot.context), walk)
      if whole - failing >= whole / 64, whole > 0 {
        guard choices.chance(failing / whole) else {
          return listed(place, slot, depth, failing: 0, walk.column, &choices)
            ?? draw(shorter, depth + 1, walk, &choices)
        }
        return draw(shorter, depth + 1, walk, &choices)
      }
    }
    for _ in 0..<attempts {
      if let arc = listed(place, slot, depth, failing: failing, walk.column, &choices) {
        return arc
      }
      let arc = draw(shorter, depth + 1, walk, &choices)
      guard slot.is_split else { return arc }
      let token = unsafe tables.tokens[arc]
      if !tables.lists(token, slot) { return arc }
    }
    guard let window else { preconditionFailure("enter must be called before drawing") }
    let token = choices.index(
      weights: MessagePass.contributions(
        inference.model, context: Int(slot.context), column: walk.column, following: window[count]))
    for here in inference.model.chain(Int(slot.context)) {
      let arc = inference.model.arc(UInt32(token), of: here)
      if arc >= 0 { return arc }
    }
    preconditionFailure("context 0 lists every token")
  }

  /// An arc of a context in proportion to its contribution; `nil` in proportion to `failing`, or if
  /// no arc contributes.
  ///
  /// If there are many arcs, a block is chosen first.
  /// Many arcs are chosen among by blocks.
  private mutating func listed(
    _ place: Int, _ slot: BackoffAutomaton.Slot, _ depth: Int, failing: Double, _ column: Int,
    _ choices: inout some ChoiceSource
  ) -> Int? {
    guard let rows else { preconditionFailure("enter must be called before drawing") }
    let size = ArcTable.blockSize
    let low = Int(slot.first)
    let arcCount = Int(slot.last) - low
    let (blocks, above) = ArcTable.blocks(ofArcs: arcCount)
    let head = blockRow + Int(slot.block_head)
    let count = above > 0 ? above : blocks > 0 ? blocks : arcCount
    let way = depth * ways + column % ways
    let outer = unsafe first.pointer + 2 * way * capacity
    if known[way] != (place, column, self.count) {
      known[way] = (place, column, self.count)
      if blocks == 0 {
        unsafe addArcs(slot, low, count, column, rows, outer)
      } else {
        unsafe addBlocks(head + (above > 0 ? blocks : 0), count, column, rows, outer)
      }
    }
    let sum = unsafe outer[capacity + count - 1] + failing
    guard sum > 0 else { return nil }
    unsafe outer[count] = failing
    unsafe outer[capacity + count] = sum
    let chosen = unsafe choose(outer, count + (failing > 0 ? 1 : 0), &choices)
    guard chosen < count else { return nil }
    guard blocks > 0 else { return low + chosen }
    let inner = unsafe further.pointer
    var block = chosen
    if above > 0 {
      let part = chosen * size..<min(blocks, (chosen + 1) * size)
      unsafe addBlocks(head + part.lowerBound, part.count, column, rows, inner)
      block = unsafe part.lowerBound + choose(inner, part.count, &choices)
    }
    let part = block * size..<min(arcCount, (block + 1) * size)
    unsafe addArcs(slot, low + part.lowerBound, part.count, column, rows, inner)
    return unsafe low + part.lowerBound + choose(inner, part.count, &choices)
  }

  /// Running sums of the contributions of some arcs.
  private func addArcs(
    _ slot: BackoffAutomaton.Slot, _ arc: Int, _ count: Int, _ column: Int, _ rows: Rows,
    _ weights: UnsafeMutablePointer<Double>
  ) {
    let own = unsafe (slot.is_split ? tables.weights : tables.corrections) + arc
    let targets = unsafe tables.targets + arc
    let messages = unsafe rows.pointer + column
    let stride = rows.stride
    var sum = 0.0
    for i in 0..<count {
      let weight = unsafe own[i] * messages[Int(targets[i]) &* stride]
      unsafe weights[i] = weight
      sum += weight
      unsafe weights[capacity &+ i] = sum
    }
  }

  /// Running sums over blocks, whose own sums are stored beside the messages.
  private func addBlocks(
    _ row: Int, _ count: Int, _ column: Int, _ rows: Rows,
    _ weights: UnsafeMutablePointer<Double>
  ) {
    let stride = rows.stride
    let blocks = unsafe rows.pointer + row * stride + column
    var sum = 0.0
    for i in 0..<count {
      let weight = unsafe blocks[i &* stride]
      unsafe weights[i] = weight
      sum += weight
      unsafe weights[capacity &+ i] = sum
    }
  }

  /// An index in proportion to its weight.
  private func choose(
    _ weights: UnsafeMutablePointer<Double>, _ count: Int, _ choices: inout some ChoiceSource
  ) -> Int {
    choices.index(
      weights: unsafe Span(_unsafeStart: UnsafePointer(weights), count: count),
      sums: unsafe Span(_unsafeStart: UnsafePointer(weights + capacity), count: count))
  }

  /// The message of the context of a text, or of a context that it backs off to.
  private func message(of context: Int, _ walk: ExactInference.Walk) -> Double {
    guard context > 0, let before else { return emptyValues[walk.column] }
    return unsafe before.pointer[context &* before.stride &+ walk.previous] / walk.factor
  }
}
