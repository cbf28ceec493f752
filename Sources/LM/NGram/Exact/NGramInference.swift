// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Exact inference under an n-gram model: the evidence without an estimate, and independent draws.
///
/// ```swift
/// let exact = try NGramInference(target: target, length: 0...20)
/// print(exact.logEvidence)
/// let draw = exact.draw(using: &choices)
/// ```
///
/// Lengths are in tokens. Texts never contain the start symbol or the unknown token.
public struct NGramInference: Sendable {
  /// The target: the allowed texts and their weights.
  public let target: SentenceTarget<NGramModel, TokenAutomaton>
  /// The numbers of tokens that a text may have; `nil` leaves it to the target's automaton.
  public let length: ClosedRange<Int>?
  /// The sums over contexts and states.
  public let inference: ExactInference

  /// Computes the sums over all texts.
  ///
  /// - Parameters:
  ///   - target: the target.
  ///   - length: the numbers of tokens that a text may have; `nil` leaves it to the target's
  ///     automaton.
  ///   - memory: the most bytes for messages.
  ///   - threads: the number of threads, which does not change the results.
  ///   - attempts: how often a draw may reject a token before it reads the whole vocabulary.
  ///   - tolerance: the largest allowed ``tail`` for texts of any length; above 0, below 1.
  ///   - horizon: for texts of any length, how many tokens ahead to look for a proof of the tail;
  ///     positive.
  ///   - proceed: called now and then with the share of the work that is done; `false` stops.
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

  /// The share by which the evidence is too small, at most, because long texts are left out.
  ///
  /// It is 0 if lengths are bounded, and otherwise at most the tolerance.
  public var tail: Double { inference.tail }

  /// The log-probability of a text among all allowed texts.
  public func logProbability(of text: TokenSequence) -> Double {
    guard length.map({ $0.contains(text.count) }) ?? true else { return -.infinity }
    return target.logProbability(of: text) - logEvidence
  }

  /// Draws one text, independent of all others.
  ///
  /// - Complexity: O(n-grams of the contexts visited and of their back-off contexts).
  @specialized(where Choices == RandomChoices)
  public func draw<Choices: ChoiceSource>(using choices: inout Choices) -> TokenSequence {
    inference.draw(using: &choices)
  }

  /// Draws some texts of a sequence of independent ones, each from its own random stream.
  ///
  /// - Parameters:
  ///   - numbers: the numbers of the texts in the sequence.
  ///   - random: the generator whose streams are used; text i takes stream i.
  ///   - threads: the number of threads, which does not change the results.
  /// - Returns: the texts in order.
  /// - Complexity: that of ``draw(using:)`` for each.
  public func draws(_ numbers: Range<Int>, random: Philox, threads: Int = 1) -> [TokenSequence] {
    inference.draws(numbers, random: random, threads: threads)
  }

  /// The most probable texts, the most probable first, each once.
  ///
  /// - Parameters:
  ///   - count: the number of texts; there are fewer if fewer are allowed.
  ///   - memory: the most bytes for bounds.
  ///   - proceed: called now and then with the share of the bounds that is done; `false` stops.
  /// - Returns: the texts.
  /// - Throws: `ExactInference.Fault`.
  /// - Complexity: that of the sums, and O(vocabulary) for each beginning extended.
  public func best(
    _ count: Int, memory: Int = 4 << 30, proceed: (Double) -> Bool = { _ in true }
  ) throws(ExactInference.Fault) -> [TokenSequence] {
    try inference.best(count, memory: memory, proceed: proceed).map(\.text)
  }

  /// The probability that a draw is one of the texts that an automaton allows.
  ///
  /// - Parameters:
  ///   - predicate: the automaton of the texts; its weights are ignored.
  ///   - memory: the most bytes for messages.
  ///   - proceed: called now and then with the share of the work that is done; `false` stops.
  /// - Returns: the probability.
  /// - Throws: `ConstraintError` if the product of both automata is too large;
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
  /// - Parameter proceed: called before each place; `false` stops, and later places and lengths are
  ///   then missing.
  /// - Returns: the probabilities.
  /// - Complexity: O(n-grams x automaton states x length).
  public func marginals(proceed: () -> Bool = { true }) -> ExactMarginals {
    inference.marginals(proceed: proceed)
  }
}
