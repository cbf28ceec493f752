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
/// **Accuracy.** Relative, some units in the last place for each token: a sum of which subtraction
/// leaves less than one part in 64 is added up token by token.
///
/// Source: Mohri, Pereira and Riley 2008, "Speech recognition with weighted finite-state
/// transducers", for failure transitions.
public struct ExactInference: Sendable {
  /// What keeps sums from being computed.
  public enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
    /// The automaton allows texts of any length, and no length was given.
    case unbounded
    /// No text of these lengths is allowed.
    case impossible
    /// The messages would need so many bytes, of so many given.
    case tooLarge(bytes: Int, allowed: Int)
    /// The caller asked to stop.
    case stopped

    /// What is wrong and what to do.
    public var description: String {
      switch self {
      case .unbounded:
        "texts of any length are allowed; give the most tokens that a text may have"
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
  /// The log of the sum of all allowed texts' weights.
  public let logEvidence: Double

  /// Computes all messages.
  ///
  /// - Parameters:
  ///   - model: the contexts.
  ///   - automaton: which texts, and what soft constraints add.
  ///   - length: how many tokens a text may have; `nil` leaves it to the automaton.
  ///   - memory: the most bytes of messages.
  ///   - threads: how many threads; they change no result.
  ///   - attempts: how often a token may be rejected before the whole vocabulary is asked.
  ///   - proceed: asked now and then, given the share of the work that is done; `false` stops.
  /// - Throws: ``Fault``.
  /// - Complexity: O(arcs x automaton states x length) time, O(contexts x automaton states x
  ///   length) memory.
  public init(
    _ model: BackoffAutomaton, _ automaton: TokenAutomaton, length: ClosedRange<Int>? = nil,
    memory: Int = 4 << 30, threads: Int = 1, attempts: Int = 64,
    proceed: (Double) -> Bool = { _ in true }
  ) throws(Fault) {
    precondition(
      automaton.classes.count == model.vocabulary.count, "one vocabulary for both automata")
    precondition(length.map { $0.lowerBound >= 0 } ?? true, "lengths are not negative")
    if length == nil, automaton.isUnbounded { throw .unbounded }
    guard let layers = AutomatonLayers(automaton, length: length) else { throw .impossible }
    let bytes = ExactMessages.byteCount(model, layers)
    guard bytes <= memory else { throw .tooLarge(bytes: bytes, allowed: memory) }
    self.model = model
    self.layers = layers
    self.attempts = attempts
    self.threads = threads
    guard
      let messages = ExactMessages(
        model, layers, isMaximum: false, threads: threads, proceed: proceed)
    else { throw .stopped }
    self.messages = messages
    logEvidence = LogSpace.log(messages.startValue) + messages.logUnits[0][0]
  }

  /// The probability that a draw is one of the texts that an automaton allows.
  ///
  /// It is the quotient of two evidences.
  ///
  /// - Parameters:
  ///   - predicate: which texts; its weights do not count.
  ///   - memory: the most bytes of messages.
  /// - Returns: the probability.
  /// - Throws: `ConstraintError` where both automata together are too large; ``Fault``.
  /// - Complexity: that of computing messages for both automata together.
  public func probability(of predicate: TokenAutomaton, memory: Int = 4 << 30) throws -> Double {
    let hard = TokenAutomaton(
      start: predicate.start, classes: predicate.classes, classCount: predicate.classCount,
      transitions: predicate.transitions,
      finalWeights: predicate.finalWeights.map { $0 > -.infinity ? 0 : -.infinity })
    let both = try layers.automaton.product(hard)
    do throws(Fault) {
      let shared = try ExactInference(
        model, both, length: layers.lengths, memory: memory, threads: threads)
      return min(1, LogSpace.exp(shared.logEvidence - logEvidence))
    } catch .impossible {
      return 0
    } catch {
      throw error
    }
  }

  /// One text, independent of all others.
  ///
  /// - Complexity: O(arcs of the contexts passed and of those that they fail to).
  public func draw(using choices: inout some ChoiceSource) -> TokenSequence {
    var text: [Token] = []
    var place = Place(in: self)
    while let token = drawToken(at: place, using: &choices) {
      text.append(token)
      place.advance(by: token, in: self)
    }
    return TokenSequence(text)
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
    let pieces = min(numbers.count, threads)
    guard pieces > 0 else { return [] }
    let drawn = try? concurrently(pieces, threads: threads) { piece in
      let low = numbers.lowerBound + numbers.count * piece / pieces
      let high = numbers.lowerBound + numbers.count * (piece + 1) / pieces
      return (low..<high).map { number in
        var choices = RandomChoices(random.stream(UInt64(number)))
        return draw(using: &choices)
      }
    }
    return (drawn ?? []).flatMap { $0 }
  }

  /// The token after the beginning of a text, `nil` for its end.
  package func drawToken(
    after beginning: some Sequence<Token>, using choices: inout some ChoiceSource
  ) -> Token? {
    var place = Place(in: self)
    for token in beginning { place.advance(by: token, in: self) }
    return drawToken(at: place, using: &choices)
  }

  /// Where a text stands that some allowed text begins with.
  private struct Place {
    var count = 0
    var context: Int
    var column = 0
    /// The column before the last token, and what messages are multiplied with as seen from there.
    var previous = 0
    var factor = 1.0

    init(in inference: ExactInference) { context = inference.model.start }

    mutating func advance(by token: Token, in inference: ExactInference) {
      let c = Int(inference.layers.automaton.classes[token.index])
      context = inference.model.step(context, token.rawValue).target
      previous = column
      factor = inference.messages.factor(count, column, class: c)
      column = inference.layers.step(count, column, class: c).column
      count += 1
    }
  }

  private func drawToken(at place: Place, using choices: inout some ChoiceSource) -> Token? {
    guard place.count < layers.most else { return nil }
    let token = drawToken(place.context, place, &choices)
    return token == model.vocabulary.end.rawValue ? nil : Token(rawValue: token)
  }

  /// A token in proportion to what it contributes to a context's message.
  ///
  /// A context's contributions are those of the shorter one and what its arcs add to them. Of
  /// what they take off, tokens are rejected.
  private func drawToken(
    _ context: Int, _ place: Place, _ choices: inout some ChoiceSource
  ) -> UInt32 {
    let rows = messages.rows[place.count]
    let arcs = Int(model.arcs[context].lowerBound)..<Int(model.arcs[context].upperBound)
    if context == 0 {
      let chosen = choices.index(
        weights: arcs.map { model.weights[$0] * rows[Int(model.targets[$0]), place.column] })
      return model.tokens[arcs.lowerBound + chosen]
    }
    let shorter = Int(model.failures[context])
    if arcs.isEmpty { return drawToken(shorter, place, &choices) }
    let isSplit = model.isSplit[context]
    var weights = arcs.map { arc in
      (isSplit ? model.weights[arc] : max(0, model.corrections[arc]))
        * rows[Int(model.targets[arc]), place.column]
    }
    weights.append(model.backoffs[context] * message(of: shorter, place))
    for _ in 0..<attempts {
      let chosen = choices.index(weights: weights)
      if chosen < arcs.count { return model.tokens[arcs.lowerBound + chosen] }
      let token = drawToken(shorter, place, &choices)
      let arc = model.arc(token, of: context)
      if arc < 0 { return token }
      if isSplit { continue }
      let correction = model.corrections[arc]
      if correction >= 0
        || choices.chance(model.weights[arc] / (model.weights[arc] - correction))
      {
        return token
      }
    }
    return UInt32(
      choices.index(
        weights: messages.contributions(place.count, context, column: place.column)))
  }

  /// The message of a context that the one at a place fails to.
  private func message(of shorter: Int, _ place: Place) -> Double {
    shorter == 0
      ? messages.emptyValues[place.count][place.column]
      : messages.rows[place.count - 1][shorter, place.previous] / place.factor
  }
}
