// Licensed under the Apache License, Version 2.0.

/// A change of the distribution of the next token.
///
/// A transform is a value; one with a state (``Mirostat``) carries it, so that a copy is another
/// text's own. It changes logits and removes tokens, the chain sees to the rest.
public protocol NextTokenTransform: Sendable {
  /// The transform as the user writes it, including its parameters.
  var name: String { get }

  /// Whether it draws at random; greedy and beam search refuse such transforms.
  var isRandom: Bool { get }

  /// Whether it reads ``NextTokens/logModelEnds``, which takes a pass over the vocabulary.
  var readsModelEnd: Bool { get }

  /// Whether what it does depends on the logits alone, and not on the text, the step or a draw, so
  /// that a model of finitely many contexts stays one.
  var dependsOnLogitsAlone: Bool { get }

  /// Whether it says which tokens must not come next by what stands before, and changes no other
  /// logit: a chain applies it before anything is truncated.
  var forbids: Bool { get }

  /// Whether it acts otherwise where the same number is added to all logits.
  ///
  /// It is then given log-probabilities, whatever the model leaves to tokens that are never drawn.
  var readsLevel: Bool { get }

  /// Changes logits and removes tokens; there is at least one candidate.
  mutating func apply(to next: inout NextTokens, using choices: inout some ChoiceSource)

  /// Takes note of the token chosen at the last step.
  ///
  /// - Parameters:
  ///   - token: the one chosen.
  ///   - logProbability: its natural log-probability after the whole chain.
  mutating func accept(_ token: Token, logProbability: Double)
}

extension NextTokenTransform {
  /// Returns `false`: the transform is deterministic.
  public var isRandom: Bool { false }
  /// Returns `false`: the transform does not read the model's ends.
  public var readsModelEnd: Bool { false }
  /// Returns `false`, the safe answer.
  public var dependsOnLogitsAlone: Bool { false }
  /// Returns `false`: the transform does not only forbid tokens.
  public var forbids: Bool { false }
  /// Returns `true`, so the transform is given log-probabilities.
  public var readsLevel: Bool { true }
  /// Does nothing.
  public mutating func accept(_ token: Token, logProbability: Double) {}
}

/// A transform that removes improbable tokens and leaves the others in proportion.
///
/// Equal logits are told apart by token number, the lower first, so that exactly the promised set
/// is kept and the most probable token, as greedy decoding chooses it, always is. With `keepsEnd`
/// an end token that is left stays left: a truncated model that never ends with a positive
/// probability then ends surely wherever the model's own end probability is bounded away from zero.
///
/// Reference: Welleck, Kulikov, Kim, Pang and Cho 2020, "Consistency of a recurrent language model
/// with respect to incomplete decoding", section 4.1.
public protocol Truncation: NextTokenTransform {
  /// Whether end tokens are never removed.
  var keepsEnd: Bool { get }

  /// Removes tokens, whatever `keepsEnd` says.
  mutating func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource)
}

extension Truncation {
  /// Returns `false`: a truncation does not depend on the logits' level.
  public var readsLevel: Bool { false }

  /// Returns `true`: a truncation depends on the logits alone.
  public var dependsOnLogitsAlone: Bool { true }

  /// Truncates, then brings the ends back if they are to be kept.
  public mutating func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    next.saveEnds()
    truncate(&next, using: &choices)
    if keepsEnd { next.restoreEnds() }
  }

  func named(_ name: String) -> String { keepsEnd ? name + " keep-end" : name }
}
