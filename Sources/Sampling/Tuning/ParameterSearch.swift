// Licensed under the Apache License, Version 2.0.

/// A search for parameters of small loss by weighted random steps, which asks for no derivative.
///
/// ```swift
/// let search = ParameterSearch(units: [0.01, 0.01])
/// let found = search.run(from: [0, 0], steps: 200, loss: { misfit(of: $0) }, using: &choices)
/// ```
/// A step from a point moves it by the mean of the law of moves
/// `p(d) ~ exp(-(loss(point + d) - loss(point)) / alpha)` over a lattice, as estimated by proposals
/// of a known law q, each of weight `p(d) / q(d)`. The proposals are a mixture of wide and narrow
/// ones, and q is the probability of the mixture, whichever part a move came from. The temperature
/// alpha is a share of the loss, so that units of the loss do not matter and it falls with it.
///
/// **Keeps** nothing: it is an optimiser. What is exact are the weights.
///
/// Source: Su 2020, "从采样看优化：可导优化与不可导优化的统一视角" (spaces.ac.cn), for moves by the mean of their
/// law; Owen and Zhou 2000, "Safe and effective importance sampling", for weights by the whole
/// mixture.
public struct ParameterSearch: Sendable {
  /// For each parameter its smallest move.
  public let units: [Double]
  /// How many kinds of proposals there are, each twice as wide as the one before.
  public let scales: Int
  /// The temperature as a share of the loss.
  public let temperature: Double

  /// What a search found.
  public struct Result: Sendable {
    /// The point of the smallest loss that was looked at.
    public let best: [Double]
    /// Its loss.
    public let loss: Double
  }

  /// A search.
  ///
  /// - Parameters:
  ///   - units: for each parameter its smallest move, positive.
  ///   - scales: how many kinds of proposals there are, each twice as wide as the one before.
  ///   - temperature: the temperature as a share of the loss, positive.
  public init(units: [Double], scales: Int = 8, temperature: Double = 0.1) {
    precondition(units.allSatisfy { $0 > 0 }, "moves are positive")
    precondition((1...32).contains(scales), "there are 1 to 32 scales")
    precondition(temperature > 0, "a temperature is positive")
    self.units = units
    self.scales = scales
    self.temperature = temperature
  }

  /// How a proposal of one kind moves a parameter: by -2 to 2 of its own steps.
  private static let shares = [1.0 / 16, 4.0 / 16, 6.0 / 16, 4.0 / 16, 1.0 / 16]

  /// A move, in units of each parameter.
  public func propose(using choices: inout some ChoiceSource) -> [Int] {
    let scale = choices.index(below: scales)
    return units.map { _ in (choices.index(weights: Self.shares) - 2) << scale }
  }

  /// The probability that a move is proposed, by any of the kinds.
  public func probability(ofMove move: [Int]) -> Double {
    (0..<scales).reduce(0) { sum, scale in
      sum
        + move.reduce(1.0 / Double(scales)) { product, offset in
          let step = offset >> scale
          guard step << scale == offset, abs(step) <= 2 else { return 0 }
          return product * Self.shares[step + 2]
        }
    }
  }

  /// A proposed move and its weight: in the mean over proposals, moves are weighed as
  /// `exp(-(loss(point + d) - loss(point)) / alpha)`.
  ///
  /// - Parameters:
  ///   - point: where the move begins.
  ///   - here: the loss there, positive and finite.
  ///   - loss: the loss of a point; infinite where it may not go.
  ///   - choices: where random choices come from.
  /// - Returns: the move in units of each parameter, the point that it leads to, its loss and the
  ///   log of its weight.
  public func weighted(
    from point: [Double], here: Double, loss: ([Double]) -> Double,
    using choices: inout some ChoiceSource
  ) -> (move: [Int], point: [Double], loss: Double, logWeight: Double) {
    let move = propose(using: &choices)
    let next = point.indices.map { point[$0] + Double(move[$0]) * units[$0] }
    let there = loss(next)
    return (
      move, next, there,
      -(there - here) / (temperature * here) - LogSpace.log(probability(ofMove: move))
    )
  }

  /// Moves a point again and again.
  ///
  /// - Parameters:
  ///   - start: the first point; its loss is finite.
  ///   - steps: how often it moves.
  ///   - proposals: how many moves each step is estimated by.
  ///   - loss: the loss of a point, not negative; infinite where it may not go.
  ///   - choices: where random choices come from.
  /// - Returns: the best of all points that were looked at.
  /// - Complexity: O(steps x proposals) losses.
  public func run(
    from start: [Double], steps: Int, proposals: Int = 32, loss: ([Double]) -> Double,
    using choices: inout some ChoiceSource
  ) -> Result {
    precondition(start.count == units.count, "one unit a parameter")
    var point = start
    var here = loss(start)
    var best = Result(best: start, loss: here)
    for _ in 0..<steps where here > 0 && here < .infinity {
      let tried = (0..<proposals).map { _ in
        weighted(from: point, here: here, loss: loss, using: &choices)
      }
      for one in tried where one.loss < best.loss { best = Result(best: one.point, loss: one.loss) }
      let high = tried.map(\.logWeight).max() ?? -.infinity
      guard high > -.infinity else { continue }
      var total = 0.0
      var moved = point.map { _ in 0.0 }
      for one in tried {
        let weight = LogSpace.exp(one.logWeight - high)
        total += weight
        for i in moved.indices { moved[i] += weight * (one.point[i] - point[i]) }
      }
      let next = point.indices.map { point[$0] + moved[$0] / total }
      let there = loss(next)
      if there < best.loss { best = Result(best: next, loss: there) }
      // Where the mean of allowed moves is not allowed, the best point is gone on from.
      (point, here) = there < .infinity ? (next, there) : (best.best, best.loss)
    }
    return best
  }
}
