// Licensed under the Apache License, Version 2.0.

/// The order in which a Gibbs sampler visits places.
public enum ScanOrder: String, CaseIterable, Hashable, Sendable {
  /// One place a step, drawn uniformly.
  case random
  /// Every place in a step, from the first to the last.
  case systematic
}

/// Gibbs sampling: the token at a place drawn anew from its full conditional under the target.
///
/// A token is drawn by the model's full conditional until the target allows it, which is the target's
/// own conditional where all allowed texts weigh alike. Where few are allowed, and after
/// ``attempts`` refusals, all allowed ones are looked at instead, in one batch. Where fluency or soft
/// constraints make allowed texts weigh differently, one token is drawn and taken by
/// Metropolis-Hastings, a step that keeps the same conditional.
///
/// **Keeps** the scorer's target, and the number of tokens: what it samples is the target given the
/// length. A random scan is reversible; a systematic one is not, but keeps the target all the same.
/// Reference: Geman and Geman 1984; Liu 1996 for the Metropolised step.
public struct Gibbs<Tokens: GapTokens>: KernelWithMemory {
  /// Draws tokens by the model's full conditional.
  public let tokens: Tokens
  /// The order in which places are visited.
  public let scan: ScanOrder
  /// How often a token may be refused before every allowed token is looked at.
  public let attempts: Int
  @usableFromInline let isPlain: Bool
  /// Drawable tokens that the target's constraint does not tell apart; `nil` where that is unknown.
  @usableFromInline let classes: [[Token]]?

  /// Gibbs sampling of a target.
  ///
  /// - Parameters:
  ///   - tokens: the full conditional of the target's model.
  ///   - target: what is sampled from.
  ///   - scan: the order in which places are visited.
  ///   - attempts: how often a token may be refused before every allowed token is looked at.
  public init<Target: TextTarget>(
    _ tokens: Tokens, for target: Target, scan: ScanOrder = .random, attempts: Int = 64
  ) where Target.Scorer == Tokens.Scorer {
    precondition(attempts > 0, "a token is drawn before it is refused")
    self.tokens = tokens
    self.scan = scan
    self.attempts = attempts
    isPlain = target.fluency == 1 && target.constraint?.isUniform ?? true
    let vocabulary = target.model.vocabulary
    if let constraint = target.constraint {
      classes = constraint.tokenClasses?.map { $0.filter(vocabulary.isDrawable) }
        .filter { !$0.isEmpty }
    } else {
      classes = [(0..<vocabulary.count).map { Token($0) }.filter(vocabulary.isDrawable)]
    }
  }

  /// `replace`.
  public var kinds: [String] { ["replace"] }

  /// What the choice of tokens remembers.
  @inlinable
  public func start(at scorer: Tokens.Scorer) -> Tokens.Memory { tokens.start(at: scorer) }

  /// A new token at one place, or at each; accepted where a token changed.
  @inlinable
  public func step(
    _ scorer: inout Tokens.Scorer, memory: inout Tokens.Memory,
    using choices: inout some ChoiceSource
  ) -> StepReport {
    guard scorer.count > 0 else { return StepReport(isAccepted: false, kind: 0) }
    var hasChanged = false
    switch scan {
    case .random:
      hasChanged = visit(choices.index(below: scorer.count), &scorer, &memory, using: &choices)
    case .systematic:
      for place in 0..<scorer.count {
        if visit(place, &scorer, &memory, using: &choices) { hasChanged = true }
      }
    }
    return StepReport(isAccepted: hasChanged, kind: 0)
  }

  @inlinable
  func visit(
    _ place: Int, _ scorer: inout Tokens.Scorer, _ memory: inout Tokens.Memory,
    using choices: inout some ChoiceSource
  ) -> Bool {
    let gap = Gap(place, place + 1)
    let old = scorer.token(at: place)
    guard isPlain else { return visitByRatio(gap, old, &scorer, &memory, using: &choices) }
    for attempt in 0..<attempts {
      guard let drawn = tokens.draw(for: gap, in: scorer, memory: &memory, using: &choices)
      else { return false }
      if drawn.token == old { return false }
      // The constraint alone decides, and costs no look at the model.
      if isAllowed(drawn.token, at: place, scorer) {
        scorer.commit(.replace(place, drawn.token))
        return true
      }
      if attempt == 0, hasFew(at: place, scorer) { break }
    }
    return visitAllowed(place, old, &scorer, using: &choices)
  }

  /// Whether so few tokens may stand at a place that looking at them costs less than refusals.
  @usableFromInline
  func hasFew(at place: Int, _ scorer: Tokens.Scorer) -> Bool {
    guard let classes else { return false }
    var count = 0
    for tokens in classes where tokens.count <= attempts && isAllowed(tokens[0], at: place, scorer)
    {
      count += tokens.count
    }
    return count <= attempts
  }

  /// Whether the constraint allows the text with another token at a place.
  @usableFromInline
  func isAllowed(_ token: Token, at place: Int, _ scorer: Tokens.Scorer) -> Bool {
    guard let constraint = scorer.constraint,
      let before = scorer.constraintState(before: place)
    else { return true }
    guard let state = constraint.next(before, token) else { return false }
    return scorer.allows(state, before: place + 1)
  }

  /// One token by Metropolis-Hastings.
  @inlinable
  func visitByRatio(
    _ gap: Gap, _ old: Token, _ scorer: inout Tokens.Scorer, _ memory: inout Tokens.Memory,
    using choices: inout some ChoiceSource
  ) -> Bool {
    guard let drawn = tokens.draw(for: gap, in: scorer, memory: &memory, using: &choices) else {
      return false
    }
    if drawn.token == old { return false }
    let correction =
      tokens.logProbability(of: old, for: gap, in: scorer, memory: &memory)
      - drawn.logProbability
    let edit = TokenSequence.Edit.replace(gap.low, drawn.token)
    let isAccepted = choices.accepts { threshold in
      scorer.change(under: edit, atLeast: threshold - correction) + correction
    }
    if isAccepted { scorer.commit(edit) }
    return isAccepted
  }

  /// Every allowed token looked at: the conditional itself.
  @usableFromInline
  func visitAllowed(
    _ place: Int, _ old: Token, _ scorer: inout Tokens.Scorer,
    using choices: inout some ChoiceSource
  ) -> Bool {
    let tokens =
      classes.map { classes in
        classes.filter { isAllowed($0[0], at: place, scorer) }.flatMap { $0 }
      } ?? scorer.allowedTokens(at: place)
    var changes: [Double] = []
    scorer.changes(under: tokens.map { .replace(place, $0) }, into: &changes)
    guard scorer.failure == nil else { return false }
    for i in tokens.indices where tokens[i] == old { changes[i] = 0 }
    let most = changes.max() ?? 0
    let token = tokens[choices.index(weights: changes.map { LogSpace.exp($0 - most) })]
    if token == old { return false }
    scorer.commit(.replace(place, token))
    return true
  }
}

/// Neighbouring tokens drawn anew together: all but the last by what stands left of them, the last
/// by its full conditional, and the block taken by Metropolis-Hastings.
///
/// It moves tokens that only change together. **Keeps** the scorer's target, under any choice of
/// tokens and any length of block. Blocks of one token are steps of ``Gibbs``.
///
/// - Complexity: a draw a token, a look-up a token for the way back, and one look; nothing but the
///   block itself is allocated.
public struct ReplaceBlock<Left: BranchTokens, Full: BranchTokens>: KernelWithMemory
where Left.Scorer == Full.Scorer {
  /// Draws a token by what stands left of it.
  public let left: Left
  /// Draws a token by both sides.
  public let full: Full
  /// How many tokens a block has, positive.
  public let length: Int

  /// Blocks of some length.
  public init(left: Left, full: Full, length: Int) {
    precondition(length > 0, "a block has tokens")
    self.left = left
    self.full = full
    self.length = length
  }

  /// `block`.
  public var kinds: [String] { ["block"] }

  /// What both choices of tokens remember.
  public func start(at scorer: Left.Scorer) -> (Left.Memory, Full.Memory) {
    (left.start(at: scorer), full.start(at: scorer))
  }

  /// New tokens for a block at a place drawn equally; stays where the text is shorter than a block.
  public func step(
    _ scorer: inout Left.Scorer, memory: inout (Left.Memory, Full.Memory),
    using choices: inout some ChoiceSource
  ) -> StepReport {
    let staying = StepReport(isAccepted: false, kind: 0)
    guard scorer.count >= length else { return staying }
    let low = choices.index(below: scorer.count - length + 1)
    let high = low + length
    var block: [Token] = []
    block.reserveCapacity(length)
    var logForward = 0.0
    var branch = scorer.branch(before: low)
    for place in low..<high {
      let drawn =
        place == high - 1
        ? full.draw(
          after: branch, before: high, in: scorer, memory: &memory.1, using: &choices)
        : left.draw(
          after: branch, before: place + 1, in: scorer, memory: &memory.0, using: &choices)
      guard let drawn else { return staying }
      block.append(drawn.token)
      logForward += drawn.logProbability
      if place < high - 1 { scorer.append(drawn.token, to: &branch) }
    }
    var logBackward = 0.0
    for place in low..<high {
      let gap = Gap(place, place + 1)
      let old = scorer.token(at: place)
      logBackward +=
        place == high - 1
        ? full.logProbability(of: old, for: gap, in: scorer, memory: &memory.1)
        : left.logProbability(of: old, for: gap, in: scorer, memory: &memory.0)
    }
    let edit = TokenSequence.Edit.rewrite(low..<high, block)
    let correction = logBackward - logForward
    let isAccepted = choices.accepts { threshold in
      scorer.change(under: edit, atLeast: threshold - correction) + correction
    }
    if isAccepted { scorer.commit(edit) }
    return StepReport(isAccepted: isAccepted, kind: 0)
  }
}
