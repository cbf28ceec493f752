// Licensed under the Apache License, Version 2.0.

/// A random step among the beginnings of texts that particles of one length stand for.
///
/// Law: it leaves as it is what they stand for, the target of a prefix times what is expected behind
/// it, on live prefixes of as many tokens.
public protocol PrefixKernel<Model>: Sendable {
  /// Whose tokens.
  associatedtype Model: FiniteContextModel

  /// One step; whether the prefix was changed.
  @discardableResult
  func step(_ prefix: inout Prefix<Model>, using choices: inout some ChoiceSource) -> Bool
}

/// The last tokens of a text in the making drawn anew, and taken by Metropolis-Hastings: what parts
/// the copies that resampling makes.
///
/// The new tokens are drawn one by one as a particle's are, so that their probability over what
/// they stand for is one over the product of their weights, and so is that of the old ones.
///
/// **Keeps** what particles of one length stand for, the target of a prefix times what is expected
/// behind it.
/// **Assumes** a token's weight to be the same whatever token is drawn, as that of guided tokens is.
/// Reference: Gilks and Berzuini 2001, "Following a moving target", for resample-move.
public struct RedrawnTail<Tokens: TokenProposal>: PrefixKernel {
  /// Draws the tokens.
  public let tokens: Tokens
  /// How many are drawn anew at most, positive; how many in a step is drawn equally.
  public let length: Int

  /// A kernel on prefixes.
  public init(_ tokens: Tokens, length: Int) {
    precondition(length > 0, "a tail has tokens")
    self.tokens = tokens
    self.length = length
  }

  /// One step.
  ///
  /// - Parameters:
  ///   - prefix: a live prefix.
  ///   - choices: what draws.
  /// - Returns: whether the new tail was taken.
  /// - Complexity: as many draws of a token as the prefix has tokens, at most, and as many again.
  @discardableResult
  public func step(
    _ prefix: inout Prefix<Tokens.Model>, using choices: inout some ChoiceSource
  ) -> Bool {
    let count = prefix.tokens.count
    guard count > 0 else { return false }
    let kept = count - 1 - choices.index(below: min(length, count))
    let model = tokens.target.model
    let automaton = tokens.lookAhead.automaton
    var stem = Prefix(model, tokens.lookAhead)
    for token in prefix.tokens.prefix(kept) { stem.append(token, model, automaton) }
    var (old, new) = (stem, stem)
    var (oldWeight, newWeight) = (0.0, 0.0)
    for place in kept..<count {
      guard let drawn = tokens.draw(after: new, using: &choices),
        drawn.token != model.vocabulary.end
      else { return false }
      newWeight += drawn.logWeight
      new.append(drawn.token, model, automaton)
      // Whatever is drawn here, the weight is that of the prefix.
      var unused = RandomChoices(seed: 0)
      oldWeight += tokens.draw(after: old, using: &unused)?.logWeight ?? -.infinity
      old.append(prefix.tokens[place], model, automaton)
    }
    let ratio = newWeight - oldWeight
    guard choices.accepts({ _ in ratio }) else { return false }
    prefix = new
    return true
  }
}
