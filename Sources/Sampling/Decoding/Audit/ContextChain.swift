// Licensed under the Apache License, Version 2.0.

/// How a chain of contexts chooses the next token.
public enum ContextChoice: Sendable {
  /// The most probable token; among equals, the one with the lowest number.
  case greedy
  /// A token drawn by its probability.
  case sampled
}

/// A decoder over a model with finitely many contexts, as an absorbing Markov chain.
///
/// The states are the contexts that the decoder can reach. A transition is a token, and the end
/// leaves the chain. This is exact if the decoder's choice depends only on the context: for greedy
/// decoding, and for sampling under transforms that read only the logits.
public struct ContextChain<Context: Hashable & Sendable>: Sendable {
  /// A transition from one state to another.
  public struct Step: Hashable, Sendable {
    /// The token.
    public let token: Token
    /// The number of the state that it leads to.
    public let target: UInt32
    /// The probability of the token.
    public let probability: Double
  }

  /// Probabilities that underflow, so they count as zero in the figures of a chain.
  public struct Vanishing: Hashable, Sendable {
    /// The natural log of the probability of the ends.
    public fileprivate(set) var logEnd = -Double.infinity
    /// The natural log of the probability of all other transitions.
    public fileprivate(set) var logSteps = -Double.infinity
  }

  /// The context of each state.
  public let contexts: [Context]
  /// The states in which texts begin.
  public let roots: [Int]
  /// All transitions, ordered by the state that they leave.
  public let steps: [Step]
  /// The part of ``steps`` that leaves each state; empty if the state is unexplored.
  public let ranges: [Range<Int>]
  /// The probability that the text ends in each state.
  public let ends: [Double]
  /// Whether the transitions of each state are known.
  public let isKnown: [Bool]
  /// How far a ``Nucleus`` or ``EpsilonCutoff`` is from changing, for each state; empty without
  /// one.
  ///
  /// A nucleus with a mass up to this number, or a floor above it, keeps no other token.
  public let thresholds: [Double]
  /// The probabilities that underflow, for states that have such.
  public let vanishing: [Int: Vanishing]

  /// Whether the transitions of all states are known.
  public var isComplete: Bool { !isKnown.contains(false) }

  /// Explores the states that a decoder can reach, the most probable first.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - strategy: how the decoder chooses.
  ///   - transforms: the transforms of the decoder; all of them depend only on the logits.
  ///   - stops: tokens that close a text, besides the model's own end.
  ///   - roots: the contexts where texts begin, at least one; all are equally likely.
  ///   - cut: the index of the transform for ``thresholds``, a ``Nucleus`` or an ``EpsilonCutoff``;
  ///     by default the last of these.
  ///   - limit: once more transitions than this are stored, no other state is explored.
  ///   - isCancelled: called at each state; `true` ends the exploration early.
  ///   - watch: receives the number of states explored so far.
  /// - Throws: if no token remains in a context, or a logit is NaN.
  /// - Complexity: O(states x vocabulary).
  public init<Model: FiniteContextModel>(
    _ model: Model, _ strategy: ContextChoice, transforms: [any NextTokenTransform] = [],
    stops: [Token] = [], roots: [Context], cut: Int? = nil, limit: Int = 8_000_000,
    isCancelled: () -> Bool = { false }, watch: (Int) -> Void = { _ in }
  ) throws(DecodingError) where Model.Context == Context {
    var chain = TransformChain(transforms)
    precondition(chain.dependsOnLogitsAlone, "the decoder's choice depends only on the context")
    let threshold = strategy == .sampled ? Threshold(cut, transforms) : nil
    chain.explains = threshold != nil
    var next = NextTokens(count: model.vocabulary.count, ends: [model.vocabulary.end] + stops)
    var choices = NoChoices()
    try self.init(
      roots: roots, hasThresholds: threshold != nil, limit: limit, isCancelled: isCancelled,
      watch: watch
    ) { (context, step) throws(DecodingError) in
      try next.begin(model, in: context, atLevel: chain.readsLevel)
      try chain.apply(to: &next, using: &choices)
      next.normalize()
      let best = strategy == .greedy ? next.best.token : nil
      for token in next.candidates where best == nil || token == best {
        let isEnd = next.isEnd(token)
        step(token, best == nil ? next[token] : 0, isEnd) {
          var following = context
          model.advance(&following, by: token)
          return following
        }
      }
      return threshold.map { $0.value(after: chain.removals[$0.place]) } ?? 0
    }
  }

  /// Explores the states, given the transitions of each state.
  ///
  /// Each transition comes with its token, its log-probability, whether it is an end and, if it is
  /// not, the context that it leads to. The closure returns the threshold of the state.
  init(
    roots: [Context], hasThresholds: Bool, limit: Int, isCancelled: () -> Bool,
    watch: (Int) -> Void,
    look: (Context, (Token, Double, Bool, () -> Context) -> Void) throws(DecodingError) -> Double
  ) throws(DecodingError) {
    precondition(!roots.isEmpty, "there is at least one root")
    var contexts: [Context] = []
    var numbers: [Context: Int] = [:]
    var ranges: [Range<Int>] = []
    var ends: [Double] = []
    var isKnown: [Bool] = []
    var thresholds: [Double] = []
    var steps: [Step] = []
    var vanishing: [Int: Vanishing] = [:]
    var queue = StateQueue()
    func number(_ context: Context, _ mass: Double) -> Int {
      if let number = numbers[context] { return number }
      let number = contexts.count
      numbers[context] = number
      contexts.append(context)
      ranges.append(0..<0)
      ends.append(0)
      isKnown.append(false)
      if hasThresholds { thresholds.append(0) }
      queue.insert(number, mass)
      return number
    }
    self.roots = roots.map { number($0, 1) }
    var known = 0
    while let (state, mass) = queue.popLargest() {
      if steps.count > limit || isCancelled() { break }
      let low = steps.count
      let threshold = try look(contexts[state]) { token, logProbability, isEnd, following in
        let probability = LogSpace.exp(logProbability)
        guard probability >= .leastNormalMagnitude else {
          let place = isEnd ? \Vanishing.logEnd : \Vanishing.logSteps
          let known = vanishing[state, default: Vanishing()][keyPath: place]
          vanishing[state, default: Vanishing()][keyPath: place] = LogSpace.sum(
            known, logProbability)
          return
        }
        guard !isEnd else {
          ends[state] += probability
          return
        }
        let target = number(following(), mass * probability)
        steps.append(Step(token: token, target: UInt32(target), probability: probability))
      }
      if hasThresholds { thresholds[state] = threshold }
      ranges[state] = low..<steps.count
      isKnown[state] = true
      known += 1
      watch(known)
    }
    self.contexts = contexts
    self.steps = steps
    self.ranges = ranges
    self.ends = ends
    self.isKnown = isKnown
    self.thresholds = thresholds
    self.vanishing = vanishing
  }
}

/// A queue of states by the probability of reaching them, as known when they were first met.
private struct StateQueue {
  private var heap: [(state: Int, mass: Double)] = []

  private func precedes(_ a: Int, _ b: Int) -> Bool {
    (heap[a].mass, heap[b].state) > (heap[b].mass, heap[a].state)
  }

  mutating func insert(_ state: Int, _ mass: Double) {
    heap.append((state, mass))
    var place = heap.count - 1
    while place > 0, precedes(place, (place - 1) / 2) {
      heap.swapAt(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  mutating func popLargest() -> (state: Int, mass: Double)? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    guard !heap.isEmpty else { return first }
    heap[0] = last
    var place = 0
    while true {
      var child = 2 * place + 1
      guard child < heap.count else { return first }
      if child + 1 < heap.count, precedes(child + 1, child) { child += 1 }
      guard precedes(child, place) else { return first }
      heap.swapAt(child, place)
      place = child
    }
  }
}
