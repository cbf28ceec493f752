// Licensed under the Apache License, Version 2.0.

public import Sampling

/// An n-gram model's target with nothing estimated: its evidence, and draws that are independent.
///
/// ```swift
/// let exact = try NGramInference(target: target, length: 0...20)
/// print(exact.logEvidence)
/// let draw = exact.draw(using: &choices)
/// ```
///
/// Lengths are in tokens. Neither the start symbol nor the unknown word is ever part of a text.
public struct NGramInference: Sendable {
  /// Which texts, and how likely they are.
  public let target: SentenceTarget<NGramModel, TokenAutomaton>
  /// How many tokens a text may have; `nil` leaves it to the target's automaton.
  public let length: ClosedRange<Int>?
  /// The sums over contexts and states.
  public let inference: ExactInference

  /// Computes the sums over all texts.
  ///
  /// - Parameters:
  ///   - target: which texts, and how likely they are.
  ///   - length: how many tokens a text may have; `nil` leaves it to the target's automaton.
  ///   - memory: the most bytes of messages.
  ///   - threads: how many threads; they change no result.
  ///   - attempts: how often a token may be rejected before the whole vocabulary is asked.
  ///   - tolerance: where texts have any length, what ``tail`` may be; positive, below 1.
  ///   - horizon: where texts have any length, how many tokens ahead are looked at for a proof of
  ///     that; positive.
  ///   - proceed: asked now and then, given the share of the work that is done; `false` stops.
  /// - Throws: `ExactInference.Fault`.
  /// - Complexity: O(n-grams x automaton states x length) time, O(contexts x automaton states x
  ///   length) memory.
  public init(
    target: SentenceTarget<NGramModel, TokenAutomaton>, length: ClosedRange<Int>? = nil,
    memory: Int = 4 << 30,
    threads: Int = 1, attempts: Int = 64, tolerance: Double = 1e-12, horizon: Int = 4096,
    proceed: (Double) -> Bool = { _ in true }
  ) throws(ExactInference.Fault) {
    self.target = target
    self.length = length
    let automaton = target.constraint ?? TokenAutomaton(every: target.model.vocabulary)
    inference = try ExactInference(
      target.model.makeBackoffAutomaton(fluency: target.fluency), automaton, length: length,
      memory: memory, threads: threads, attempts: attempts, tolerance: tolerance,
      horizon: horizon, proceed: proceed)
  }

  /// The log of the sum of rho over all allowed texts.
  public var logEvidence: Double { inference.logEvidence }

  /// By what part of itself the evidence is too small at most, for the texts left out: 0 where
  /// their lengths are bounded, else at most the tolerance.
  public var tail: Double { inference.tail }

  /// The log of the probability of a text among all allowed ones.
  public func logProbability(of text: TokenSequence) -> Double {
    guard length.map({ $0.contains(text.count) }) ?? true else { return -.infinity }
    return target.logProbability(of: text) - logEvidence
  }

  /// One text, independent of all others.
  ///
  /// - Complexity: O(n-grams of the contexts passed and of those that they back off to).
  @specialized(where Choices == RandomChoices)
  public func draw<Choices: ChoiceSource>(using choices: inout Choices) -> TokenSequence {
    inference.draw(using: &choices)
  }

  /// Some of a sequence of independent texts, each drawn from a stream of its own.
  ///
  /// - Parameters:
  ///   - numbers: which of the sequence.
  ///   - random: what the streams split from; text i takes stream i.
  ///   - threads: how many threads; they change no result.
  /// - Returns: the texts in order.
  /// - Complexity: that of ``draw(using:)`` for each.
  public func draws(_ numbers: Range<Int>, random: Philox, threads: Int = 1) -> [TokenSequence] {
    inference.draws(numbers, random: random, threads: threads)
  }

  /// The most probable texts, the most probable first, each once.
  ///
  /// - Parameters:
  ///   - count: how many; fewer come where fewer are allowed.
  ///   - memory: the most bytes of bounds.
  ///   - proceed: asked now and then, given the share of the bounds that is done; `false` stops.
  /// - Returns: the texts.
  /// - Throws: `ExactInference.Fault`.
  /// - Complexity: that of the sums, and O(vocabulary) for each beginning looked at.
  public func best(
    _ count: Int, memory: Int = 4 << 30, proceed: (Double) -> Bool = { _ in true }
  ) throws(ExactInference.Fault) -> [TokenSequence] {
    try inference.best(count, memory: memory, proceed: proceed).map(\.text)
  }

  /// The probability that a draw is one of the texts that an automaton allows.
  ///
  /// - Parameters:
  ///   - predicate: which texts; its weights do not count.
  ///   - memory: the most bytes of messages.
  ///   - proceed: asked now and then, given the share of the work that is done; `false` stops.
  /// - Returns: the probability.
  /// - Throws: `ConstraintError` where both automata together are too large;
  ///   `ExactInference.Fault`.
  /// - Complexity: that of computing messages for both automata together.
  public func probability(
    of predicate: TokenAutomaton, memory: Int = 4 << 30,
    proceed: (Double) -> Bool = { _ in true }
  ) throws -> Double {
    try inference.probability(of: predicate, memory: memory, proceed: proceed)
  }

  /// The probabilities of all tokens at all places, and of all lengths.
  ///
  /// - Parameter proceed: asked before each place; `false` stops, and later places and lengths are
  ///   missing.
  /// - Returns: the probabilities.
  /// - Complexity: O(n-grams x automaton states x length).
  public func marginals(proceed: () -> Bool = { true }) -> ExactMarginals {
    inference.marginals(proceed: proceed)
  }
}
