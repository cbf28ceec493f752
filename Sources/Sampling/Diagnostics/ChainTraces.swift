// Licensed under the Apache License, Version 2.0.

/// The values of one real quantity along several chains, and statistics of their convergence.
///
/// ```swift
/// let traces = records.traces(ofQuantity: 0)
/// print(traces.mean, traces.meanError, traces.rHat, traces.bulkEffectiveSize)
/// ```
/// Reference: Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021, "Rank-normalization, folding,
/// and localization: an improved R-hat". Chains are split into halves; a chain of odd length loses
/// its middle draw. Statistics that use only ranks are also defined for infinite draws. None is
/// defined for draws that are not numbers.
public struct ChainTraces: Sendable {
  /// The draws by chain; all chains have the same number.
  public let chains: [[Double]]
  /// The draws divided by ``unit``.
  let numbers: [[Double]]
  /// The numbers in ascending order; empty if one of them is not a number.
  let sorted: [Double]
  /// A power of two by which the draws are scaled, so that sums of their powers don't overflow or
  /// vanish.
  let unit: Double
  private let hasNaN: Bool

  /// Creates the traces of some chains, cutting all of them to the length of the shortest.
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
    // Fourth powers are summed, and numbers range from 2^-1074 to 2^1024.
    guard largest > 0, !(0x1p-200...0x1p200).contains(largest) else { return 1 }
    return Double(sign: .plus, exponent: largest.exponent, significand: 1)
  }

  /// The number of draws in each chain.
  public var count: Int { chains.first?.count ?? 0 }

  /// The mean of all draws.
  public var mean: Estimate { moment(minimum: 1) { average($0) } }

  /// The standard deviation of all draws, with divisor n - 1.
  public var deviation: Estimate { moment(minimum: 2) { variance($0).squareRoot() } }

  /// A quantile of all draws, by linear interpolation between order statistics.
  ///
  /// This is type 7 of Hyndman and Fan 1996.
  public func quantile(_ probability: Double) -> Estimate {
    if let reason = defect(minimum: 1) { return .undefined(reason) }
    return finite(Sampling.quantile(probability, ofSorted: sorted) * unit)
  }

  /// The reason why a statistic with this minimum number of draws is undefined; `nil` if it isn't.
  func defect(minimum: Int, needsFinite: Bool = false) -> String? {
    if chains.isEmpty { return "there are no chains" }
    if count < minimum {
      return "a chain has \(count) draw\(count == 1 ? "" : "s"), but \(minimum) are needed"
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
    if sorted.count < minimum { return .undefined("there is only one draw") }
    return finite(compute(numbers.flatMap { $0 }) * unit)
  }
}

/// The number, or a reason if it overflowed.
func finite(_ value: Double) -> Estimate {
  value.isFinite ? .value(value) : .undefined("the draws are too large to compute with")
}

/// The first and last halves of the chains, each as a chain.
func split(_ chains: [[Double]]) -> [[Double]] {
  chains.map { Array($0.prefix($0.count / 2)) } + chains.map { Array($0.suffix($0.count / 2)) }
}

/// Normal quantiles of the draws' ranks among all draws; ties get their mean rank.
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

/// The numbers in ascending order and their original indices.
///
/// None of them is NaN, and equal ones keep their order. A radix sort of their bits takes time in
/// proportion to their number.
func ascending(_ values: [Double]) -> (values: [Double], places: [UInt32]) {
  let top: UInt64 = 1 << 63
  let (width, digits) = (11, 6)
  let mask = UInt64(1 << width - 1)
  // Flipped in this way, the bits of negative numbers also ascend; adding zero merges both zeros.
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
    // If all numbers share this digit, there is nothing to sort.
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

/// The first index of ascending values at which the value is not below `value`.
func lowerBound(of value: Double, in values: [Double]) -> Int {
  var low = 0
  var high = values.count
  while low < high {
    let middle = (low + high) / 2
    if values[middle] < value { low = middle + 1 } else { high = middle }
  }
  return low
}

/// The mean, computed relative to the first value so that a large offset costs no digits.
func average(_ values: [Double]) -> Double {
  values[0] + values.reduce(0) { $0 + ($1 - values[0]) } / Double(values.count)
}

/// Distances from the mean, which would itself be rounded to the spacing of numbers of its size.
func centred(_ values: [Double]) -> [Double] {
  let first = values[0]
  let rest = values.reduce(0) { $0 + ($1 - first) } / Double(values.count)
  return values.map { $0 - first - rest }
}

/// The variance with divisor n - 1.
func variance(_ values: [Double]) -> Double {
  centred(values).reduce(0) { $0 + $1 * $1 } / Double(values.count - 1)
}

/// The type 7 quantile of Hyndman and Fan; between equal neighbours, even infinite, their value.
func quantile(_ probability: Double, ofSorted sorted: [Double]) -> Double {
  let place = probability * Double(sorted.count - 1)
  let low = Int(place)
  let high = min(low + 1, sorted.count - 1)
  if sorted[low] == sorted[high] { return sorted[low] }
  return sorted[low] + (place - Double(low)) * (sorted[high] - sorted[low])
}
