// Licensed under the Apache License, Version 2.0.

internal import Sampling

extension NGramTrie {
  /// The model with only a few distinct probabilities and back-off weights in each order above 1.
  ///
  /// A context whose probabilities sum to one keeps that sum, except for the rounding of its own
  /// weight. First the weights are fitted to the rounded probabilities (listed mass + weight x
  /// unlisted mass of the shorter context = 1), then they are rounded. Nothing is rounded at order
  /// 1.
  ///
  /// - Parameter bits: an order has at most 2^bits distinct values.
  /// - Returns: the model, with the same tokens and n-grams.
  /// - Complexity: O(n-grams x (order + log n-grams)).
  func quantized(bits: Int) -> NGramTrie {
    guard order > 1 else { return self }
    var result = self
    for i in 1..<order {
      let level = levels[i]
      let rounding = Rounding((0..<level.count).map { level.logProbabilities[$0] }, to: 1 << bits)
      let rounded = FlatBuffer<Float>(count: level.count)
      for n in 0..<level.count { rounded[n] = rounding(level.logProbabilities[n]) }
      result.levels[i].logProbabilities = rounded
    }
    for i in 0..<order - 1 {
      var weights = fittedBackoffs(of: i, to: result)
      if i > 0 {
        // A weight of one marks an n-gram without longer ones, so it must stay as it is.
        let rounding = Rounding(weights.filter { $0 != 0 }, to: 1 << bits - 1)
        for n in weights.indices where weights[n] != 0 { weights[n] = rounding(weights[n]) }
      }
      let buffer = FlatBuffer<Float>(count: weights.count)
      for n in weights.indices { buffer[n] = weights[n] }
      result.levels[i].backoffs = buffer
    }
    return result
  }

  /// The back-off weights (log10) of an order's contexts; contexts that sum to one are refitted.
  private func fittedBackoffs(of i: Int, to rounded: NGramTrie) -> [Float] {
    let contexts = levels[i]
    let children = levels[i + 1]
    let suffixes = NGramSuffixes(self, i + 1)
    return (0..<contexts.count).map { context in
      let weight = contexts.backoffs[context]
      let range = Int(contexts.firstChildren[context])..<Int(contexts.firstChildren[context + 1])
      if range.isEmpty { return weight }
      var listed = (before: 0.0, after: 0.0)
      var shorter = (before: 0.0, after: 0.0)
      for child in range {
        let suffix = Int(suffixes.nodes[child])
        listed.before += probability(children, child)
        listed.after += probability(rounded.levels[i + 1], child)
        shorter.before += probability(contexts, suffix)
        shorter.after += probability(rounded.levels[i], suffix)
      }
      let sum = listed.before + LogSpace.exp(Double(weight) * logOf10) * (1 - shorter.before)
      // Models from other tools need not sum to one; their weights stay as they are.
      guard abs(sum - 1) < 1e-3 else { return weight }
      let fitted = Float(LogSpace.log((1 - listed.after) / (1 - shorter.after)) / logOf10)
      return fitted.isFinite && fitted != 0 ? fitted : weight
    }
  }

  private func probability(_ level: Level, _ n: Int) -> Double {
    LogSpace.exp(Double(level.logProbabilities[n]) * logOf10)
  }
}

/// Rounds numbers to a few values with a small mean squared error (Lloyd 1982).
private struct Rounding {
  /// The largest number that rounds to each value, ascending, and the values.
  private var bounds: [Float] = []
  private var values: [Float] = []

  /// - Parameters:
  ///   - numbers: finite numbers in any order.
  ///   - size: the largest number of values, positive.
  init(_ numbers: [Float], to size: Int) {
    let sorted = numbers.sorted()
    guard let low = sorted.first, let high = sorted.last else { return }
    // If few enough values occur, all are kept.
    for number in sorted where bounds.last != number {
      bounds.append(number)
      if bounds.count > size { break }
    }
    if bounds.count <= size {
      values = bounds
      return
    }
    var sums = [0.0]
    for number in sorted { sums.append(sums[sums.count - 1] + Double(number)) }
    // The density of bins is the cube root of the numbers' density, which is nearly optimal.
    let cells = 4096
    let width = (Double(high) - Double(low)) / Double(cells)
    var density = [Double](repeating: 0, count: cells)
    for number in sorted {
      density[min(cells - 1, Int((Double(number) - Double(low)) / width))] += 1
    }
    density = density.map { $0 == 0 ? 0 : LogSpace.exp(LogSpace.log($0) / 3) }
    let whole = density.reduce(0, +)
    var edges: [Double] = []
    var passed = 0.0
    for cell in 0..<cells {
      passed += density[cell]
      while edges.count < size - 1, passed >= whole * Double(edges.count + 1) / Double(size) {
        edges.append(Double(low) + width * Double(cell + 1))
      }
    }
    // Each round moves the values to the means of their bins, and the edges half-way between
    // values. The error never grows, and some tens of rounds are enough.
    for _ in 0..<64 {
      bounds = []
      values = []
      var first = 0
      for edge in edges + [.infinity] {
        let next = Self.count(of: sorted, upTo: edge, from: first)
        if next == first { continue }
        values.append(Float((sums[next] - sums[first]) / Double(next - first)))
        bounds.append(sorted[next - 1])
        first = next
      }
      let moved = zip(values, values.dropFirst()).map { (Double($0) + Double($1)) / 2 }
      if moved == edges { break }
      edges = moved
    }
  }

  func callAsFunction(_ number: Float) -> Float {
    values[min(values.count - 1, Self.firstIndex(in: bounds) { $0 >= number })]
  }

  private static func count(of sorted: [Float], upTo edge: Double, from first: Int) -> Int {
    first + firstIndex(in: sorted[first...]) { Double($0) > edge }
  }

  /// The number of elements before the first that qualifies; all later ones also qualify.
  private static func firstIndex<C: RandomAccessCollection<Float>>(
    in numbers: C, where qualifies: (Float) -> Bool
  ) -> Int {
    var low = 0
    var high = numbers.count
    while low < high {
      let middle = (low + high) / 2
      if qualifies(numbers[numbers.index(numbers.startIndex, offsetBy: middle)]) {
        high = middle
      } else {
        low = middle + 1
      }
    }
    return low
  }
}

/// The distinct values of an order, and the code of each n-gram.
struct Codebook {
  var values: [Float]
  var packedCodes: [UInt64]

  /// - Parameters:
  ///   - numbers: at most 2^bits distinct numbers, besides 0 if that is kept.
  ///   - bits: the length of a code.
  ///   - keepsZero: whether code 0 always stands for 0.
  init(_ numbers: [Float], bits: Int, keepsZero: Bool = false) {
    var distinct = Set(numbers)
    if keepsZero { distinct.remove(0) }
    var values = (keepsZero ? [0] : []) + distinct.sorted()
    precondition(values.count <= 1 << bits, "there is a code for each value")
    var codes: [Float: UInt64] = [:]
    for (code, value) in values.enumerated() { codes[value] = UInt64(code) }
    packedCodes = [UInt64](repeating: 0, count: (numbers.count * bits + 63) / 64 + 1)
    for (i, number) in numbers.enumerated() {
      let code = codes[number] ?? 0
      let bit = i * bits
      let shift = UInt64(bit & 63)
      packedCodes[bit >> 6] |= code << shift
      if shift > 0 { packedCodes[bit >> 6 + 1] |= code >> (64 - shift) }
    }
    values += [Float](repeating: values.last ?? 0, count: (1 << bits) - values.count)
    self.values = values
  }
}
