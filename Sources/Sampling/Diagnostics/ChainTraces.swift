// Licensed under the Apache License, Version 2.0.

/// One real quantity along several chains, and what can be said of their convergence.
///
/// ```swift
/// let traces = records.traces(ofQuantity: 0)
/// print(traces.mean, traces.meanError, traces.rHat, traces.bulkEffectiveSize)
/// ```
/// Reference: Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021, "Rank-normalization, folding,
/// and localization: an improved R-hat". Chains are split into halves; odd ones lose their middle
/// draw by that. What leans on ranks alone is defined for infinite draws too; nothing is for draws
/// that are no numbers.
public struct ChainTraces: Sendable {
  /// Draws by chain; all chains hold the same number.
  public let chains: [[Double]]
  /// The draws over ``unit``.
  let numbers: [[Double]]
  /// These in ascending order; empty where one of them is no number.
  let sorted: [Double]
  /// A power of two in which no power that is summed overflows or vanishes.
  let unit: Double
  private let hasNaN: Bool

  /// The traces of some chains, the longer ones cut to the length of the shortest.
  public init(_ chains: [[Double]]) {
    let count = chains.map(\.count).min() ?? 0
    self.chains = chains.map { Array($0.prefix(count)) }
    let unit = Self.unit(of: self.chains)
    self.unit = unit
    numbers = unit == 1 ? self.chains : self.chains.map { $0.map { $0 / unit } }
    var all = numbers.flatMap { $0 }
    hasNaN = all.contains(where: \.isNaN)
    if hasNaN { all = [] }
    sorted = ascending(all).values
  }

  private static func unit(of chains: [[Double]]) -> Double {
    var largest = 0.0
    for chain in chains {
      for draw in chain where draw.isFinite { largest = max(largest, abs(draw)) }
    }
    // Fourth powers are summed, and numbers reach from 2^-1074 to 2^1024.
    guard largest > 0, !(0x1p-200...0x1p200).contains(largest) else { return 1 }
    return Double(sign: .plus, exponent: largest.exponent, significand: 1)
  }

  /// The number of draws of each chain.
  public var count: Int { chains.first?.count ?? 0 }

  /// The mean of all draws.
  public var mean: Estimate { moment(minimum: 1) { average($0) } }

  /// The standard deviation of all draws, with the divisor n - 1.
  public var deviation: Estimate { moment(minimum: 2) { variance($0).squareRoot() } }

  /// A quantile of all draws, by linear interpolation between order statistics (type 7 of Hyndman
  /// and Fan 1996).
  public func quantile(_ probability: Double) -> Estimate {
    if let reason = defect(minimum: 1) { return .undefined(reason) }
    return finite(Sampling.quantile(probability, ofSorted: sorted) * unit)
  }

  /// Why there is nothing to be said about chains of fewer draws than this, or about these draws.
  func defect(minimum: Int, needsFinite: Bool = false) -> String? {
    if chains.isEmpty { return "there are no chains" }
    if count < minimum {
      return "a chain has \(count) draw\(count == 1 ? "" : "s"), and \(minimum) are needed"
    }
    if hasNaN { return "a draw is not a number" }
    if needsFinite, let low = sorted.first, let high = sorted.last,
      !low.isFinite || !high.isFinite
    {
      return "a draw is infinite"
    }
    return nil
  }

  /// Whether all draws are the same.
  var isConstant: Bool { sorted.first == sorted.last }

  private func moment(minimum: Int, _ compute: ([Double]) -> Double) -> Estimate {
    if let reason = defect(minimum: 1, needsFinite: true) { return .undefined(reason) }
    if sorted.count < minimum { return .undefined("there is one draw only") }
    return finite(compute(numbers.flatMap { $0 }) * unit)
  }
}

/// The number, unless it grew beyond what numbers hold.
func finite(_ value: Double) -> Estimate {
  value.isFinite ? .value(value) : .undefined("the draws are too large to compute with")
}

/// First and last halves of the chains, each a chain.
func split(_ chains: [[Double]]) -> [[Double]] {
  chains.map { Array($0.prefix($0.count / 2)) } + chains.map { Array($0.suffix($0.count / 2)) }
}

/// Normal quantiles of the draws' ranks among all, ties sharing their mean rank.
func rankNormalised(_ chains: [[Double]]) -> [[Double]] {
  let (sorted, places) = ascending(chains.flatMap { $0 })
  var scores = [Double](repeating: 0, count: sorted.count)
  var first = 0
  while first < sorted.count {
    var last = first
    while last + 1 < sorted.count, sorted[last + 1] == sorted[first] { last += 1 }
    // Blom's offsets of 3/8.
    let rank = Double(first + last) / 2 + 1
    let score = normalQuantile((rank - 0.375) / (Double(sorted.count) + 0.25))
    for place in places[first...last] { scores[Int(place)] = score }
    first = last + 1
  }
  var head = 0
  return chains.map { chain in
    defer { head += chain.count }
    return Array(scores[head..<head + chain.count])
  }
}

/// Numbers in ascending order, none of them NaN, and where each stood; equal ones keep their order.
///
/// Their bits are sorted digit by digit, the lowest first, in time proportional to their number.
func ascending(_ values: [Double]) -> (values: [Double], places: [UInt32]) {
  let top: UInt64 = 1 << 63
  let (width, digits) = (11, 6)
  let mask = UInt64(1 << width - 1)
  // Flipped, the bits of negative numbers ascend too; adding zero makes both zeros one.
  var keys = values.map { value in
    let bits = (value + 0).bitPattern
    return bits & top == 0 ? bits | top : ~bits
  }
  var places = (0..<UInt32(values.count)).map { $0 }
  var heads = [Int](repeating: 0, count: digits << width)
  for key in keys {
    for digit in 0..<digits { heads[digit << width + Int(key >> (digit * width) & mask)] += 1 }
  }
  var nextKeys = keys
  var nextPlaces = places
  for digit in 0..<digits {
    let row = digit << width
    let counts = heads[row..<row + 1 << width]
    // All numbers may share a digit.
    if counts.contains(keys.count) { continue }
    var head = 0
    for i in counts.indices { (heads[i], head) = (head, head + heads[i]) }
    for i in keys.indices {
      let place = row + Int(keys[i] >> (digit * width) & mask)
      nextKeys[heads[place]] = keys[i]
      nextPlaces[heads[place]] = places[i]
      heads[place] += 1
    }
    swap(&keys, &nextKeys)
    swap(&places, &nextPlaces)
  }
  return (keys.map { Double(bitPattern: $0 & top == 0 ? ~$0 : $0 & ~top) }, places)
}

/// The first place of ascending values that is not below a value.
func lowerBound(of value: Double, in values: [Double]) -> Int {
  var low = 0
  var high = values.count
  while low < high {
    let middle = (low + high) / 2
    if values[middle] < value { low = middle + 1 } else { high = middle }
  }
  return low
}

/// Taken about the first value, so that a large offset costs no digits.
func average(_ values: [Double]) -> Double {
  values[0] + values.reduce(0) { $0 + ($1 - values[0]) } / Double(values.count)
}

/// Distances from the mean, which itself would be rounded to the spacing of numbers of its size.
func centred(_ values: [Double]) -> [Double] {
  let first = values[0]
  let rest = values.reduce(0) { $0 + ($1 - first) } / Double(values.count)
  return values.map { $0 - first - rest }
}

/// With the divisor n - 1.
func variance(_ values: [Double]) -> Double {
  centred(values).reduce(0) { $0 + $1 * $1 } / Double(values.count - 1)
}

/// Of type 7 of Hyndman and Fan; between equal neighbours it is what they are, infinite ones too.
func quantile(_ probability: Double, ofSorted sorted: [Double]) -> Double {
  let place = probability * Double(sorted.count - 1)
  let low = Int(place)
  let high = min(low + 1, sorted.count - 1)
  if sorted[low] == sorted[high] { return sorted[low] }
  return sorted[low] + (place - Double(low)) * (sorted[high] - sorted[low])
}
