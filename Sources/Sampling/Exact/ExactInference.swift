// Licensed under the Apache License, Version 2.0.

/// Exact sums over all texts that an automaton allows, and independent draws, under a model with
/// finitely many contexts.
///
/// ```swift
/// let exact = try ExactInference(model, automaton, length: 0...20)
/// print(exact.logEvidence)
/// let draw = exact.draw(using: &choices)
/// ```
///
/// The weight of a text of tokens w is `weight(w | contexts) x exp(nats of the automaton)`, with
/// its end symbol. Messages are computed once, backwards, by the number of tokens read. Texts are
/// then drawn forwards, and each is an independent exact draw. The automaton alone decides whether
/// a text can continue, never the sign of a sum.
///
/// If texts may have any length, the messages for at most so many more tokens approach a limit.
/// They are computed until the rest is proved to be small (``tail``), or the sum is proved to
/// diverge.
///
/// **Accuracy.** A relative error of some units in the last place for each token. If subtraction
/// leaves less than 1/64 of a sum, the sum is computed token by token instead.
/// leaves less than one part in 64 is added up token by token.
///
/// Source: Mohri, Pereira and Riley 2008, "Speech recognition with weighted finite-state
/// transducers", for failure transitions.
public struct ExactInference: Sendable {
  /// The reason why sums cannot be computed.
  public enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
    /// The sum of the weights over all lengths diverges.
    case divergent
    /// No bound on the weights of longer texts was found within the horizon.
    case unproved(horizon: Int)
    /// No text of these lengths is allowed.
    case impossible
    /// The messages need more bytes than are allowed.
    case tooLarge(bytes: Int, allowed: Int)
    /// The caller asked to stop.
    case stopped

    /// The fault and what to do about it.
    public var description: String {
      switch self {
      case .divergent:
        "the sum over all lengths diverges; give the most tokens that a "
          + "text may have"
      case .unproved(let horizon):
        "texts may have any length, and no bound on the weights of longer texts was found within "
          + "\(horizon) tokens; give the most tokens that a text may have"
      case .impossible: "no text of these lengths is allowed"
      case .tooLarge(let bytes, let allowed):
        "the messages need \(bytes) bytes, but only \(allowed) are allowed; use shorter texts or "
          + "fewer statements"
      case .stopped: "stopped before the sums were complete"
      }
    }
  }

  let model: BackoffAutomaton
  let layers: AutomatonLayers
  let messages: ExactMessages
  /// How often a draw may reject a token before it reads the whole vocabulary.
  let attempts: Int
  let threads: Int
  let tolerance: Double
  let horizon: Int
  /// The log of the sum of the weights of all allowed texts.
  public let logEvidence: Double

  /// Computes all messages.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - automaton: the allowed texts, and the nats of soft constraints.
  ///   - length: the numbers of tokens that a text may have; `nil` leaves it to the automaton.
  ///   - memory: the most bytes for messages. If they need more, some are computed again for each
  ///     batch of draws.
  ///   - threads: the number of threads, which does not change the results.
  ///   - attempts: how often a draw may reject a token before it reads the whole vocabulary.
  ///   - tolerance: the largest allowed ``tail`` for texts of any length; above 0, below 1.
  ///   - horizon: for texts of any length, how many tokens ahead to look for a proof of the tail;
  ///     positive.
  ///   - proceed: called now and then with the share of the work that is done; `false` stops.
  /// - Throws: ``Fault``.
  /// - Complexity: O(arcs x automaton states x length) time, O(contexts x automaton states x
  ///   length) memory. For texts of any length, O(contexts x automaton states) memory, and the
  ///   length is the one beyond which texts are as rare as the tolerance.
  public init(
    _ model: BackoffAutomaton, _ automaton: TokenAutomaton, length: ClosedRange<Int>? = nil,
    memory: Int = 4 << 30, threads: Int = 1, attempts: Int = 64, tolerance: Double = 1e-12,
    horizon: Int = 4096, proceed: (Double) -> Bool = { _ in true }
  ) throws(Fault) {
    precondition(
      automaton.classes.count == model.vocabulary.count,
      "the automaton is over the model's vocabulary")
    precondition(length.map { $0.lowerBound >= 0 } ?? true, "lengths are not negative")
    precondition(tolerance > 0 && tolerance < 1, "a tolerance lies between 0 and 1")
    precondition(horizon > 0, "a horizon is positive")
    let isEndless = length == nil && automaton.isUnbounded
    guard
      let layers = isEndless
        ? AutomatonLayers(endless: automaton) : AutomatonLayers(automaton, length: length)
    else { throw .impossible }
    let (interval, least) = ExactMessages.interval(model, layers, memory: memory)
    guard let interval else { throw .tooLarge(bytes: least, allowed: memory) }
    self.model = model
    self.layers = layers
    self.attempts = attempts
    self.threads = threads
    self.tolerance = tolerance
    self.horizon = horizon
    messages = try Self.messages(
      model, layers, isMaximum: false, interval: interval, threads: threads, tolerance: tolerance,
      horizon: horizon, proceed: proceed)
    logEvidence = LogSpace.log(messages.startValue) + messages.startLogUnit
  }

  /// The share by which the evidence is too small, at most, because long texts are left out.
  ///
  /// It is 0 if lengths are bounded, and otherwise at most the tolerance. The law of a draw differs
  /// from the target by at most this share for each token and each context that it backs off to.
  public var tail: Double { messages.tail }

  static func messages(
    _ model: BackoffAutomaton, _ layers: AutomatonLayers, isMaximum: Bool, interval: Int,
    threads: Int, tolerance: Double, horizon: Int, proceed: (Double) -> Bool
  ) throws(Fault) -> ExactMessages {
    guard layers.isEndless else {
      guard
        let messages = ExactMessages(
          model, layers, isMaximum: isMaximum, interval: interval, threads: threads,
          proceed: proceed)
      else { throw .stopped }
      return messages
    }
    do throws(EndlessPasses.Fault) {
      return try ExactMessages(
        endless: model, layers, isMaximum: isMaximum, threads: threads, tolerance: tolerance,
        horizon: horizon, proceed: proceed)
    } catch {
      switch error {
      case .stopped: throw .stopped
      case .divergent: throw .divergent
      case .unproved: throw .unproved(horizon: horizon)
      }
    }
  }

  /// The probability that a draw is one of the texts that an automaton allows.
  ///
  /// It is the quotient of two evidences.
  ///
  /// - Parameters:
  ///   - predicate: the automaton of the texts; its weights are ignored.
  ///   - memory: the most bytes for messages.
  ///   - proceed: called now and then with the share of the work that is done; `false` stops.
  /// - Returns: the probability.
  /// - Throws: `ConstraintError` if the product of both automata is too large; ``Fault``.
  /// - Complexity: that of computing messages for both automata together.
  public func probability(
    of predicate: TokenAutomaton, memory: Int = 4 << 30,
    proceed: (Double) -> Bool = { _ in true }
  ) throws -> Double {
    let hard = TokenAutomaton(
      start: predicate.start, classes: predicate.classes, classCount: predicate.classCount,
      transitions: predicate.transitions,
      finalWeights: predicate.finalWeights.map { $0 > -.infinity ? 0 : -.infinity })
    let both = try layers.automaton.product(hard)
    do throws(Fault) {
      let shared = try ExactInference(
        model, both, length: layers.isEndless ? nil : layers.lengths, memory: memory,
        threads: threads, tolerance: tolerance, horizon: horizon, proceed: proceed)
      return min(1, LogSpace.exp(shared.logEvidence - logEvidence))
    } catch .impossible {
      return 0
    } catch {
      throw error
    }
  }
}
