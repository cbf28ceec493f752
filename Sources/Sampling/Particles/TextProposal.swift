// Licensed under the Apache License, Version 2.0.

/// A complete text with the weight that makes up for how it was drawn.
public struct WeightedText: Hashable, Sendable {
  /// The text.
  public var text: TokenSequence
  /// Natural log of the weight.
  public var logWeight: Double

  /// A text and its weight.
  public init(_ text: TokenSequence, logWeight: Double) {
    self.text = text
    self.logWeight = logWeight
  }
}

/// Draws complete texts with proper weights for a target.
///
/// Law: the mean over draws of `exp(logWeight)` where the text is x is rho(x), for each text x of
/// at most the look-ahead's tokens.
public protocol TextProposal: Sendable {
  /// Whose tokens.
  associatedtype Model: FiniteContextModel
  /// What is sampled from.
  var target: SentenceTarget<Model, TokenAutomaton> { get }

  /// A text; `nil` where none came of it, which counts as a weight of zero.
  func draw(using choices: inout some ChoiceSource) -> WeightedText?
}

/// Texts drawn token by token, steered by a look-ahead, each token's weight multiplied.
///
/// With ``GuidedTokens`` a text's weight is rho over the probability of drawing it.
public struct GuidedTexts<Tokens: TokenProposal>: TextProposal {
  /// Draws the tokens.
  public let tokens: Tokens

  /// Texts of such tokens.
  public init(_ tokens: Tokens) { self.tokens = tokens }

  /// What is sampled from.
  public var target: SentenceTarget<Tokens.Model, TokenAutomaton> { tokens.target }

  /// A text; `nil` where a prefix came up from which the model goes nowhere that is allowed.
  public func draw(using choices: inout some ChoiceSource) -> WeightedText? {
    let lookAhead = tokens.lookAhead
    let model = target.model
    guard lookAhead.isSatisfiable else { return nil }
    var prefix = Prefix(model, lookAhead)
    var logWeight = tokens.logExpectation(after: prefix)
    while true {
      guard let next = tokens.draw(after: prefix, using: &choices) else { return nil }
      logWeight += next.logWeight
      if next.token == model.vocabulary.end {
        return WeightedText(TokenSequence(prefix.tokens), logWeight: logWeight)
      }
      prefix.append(next.token, model, lookAhead.automaton)
    }
  }
}

/// What turned out to follow a beginning of a text.
public struct MassObservation: Sendable {
  /// The automaton's state behind it.
  public var state: TokenAutomaton.State
  /// The log of an unbiased estimate of the target's mass behind it; minus infinity where nothing
  /// came of it.
  public var logMass: Double
  /// The log of what was expected.
  public var logExpectation: Double
}

extension GuidedTexts {
  /// For each beginning that one text passed through, what turned out to follow.
  public func observation(using choices: inout some ChoiceSource) -> [MassObservation] {
    let lookAhead = tokens.lookAhead
    guard lookAhead.isSatisfiable else { return [] }
    var prefix = Prefix(target.model, lookAhead)
    var seen: [MassObservation] = []
    var logWeights: [Double] = []
    var isFinished = false
    while !isFinished {
      seen.append(
        MassObservation(
          state: prefix.state, logMass: -.infinity,
          logExpectation: tokens.logExpectation(after: prefix)))
      guard let next = tokens.draw(after: prefix, using: &choices) else {
        logWeights.append(-.infinity)
        break
      }
      logWeights.append(next.logWeight)
      isFinished = next.token == target.model.vocabulary.end
      if !isFinished { prefix.append(next.token, target.model, lookAhead.automaton) }
    }
    var rest = 0.0
    for i in seen.indices.reversed() {
      rest += logWeights[i]
      seen[i].logMass = seen[i].logExpectation + rest
    }
    return seen.reversed()
  }
}

/// Texts as the model gives them, given up as soon as they cannot become allowed ones.
///
/// A text's weight is rho over the model's probability of it: what constraints and fluency make of
/// it, 1 for hard constraints alone where the model's probabilities add up to 1.
public struct ModelTexts<Source: TokenSource>: TextProposal {
  /// What is sampled from.
  public let target: SentenceTarget<Source.Model, TokenAutomaton>
  /// Which texts can still become allowed ones.
  public let lookAhead: LookAhead
  /// Draws the tokens.
  public let source: Source

  /// The model's texts for a target, judged by a look-ahead of the target's automaton.
  public init(
    _ target: SentenceTarget<Source.Model, TokenAutomaton>, _ lookAhead: LookAhead, source: Source
  ) {
    self.target = target
    self.lookAhead = lookAhead
    self.source = source
  }

  /// A text, or `nil` as soon as it cannot become an allowed one.
  public func draw(using choices: inout some ChoiceSource) -> WeightedText? {
    let model = target.model
    guard lookAhead.isSatisfiable else { return nil }
    var prefix = Prefix(model, lookAhead)
    var logWeight = 0.0
    while true {
      let drawn = source.draw(in: prefix.context, using: &choices)
      let token = drawn.token
      logWeight += (target.fluency - 1) * drawn.logProbability + drawn.logSum
      if token == model.vocabulary.end {
        let final = lookAhead.automaton.finalWeights[Int(prefix.state)]
        guard final > -.infinity else { return nil }
        return WeightedText(TokenSequence(prefix.tokens), logWeight: logWeight + final)
      }
      guard model.vocabulary.isDrawable(token) else { return nil }
      logWeight += lookAhead.automaton.weight(prefix.state, token)
      prefix.append(token, model, lookAhead.automaton)
      guard lookAhead.isLive(prefix.state, count: prefix.tokens.count) else { return nil }
    }
  }
}
