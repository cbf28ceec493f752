// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

/// A transform, its definition in the slow and obvious form, and a false definition that the law
/// must tell from it.
struct TransformCase: Sendable, CustomTestStringConvertible {
  typealias Definition = @Sendable ([Double], TransformPlace) -> [Double]
  let testDescription: String
  let transform: @Sendable () throws -> any NextTokenTransform
  let definition: Definition
  let mutant: Definition

  init(
    _ name: String, _ transform: @escaping @Sendable () throws -> any NextTokenTransform,
    _ definition: @escaping Definition, mutant: @escaping Definition
  ) {
    testDescription = name
    self.transform = transform
    self.definition = definition
    self.mutant = mutant
  }
}

/// Tokens by probability, the lower of equals first.
private func ordered(_ p: [Double], by key: (Int) -> Double) -> [Int] {
  p.indices.filter { p[$0] > 0 }.sorted { key($0) != key($1) ? key($0) > key($1) : $0 < $1 }
}

private func keep(_ kept: some Sequence<Int>, of p: [Double]) -> [Double] {
  let kept = Set(kept)
  return p.indices.map { kept.contains($0) ? p[$0] : 0 }
}

private func entropy(_ p: [Double]) -> Double {
  p.filter { $0 > 0 }.reduce(0) { $0 - $1 * LogSpace.log($1) }
}

private func reaching(_ mass: Double, _ order: [Int], _ p: [Double]) -> [Int] {
  var sum = 0.0
  var kept: [Int] = []
  for i in order {
    kept.append(i)
    sum += p[i]
    if sum >= mass { break }
  }
  return kept
}

private func floored(_ p: [Double], _ floor: Double) -> [Double] {
  let high = p.max() ?? 0
  return p.map { $0 >= floor || $0 == high ? $0 : 0 }
}

private func entmax(_ p: [Double], power: Double = 2) -> [Double] {
  // Bisection on the sum, which falls in tau.
  let x = p.map { LogSpace.log($0) / 2 }
  var low = (x.max() ?? 0) - 1
  var high = x.max() ?? 0
  for _ in 0..<200 {
    let tau = (low + high) / 2
    let sum = x.reduce(0) { $0 + ($1 > tau ? ($1 - tau) * ($1 - tau) : 0) }
    if sum > 1 { low = tau } else { high = tau }
  }
  return x.map { $0 > low ? LogSpace.exp(power * LogSpace.log($0 - low)) : 0 }
}

private func tailFree(_ p: [Double], _ z: Double, shift: Int) -> [Double] {
  let order = ordered(p) { p[$0] }
  let q = order.map { p[$0] }
  guard q.count > 2 else { return p }
  let second = (0..<q.count - 2).map { (i: Int) -> Double in abs(q[i] - 2 * q[i + 1] + q[i + 2]) }
  let total = second.reduce(0, +)
  var sum = 0.0
  for (i, difference) in second.enumerated() {
    sum += total > 1e-6 ? difference / total : 1 / Double(second.count)
    if sum > z && i >= 1 { return keep(order.prefix(i + shift), of: p) }
  }
  return p
}

private func sigma(_ p: [Double], _ n: Double, over count: Double = 0) -> [Double] {
  let logs = p.filter { $0 > 0 }.map { LogSpace.log($0) }
  let mean = logs.reduce(0, +) / Double(logs.count)
  let squares = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
  let deviation = (squares / (Double(logs.count) - count)).squareRoot()
  let floor = (logs.max() ?? 0) - n * deviation
  return p.map { $0 > 0 && LogSpace.log($0) >= floor - 1e-12 ? $0 : 0 }
}

private let rows: [[Double]] = [
  [0.1, 0.6, 0.3], [0.3, 0.2, 0.5], [1], [0.25, 0.25, 0.25, 0.25],
  [0.02, 0.4, 0, 0.2, 0.2, 0.1, 0.05, 0.03], [0.9, 0.05, 0.03, 0.02], [0, 0, 0.5, 0.25, 0.25],
  [0.005, 0.3, 0.3, 0.2, 0.1, 0.05, 0.04, 0.004, 0.001],
]

/// The rows as log-probabilities, and with their zero shifted.
let transformPlaces: [TransformPlace] = rows.flatMap { row in
  [0, 3.5].map { shift in TransformPlace(row.map { LogSpace.log($0) + shift }) }
}

let truncationCases: [TransformCase] = [
  TransformCase(
    "temperature", { try Temperature(0.5) }, { p, _ in p.map { $0 * $0 } },
    mutant: { p, _ in p.map { $0.squareRoot() } }),
  TransformCase(
    "temperature 0", { try Temperature(0) },
    { p, _ in keep(ordered(p) { p[$0] }.prefix(1), of: p) },
    mutant: { p, _ in keep(p.indices.filter { p[$0] == p.max() }, of: p) }),
  TransformCase(
    "temperature infinity", { try Temperature(.infinity) }, { p, _ in p.map { $0 > 0 ? 1 : 0 } },
    mutant: { p, _ in p.map { _ in 1 } }),
  TransformCase(
    "temperature tiny", { try Temperature(1e-307) },
    { p, _ in keep(p.indices.filter { p[$0] == p.max() }, of: p) }, mutant: { p, _ in p }),
  TransformCase(
    "top-k", { try TopK(2) }, { p, _ in keep(ordered(p) { p[$0] }.prefix(2), of: p) },
    mutant: { p, _ in
      let order = ordered(p) { p[$0] }
      let last = p[order[min(1, order.count - 1)]]
      return p.map { $0 >= last ? $0 : 0 }
    }),
  TransformCase(
    "top-p", { try Nucleus(0.7) }, { p, _ in keep(reaching(0.7, ordered(p) { p[$0] }, p), of: p) },
    mutant: { p, _ in
      // Without the token that crosses the boundary.
      let kept = reaching(0.7, ordered(p) { p[$0] }, p)
      return keep(kept.count > 1 ? kept.dropLast() : kept, of: p)
    }),
  TransformCase(
    "typical", { try LocallyTypical(0.6) },
    { p, _ in
      let h = entropy(p)
      return keep(reaching(0.6, ordered(p) { -abs(-LogSpace.log(p[$0]) - h) }, p), of: p)
    },
    mutant: { p, _ in keep(reaching(0.6, ordered(p) { p[$0] }, p), of: p) }),
  TransformCase(
    "min-p", { try MinP(0.15) }, { p, _ in floored(p, 0.15 * (p.max() ?? 0)) },
    mutant: { p, _ in floored(p, 0.15) }),
  TransformCase(
    "top-a", { try TopA(0.8) }, { p, _ in floored(p, 0.8 * (p.max() ?? 0) * (p.max() ?? 0)) },
    mutant: { p, _ in floored(p, 0.8 * (p.max() ?? 0)) }),
  TransformCase(
    "epsilon", { try EpsilonCutoff(0.28) }, { p, _ in floored(p, 0.28) },
    mutant: { p, _ in p.contains { $0 >= 0.28 } ? floored(p, 0.28) : p.map { _ in 0 } }),
  TransformCase(
    "eta", { try EtaCutoff(0.04) },
    { p, _ in floored(p, min(0.04, 0.2 * LogSpace.exp(-entropy(p)))) },
    mutant: { p, _ in floored(p, min(0.04, 0.04 * LogSpace.exp(-entropy(p)))) }),
  TransformCase(
    "top-h", { try TopH(0.7) },
    { p, _ in
      let bound = 0.7 * entropy(p)
      var sum = 0.0
      return keep(
        ordered(p) { p[$0] }.enumerated().prefix { place, i in
          sum -= p[i] * LogSpace.log(p[i])
          return place == 0 || sum <= bound
        }.map(\.element), of: p)
    },
    mutant: { p, _ in keep(reaching(0.7, ordered(p) { p[$0] }, p), of: p) }),
  TransformCase(
    "top-n-sigma", { try TopNSigma(1) }, { p, _ in sigma(p, 1) },
    mutant: { p, _ in sigma(p, 1, over: -3) }),
  TransformCase(
    "tail-free", { try TailFree(0.8) }, { p, _ in tailFree(p, 0.8, shift: 0) },
    mutant: { p, _ in tailFree(p, 0.8, shift: 1) }),
  TransformCase(
    "xtc", { try TopChoiceExclusion(probability: 0.3, threshold: 0.2) },
    { p, _ in xtc(p, often: 0.3, dropsAll: false) },
    mutant: { p, _ in xtc(p, often: 0.3, dropsAll: true) }),
  TransformCase(
    "mirostat", { try Mirostat(tau: 1.1, eta: 0.1) },
    { p, _ in floored(p, LogSpace.exp(-2.2 * LogSpace.log(2))) },
    mutant: { p, _ in floored(p, LogSpace.exp(-2.2)) }),
  TransformCase(
    "sparse", { try SparseSoftmax(2) }, { p, _ in keep(ordered(p) { p[$0] }.prefix(2), of: p) },
    mutant: { p, _ in keep(ordered(p) { p[$0] }.prefix(3), of: p) }),
  TransformCase(
    "entmax", { Entmax() }, { p, _ in entmax(p) }, mutant: { p, _ in entmax(p, power: 1) }),
]

private func xtc(_ p: [Double], often: Double, dropsAll: Bool) -> [Double] {
  let top = ordered(p) { p[$0] }.filter { p[$0] >= 0.2 - 1e-12 }
  guard top.count > 1 else { return p }
  let gone = Set(dropsAll ? top : top.dropLast())
  let rest = p.indices.map { gone.contains($0) ? 0 : p[$0] }
  let sum = rest.reduce(0, +)
  return p.indices.map { (1 - often) * p[$0] + (sum > 0 ? often * rest[$0] / sum : 0) }
}

@Suite struct TruncationExactTests {
  @Test(arguments: truncationCases)
  func isItsDefinition(one: TransformCase) throws {
    #expect(
      transformDefect(of: [try one.transform()], at: transformPlaces, against: one.definition)
        < 1e-12)
    #expect(
      transformDefect(of: [try one.transform()], at: transformPlaces, against: one.mutant) > 1e-3)
  }

  static let keeping: [TransformCase] = {
    func kept(
      _ name: String, _ plain: @escaping @Sendable () throws -> any NextTokenTransform,
      _ keeping: @escaping @Sendable () throws -> any NextTokenTransform
    ) -> TransformCase {
      @Sendable func truncated(_ place: TransformPlace) -> [Double] {
        (try? plain()).flatMap { law(of: TransformChain([$0]), at: place) } ?? []
      }
      // The plain law, the end's own probability put back in proportion to what is left.
      return TransformCase(
        name, keeping,
        { p, place in
          let law = truncated(place)
          guard law[0] == 0, p[0] > 0, let i = law.indices.first(where: { law[$0] > 0 }) else {
            return law
          }
          var weights = law
          weights[0] = p[0] * law[i] / p[i]
          return weights
        },
        mutant: { _, place in truncated(place) })
    }
    return [
      kept("top-k", { try TopK(1) }, { try TopK(1, keepsEnd: true) }),
      kept("top-p", { try Nucleus(0.5) }, { try Nucleus(0.5, keepsEnd: true) }),
      kept("typical", { try LocallyTypical(0.3) }, { try LocallyTypical(0.3, keepsEnd: true) }),
      kept("min-p", { try MinP(0.5) }, { try MinP(0.5, keepsEnd: true) }),
      kept("top-a", { try TopA(1) }, { try TopA(1, keepsEnd: true) }),
      kept("epsilon", { try EpsilonCutoff(0.2) }, { try EpsilonCutoff(0.2, keepsEnd: true) }),
      kept("eta", { try EtaCutoff(0.2) }, { try EtaCutoff(0.2, keepsEnd: true) }),
      kept("top-h", { try TopH(0.5) }, { try TopH(0.5, keepsEnd: true) }),
      kept("top-n-sigma", { try TopNSigma(0.5) }, { try TopNSigma(0.5, keepsEnd: true) }),
      kept("tail-free", { try TailFree(0.5) }, { try TailFree(0.5, keepsEnd: true) }),
      kept(
        "mirostat", { try Mirostat(tau: 1, eta: 0) },
        { try Mirostat(tau: 1, eta: 0, keepsEnd: true) }),
      kept(
        "xtc", { try TopChoiceExclusion(probability: 1, threshold: 0.04) },
        { try TopChoiceExclusion(probability: 1, threshold: 0.04, keepsEnd: true) }),
      kept("sparse", { try SparseSoftmax(1) }, { try SparseSoftmax(1, keepsEnd: true) }),
    ]
  }()

  @Test(arguments: keeping)
  func theEndStays(one: TransformCase) throws {
    #expect(
      transformDefect(of: [try one.transform()], at: transformPlaces, against: one.definition)
        < 1e-12)
    #expect(
      transformDefect(of: [try one.transform()], at: transformPlaces, against: one.mutant) > 1e-3)
  }

  @Test func entmaxGivesAKeptEndWhatSoftmaxGivesIt() throws {
    let logits = [-3.0, 1, 0.5]
    let plain = try #require(law(of: TransformChain([Entmax()]), at: TransformPlace(logits)))
    let kept = try #require(
      law(of: TransformChain([Entmax(keepsEnd: true)]), at: TransformPlace(logits)))
    #expect(plain[0] == 0)
    let softmax = LogSpace.exp(-3 - LogSpace.sum(logits))
    for i in 0..<3 {
      #expect(abs(kept[i] - ((i == 0 ? softmax : 0) + plain[i]) / (1 + softmax)) < 1e-12)
    }
  }

  /// Figures of the reference sheet.
  @Test func sheet() throws {
    let sparse = try #require(
      law(of: TransformChain([try SparseSoftmax(2)]), at: TransformPlace([3, 2, 1, 0])))
    for (found, expected) in zip(sparse, [0.731059, 0.268941, 0, 0]) {
      #expect(abs(found - expected) < 5e-7)
    }
    // A boundary that is exact in binary.
    let row = TransformPlace([0.5, 0.25, 0.25].map { LogSpace.log($0) })
    let nucleus = try #require(law(of: TransformChain([try Nucleus(0.75)]), at: row))
    #expect(nucleus[2] == 0 && nucleus[1] > 0)
    let beyond = try #require(law(of: TransformChain([try Nucleus(0.75.nextUp)]), at: row))
    #expect(beyond[2] > 0)
  }

  @Test func orderMatters() throws {
    let place = TransformPlace([0.4, 0.3, 0.2, 0.1].map { LogSpace.log($0) })
    let heated = try #require(
      law(of: TransformChain([try Temperature(4), try Nucleus(0.6)]), at: place))
    let cooled = try #require(
      law(of: TransformChain([try Nucleus(0.6), try Temperature(4)]), at: place))
    #expect(heated.count { $0 > 0 } == 3 && cooled.count { $0 > 0 } == 2)
  }

  /// The bound begins at 2 tau and falls by eta (surprise - tau).
  @Test func mirostatFollowsTheSurprise() throws {
    var mirostat = try Mirostat(tau: 2, eta: 0.5)
    #expect(mirostat.bound == 4)
    mirostat.accept(Token(0), logProbability: LogSpace.log(0.125))
    #expect(abs(mirostat.bound - 3.5) < 1e-12)
    mirostat.accept(Token(0), logProbability: 0)
    #expect(abs(mirostat.bound - 4.5) < 1e-12)
  }
}
