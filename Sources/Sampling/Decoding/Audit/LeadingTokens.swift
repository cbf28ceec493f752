// Licensed under the Apache License, Version 2.0.

/// A truncation that reads the most probable tokens in order and keeps the first of them.
///
/// If a model can list its tokens in this order, no pass over the vocabulary is needed.
public protocol LeadingTruncation: Truncation {
  /// Whether a token is kept; no token after the first rejected one is.
  ///
  /// - Parameters:
  ///   - rank: the number of tokens before it.
  ///   - massBefore: the total probability of those tokens.
  ///   - probability: the probability of this token.
  ///   - first: the probability of the most probable token.
  /// - Returns: true for the first token, and false for all tokens after a rejected one.
  func keeps(rank: Int, massBefore: Double, probability: Double, first: Double) -> Bool
}

extension TopK: LeadingTruncation {
  /// Keeps the first k tokens.
  public func keeps(rank: Int, massBefore: Double, probability: Double, first: Double) -> Bool {
    rank < k
  }
}

extension Nucleus: LeadingTruncation {
  /// Keeps tokens until their mass is reached.
  public func keeps(rank: Int, massBefore: Double, probability: Double, first: Double) -> Bool {
    rank == 0 || mass == 1 || massBefore < mass
  }
}

extension MinP: LeadingTruncation {
  /// Keeps tokens that reach the share of the first token's probability.
  public func keeps(rank: Int, massBefore: Double, probability: Double, first: Double) -> Bool {
    probability >= share * first
  }
}

extension EpsilonCutoff: LeadingTruncation {
  /// Keeps tokens that reach the floor, and those that are as probable as the first.
  public func keeps(rank: Int, massBefore: Double, probability: Double, first: Double) -> Bool {
    probability >= min(epsilon, first)
  }
}

/// The tokens of a back-off model's contexts, the most probable first; among equals, the lowest
/// first.
///
/// The list of each context is sorted once. The lists of a context and of its back-off contexts are
/// merged only as far as needed.
struct LeadingTokens {
  struct One {
    let token: UInt32
    let target: UInt32
    let weight: Double

    func precedes(_ other: One) -> Bool {
      weight > other.weight || (weight == other.weight && token < other.token)
    }
  }

  private struct Level {
    let context: Int
    let factor: Double
    /// The next arc in the sorted list.
    var place = 0
  }

  private let automaton: BackoffAutomaton
  /// The sum of the weights of all tokens, for each context.
  private let totals: [Double]
  /// The sorted arcs of each context that was asked for.
  private var orders: [[Int32]]
  private var levels: [Level] = []

  init(_ automaton: BackoffAutomaton) {
    self.automaton = automaton
    var totals = [Double](repeating: 0, count: automaton.contextCount)
    for context in automaton.order.map({ Int($0) }) {
      var sum =
        context == 0
        ? 0 : automaton.backoffs[context] * totals[Int(automaton.failures[context])]
      for arc in automaton.arcs[context].map({ Int($0) }) {
        sum += automaton.corrections[arc]
        if automaton.isSplit[context] { sum += automaton.weights[arc] }
      }
      totals[context] = sum
    }
    self.totals = totals
    orders = [[Int32]](repeating: [], count: automaton.contextCount)
  }

  /// Visits tokens with their probabilities until the closure returns `false`.
  ///
  /// - Complexity: O(tokens visited x order x log(listed)), and once per context O(listed x log).
  mutating func forEach(in context: Int, _ body: (One, _ probability: Double) -> Bool) {
    levels.removeAll(keepingCapacity: true)
    var factor = 1.0
    var here = context
    while true {
      order(here)
      levels.append(Level(context: here, factor: factor))
      guard here > 0 else { break }
      factor *= automaton.backoffs[here]
      here = Int(automaton.failures[here])
    }
    let total = totals[context]
    while true {
      var best: (one: One, level: Int)?
      for level in levels.indices {
        guard let one = next(ofLevel: level) else { continue }
        if best.map({ one.precedes($0.one) }) ?? true { best = (one, level) }
      }
      guard let best, best.one.weight > 0, body(best.one, best.one.weight / total) else { return }
      levels[best.level].place += 1
    }
  }

  /// Sorts the arcs of a context.
  private mutating func order(_ context: Int) {
    guard orders[context].isEmpty, !automaton.arcs[context].isEmpty else { return }
    orders[context] = automaton.arcs[context].sorted { a, b in
      let (x, y) = (automaton.weights[Int(a)], automaton.weights[Int(b)])
      return x > y || (x == y && a < b)
    }
  }

  /// The next token of a level that no longer context lists.
  private mutating func next(ofLevel level: Int) -> One? {
    let (context, factor) = (levels[level].context, levels[level].factor)
    search: while levels[level].place < orders[context].count {
      let arc = Int(orders[context][levels[level].place])
      let token = automaton.tokens[arc]
      for longer in levels[..<level] where automaton.arc(token, of: longer.context) >= 0 {
        levels[level].place += 1
        continue search
      }
      return One(
        token: token, target: automaton.targets[arc], weight: factor * automaton.weights[arc])
    }
    return nil
  }

  /// The probability of a token and the context that it leads to.
  func step(_ context: Int, _ token: Token) -> (probability: Double, target: Int) {
    let (weight, target) = automaton.step(context, token.rawValue)
    return (weight / totals[context], target)
  }
}

extension BackoffAutomaton {
  /// Whether the end has a positive probability in every context.
  ///
  /// If so, every text ends that is sampled without removing the end.
  ///
  /// - Complexity: O(contexts x order x log(listed tokens)).
  public var everyContextMayEnd: Bool {
    (0..<contextCount).allSatisfy { step($0, vocabulary.end.rawValue).weight > 0 }
  }

  /// Whether a positive probability of some token in some context may underflow.
  ///
  /// - Complexity: O(arcs).
  public var mayVanish: Bool {
    let least = weights.lazy.filter { $0 > 0 }.min() ?? 1
    let leastBackoff = min(1, backoffs.lazy.filter { $0 > 0 }.min() ?? 1)
    let logLeast = LogSpace.log(least) + Double(depthHeads.count) * LogSpace.log(leastBackoff)
    return weights.contains(0) || backoffs.contains(0)
      || logLeast < LogSpace.log(.leastNormalMagnitude)
  }

  /// The context after a text.
  public func context(after text: some Sequence<Token>) -> Int {
    text.reduce(start) { step($0, $1.rawValue).target }
  }
}
