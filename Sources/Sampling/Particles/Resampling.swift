// Licensed under the Apache License, Version 2.0.

/// Ways of choosing which particles go on, each particle as often in the mean as its weight says.
///
/// **Keeps.** The mean number of copies of particle i among n is n times its share of the weights, for
/// each of them. They differ in how far numbers of copies vary: multinomial most, systematic least.
/// Reference: Douc, Cappé and Moulines 2005, "Comparison of resampling schemes for particle
/// filtering".
public enum Resampling: String, CaseIterable, Hashable, Sendable {
  /// Independent draws by weight.
  case multinomial
  /// The whole part of what each is due; the rest by independent draws.
  case residual
  /// One draw from each n-th part of the weights laid end to end.
  case stratified
  /// The same place in each n-th part.
  case systematic

  /// The chosen particles, by index.
  ///
  /// - Parameters:
  ///   - weights: not negative, finite, one at least positive.
  ///   - count: how many to choose.
  ///   - choices: what draws.
  /// - Returns: `count` indices.
  /// - Complexity: O(particles + count), but for multinomial draws, which scan the weights.
  public func ancestors(
    of weights: [Double], count: Int, using choices: inout some ChoiceSource
  ) -> [Int] {
    let total = weights.reduce(0, +)
    precondition(total > 0 && total < .infinity, "weights have a positive, finite sum")
    let due = weights.map { $0 / total * Double(count) }
    switch self {
    case .multinomial:
      return (0..<count).map { _ in choices.index(weights: weights) }
    case .residual:
      // What is due as a whole number must not be lost to rounding.
      let whole = due.map { ($0 + 1e-12).rounded(.down) }
      var chosen = due.indices.flatMap { i in [Int](repeating: i, count: Int(whole[i])) }
      let rest = zip(due, whole).map { max(0, $0 - $1) }
      while chosen.count < count {
        chosen.append(choices.index(weights: rest.contains { $0 > 0 } ? rest : weights))
      }
      return Array(chosen.prefix(count))
    case .stratified:
      return (0..<count).map { part in
        let shares = overlaps(of: due, with: Double(part), Double(part + 1))
        return shares.first + choices.index(weights: shares.lengths)
      }
    case .systematic:
      return systematic(due, count, using: &choices)
    }
  }

  /// The parts of the weights, laid end to end, that lie in an interval.
  private func overlaps(
    of due: [Double], with low: Double, _ high: Double
  ) -> (first: Int, lengths: [Double]) {
    var first = 0
    var begin = 0.0
    while first < due.count - 1, begin + due[first] <= low {
      begin += due[first]
      first += 1
    }
    var lengths: [Double] = []
    var i = first
    while i < due.count, begin < high || lengths.isEmpty {
      lengths.append(max(0, min(high, begin + due[i]) - max(low, begin)))
      begin += due[i]
      i += 1
    }
    // At the very end rounding can leave nothing.
    if !lengths.contains(where: { $0 > 0 }) {
      return (due.lastIndex { $0 > 0 } ?? 0, [1])
    }
    return (first, lengths)
  }

  /// Where the place in each part lies matters only between the ends of weights, so it is a choice
  /// among the stretches between them.
  private func systematic(
    _ due: [Double], _ count: Int, using choices: inout some ChoiceSource
  ) -> [Int] {
    var ends: [Double] = []
    var end = 0.0
    for one in due {
      end += one
      ends.append(end)
    }
    let breaks = ([0, 1] + ends.map { $0 - $0.rounded(.down) }).sorted()
    let lengths = zip(breaks, breaks.dropFirst()).map { $1 - $0 }
    let stretch = choices.index(weights: lengths)
    let place = breaks[stretch] + lengths[stretch] / 2
    var chosen: [Int] = []
    var i = 0
    for part in 0..<count {
      while i < due.count - 1, ends[i] <= Double(part) + place { i += 1 }
      while due[i] == 0, i > 0 { i -= 1 }
      chosen.append(i)
    }
    return chosen
  }
}

/// Different particles, one after another by their weights among those that are left.
///
/// **Keeps** nothing exactly: each particle comes once at most, which few weights allow to be in
/// proportion. It is for a varied sample. Reference: Gelman et al. 2013, "Bayesian Data Analysis",
/// section 10.4, on resampling without replacement.
///
/// - Parameters:
///   - weights: not negative, finite.
///   - count: how many at most.
///   - choices: what draws.
/// - Returns: different indices of positive weight, fewer where there are no more.
public func drawWithoutReplacement(
  _ weights: [Double], count: Int, using choices: inout some ChoiceSource
) -> [Int] {
  var left = weights
  var chosen: [Int] = []
  while chosen.count < count, left.contains(where: { $0 > 0 }) {
    let next = choices.index(weights: left)
    chosen.append(next)
    left[next] = 0
  }
  return chosen
}
