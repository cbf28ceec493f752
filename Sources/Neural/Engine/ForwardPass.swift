// Licensed under the Apache License, Version 2.0.

import Foundation

/// Numbers that several threads read, or write at different places.
@safe struct Numbers: @unchecked Sendable {
  let start: UnsafeMutablePointer<Float>

  func advanced(by count: Int) -> Numbers { unsafe Numbers(start: start + count) }
}

/// Memory for numbers that only grows.
@safe final class NumberBuffer: @unchecked Sendable {
  private(set) var numbers: Numbers
  private(set) var count: Int

  /// Zeros, at an address that is a multiple of 64.
  init(count: Int) {
    numbers = Self.make(count)
    self.count = count
  }

  convenience init(_ tensor: Tensor) {
    self.init(count: tensor.columns)
    unsafe tensor.row(0, into: UnsafeMutableBufferPointer(start: numbers.start, count: count))
  }

  deinit { unsafe numbers.start.deallocate() }

  func grow(to count: Int) {
    guard count > self.count else { return }
    unsafe numbers.start.deallocate()
    numbers = Self.make(count)
    self.count = count
  }

  private static func make(_ count: Int) -> Numbers {
    let bytes = UnsafeMutableRawPointer.allocate(
      byteCount: max(1, count) * MemoryLayout<Float>.stride, alignment: 64)
    let start = unsafe bytes.bindMemory(to: Float.self, capacity: count)
    unsafe start.initialize(repeating: 0, count: count)
    return unsafe Numbers(start: start)
  }
}

/// The positions that one pass through the network computes.
///
/// Helper threads may read it after the pass, so it doesn't change once it runs.
@safe final class PassPlan: @unchecked Sendable {
  struct Row {
    var token: Int32
    var position: Int
    /// Index of the row's text.
    var text: Int
    /// Positions of its text that it may see are those before this one, or before the window's end.
    var end: Int
  }

  /// A place for the keys, values and result of a row.
  @safe struct Store {
    var row: Int
    var block: Numbers
    var slot: Int
  }

  private(set) var rows: [Row] = []
  private(set) var stores: [Store] = []
  private var texts: [UnsafeMutablePointer<UnsafePointer<Float>>] = unsafe []

  deinit { unsafe texts.forEach { unsafe $0.deallocate() } }

  /// Adds a text with these blocks; returns its index.
  func addText(_ blocks: [Numbers]) -> Int {
    let table = UnsafeMutablePointer<UnsafePointer<Float>>.allocate(
      capacity: max(1, blocks.count))
    for (index, block) in blocks.enumerated() {
      unsafe (table + index).initialize(to: UnsafePointer(block.start))
    }
    unsafe texts.append(table)
    return unsafe texts.count - 1
  }

  /// Returns the index of the row.
  func addRow(_ row: Row) -> Int {
    rows.append(row)
    return rows.count - 1
  }

  func addStore(_ store: Store) { stores.append(store) }

  /// Puts stores in the order of their rows.
  func finish() { stores.sort { $0.row < $1.row } }

  func blocks(of row: Row) -> UnsafePointer<UnsafePointer<Float>> {
    unsafe UnsafePointer(texts[row.text])
  }

  func stores(of range: Range<Int>) -> ArraySlice<Store> {
    func place(_ row: Int) -> Int {
      var low = 0
      var high = stores.count
      while low < high {
        let middle = (low + high) / 2
        if stores[middle].row < row { low = middle + 1 } else { high = middle }
      }
      return low
    }
    return stores[place(range.lowerBound)..<place(range.upperBound)]
  }
}

/// Where numbers lie within a block of positions.
struct BlockLayout {
  let keyValueHeads: Int
  let headSize: Int
  let width: Int
  /// Layers that have a place of their own; with 1, layers use the same place one after another.
  let layers: Int

  private var headLength: Int { headSize * AttentionKernel.blockLength }
  private func layerStart(_ layer: Int) -> Int {
    layers == 1 ? 0 : layer * keyValueHeads * 2 * headLength
  }

  /// Start of the keys of a head, by component.
  func keys(_ layer: Int, _ head: Int) -> Int { layerStart(layer) + 2 * head * headLength }
  /// Start of the values of a head, by position.
  func values(_ layer: Int, _ head: Int) -> Int { keys(layer, head) + headLength }
  /// Start of a position's result.
  func result(_ slot: Int) -> Int { layers * keyValueHeads * 2 * headLength + slot * width }
  var size: Int { result(AttentionKernel.blockLength) }
}

/// Cosines and sines of a rotary embedding for all positions so far.
private final class RotaryTable {
  private let rotary: NetworkConfiguration.Rotary
  private let frequencies: [Double]
  private var positions = 0
  private var cosines: [Float] = []
  private var sines: [Float] = []

  init(_ rotary: NetworkConfiguration.Rotary) {
    self.rotary = rotary
    frequencies = rotary.frequencies
  }

  func grow(to positions: Int) {
    while self.positions < positions {
      for frequency in frequencies {
        cosines.append(Float(cos(Double(self.positions) * frequency)))
        sines.append(Float(sin(Double(self.positions) * frequency)))
      }
      self.positions += 1
    }
  }

  /// Turns the heads of one position.
  func rotate(_ heads: Numbers, count: Int, headSize: Int, position: Int) {
    let pairs = frequencies.count
    let (stride, partner) = rotary.pairsNeighbours ? (2, 1) : (1, pairs)
    unsafe cosines.withUnsafeBufferPointer { cosines in
      unsafe sines.withUnsafeBufferPointer { sines in
        for head in 0..<count {
          let numbers = unsafe heads.start + head * headSize
          for i in 0..<pairs {
            let (c, s) = unsafe (cosines[position * pairs + i], sines[position * pairs + i])
            let a = unsafe numbers[i * stride]
            let b = unsafe numbers[i * stride + partner]
            unsafe numbers[i * stride] = a * c - b * s
            unsafe numbers[i * stride + partner] = a * s + b * c
          }
        }
      }
    }
  }
}

/// The forward pass: from tokens to what the head reads.
///
/// One thread at a time runs it, with the help of a team.
final class ForwardPass {
  struct Linear: Sendable {
    let matrix: Tensor
    let bias: NumberBuffer?

    init(_ part: NetworkWeights.Linear) {
      matrix = part.matrix
      bias = part.bias.map { NumberBuffer($0) }
    }
  }

  struct Norm {
    let weight: NumberBuffer
    let bias: NumberBuffer?

    init(_ part: NetworkWeights.Norm) {
      weight = NumberBuffer(part.weight)
      bias = part.bias.map { NumberBuffer($0) }
    }
  }

  private struct Block {
    let attentionNorm: Norm
    let query: Linear
    let key: Linear
    let value: Linear
    let queryNorm: Norm?
    let keyNorm: Norm?
    let attentionOutput: Linear
    let postAttentionNorm: Norm?
    let feedForwardNorm: Norm
    let gate: Linear?
    let up: Linear
    let down: Linear
    let postFeedForwardNorm: Norm?
    let window: Int?
    let rotary: RotaryTable?
  }

  /// Most rows that go through the network at once, to bound the memory beside them.
  static let rowLimit = 256

  let configuration: NetworkConfiguration
  private let team: Team
  /// Operations that make a piece of work worth handing to another thread, at most a microsecond
  /// or so.
  private let pieceCost: Int
  private let tokenEmbedding: Tensor
  private let positionEmbedding: Tensor?
  private let typeEmbedding: NumberBuffer?
  private let embeddingNorm: Norm?
  private let blocks: [Block]
  private let finalNorm: Norm?
  private let rotaries: [RotaryTable]

  private let stream = NumberBuffer(count: 0)
  private let normed = NumberBuffer(count: 0)
  private let queries = NumberBuffer(count: 0)
  private let keys = NumberBuffer(count: 0)
  private let values = NumberBuffer(count: 0)
  private let attended = NumberBuffer(count: 0)
  private let gated = NumberBuffer(count: 0)
  private let raised = NumberBuffer(count: 0)
  private let part = NumberBuffer(count: 0)

  init(_ configuration: NetworkConfiguration, _ weights: NetworkWeights, team: Team, pieceCost: Int)
  {
    self.configuration = configuration
    self.team = team
    self.pieceCost = pieceCost
    tokenEmbedding = weights.tokenEmbedding
    positionEmbedding = weights.positionEmbedding
    typeEmbedding = weights.typeEmbedding.map { NumberBuffer($0) }
    embeddingNorm = weights.embeddingNorm.map { Norm($0) }
    finalNorm = weights.finalNorm.map { Norm($0) }
    var tables: [(rotary: NetworkConfiguration.Rotary, table: RotaryTable)] = []
    func table(_ rotary: NetworkConfiguration.Rotary) -> RotaryTable {
      if let known = tables.first(where: { $0.rotary == rotary }) { return known.table }
      let table = RotaryTable(rotary)
      tables.append((rotary, table))
      return table
    }
    var common: RotaryTable?
    if case .rotary(let rotary) = configuration.positions { common = table(rotary) }
    blocks = zip(weights.blocks, configuration.blocks).map { part, choices in
      Block(
        attentionNorm: Norm(part.attentionNorm), query: Linear(part.query), key: Linear(part.key),
        value: Linear(part.value), queryNorm: part.queryNorm.map { Norm($0) },
        keyNorm: part.keyNorm.map { Norm($0) }, attentionOutput: Linear(part.attentionOutput),
        postAttentionNorm: part.postAttentionNorm.map { Norm($0) },
        feedForwardNorm: Norm(part.feedForwardNorm), gate: part.gate.map { Linear($0) },
        up: Linear(part.up), down: Linear(part.down),
        postFeedForwardNorm: part.postFeedForwardNorm.map { Norm($0) }, window: choices.window,
        rotary: choices.rotary.map(table) ?? common)
    }
    rotaries = tables.map(\.table)
  }

  /// Computes rows of a plan, of which those before them are computed, and writes keys, values and
  /// results to their stores.
  ///
  /// `trace` is given the residual stream of the rows, first that of the embedding and then that
  /// behind each block.
  func run(
    _ plan: PassPlan, rows range: Range<Int>, layout: BlockLayout,
    trace: ((Numbers) -> Void)? = nil
  ) {
    let count = range.count
    guard count > 0 else { return }
    let width = configuration.width
    grow(to: count)
    let last = plan.rows[range].reduce(0) { max($0, $1.position) }
    for table in rotaries { table.grow(to: last + 1) }
    embed(plan.rows[range])
    func report() { trace?(stream.numbers) }
    report()
    for (layer, block) in blocks.enumerated() {
      if configuration.normsAfterSums {
        attend(block, layer, plan, range, layout, inputs: stream.numbers)
        add(part, count)
        norm(block.attentionNorm, stream, stream, count)
        feedForward(block, count, inputs: stream.numbers)
        add(part, count)
        norm(block.feedForwardNorm, stream, stream, count)
      } else {
        norm(block.attentionNorm, stream, normed, count)
        attend(block, layer, plan, range, layout, inputs: normed.numbers)
        if let post = block.postAttentionNorm { norm(post, part, part, count) }
        if configuration.isParallel {
          norm(block.feedForwardNorm, stream, normed, count)
          add(part, count)
        } else {
          add(part, count)
          norm(block.feedForwardNorm, stream, normed, count)
        }
        feedForward(block, count, inputs: normed.numbers)
        if let post = block.postFeedForwardNorm { norm(post, part, part, count) }
        add(part, count)
      }
      report()
    }
    if let finalNorm { norm(finalNorm, stream, stream, count) }
    for store in plan.stores(of: range) {
      let result = store.block.advanced(by: layout.result(store.slot))
      unsafe result.start.update(
        from: stream.numbers.start + (store.row - range.lowerBound) * width, count: width)
    }
  }

  private func grow(to rows: Int) {
    let attention = configuration.heads * configuration.headSize
    let keyValue = configuration.keyValueHeads * configuration.headSize
    let sizes = [
      (stream, configuration.width), (normed, configuration.width), (part, configuration.width),
      (queries, attention), (attended, attention), (keys, keyValue), (values, keyValue),
      (gated, configuration.feedForwardWidth), (raised, configuration.feedForwardWidth),
    ]
    guard sizes.contains(where: { $0.count < rows * $1 }) else { return }
    // A helper thread that is late may still read the old memory.
    team.waitForStragglers()
    for (buffer, size) in sizes { buffer.grow(to: rows * size) }
  }

  private func embed(_ rows: ArraySlice<PassPlan.Row>) {
    let width = configuration.width
    let scale = configuration.embeddingScale
    for (i, row) in rows.enumerated() {
      let numbers = unsafe UnsafeMutableBufferPointer(
        start: stream.numbers.start + i * width, count: width)
      unsafe tokenEmbedding.row(Int(row.token), into: numbers)
      if scale != 1 { for d in 0..<width { unsafe numbers[d] *= scale } }
      if case .learned(let offset) = configuration.positions, let positionEmbedding {
        let place = unsafe UnsafeMutableBufferPointer(start: normed.numbers.start, count: width)
        unsafe positionEmbedding.row(row.position + offset, into: place)
        for d in 0..<width { unsafe numbers[d] += place[d] }
      }
      if let type = typeEmbedding {
        for d in 0..<width { unsafe numbers[d] += type.numbers.start[d] }
      }
    }
    if let embeddingNorm { norm(embeddingNorm, stream, stream, rows.count) }
  }

  /// Adds rows to the residual stream.
  private func add(_ rows: NumberBuffer, _ count: Int) {
    let to = unsafe stream.numbers.start
    let from = unsafe rows.numbers.start
    for i in 0..<count * configuration.width { unsafe to[i] += from[i] }
  }

  private func norm(_ norm: Norm, _ from: NumberBuffer, _ to: NumberBuffer, _ count: Int) {
    self.norm(norm, from.numbers, to.numbers, rows: count, size: configuration.width)
  }

  func norm(_ norm: Norm, _ from: Numbers, _ to: Numbers, rows: Int, size: Int) {
    for i in 0..<rows {
      let input = unsafe UnsafePointer(from.start + i * size)
      let output = unsafe to.start + i * size
      switch configuration.norm {
      case .rootMeanSquare(let epsilon):
        unsafe RowNorm.rootMeanSquare(
          input, count: size, weight: norm.weight.numbers.start, epsilon: epsilon, output: output)
      case .layer(let epsilon):
        unsafe RowNorm.layer(
          input, count: size, weight: norm.weight.numbers.start, bias: norm.bias?.numbers.start,
          epsilon: epsilon, output: output)
      }
    }
  }

  /// Writes what attention adds to `part`.
  private func attend(
    _ block: Block, _ layer: Int, _ plan: PassPlan, _ range: Range<Int>, _ layout: BlockLayout,
    inputs: Numbers
  ) {
    let count = range.count
    let size = configuration.headSize
    let (heads, keyValueHeads) = (configuration.heads, configuration.keyValueHeads)
    apply(
      [
        (block.query, queries.numbers), (block.key, keys.numbers), (block.value, values.numbers),
      ], inputs: inputs, count: count)
    if let queryNorm = block.queryNorm {
      norm(queryNorm, queries.numbers, queries.numbers, rows: count * heads, size: size)
    }
    if let keyNorm = block.keyNorm {
      norm(keyNorm, keys.numbers, keys.numbers, rows: count * keyValueHeads, size: size)
    }
    if let rotary = block.rotary {
      for i in 0..<count {
        let position = plan.rows[range.lowerBound + i].position
        rotary.rotate(
          queries.numbers.advanced(by: i * heads * size), count: heads, headSize: size,
          position: position)
        rotary.rotate(
          keys.numbers.advanced(by: i * keyValueHeads * size), count: keyValueHeads,
          headSize: size, position: position)
      }
    }
    for store in plan.stores(of: range) {
      let row = (store.row - range.lowerBound) * keyValueHeads * size
      for head in 0..<keyValueHeads {
        let key = unsafe keys.numbers.start + row + head * size
        let value = unsafe values.numbers.start + row + head * size
        let keyPlace = unsafe store.block.start + layout.keys(layer, head) + store.slot
        let valuePlace = unsafe store.block.start + layout.values(layer, head) + store.slot * size
        for d in 0..<size { unsafe keyPlace[d * AttentionKernel.blockLength] = key[d] }
        unsafe valuePlace.update(from: value, count: size)
      }
    }
    let work = AttentionWork(
      plan: plan, first: range.lowerBound, layout: layout, layer: layer, window: block.window,
      isBidirectional: configuration.isBidirectional, group: heads / keyValueHeads,
      keyValueHeads: keyValueHeads, size: size, scale: configuration.attentionScale,
      queries: queries.numbers, outputs: attended.numbers)
    let units = count * keyValueHeads
    let seen = plan.rows[range].reduce(0) { $0 + min($1.end, block.window ?? $1.end) }
    let pieces = pieces(units, cost: seen * heads * size * 2)
    team.run(
      count: pieces.count, scratchSize: pieces.largest * work.unitSize,
      body: { piece in
        let units = pieces[piece.index]
        let outputs = unsafe Numbers(start: piece.scratch)
        work.run(
          units,
          outputs: piece.isShared
            ? outputs : work.outputs.advanced(by: units.lowerBound * work.unitSize))
      },
      keep: { piece in
        let units = pieces[piece.index]
        unsafe work.outputs.advanced(by: units.lowerBound * work.unitSize).start.update(
          from: piece.scratch, count: units.count * work.unitSize)
      })
    apply([(block.attentionOutput, part.numbers)], inputs: attended.numbers, count: count)
  }

  /// Attention of rows, one unit for each row and head of keys and values.
  @safe private struct AttentionWork: Sendable {
    let plan: PassPlan
    let first: Int
    let layout: BlockLayout
    let layer: Int
    let window: Int?
    let isBidirectional: Bool
    let group: Int
    let keyValueHeads: Int
    let size: Int
    let scale: Float
    let queries: Numbers
    let outputs: Numbers

    var unitSize: Int { group * size }

    func run(_ units: Range<Int>, outputs: Numbers) {
      for unit in units {
        let row = plan.rows[first + unit / keyValueHeads]
        let head = unit % keyValueHeads
        let start = isBidirectional ? 0 : window.map { max(0, row.end - $0) } ?? 0
        unsafe AttentionKernel.run(
          queries: queries.start + unit * unitSize, group: group, headSize: size,
          blocks: plan.blocks(of: row), keyOffset: layout.keys(layer, head),
          valueOffset: layout.values(layer, head), visible: start..<row.end, scale: scale,
          outputs: outputs.start + (unit - units.lowerBound) * unitSize)
      }
    }
  }

  /// Writes what the feed-forward part adds to `part`.
  private func feedForward(_ block: Block, _ count: Int, inputs: Numbers) {
    let total = count * configuration.feedForwardWidth
    if let gate = block.gate {
      apply([(gate, gated.numbers), (block.up, raised.numbers)], inputs: inputs, count: count)
      unsafe ActivationKernel.run(
        configuration.activation, gated.numbers.start, factors: raised.numbers.start, count: total)
    } else {
      apply([(block.up, gated.numbers)], inputs: inputs, count: count)
      unsafe ActivationKernel.run(
        configuration.activation, gated.numbers.start, factors: nil, count: total)
    }
    apply([(block.down, part.numbers)], inputs: gated.numbers, count: count)
  }

  /// Applies linear maps to the same rows; rows of inputs and of outputs lie one after another.
  func apply(_ maps: [(map: Linear, outputs: Numbers)], inputs: Numbers, count: Int) {
    var list: [(map: Int, rows: Range<Int>)] = []
    for (index, (map, _)) in maps.enumerated() {
      let rows = map.matrix.rows
      let parts = pieces(rows, cost: rows * map.matrix.columns * count * 2, unit: 32)
      for part in 0..<parts.count { list.append((index, parts[part])) }
    }
    let work = LinearWork(maps: maps, pieces: list, inputs: inputs, count: count)
    team.run(
      count: list.count, scratchSize: list.reduce(0) { max($0, $1.rows.count) } * count,
      body: { work.run($0) }, keep: { work.keep($0) })
  }

  @safe private struct LinearWork: Sendable {
    let maps: [(map: Linear, outputs: Numbers)]
    let pieces: [(map: Int, rows: Range<Int>)]
    let inputs: Numbers
    let count: Int

    func run(_ piece: Team.Piece) {
      let (index, rows) = pieces[piece.index]
      let (map, all) = maps[index]
      let stride = piece.isShared ? rows.count : map.matrix.rows
      let outputs = unsafe piece.isShared ? piece.scratch : all.start + rows.lowerBound
      unsafe MatrixProduct.run(
        map.matrix, rows: rows, inputs: inputs.start, inputStride: map.matrix.columns,
        count: count, outputs: outputs, outputStride: stride)
      guard let bias = map.bias else { return }
      for i in 0..<count {
        for r in 0..<rows.count {
          unsafe outputs[i * stride + r] += bias.numbers.start[rows.lowerBound + r]
        }
      }
    }

    func keep(_ piece: Team.Piece) {
      let (index, rows) = pieces[piece.index]
      let (map, all) = maps[index]
      for i in 0..<count {
        unsafe (all.start + i * map.matrix.rows + rows.lowerBound).update(
          from: piece.scratch + i * rows.count, count: rows.count)
      }
    }
  }

  /// Equal ranges of `0 ..< total`, as many as threads can share.
  struct Pieces: Sendable {
    let total: Int
    let largest: Int

    var count: Int { (total + largest - 1) / max(1, largest) }

    subscript(index: Int) -> Range<Int> {
      index * largest..<min(total, (index + 1) * largest)
    }
  }

  /// Cuts `0 ..< total`, which takes `cost` operations, at multiples of `unit`.
  func pieces(_ total: Int, cost: Int, unit: Int = 1) -> Pieces {
    let worth = max(1, min(6 * team.size, cost / pieceCost))
    guard team.size > 1, worth > 1 else { return Pieces(total: total, largest: max(1, total)) }
    let largest = (total + worth - 1) / worth
    return Pieces(total: total, largest: (largest + unit - 1) / unit * unit)
  }
}
