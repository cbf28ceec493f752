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
  /// All draws in ascending order; empty where one of them is no number.
  let sorted: [Double]
  private let hasNaN: Bool

  /// The traces of some chains, the longer ones cut to the length of the shortest.
  public init(_ chains: [[Double]]) {
    let count = chains.map(\.count).min() ?? 0
    self.chains = chains.map { Array($0.prefix(count)) }
    var all = self.chains.flatMap { $0 }
    hasNaN = all.contains(where: \.isNaN)
    if hasNaN { all = [] }
    all.sort()
    sorted = all
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
    return finite(Sampling.quantile(probability, ofSorted: sorted))
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
    return finite(compute(chains.flatMap { $0 }))
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
  let sorted = chains.flatMap { $0 }.sorted()
  var values: [Double] = []
  var scores: [Double] = []
  var first = 0
  while first < sorted.count {
    var last = first
    while last + 1 < sorted.count, sorted[last + 1] == sorted[first] { last += 1 }
    values.append(sorted[first])
    // Blom's offsets of 3/8.
    let rank = Double(first + last) / 2 + 1
    scores.append(normalQuantile((rank - 0.375) / (Double(sorted.count) + 0.25)))
    first = last + 1
  }
  return chains.map { $0.map { scores[lowerBound(of: $0, in: values)] } }
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
