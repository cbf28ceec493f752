// Licensed under the Apache License, Version 2.0.

/// How a chain of contexts chooses the next token.
public enum ContextChoice: Sendable {
  /// The most probable token, the lowest of equals.
  case greedy
  /// A token by its probability.
  case sampled
}

/// A decoder over a model of finitely many contexts, as an absorbing Markov chain.
///
/// The states are the contexts that the decoder can come to; a step is a token, and the end leaves
/// the chain. It is this where the decoder's choice depends on the context alone: greedy decoding,
/// and sampling under transforms that read nothing but the logits.
public struct ContextChain<Context: Hashable & Sendable>: Sendable {
  /// A step from one state to another.
  public struct Step: Hashable, Sendable {
    /// The token.
    public let token: Token
    /// The number of the state that it leads to.
    public let target: UInt32
    /// Its probability.
    public let probability: Double
  }

  /// Probabilities too small for a number, which count as zero in a chain's figures.
  public struct Vanishing: Hashable, Sendable {
    /// The natural logarithm of the ends' probability.
    public fileprivate(set) var logEnd = -Double.infinity
    /// The natural logarithm of all other steps' probability.
    public fileprivate(set) var logSteps = -Double.infinity
  }

  /// The contexts, by the number of their state.
  public let contexts: [Context]
  /// The states where texts begin.
  public let roots: [Int]
  /// All steps, those of one state together.
  public let steps: [Step]
  /// For each state its part of ``steps``; empty where it has not been looked at.
  public let ranges: [Range<Int>]
  /// For each state the probability that the text ends there.
  public let ends: [Double]
  /// For each state whether its steps are known.
  public let isKnown: [Bool]
  /// For each state how far a ``Nucleus`` or ``EpsilonCutoff`` is from changing; empty without one.
  ///
  /// No nucleus of a mass up to this number, and no floor above it, lets another token in.
  public let thresholds: [Double]
  /// For states where there are any: what is too improbable for a number.
  public let vanishing: [Int: Vanishing]

  /// Whether all states' steps are known.
  public var isComplete: Bool { !isKnown.contains(false) }

  /// Explores what a decoder can come to, the most probable states first.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - strategy: how it chooses.
  ///   - transforms: what changes the model's distribution; all depend on the logits alone.
  ///   - stops: tokens that close a text besides the model's own end.
  ///   - roots: the contexts where texts begin, one at least; they count equally.
  ///   - cut: the transform that ``thresholds`` are about, by its place, if it is a ``Nucleus`` or an
  ///     ``EpsilonCutoff``; by default the last of them.
  ///   - limit: no further state is looked at once more steps than that are stored.
  ///   - isCancelled: asked at each state; the chain then holds what is known.
  ///   - watch: is told the number of states looked at.
  /// - Throws: where a context has no token left, or a logit is no number.
  /// - Complexity: O(states x vocabulary).
  public init<Model: FiniteContextModel>(
    _ model: Model, _ strategy: ContextChoice, transforms: [any NextTokenTransform] = [],
    stops: [Token] = [], roots: [Context], cut: Int? = nil, limit: Int = 8_000_000,
    isCancelled: () -> Bool = { false }, watch: (Int) -> Void = { _ in }
  ) throws(DecodingError) where Model.Context == Context {
    var chain = TransformChain(transforms)
    precondition(chain.dependsOnLogitsAlone, "the decoder's choice depends on the context alone")
    let threshold = strategy == .sampled ? Threshold(cut, transforms) : nil
    chain.explains = threshold != nil
    var next = NextTokens(count: model.vocabulary.count, ends: [model.vocabulary.end] + stops)
    var choices = NoChoices()
    try self.init(
      roots: roots, hasThresholds: threshold != nil, limit: limit, isCancelled: isCancelled,
      watch: watch
    ) { (context, step) throws(DecodingError) in
      try next.begin(model, in: context)
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

  /// Explores, given the steps of a state: each with its token, its log-probability, whether it is an
  /// end, and the context that it leads to if it is none; what is returned is the state's threshold.
  init(
    roots: [Context], hasThresholds: Bool, limit: Int, isCancelled: () -> Bool,
    watch: (Int) -> Void,
    look: (Context, (Token, Double, Bool, () -> Context) -> Void) throws(DecodingError) -> Double
  ) throws(DecodingError) {
    precondition(!roots.isEmpty, "texts begin somewhere")
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

/// States by the probability of coming to them, as far as it is known when they are met.
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
