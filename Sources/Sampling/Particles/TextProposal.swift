// Licensed under the Apache License, Version 2.0.

/// A complete text with the weight that makes up for how it was drawn.
public struct WeightedText: Hashable, Sendable {
  /// The text that was drawn.
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
/// Law: for each allowed text x within the look-ahead's bound, the mean of `exp(logWeight)` over
/// draws, counting only those that are x, is rho(x).
public protocol TextProposal<Target>: Sendable {
  /// The kind of target that texts are drawn for.
  associatedtype Target: TextTarget
  /// The target that texts are sampled from.
  var target: Target { get }

  /// A text; `nil` where the attempt failed, which counts as a weight of zero.
  ///
  /// - Throws: what the model throws.
  func draw(using choices: inout some ChoiceSource) throws -> WeightedText?

  /// As many texts as there are sources of choices, the i-th drawn by the i-th source.
  ///
  /// The texts are those that ``draw(using:)`` gives. By default they are drawn one after another.
  ///
  /// - Throws: what the model throws.
  func draw<Choices: ChoiceSource>(usingEach choices: inout [Choices]) throws -> [WeightedText?]
}

extension TextProposal {
  /// Draws one text after another.
  public func draw<Choices: ChoiceSource>(
    usingEach choices: inout [Choices]
  ) throws -> [WeightedText?] {
    var texts: [WeightedText?] = []
    for i in choices.indices { texts.append(try draw(using: &choices[i])) }
    return texts
  }
}

/// Texts that a token proposal writes from left to right; the tokens' weights are multiplied.
///
/// With ``GuidedTokens``, a text's weight is rho divided by the probability of drawing it.
public struct GuidedTexts<Tokens: TokenProposal>: TextProposal {
  /// The proposal that draws the tokens.
  public let tokens: Tokens

  /// Texts made of such tokens.
  public init(_ tokens: Tokens) { self.tokens = tokens }

  /// The target that texts are sampled from.
  public var target: Tokens.Target { tokens.target }

  /// A text; `nil` where the model gives every allowed token after some prefix probability 0.
  ///
  /// - Complexity: one batch per token, where the model needs batches.
  public func draw(using choices: inout some ChoiceSource) throws -> WeightedText? {
    try drawAlone(using: &choices)
  }

  /// Texts drawn side by side.
  ///
  /// - Complexity: one batch per token of the longest text, where the model needs batches.
  public func draw<Choices: ChoiceSource>(
    usingEach choices: inout [Choices]
  ) throws -> [WeightedText?] {
    try drawSideBySide(using: &choices)
  }
}

extension GuidedTexts: StepwiseTexts {
  func makeDraft() throws -> Draft<Tokens.Model, Tokens.Constraint>? {
    guard tokens.lookAhead.isSatisfiable else { return nil }
    let prefix = try tokens.makePrefix()
    return Draft(prefix: prefix, logWeight: tokens.logExpectation(after: prefix))
  }

  func prepare(_ prefixes: inout [Prefix<Tokens.Model, Tokens.Constraint>]) throws {
    try tokens.prepare(&prefixes)
  }

  func extend(
    _ draft: inout Draft<Tokens.Model, Tokens.Constraint>, using choices: inout some ChoiceSource
  ) -> Progress {
    guard let next = tokens.draw(after: draft.prefix, using: &choices) else { return .failed }
    draft.logWeight += next.logWeight
    if next.token == target.model.vocabulary.end {
      return target.isSpelled(draft.prefix.tokens) ? .complete : .failed
    }
    draft.prefix.append(next.token, target.model, tokens.lookAhead.constraint)
    return target.mayBeSpelled(draft.prefix.tokens) ? .unfinished : .failed
  }
}

/// How much of the target turned out to lie behind a prefix.
public struct MassObservation<State: Sendable>: Sendable {
  /// The constraint's state behind the prefix.
  public var state: State
  /// The log of an unbiased estimate of the target's mass behind it; minus infinity where the
  /// attempt failed.
  public var logMass: Double
  /// The log of the mass that was expected.
  public var logExpectation: Double
}

extension GuidedTexts {
  /// Draws one text, and tells for each of its prefixes how much mass turned out to lie behind it.
  ///
  /// - Returns: the longest prefix first, the empty one last.
  /// - Throws: what the model throws.
  public func observation(
    using choices: inout some ChoiceSource
  ) throws -> [MassObservation<Tokens.Constraint.State>] {
    let lookAhead = tokens.lookAhead
    guard lookAhead.isSatisfiable else { return [] }
    var prefix = try tokens.makePrefix()
    var seen: [MassObservation<Tokens.Constraint.State>] = []
    var logWeights: [Double] = []
    var isFinished = false
    while !isFinished {
      try tokens.prepare(&prefix)
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
      if isFinished {
        if !target.isSpelled(prefix.tokens) { logWeights[logWeights.count - 1] = -.infinity }
      } else {
        prefix.append(next.token, target.model, lookAhead.constraint)
      }
    }
    var rest = 0.0
    for i in seen.indices.reversed() {
      rest += logWeights[i]
      seen[i].logMass = seen[i].logExpectation + rest
    }
    return seen.reversed()
  }
}

/// Texts drawn from the model alone, given up as soon as no allowed text begins so.
///
/// A text's weight is rho divided by the model's probability of it. With hard constraints alone, and
/// a model whose probabilities add up to 1, every weight is 1.
public struct ModelTexts<Target: TextTarget, Source: TokenSource, Look: LookAhead>: TextProposal
where Source.Model == Target.Model, Look.Constraint == Target.Constraint {
  /// The target that texts are sampled from.
  public let target: Target
  /// Which texts can still be completed.
  public let lookAhead: Look
  /// Draws the model's tokens.
  public let source: Source

  /// The model's own texts, weighted for a target whose constraint the look-ahead has.
  public init(_ target: Target, _ lookAhead: Look, source: Source) {
    self.target = target
    self.lookAhead = lookAhead
    self.source = source
  }

  /// A text; `nil` as soon as it cannot become an allowed one.
  ///
  /// - Complexity: one batch per token, where the model needs batches.
  public func draw(using choices: inout some ChoiceSource) throws -> WeightedText? {
    try drawAlone(using: &choices)
  }

  /// Texts drawn side by side.
  ///
  /// - Complexity: one batch per token of the longest text, where the model needs batches.
  public func draw<Choices: ChoiceSource>(
    usingEach choices: inout [Choices]
  ) throws -> [WeightedText?] {
    try drawSideBySide(using: &choices)
  }
}

extension ModelTexts: StepwiseTexts {
  func makeDraft() throws -> Draft<Target.Model, Target.Constraint>? {
    guard lookAhead.isSatisfiable else { return nil }
    return Draft(
      prefix: Prefix(context: try target.model.makeContext(), state: lookAhead.constraint.start),
      logWeight: 0)
  }

  func prepare(_ prefixes: inout [Prefix<Target.Model, Target.Constraint>]) throws {
    try Prefix.read(&prefixes, by: target.model)
  }

  func extend(
    _ draft: inout Draft<Target.Model, Target.Constraint>, using choices: inout some ChoiceSource
  ) -> Progress {
    let model = target.model
    let drawn = source.draw(after: draft.prefix, using: &choices)
    let token = drawn.token
    draft.logWeight += (target.fluency - 1) * drawn.logProbability + drawn.logSum
    if token == model.vocabulary.end {
      draft.logWeight += lookAhead.constraint.endWeight(draft.prefix.state)
      return draft.logWeight > -.infinity && target.isSpelled(draft.prefix.tokens)
        ? .complete : .failed
    }
    guard model.vocabulary.isDrawable(token),
      let next = lookAhead.next(draft.prefix.state, token, count: draft.prefix.tokens.count)
    else { return .failed }
    draft.logWeight += lookAhead.constraint.weight(draft.prefix.state, token)
    draft.prefix.append(token, model, leadingTo: next)
    return target.mayBeSpelled(draft.prefix.tokens) ? .unfinished : .failed
  }
}

/// A text that is being drawn, and its weight so far.
struct Draft<Model: LanguageModel, Constraint: TokenConstraint> {
  var prefix: Prefix<Model, Constraint>
  var logWeight: Double

  var text: WeightedText { WeightedText(TokenSequence(prefix.tokens), logWeight: logWeight) }
}

/// What a token made of a draft.
enum Progress {
  case unfinished, complete, failed
}

/// Texts that are drawn token by token: alone, or many side by side.
protocol StepwiseTexts: TextProposal {
  /// The empty text; `nil` where no text is allowed.
  func makeDraft() throws -> Draft<Target.Model, Target.Constraint>?

  /// Reads what the next tokens need.
  func prepare(_ prefixes: inout [Prefix<Target.Model, Target.Constraint>]) throws

  /// Draws one more token.
  func extend(
    _ draft: inout Draft<Target.Model, Target.Constraint>, using choices: inout some ChoiceSource
  ) -> Progress
}

extension StepwiseTexts {
  func drawAlone(using choices: inout some ChoiceSource) throws -> WeightedText? {
    guard var draft = try makeDraft() else { return nil }
    while true {
      if !target.model.readsDirectly {
        var alone = [draft.prefix]
        try prepare(&alone)
        draft.prefix = alone[0]
      }
      switch extend(&draft, using: &choices) {
      case .unfinished: continue
      case .complete: return draft.text
      case .failed: return nil
      }
    }
  }

  func drawSideBySide<Choices: ChoiceSource>(
    using choices: inout [Choices]
  ) throws -> [WeightedText?] {
    var texts = [WeightedText?](repeating: nil, count: choices.count)
    guard !choices.isEmpty, let first = try makeDraft() else { return texts }
    var drafts = [Draft<Target.Model, Target.Constraint>](repeating: first, count: choices.count)
    var unfinished = Array(choices.indices)
    while !unfinished.isEmpty {
      if !target.model.readsDirectly {
        var prefixes = unfinished.map { drafts[$0].prefix }
        try prepare(&prefixes)
        for (i, place) in unfinished.enumerated() { drafts[place].prefix = prefixes[i] }
      }
      unfinished = unfinished.filter { place in
        switch extend(&drafts[place], using: &choices[place]) {
        case .unfinished: return true
        case .complete: texts[place] = drafts[place].text
        case .failed: break
        }
        drafts[place].prefix.dropRow()
        return false
      }
    }
    return texts
  }
}
