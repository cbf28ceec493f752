// Licensed under the Apache License, Version 2.0.

/// A search for parameters with a small loss, by weighted random steps and without derivatives.
///
/// ```swift
/// let search = ParameterSearch(units: [0.01, 0.01])
/// let found = search.run(from: [0, 0], steps: 200, loss: { misfit(of: $0) }, using: &choices)
/// ```
/// A step moves a point by the mean of the distribution `p(d) ~ exp(-(loss(point + d) -
/// loss(point)) / alpha)` of moves d on a lattice. The mean is estimated from proposals with a
/// known distribution q, each with the weight `p(d) / q(d)`. The proposals are a mixture of wide
/// and narrow ones, and q is the probability under the whole mixture. The temperature alpha is a
/// share of the loss, so the unit of the loss does not matter.
///
/// **Keeps** nothing, because it is an optimiser. Only the weights are exact.
///
/// Source: Su 2020, "从采样看优化：可导优化与不可导优化的统一视角" (spaces.ac.cn), for moves by the mean of their
/// law; Owen and Zhou 2000, "Safe and effective importance sampling", for weights by the whole
/// mixture.
public struct ParameterSearch: Sendable {
  /// The smallest move of each parameter.
  public let units: [Double]
  /// The number of kinds of proposals, each twice as wide as the one before.
  public let scales: Int
  /// The temperature as a share of the loss.
  public let temperature: Double

  /// The result of a search.
  public struct Result: Sendable {
    /// The visited point with the smallest loss.
    public let best: [Double]
    /// The loss of that point.
    public let loss: Double
  }

  /// Creates a search.
  ///
  /// - Parameters:
  ///   - units: the smallest move of each parameter, positive.
  ///   - scales: the number of kinds of proposals, each twice as wide as the one before.
  ///   - temperature: the temperature as a share of the loss, positive.
  public init(units: [Double], scales: Int = 8, temperature: Double = 0.1) {
    precondition(units.allSatisfy { $0 > 0 }, "moves are positive")
    precondition((1...32).contains(scales), "there are 1 to 32 scales")
    precondition(temperature > 0, "a temperature is positive")
    self.units = units
    self.scales = scales
    self.temperature = temperature
  }

  /// The probabilities with which a proposal moves a parameter by -2 to 2 of its steps.
  private static let shares = [1.0 / 16, 4.0 / 16, 6.0 / 16, 4.0 / 16, 1.0 / 16]

  /// Proposes a move, in units of each parameter.
  public func propose(using choices: inout some ChoiceSource) -> [Int] {
    let scale = choices.index(below: scales)
    return units.map { _ in (choices.index(weights: Self.shares) - 2) << scale }
  }

  /// The probability that a move is proposed, by any kind of proposal.
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

  /// Proposes a move together with its weight.
  ///
  /// Averaged over proposals, moves are weighted by `exp(-(loss(point + d) - loss(point)) /
  /// alpha)`.
  ///
  /// - Parameters:
  ///   - point: the point from which to move.
  ///   - here: the loss at the point, positive and finite.
  ///   - loss: computes the loss of a point; infinite for points that are not allowed.
  ///   - choices: the source of random choices.
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

  /// Runs the search from a point.
  ///
  /// - Parameters:
  ///   - start: the first point, which has a finite loss.
  ///   - steps: the number of steps.
  ///   - proposals: the number of proposals from which each step is estimated.
  ///   - loss: computes the loss of a point, not negative; infinite for points that are not
  ///     allowed.
  ///   - choices: the source of random choices.
  /// - Returns: the best of all visited points.
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
      // If the mean of allowed moves is not allowed, continue from the best point.
      (point, here) = there < .infinity ? (next, there) : (best.best, best.loss)
    }
    return best
  }
}
