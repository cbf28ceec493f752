// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

/// Weights of proposed moves by enumeration, and means of targets near others.
@Suite struct ParameterSearchExactTests {
  static func loss(_ point: [Double]) -> Double {
    point.enumerated().reduce(0.3) { sum, item in
      let distance = item.element - Double(item.offset + 1) * 0.2
      return sum + distance * distance
    }
  }

  /// What the mean weight of each move should be: that of the Gibbs law, 0 beyond all proposals.
  static func expected(_ search: ParameterSearch, from point: [Double]) -> [[Int]: Double] {
    let reach = 2 << (search.scales - 1)
    var moves: [[Int]] = [[]]
    for _ in search.units { moves = moves.flatMap { move in (-reach...reach).map { move + [$0] } } }
    let here = loss(point)
    var expected: [[Int]: Double] = [:]
    for move in moves {
      // A kind of proposals reaches it.
      let isReached = (0..<search.scales).contains { scale in
        move.allSatisfy { $0 % (1 << scale) == 0 && abs($0) <= 2 << scale }
      }
      guard isReached else { continue }
      let there = point.indices.map { point[$0] + Double(move[$0]) * search.units[$0] }
      expected[move] = LogSpace.exp(-(loss(there) - here) / (search.temperature * here))
    }
    return expected
  }

  @Test(arguments: [([0.05], 4), ([0.1, 0.03], 3)], [0.1, 1.5])
  func movesAreWeighedByTheirLaw(space: ([Double], Int), temperature: Double) {
    let search = ParameterSearch(units: space.0, scales: space.1, temperature: temperature)
    let point = space.0.map { _ in 0.1 }
    let defect = weightDefect(Self.expected(search, from: point)) { choices in
      let found = search.weighted(
        from: point, here: Self.loss(point), loss: Self.loss, using: &choices)
      return (state: found.move, logWeight: found.logWeight)
    }
    #expect(defect < 1e-12)
  }

  /// Mutant: a move is divided by the probability of the kind that it came from alone.
  @Test func oneKindForAllIsCaught() {
    let search = ParameterSearch(units: [0.05], scales: 3, temperature: 1)
    let defect = weightDefect(Self.expected(search, from: [0.1])) { choices in
      let scale = choices.index(below: 3)
      let shares = [1.0 / 16, 4.0 / 16, 6.0 / 16, 4.0 / 16, 1.0 / 16]
      let step = choices.index(weights: shares)
      let move = (step - 2) << scale
      let there = Self.loss([0.1 + Double(move) * 0.05])
      let here = Self.loss([0.1])
      return (
        state: [move], logWeight: -(there - here) / here - LogSpace.log(shares[step])
      )
    }
    #expect(defect > 1e-3)
  }

  @Test func probabilitiesAreThoseOfProposals() {
    let search = ParameterSearch(units: [1, 2], scales: 3)
    let law = outcomes { choices in search.propose(using: &choices) }
    #expect(law.allSatisfy { abs(search.probability(ofMove: $0.key) / $0.value - 1) < 1e-12 })
    #expect(search.probability(ofMove: [3, 0]) == 0)
  }

  /// A loss with a kink and a wall finds its least point to within some units.
  @Test func theLeastPointIsFound() {
    let search = ParameterSearch(units: [0.001, 0.001])
    var choices = RandomChoices(seed: 1)
    let found = search.run(
      from: [3, -2], steps: 300,
      loss: { point in
        point[0] < -1 ? .infinity : abs(point[0] + 0.5) + (point[1] - 1) * (point[1] - 1)
      }, using: &choices)
    // The narrowest moves are thousandths, and the squared distance is flat at its least.
    #expect(found.loss < 0.01)
  }

  /// Every text of a target stands for the draws, with its weight.
  static func tiltedDefect(forgetsModel: Bool) throws -> Double {
    let model = BigramTable.toy
    let first = Token(2)
    let all = model.texts(ofLengths: 0...4)
    func features(_ text: TokenSequence) -> [Double] {
      [model.logProbability(of: text), Double(text.filter { $0 == first }.count)]
    }
    func log(_ text: TokenSequence, _ coefficients: [Double]) -> Double {
      zip(features(text), coefficients).reduce(0) { $0 + $1.0 * $1.1 }
    }
    let (near, far) = ([0.7, -0.2], [1.6, 0.9])
    let tilted = TiltedMeans(
      features: all.map { forgetsModel ? [0, features($0)[1]] : features($0) },
      values: all.map { [Double($0.count)] }, logWeights: all.map { log($0, near) })
    let found = tilted.means(changing: zip(far, near).map { $0 - $1 }).means[0]
    let weights = all.map { LogSpace.exp(log($0, far)) }
    let truth =
      zip(weights, all).reduce(0) { $0 + $1.0 * Double($1.1.count) } / weights.reduce(0, +)
    return abs(found / truth - 1)
  }

  @Test func tiltedMeansAreThoseOfTheOtherTarget() throws {
    #expect(try Self.tiltedDefect(forgetsModel: false) < 1e-12)
  }

  /// Mutant: the change of `fluency` is forgotten.
  @Test func aForgottenFeatureIsCaught() throws {
    #expect(try Self.tiltedDefect(forgetsModel: true) > 1e-3)
  }
}
