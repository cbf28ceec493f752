// Licensed under the Apache License, Version 2.0.

import Foundation

/// The last linear map, from states to logits.
///
/// It goes through the vocabulary in tiles of a fixed size, sums the exponentials of each tile, and
/// keeps only the logits that were asked for.
final class NetworkHead {
  struct Pick {
    /// Index of the state.
    var state: Int
    var token: Int
  }

  struct Answers {
    /// Of each state, the logarithm of the sum of the exponentials of its logits.
    var logNormalisers: [Double]
    /// The logit of each pick.
    var picked: [Float]
  }

  /// Tokens in a tile; decides in which order exponentials are summed.
  private static let tileLength = 1024

  private let map: ForwardPass.Linear
  private let transform: (dense: ForwardPass.Linear, norm: ForwardPass.Norm)?
  private let forward: ForwardPass
  private let team: Team
  private let states = NumberBuffer(count: 0)
  private let dense = NumberBuffer(count: 0)
  private let partials = NumberBuffer(count: 0)
  private let picked = NumberBuffer(count: 0)

  init(
    _ head: NetworkWeights.Linear, _ transform: NetworkWeights.HeadTransform?,
    _ forward: ForwardPass, _ team: Team
  ) {
    map = ForwardPass.Linear(head)
    self.transform = transform.map { (ForwardPass.Linear($0.dense), ForwardPass.Norm($0.norm)) }
    self.forward = forward
    self.team = team
  }

  /// Reads states, writes all logits of `rows` and returns those of `picks`.
  func answer(
    _ inputs: [Numbers], rows: [(state: Int, to: Numbers)] = [], picks: [Pick] = []
  ) -> Answers {
    let count = inputs.count
    guard count > 0 else { return Answers(logNormalisers: [], picked: []) }
    let width = map.matrix.columns
    let size = map.matrix.rows
    let tiles = (size + Self.tileLength - 1) / Self.tileLength
    if states.count < count * width || partials.count < 2 * count * tiles
      || picked.count < picks.count
    {
      // A helper thread that is late may still read the old memory.
      team.waitForStragglers()
      states.grow(to: count * width)
      dense.grow(to: count * width)
      partials.grow(to: 2 * count * tiles)
      picked.grow(to: picks.count)
    }
    for (i, input) in inputs.enumerated() {
      unsafe (states.numbers.start + i * width).update(from: input.start, count: width)
    }
    if let transform {
      forward.apply([(transform.dense, dense.numbers)], inputs: states.numbers, count: count)
      unsafe ActivationKernel.run(
        forward.configuration.activation, dense.numbers.start, factors: nil, count: count * width)
      forward.norm(transform.norm, dense.numbers, states.numbers, rows: count, size: width)
    }
    var picksOfTiles = [[(pick: Int, state: Int, token: Int)]](repeating: [], count: tiles)
    for (index, pick) in picks.enumerated() {
      picksOfTiles[pick.token / Self.tileLength].append((index, pick.state, pick.token))
    }
    let work = Work(
      map: map, states: states.numbers, count: count, tiles: tiles, partials: partials.numbers,
      picks: picksOfTiles, picked: picked.numbers, rows: rows)
    team.run(
      count: tiles, scratchSize: count * (Self.tileLength + 2),
      body: { piece in
        work.run(piece)
        if !piece.isShared { work.keep(piece) }
      }, keep: { work.keep($0) })
    return unsafe Answers(
      logNormalisers: (0..<count).map { work.logNormaliser($0) },
      picked: Array(UnsafeBufferPointer(start: picked.numbers.start, count: picks.count)))
  }

  @safe private struct Work: Sendable {
    let map: ForwardPass.Linear
    let states: Numbers
    let count: Int
    let tiles: Int
    let partials: Numbers
    let picks: [[(pick: Int, state: Int, token: Int)]]
    let picked: Numbers
    let rows: [(state: Int, to: Numbers)]

    private func tokens(_ tile: Int) -> Range<Int> {
      tile * tileLength..<min(map.matrix.rows, (tile + 1) * tileLength)
    }

    /// Leaves the logits of a tile in the scratch memory and behind them, for each state, the largest
    /// one and the sum of exponentials.
    func run(_ piece: Team.Piece) {
      let tokens = tokens(piece.index)
      unsafe MatrixProduct.run(
        map.matrix, rows: tokens, inputs: states.start, inputStride: map.matrix.columns,
        count: count, outputs: piece.scratch, outputStride: tokens.count)
      for i in 0..<count {
        let logits = unsafe piece.scratch + i * tokens.count
        if let bias = map.bias {
          for t in 0..<tokens.count {
            unsafe logits[t] += bias.numbers.start[tokens.lowerBound + t]
          }
        }
        let (high, sum) = unsafe HeadKernel.partialSum(logits, count: tokens.count)
        unsafe piece.scratch[count * tokens.count + 2 * i] = high
        unsafe piece.scratch[count * tokens.count + 2 * i + 1] = sum
      }
    }

    func keep(_ piece: Team.Piece) {
      let tokens = tokens(piece.index)
      unsafe (partials.start + 2 * count * piece.index).update(
        from: piece.scratch + count * tokens.count, count: 2 * count)
      for (pick, state, token) in picks[piece.index] {
        unsafe picked.start[pick] = piece.scratch[state * tokens.count + token - tokens.lowerBound]
      }
      for (state, to) in rows {
        unsafe (to.start + tokens.lowerBound).update(
          from: piece.scratch + state * tokens.count, count: tokens.count)
      }
    }

    func logNormaliser(_ state: Int) -> Double {
      var high = -Float.infinity
      for tile in 0..<tiles {
        let partial = unsafe partials.start[2 * (count * tile + state)]
        guard partial == partial else { return .nan }
        high = max(high, partial)
      }
      var sum = 0.0
      for tile in 0..<tiles {
        let place = unsafe partials.start + 2 * (count * tile + state)
        unsafe sum += Double(place[1]) * exp(Double(place[0]) - Double(high))
      }
      return Double(high) + log(sum)
    }
  }
}
