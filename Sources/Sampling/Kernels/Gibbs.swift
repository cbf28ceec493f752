// Licensed under the Apache License, Version 2.0.

/// The order in which a Gibbs sampler visits places.
public enum ScanOrder: String, CaseIterable, Hashable, Sendable {
  /// One place a step, drawn equally.
  case random
  /// Every place in a step, from the first to the last.
  case systematic
}

/// Gibbs sampling: the word at a place drawn anew from its full conditional under the target.
///
/// A word is drawn by the model's full conditional until the target allows it, which is the target's
/// own conditional where all allowed words weigh alike. Where few are allowed, and after
/// ``attempts`` refusals, all allowed ones are looked at instead. Where fluency or soft constraints
/// make allowed words weigh differently, one word is drawn and taken by Metropolis-Hastings, a step
/// that keeps the same conditional.
///
/// **Keeps** the scorer's target, and the number of words: what it samples is the target given the
/// length. A random scan is reversible; a systematic one is not, but keeps the target all the same.
/// Reference: Geman and Geman 1984; Liu 1996 for the Metropolised step.
public struct Gibbs<Words: GapTokens>: TransitionKernel {
  /// Draws words by the model's full conditional.
  public let words: Words
  /// The order in which places are visited.
  public let scan: ScanOrder
  /// How often a word may be refused before every allowed word is looked at.
  public let attempts: Int
  @usableFromInline let isPlain: Bool
  /// Words that the target's automaton does not tell apart.
  @usableFromInline let classes: [[Token]]

  /// Gibbs sampling of a target.
  ///
  /// - Parameters:
  ///   - words: the full conditional of the target's model.
  ///   - target: what is sampled from.
  ///   - scan: the order in which places are visited.
  ///   - attempts: how often a word may be refused before every allowed word is looked at.
  public init(
    _ words: Words, for target: SentenceTarget<Words.Model, TokenAutomaton>,
    scan: ScanOrder = .random,
    attempts: Int = 64
  ) {
    precondition(attempts > 0, "a word is drawn before it is refused")
    self.words = words
    self.scan = scan
    self.attempts = attempts
    let finals = Set(target.constraint?.finalWeights ?? []).subtracting([-.infinity])
    isPlain =
      target.fluency == 1 && target.constraint?.weights.isEmpty ?? true && finals.count <= 1
    var classes = [[Token]](repeating: [], count: target.constraint?.classCount ?? 1)
    let vocabulary = target.model.vocabulary
    for i in 0..<vocabulary.count where vocabulary.isDrawable(Token(i)) {
      classes[Int(target.constraint?.classes[i] ?? 0)].append(Token(i))
    }
    self.classes = classes.filter { !$0.isEmpty }
  }

  /// `replace`.
  public var kinds: [String] { ["replace"] }

  /// A new word at one place, or at each; accepted where a word changed.
  @inlinable
  public func step(
    _ scorer: inout IncrementalScorer<Words.Model, TokenAutomaton>,
    using choices: inout some ChoiceSource
  ) -> StepReport {
    guard scorer.count > 0 else { return StepReport(isAccepted: false, kind: 0) }
    var hasChanged = false
    switch scan {
    case .random:
      hasChanged = visit(choices.index(below: scorer.count), &scorer, using: &choices)
    case .systematic:
      for place in 0..<scorer.count {
        if visit(place, &scorer, using: &choices) { hasChanged = true }
      }
    }
    return StepReport(isAccepted: hasChanged, kind: 0)
  }

  @inlinable
  func visit(
    _ place: Int, _ scorer: inout IncrementalScorer<Words.Model, TokenAutomaton>,
    using choices: inout some ChoiceSource
  ) -> Bool {
    let gap = Gap(place, place + 1)
    let old = scorer.token(at: place)
    guard isPlain else { return visitByRatio(gap, old, &scorer, using: &choices) }
    for attempt in 0..<attempts {
      guard let word = words.draw(for: gap, in: scorer, using: &choices) else { return false }
      if word.token == old { return false }
      let edit = TokenSequence.Edit.replace(place, word.token)
      if scorer.change(under: edit) > -.infinity {
        scorer.commit(edit)
        return true
      }
      if attempt == 0, hasFew(at: place, scorer) { break }
    }
    return visitAllowed(place, old, &scorer, using: &choices)
  }

  /// Whether so few words may stand at a place that looking at them costs less than refusals.
  @usableFromInline
  func hasFew(at place: Int, _ scorer: IncrementalScorer<Words.Model, TokenAutomaton>) -> Bool {
    var count = 0
    for tokens in classes where count <= attempts && isAllowed(tokens[0], at: place, scorer) {
      count += tokens.count
    }
    return count <= attempts
  }

  /// Whether the automaton allows the text with another word at a place.
  @usableFromInline
  func isAllowed(
    _ token: Token, at place: Int, _ scorer: IncrementalScorer<Words.Model, TokenAutomaton>
  ) -> Bool {
    guard let automaton = scorer.target.constraint,
      let before = scorer.constraintState(before: place)
    else { return true }
    var state = automaton.following(before, token)
    for i in place + 1..<scorer.count {
      if state == TokenAutomaton.dead { return false }
      // From here on as in the text at hand, which is allowed.
      if state == scorer.constraintState(before: i) { return true }
      state = automaton.following(state, scorer.token(at: i))
    }
    return state != TokenAutomaton.dead && automaton.finalWeights[Int(state)] > -.infinity
  }

  /// One word by Metropolis-Hastings.
  @inlinable
  func visitByRatio(
    _ gap: Gap, _ old: Token, _ scorer: inout IncrementalScorer<Words.Model, TokenAutomaton>,
    using choices: inout some ChoiceSource
  ) -> Bool {
    guard let word = words.draw(for: gap, in: scorer, using: &choices) else { return false }
    if word.token == old { return false }
    let correction =
      words.logProbability(of: old, for: gap, in: scorer) - word.logProbability
    let edit = TokenSequence.Edit.replace(gap.low, word.token)
    let isAccepted = choices.accepts { threshold in
      scorer.change(under: edit, atLeast: threshold - correction) + correction
    }
    if isAccepted { scorer.commit(edit) }
    return isAccepted
  }

  /// Every allowed word looked at: the conditional itself.
  @usableFromInline
  func visitAllowed(
    _ place: Int, _ old: Token, _ scorer: inout IncrementalScorer<Words.Model, TokenAutomaton>,
    using choices: inout some ChoiceSource
  ) -> Bool {
    let tokens = classes.filter { isAllowed($0[0], at: place, scorer) }.flatMap { $0 }
    let changes = tokens.map { token in
      token == old ? 0 : scorer.change(under: .replace(place, token))
    }
    let most = changes.max() ?? 0
    let token = tokens[choices.index(weights: changes.map { LogSpace.exp($0 - most) })]
    if token == old { return false }
    let edit = TokenSequence.Edit.replace(place, token)
    // What is committed is what was looked at last.
    _ = scorer.change(under: edit)
    scorer.commit(edit)
    return true
  }
}

/// Neighbouring words drawn anew together: all but the last by what stands left of them, the last
/// by its full conditional, and the block taken by Metropolis-Hastings.
///
/// It moves words that only change together. **Keeps** the scorer's target, under any words and
/// lengths of block. Blocks of one word are steps of ``Gibbs``.
public struct ReplaceBlock<Left: GapTokens, Full: GapTokens>: TransitionKernel
where Left.Model == Full.Model {
  /// Draws a word by what stands left of it.
  public let left: Left
  /// Draws a word by both sides.
  public let full: Full
  /// How many words a block has, positive.
  public let length: Int

  /// Blocks of some length.
  public init(left: Left, full: Full, length: Int) {
    precondition(length > 0, "a block has words")
    self.left = left
    self.full = full
    self.length = length
  }

  /// `block`.
  public var kinds: [String] { ["block"] }

  /// New words for a block at a place drawn equally; stays where the text is shorter than a block.
  public func step(
    _ scorer: inout IncrementalScorer<Left.Model, TokenAutomaton>,
    using choices: inout some ChoiceSource
  ) -> StepReport {
    let staying = StepReport(isAccepted: false, kind: 0)
    guard scorer.count >= length else { return staying }
    let low = choices.index(below: scorer.count - length + 1)
    let old = (low..<low + length).map { scorer.token(at: $0) }
    // The model alone says what is drawn, so that words in between need not be allowed.
    let free = SentenceTarget(model: scorer.target.model)
    var trial = free.makeScorer(at: scorer.state)
    unsafe trial.memory = scorer.memory
    defer { unsafe scorer.memory = trial.memory }
    var words: [Token] = []
    var logForward = 0.0
    var logBackward = 0.0
    for i in 0..<length {
      let place = low + i
      let gap = Gap(place, place + 1)
      let drawn =
        i == length - 1
        ? full.draw(for: gap, in: trial, using: &choices)
        : left.draw(for: gap, in: trial, using: &choices)
      guard let drawn else { return staying }
      words.append(drawn.token)
      logForward += drawn.logProbability
      _ = trial.change(under: .replace(place, drawn.token))
      trial.commit(.replace(place, drawn.token))
    }
    let back = free.makeScorer(at: scorer.state)
    unsafe back.memory = trial.memory
    for i in 0..<length {
      let gap = Gap(low + i, low + i + 1)
      logBackward +=
        i == length - 1
        ? full.logProbability(of: old[i], for: gap, in: back)
        : left.logProbability(of: old[i], for: gap, in: back)
    }
    let edit = TokenSequence.Edit.rewrite(low..<low + length, words)
    let correction = logBackward - logForward
    let isAccepted = choices.accepts { threshold in
      scorer.change(under: edit, atLeast: threshold - correction) + correction
    }
    if isAccepted { scorer.commit(edit) }
    return StepReport(isAccepted: isAccepted, kind: 0)
  }
}
