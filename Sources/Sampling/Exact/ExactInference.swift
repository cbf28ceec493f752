// Licensed under the Apache License, Version 2.0.

/// Sums over all texts that an automaton allows under a model whose structure makes that finite
/// work, and independent draws by them.
///
/// ```swift
/// let exact = try ExactInference(model, automaton, length: 0...20)
/// print(exact.logEvidence)
/// let draw = exact.draw(using: &choices)
/// ```
///
/// A text of tokens w weighs `weight(w | contexts) x exp(nats of the automaton)`, its end symbol
/// included. Messages are computed backwards once, by the number of tokens read; texts are drawn
/// forwards, each an exact draw of its own. Whether a text can go on is known from the automaton
/// alone, never from whether a sum is positive.
///
/// Where texts have any length, messages of at most so many more tokens grow towards their limit,
/// and are computed until the rest is proved to be small (``tail``), or proved to have no limit.
///
/// **Accuracy.** Relative, some units in the last place for each token: a sum of which subtraction
/// leaves less than one part in 64 is added up token by token.
///
/// Source: Mohri, Pereira and Riley 2008, "Speech recognition with weighted finite-state
/// transducers", for failure transitions.
public struct ExactInference: Sendable {
  /// What keeps sums from being computed.
  public enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
    /// The weights of longer and longer texts add up without end.
    case divergent
    /// No bound was found on the weights of texts of any length, looking so many tokens ahead.
    case unproved(horizon: Int)
    /// No text of these lengths is allowed.
    case impossible
    /// The messages would need so many bytes, of so many given.
    case tooLarge(bytes: Int, allowed: Int)
    /// The caller asked to stop.
    case stopped

    /// What is wrong and what to do.
    public var description: String {
      switch self {
      case .divergent:
        "the weights of longer and longer texts add up without end; give the most tokens that a "
          + "text may have"
      case .unproved(let horizon):
        "texts of any length are allowed, and within \(horizon) tokens no bound was found on the "
          + "weights of longer ones; give the most tokens that a text may have"
      case .impossible: "no text of these lengths is allowed"
      case .tooLarge(let bytes, let allowed):
        "the messages need \(bytes) bytes, allowed are \(allowed); shorten the texts or say fewer "
          + "things of them"
      case .stopped: "stopped before the sums were complete"
      }
    }
  }

  let model: BackoffAutomaton
  let layers: AutomatonLayers
  let messages: ExactMessages
  /// How often a token may be rejected before the whole vocabulary is asked.
  let attempts: Int
  let threads: Int
  let tolerance: Double
  let horizon: Int
  /// The log of the sum of all allowed texts' weights.
  public let logEvidence: Double

  /// Computes all messages.
  ///
  /// - Parameters:
  ///   - model: the contexts.
  ///   - automaton: which texts, and what soft constraints add.
  ///   - length: how many tokens a text may have; `nil` leaves it to the automaton.
  ///   - memory: the most bytes of messages; where they need more, some are computed again for
  ///     each batch of draws.
  ///   - threads: how many threads; they change no result.
  ///   - attempts: how often a token may be rejected before the whole vocabulary is asked.
  ///   - tolerance: where texts have any length, what ``tail`` may be; positive, below 1.
  ///   - horizon: where texts have any length, how many tokens ahead are looked at for a proof of
  ///     that; positive.
  ///   - proceed: asked now and then, given the share of the work that is done; `false` stops.
  /// - Throws: ``Fault``.
  /// - Complexity: O(arcs x automaton states x length) time, O(contexts x automaton states x
  ///   length) memory; where texts have any length, O(contexts x automaton states) memory, and
  ///   the length is that beyond which texts are as rare as the tolerance.
  public init(
    _ model: BackoffAutomaton, _ automaton: TokenAutomaton, length: ClosedRange<Int>? = nil,
    memory: Int = 4 << 30, threads: Int = 1, attempts: Int = 64, tolerance: Double = 1e-12,
    horizon: Int = 4096, proceed: (Double) -> Bool = { _ in true }
  ) throws(Fault) {
    precondition(
      automaton.classes.count == model.vocabulary.count, "one vocabulary for both automata")
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

  /// By what part of itself the evidence is too small at most, for the texts left out: 0 where
  /// their lengths are bounded, else at most the tolerance.
  ///
  /// The law of a draw is that of the target within this share for each token and each context
  /// that it backs off to.
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
  ///   - predicate: which texts; its weights do not count.
  ///   - memory: the most bytes of messages.
  ///   - proceed: asked now and then, given the share of the work that is done; `false` stops.
  /// - Returns: the probability.
  /// - Throws: `ConstraintError` where both automata together are too large; ``Fault``.
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
