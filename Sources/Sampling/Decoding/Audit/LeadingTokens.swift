// Licensed under the Apache License, Version 2.0.

/// A truncation that reads the most probable tokens, in their order, and keeps the first of them.
///
/// Where a model can hand out its tokens so, no pass over the vocabulary is needed.
public protocol LeadingTruncation: Truncation {
  /// Whether a token is kept; none behind the first that is not.
  ///
  /// - Parameters:
  ///   - rank: how many tokens come before it.
  ///   - massBefore: their probability together.
  ///   - probability: its own.
  ///   - first: that of the most probable token.
  /// - Returns: true for the first token, false for all that follow one that is not kept.
  func keeps(rank: Int, massBefore: Double, probability: Double, first: Double) -> Bool
}

extension TopK: LeadingTruncation {
  /// The first k.
  public func keeps(rank: Int, massBefore: Double, probability: Double, first: Double) -> Bool {
    rank < k
  }
}

extension Nucleus: LeadingTruncation {
  /// Until their mass is reached.
  public func keeps(rank: Int, massBefore: Double, probability: Double, first: Double) -> Bool {
    rank == 0 || mass == 1 || massBefore < mass
  }
}

extension MinP: LeadingTruncation {
  /// What reaches the share of the first.
  public func keeps(rank: Int, massBefore: Double, probability: Double, first: Double) -> Bool {
    probability >= share * first
  }
}

extension EpsilonCutoff: LeadingTruncation {
  /// What reaches the floor, and what is as probable as the first.
  public func keeps(rank: Int, massBefore: Double, probability: Double, first: Double) -> Bool {
    probability >= min(epsilon, first)
  }
}

/// The tokens of a back-off model's contexts, the most probable first, the lowest of equals first.
///
/// What a context lists is put in order once; the lists of a context and of those that it fails to
/// are merged as far as they are asked for.
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
    /// The next arc of its order.
    var place = 0
  }

  private let automaton: BackoffAutomaton
  /// For each context the sum of all its tokens' weights.
  private let totals: [Double]
  /// For each context that has been asked for, its arcs in order.
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

  /// Hands out tokens with their probabilities until told that it is enough.
  ///
  /// - Complexity: O(tokens handed out x order x log(listed)), and once a context O(listed x log).
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

  /// Puts a context's arcs in order.
  private mutating func order(_ context: Int) {
    guard orders[context].isEmpty, !automaton.arcs[context].isEmpty else { return }
    orders[context] = automaton.arcs[context].sorted { a, b in
      let (x, y) = (automaton.weights[Int(a)], automaton.weights[Int(b)])
      return x > y || (x == y && a < b)
    }
  }

  /// The first token of a level's rest that no longer context lists.
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

  /// The probability of a token, and where it leads.
  func step(_ context: Int, _ token: Token) -> (probability: Double, target: Int) {
    let (weight, target) = automaton.step(context, token.rawValue)
    return (weight / totals[context], target)
  }
}

extension BackoffAutomaton {
  /// Whether the end has a positive probability in each of the finitely many contexts, so that every
  /// text ends that is sampled without removing it.
  ///
  /// - Complexity: O(contexts x order x log(listed tokens)).
  public var everyContextMayEnd: Bool {
    (0..<contextCount).allSatisfy { step($0, vocabulary.end.rawValue).weight > 0 }
  }

  /// Whether the probability of some token in some context may be too small for a number, though it is
  /// not zero.
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
