// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

/// Selection by threshold against its slow twin, which sorts; vocabularies from one token to those of
/// neural models, on both sides of each number from which another way is taken.
@Suite struct SelectionExactTests {
  /// Kinds of logits.
  enum Shape: String, CaseIterable {
    case normal, wide, flat, equal, tied, peaked, masked, falling, huge
  }

  private func row(_ shape: Shape, _ count: Int) -> [Double] {
    var random = RandomChoices(seed: 3)
    return (0..<count).map { token in
      let value = normalQuantile((Double(random.index(below: 1 << 20)) + 0.5) / Double(1 << 20))
      switch shape {
      case .normal: return 3 * value
      case .wide: return 40 * value
      case .flat: return 0.01 * value
      case .equal: return 2
      case .tied: return (2 * value).rounded() / 2
      case .peaked: return token == count / 2 ? 30 : value
      case .masked: return token % 7 == 0 || token > count / 2 + 1 ? 3 * value : -.infinity
      case .falling: return -Double(token) * 0.01
      case .huge: return 1e9 + 3 * value
      }
    }
  }

  private func sorted(_ row: [Double]) -> [Int] {
    row.indices.filter { row[$0] > -.infinity }.sorted { (row[$1], $0) < (row[$0], $1) }
  }

  /// The first tokens whose weights reach a share of the whole, by sorting and adding up.
  private func nucleus(_ row: [Double], _ mass: Double) -> [Int] {
    let order = sorted(row)
    let weights = order.map { LogSpace.exp(row[$0] - row[order[0]]) }
    // From the least on, so that the sum is right to the last digits.
    let goal = mass * weights.reversed().reduce(0, +)
    var sum = 0.0
    var count = 0
    repeat {
      sum += weights[count]
      count += 1
    } while sum < goal && count < order.count
    return order.prefix(count).sorted()
  }

  private func kept(_ transforms: [any NextTokenTransform], _ row: [Double]) throws -> [Int] {
    var chain = TransformChain(transforms)
    var choices = RandomChoices(seed: 1)
    var next = NextTokens(count: row.count, ends: [])
    try next.begin(row)
    try chain.apply(to: &next, using: &choices)
    let left = next.candidates.map(\.index)
    // All ways of asking agree.
    let best = next.best
    var isKept = [Bool](repeating: false, count: row.count)
    for i in left { isKept[i] = true }
    for i in row.indices where (next[Token(i)] > -.infinity) != isKept[i] {
      Issue.record("token \(i) of \(row.count) is and is not left")
    }
    let logits = next.logits
    for i in row.indices where (logits[i] > -.infinity) != isKept[i] {
      Issue.record("token \(i) of \(row.count) has the logit \(logits[i])")
    }
    #expect(best.token.index == left.max { (logits[$0], $1) < (logits[$1], $0) })
    #expect(best.logit == logits[best.token.index])
    return left
  }

  static let counts = [1, 2, 130, 1023, 1024, 1500, 5000]
  /// Rows of more than one block are slow in debug: by default one shape has them.
  static let rows = Shape.allCases.flatMap { shape in
    counts.filter { TestData.isDeep || $0 <= 1024 || shape == .normal }.map { (shape, $0) }
  }

  @Test(arguments: rows) func topK(shape: Shape, count: Int) throws {
    let row = row(shape, count)
    let order = sorted(row)
    for k in [1, 2, 8, 12, 13, 40, 300, count - 1, count, count + 7] where k > 0 {
      #expect(try kept([TopK(k)], row) == order.prefix(k).sorted())
      // Tokens that a temperature makes equal are told apart by number.
      let warm = row.map { $0 / 3 }
      #expect(try kept([Temperature(3), TopK(k)], row) == sorted(warm).prefix(k).sorted())
      // Behind another selection the tokens are listed.
      let wider = max(k, 100)
      #expect(try kept([TopK(wider), TopK(k)], row) == order.prefix(k).sorted())
    }
  }

  @Test(arguments: rows) func nucleus(shape: Shape, count: Int) throws {
    let row = row(shape, count)
    for mass in [0, 0.1, 0.5, 0.9, 0.95, 0.999] {
      // Of equal tokens a sum may lie within rounding of the mass; the rows of others never do.
      let isRisky = shape == .equal || shape == .tied && mass > 0
      let found = try kept([Nucleus(mass)], row)
      let expected = nucleus(row, mass)
      #expect(isRisky ? abs(found.count - expected.count) <= 1 : found == expected)
      let cold = row.map { $0 / 0.7 }
      if !isRisky {
        #expect(try kept([Temperature(0.7), Nucleus(mass)], row) == nucleus(cold, mass))
      }
      // Behind another selection.
      let first = Array(sorted(row).prefix(count / 2 + 1)).sorted()
      let half = first.map { row[$0] }
      if !isRisky {
        #expect(
          try kept([TopK(count / 2 + 1), Nucleus(mass)], row)
            == nucleus(half, mass).map { first[$0] })
      }
      // Mutant: one token fewer is another set.
      #expect(found != expected.dropLast().sorted())
    }
  }

  /// Vocabularies of neural models.
  @Test(
    arguments: [(Shape.normal, 32_000), (.tied, 32_000)]
      + TestData.deep(Shape.allCases.map { ($0, 32_000) } + [(Shape.normal, 200_000)]))
  func large(shape: Shape, count: Int) throws {
    let row = row(shape, count)
    #expect(try kept([TopK(40)], row) == sorted(row).prefix(40).sorted())
    if shape == .tied || shape == .equal { return }
    #expect(try kept([Nucleus(0.95)], row) == nucleus(row, 0.95))
  }

  /// Masses that lie within single precision of the sum up to a token: the tail's bounds leave both
  /// sides open, and the exact sum decides.
  @Test(arguments: [1500, 5000]) func nucleusAtTheBoundary(count: Int) throws {
    let row = row(.normal, count)
    let order = sorted(row)
    let total = LogSpace.sum(row)
    var sum = 0.0
    for (place, token) in order.prefix(300).enumerated() {
      sum += LogSpace.exp(row[token] - total)
      guard place % 30 == 29 else { continue }
      for (nudge, extra) in [(-1e-10, 0), (1e-10, 1)] {
        #expect(
          try kept([Nucleus(sum + nudge)], row) == order.prefix(place + 1 + extra).sorted())
      }
    }
  }

  /// Logits in single precision against the same numbers as doubles.
  @Test(arguments: Shape.allCases, [130, 1500, 5000]) func singlePrecision(
    shape: Shape, count: Int
  ) throws {
    let singles = row(shape, count).map { Float($0) }
    let chains: [[any NextTokenTransform]] = try [
      [], [TopK(40)], [Nucleus(0.95)], [Temperature(0.7), Nucleus(0.8)], [MinP(0.1)],
      [EpsilonCutoff(1e-3)], [Temperature(3), TopK(3)], [TokenBias([Token(3): -1]), TopK(7)],
      [LocallyTypical(0.5)], [Temperature(0)],
    ]
    for transforms in chains {
      func left(_ begin: (inout NextTokens) throws -> Void) throws -> [Double] {
        var chain = TransformChain(transforms)
        var choices = NoRandomness()
        var next = NextTokens(count: count, ends: [])
        try begin(&next)
        try chain.apply(to: &next, using: &choices)
        return next.logits
      }
      let found = try left { try $0.begin(singles) }
      #expect(try left { try $0.begin(singles.map { Double($0) }) } == found)
      // Mutant: another number.
      var other = singles
      if let best = singles.indices.max(by: { singles[$0] < singles[$1] }) { other[best] += 64 }
      #expect(try left { try $0.begin(other) } != found)
    }
    var next = NextTokens(count: count, ends: [])
    for bad in [Float.nan, .infinity] {
      var row = singles
      row[count / 2] = bad
      #expect(throws: DecodingError.self) { try next.begin(row) }
    }
  }

  /// Drawing from a nucleus without a list of it keeps the law of listing it first.
  @Test(arguments: [Shape.normal, .masked] + TestData.deep([.flat, .falling, .huge]))
  func drawnNucleus(shape: Shape) throws {
    let row = row(shape, TestData.isDeep ? 1500 : 1100)
    for mass in [0.3, 0.8] {
      let nucleus = try TransformChain([Temperature(0.7), Nucleus(mass)])
      var next = NextTokens(count: row.count, ends: [])
      try next.begin(row)
      var listing = nucleus
      var choices = NoRandomness()
      try listing.apply(to: &next, using: &choices)
      next.normalize()
      let logits = next.logits
      func defect(_ chain: TransformChain) -> Double {
        var worst = 0.0
        let law = outcomes { choices -> Token? in
          var chain = chain
          var next = NextTokens(count: row.count, ends: [])
          guard (try? next.begin(row)) != nil,
            let drawn = try? chain.draw(from: &next, using: &choices)
          else { return nil }
          worst = max(worst, abs(drawn.logProbability - logits[drawn.token.index]))
          return drawn.token
        }
        return worst
          + row.indices.reduce(0) {
            $0 + abs((law[Token($1)] ?? 0) - LogSpace.exp(logits[$1])) / 2
          }
      }
      // Logits of 1e9 are spaced by 1e-7, and so their quotients are.
      #expect(defect(nucleus) < 1e-12)
      // Mutant: a smaller set.
      #expect(try defect(TransformChain([Temperature(0.7), Nucleus(mass - 0.1)])) > 1e-3)
    }
  }

  /// Floors against weighing all tokens; both sides of the number from which passes begin.
  @Test(arguments: Shape.allCases, [130, 1500]) func floors(
    shape: Shape, count: Int
  ) throws {
    let row = row(shape, count)
    let weights = row.map { LogSpace.exp($0 - (row.max() ?? 0)) }
    let total = weights.sorted().reduce(0, +)
    func reaching(_ floor: Double) -> [Int] { row.indices.filter { weights[$0] >= min(floor, 1) } }
    for share in [1e-6, 0.013, 0.37, 1] {
      #expect(try kept([MinP(share)], row) == reaching(share))
      #expect(try kept([EpsilonCutoff(share / 3)], row) == reaching(share / 3 * total))
      #expect(try kept([TopA(share)], row) == reaching(share / total))
      // Mutant: another floor, where anything lies between.
      if reaching(share) != reaching(share / 8) {
        #expect(try kept([MinP(share / 8)], row) != reaching(share))
      }
    }
    let left = row.filter { $0 > -.infinity }
    let mean = left.reduce(0, +) / Double(left.count)
    let variance = left.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(left.count)
    let near = row.indices.filter { row[$0] >= (row.max() ?? 0) - 0.7 * variance.squareRoot() }
    #expect(try kept([TopNSigma(0.7)], row) == near)
    let warm = row.map { $0 / 1.7 }
    let high = warm.max() ?? 0
    #expect(
      try kept([Temperature(1.7), MinP(0.1)], row)
        == row.indices.filter { LogSpace.exp(warm[$0] - high) >= 0.1 })
  }

  /// Floors within single precision of a token: the bounds leave both sides open, and the exact sum
  /// decides.
  @Test(arguments: [1500, 5000]) func floorsAtTheBoundary(count: Int) throws {
    let row = row(.normal, count)
    let order = sorted(row)
    let total = LogSpace.sum(row)
    for place in stride(from: 9, to: 200, by: 19) {
      let p = LogSpace.exp(row[order[place]] - total)
      for (nudge, extra) in [(1 - 1e-10, 1), (1 + 1e-10, 0)] {
        #expect(
          try kept([EpsilonCutoff(p * nudge)], row) == order.prefix(place + extra).sorted())
      }
    }
  }

  /// Tokens changed one by one after a temperature and before a selection.
  @Test(arguments: [130, 1500, 5000]) func changed(count: Int) throws {
    var row = row(.normal, count)
    var next = NextTokens(count: count, ends: [])
    try next.begin(row)
    var choices = NoRandomness()
    try TransformChain.apply([Temperature(0.5)], to: &next, using: &choices)
    row = row.map { $0 / 0.5 }
    // The best ones fall, so that maxima have to be looked for anew; some rise, some go.
    for (place, token) in sorted(row).prefix(200).enumerated() {
      let logit: Double = place % 3 == 0 ? -.infinity : place % 3 == 1 ? row[token] - 9 : 8
      next[Token(token)] = logit
      row[token] = logit
    }
    try TransformChain.apply([TopK(1)], to: &next, using: &choices)
    #expect(next.candidates.map(\.index) == [sorted(row)[0]])
  }

  /// Twice the spacing of doubles at 1, relative to libm.
  @Test func exponentials() {
    let numbers = (0..<4001).map { -0.173 * Double($0) } + [-.infinity, 0]
    var weights = [Double](repeating: .nan, count: numbers.count)
    let sum = DenseNumbers.exponentials(
      of: numbers, first: numbers.count, minus: 0, into: &weights)
    for (x, weight) in zip(numbers, weights) {
      let exact = LogSpace.exp(x)
      if x < -700 { #expect(weight == 0) } else { #expect(abs(weight / exact - 1) < 4.5e-16) }
    }
    #expect(abs(sum / weights.reduce(0, +) - 1) < 1e-13)
  }

  /// The bound that selection leans on.
  @Test(arguments: Shape.allCases) func tail(shape: Shape) {
    for count in [1, 127, 128, 129, 1000, 5000] {
      let row = row(shape, count)
      let high = row.max() ?? 0
      for (scale, cut) in [(1.44, Float(-3)), (0.3, -0.5), (7, -100), (1.44, 1)] {
        var marks = [UInt64](repeating: .max, count: 2 * ((count + 127) / 128))
        let sum = DenseNumbers.tail(
          of: row, minus: high, times: scale, below: cut, marks: &marks)
        var exact = 0.0
        for i in row.indices {
          let exponent = (row[i] - high) * scale
          let isBelow = Float(exponent) < cut
          #expect((marks[i / 64] >> UInt64(i % 64) & 1 == 0) == isBelow)
          if isBelow { exact += LogSpace.exp(exponent * LogSpace.log(2)) }
        }
        // Nothing is marked behind the last.
        #expect(
          (count..<marks.count * 64).allSatisfy { marks[$0 / 64] >> UInt64($0 % 64) & 1 == 0 })
        let bound =
          DenseNumbers.tailError.relative * exact + DenseNumbers.tailError.absolute * Double(count)
        #expect(abs(sum - exact) <= bound)
        let singles = row.map { Float($0) }
        let largest = Double(singles.max() ?? 0)
        let tail = DenseNumbers.tail(
          of: singles, minus: largest, times: scale, below: cut, marks: &marks)
        exact = 0
        for i in singles.indices {
          let exponent = (Double(singles[i]) - largest) * scale
          let isBelow = marks[i / 64] >> UInt64(i % 64) & 1 == 0
          // The exponent is rounded three times.
          let isNear = abs(exponent - Double(cut)) <= abs(exponent) * 0x1p-22
          #expect(isNear || isBelow == (exponent < Double(cut)))
          if isBelow { exact += LogSpace.exp(exponent * LogSpace.log(2)) }
        }
        let slack =
          DenseNumbers.tailError.relative * exact + DenseNumbers.tailError.absolute * Double(count)
        #expect(abs(tail - exact) <= slack)
      }
    }
  }

  @Test func scan() {
    for count in [1, 15, 16, 127, 128, 129, 5000] {
      for shape in [Shape.normal, .masked, .falling] {
        var row = row(shape, count)
        let block = DenseNumbers.blockCount
        var highs = [Double](repeating: .nan, count: (count + block - 1) / block)
        let scan = DenseNumbers.scan(row, highs: &highs)
        #expect(scan.high == row.max())
        #expect(scan.low == row.min())
        #expect(!scan.mayBeBad)
        for i in highs.indices {
          #expect(highs[i] == row[i * block..<min((i + 1) * block, count)].max())
        }
        for bad in [Double.nan, .infinity, -.nan] {
          for place in [0, count / 2, count - 1] {
            let logit = row[place]
            row[place] = bad
            #expect(DenseNumbers.scan(row, highs: &highs).mayBeBad)
            row[place] = logit
          }
        }
      }
    }
  }

  /// A choice among many passes over blocks; it agrees with the walk from the first weight on.
  @Test(arguments: [1, 2, 3]) func choiceAmongMany(seed: UInt64) {
    for count in [1024, 5000] {
      let weights = row(.masked, count).map { LogSpace.exp($0) }
      var choices = RandomChoices(seed: seed)
      var twin = choices.random
      for _ in 0..<200 {
        let mark = Double(twin.next() >> 11) * 0x1p-53 * weights.reduce(0, +)
        var sum = 0.0
        let expected = weights.firstIndex {
          sum += $0
          return mark < sum
        }
        #expect(choices.index(weights: weights) == expected)
      }
    }
  }
}

private struct NoRandomness: ChoiceSource {
  func index(below count: Int) -> Int { 0 }
  func chance(_ probability: Double) -> Bool { true }
  func index(weights: borrowing Span<Double>) -> Int { 0 }
}

extension TransformChain {
  fileprivate static func apply(
    _ transforms: [any NextTokenTransform], to next: inout NextTokens,
    using choices: inout some ChoiceSource
  ) throws {
    var chain = TransformChain(transforms)
    try chain.apply(to: &next, using: &choices)
  }
}
