// Licensed under the Apache License, Version 2.0.

/// The order in which a Gibbs sampler visits places.
public enum ScanOrder: String, CaseIterable, Hashable, Sendable {
  /// One uniformly drawn place per step.
  case random
  /// Every place in a step, from the first to the last.
  case systematic
}

/// Gibbs sampling: draws the token at a place from its full conditional under the target.
///
/// Tokens are drawn from the model's full conditional until the target allows one. If all allowed
/// texts weigh the same, this is the target's own conditional. If few tokens are allowed, or after
/// ``attempts`` refusals, all allowed ones are looked at in one batch instead. If fluency or soft
/// constraints make allowed texts weigh differently, one token is drawn and decided by
/// Metropolis-Hastings, which keeps the same conditional.
///
/// **Keeps** the scorer's target and the number of tokens, so it samples the target given the
/// length. A random scan is reversible; a systematic scan is not, but it keeps the target, too.
/// Reference: Geman and Geman 1984; Liu 1996 for the Metropolised step.
public struct Gibbs<Tokens: GapTokens>: KernelWithMemory {
  /// The source of tokens, which draws from the model's full conditional.
  public let tokens: Tokens
  /// The order in which places are visited.
  public let scan: ScanOrder
  /// The number of refused tokens after which every allowed token is looked at.
  public let attempts: Int
  @usableFromInline let isPlain: Bool
  /// Drawable tokens grouped as the constraint treats them alike; `nil` if that is unknown.
  @usableFromInline let classes: [[Token]]?

  /// Creates a Gibbs sampler of a target.
  ///
  /// - Parameters:
  ///   - tokens: the full conditional of the target's model.
  ///   - target: the distribution to sample.
  ///   - scan: the order in which places are visited.
  ///   - attempts: the number of refused tokens after which every allowed token is looked at.
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

  /// The only kind of step, `replace`.
  public var kinds: [String] { ["replace"] }

  /// The memory of the token source.
  @inlinable
  public func start(at scorer: Tokens.Scorer) -> Tokens.Memory { tokens.start(at: scorer) }

  /// Draws a token at one place, or at each; the step counts as accepted if a token changed.
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
      // The constraint and the spelling alone decide, without asking the model.
      if isAllowed(drawn.token, at: place, scorer),
        scorer.isSpelled(behind: .replace(place, drawn.token))
      {
        scorer.commit(.replace(place, drawn.token))
        return true
      }
      if attempt == 0, hasFew(at: place, scorer) { break }
    }
    return visitAllowed(place, old, &scorer, using: &choices)
  }

  /// Whether so few tokens are allowed at a place that looking at them costs less than refusals.
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

  /// Draws one token and decides by Metropolis-Hastings.
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

  /// Looks at every allowed token and draws from the conditional itself.
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

/// Draws a block of neighbouring tokens anew, and decides by Metropolis-Hastings.
///
/// All tokens but the last are drawn given the text on their left, the last from its full
/// conditional. This moves tokens that only change together. **Keeps** the scorer's target under
/// any source of tokens and any block length. Blocks of one token are steps of ``Gibbs``.
///
/// - Complexity: per token of the block a draw and a look-up for the way back, then one look. Only
///   the block itself is allocated.
public struct ReplaceBlock<Left: BranchTokens, Full: BranchTokens>: KernelWithMemory
where Left.Scorer == Full.Scorer {
  /// The source of tokens given the text on their left.
  public let left: Left
  /// The source of tokens given both sides.
  public let full: Full
  /// The number of tokens in a block, positive.
  public let length: Int

  /// Creates a kernel that draws blocks of a fixed length.
  public init(left: Left, full: Full, length: Int) {
    precondition(length > 0, "a block has tokens")
    self.left = left
    self.full = full
    self.length = length
  }

  /// The only kind of step, `block`.
  public var kinds: [String] { ["block"] }

  /// The memories of both token sources.
  public func start(at scorer: Left.Scorer) -> (Left.Memory, Full.Memory) {
    (left.start(at: scorer), full.start(at: scorer))
  }

  /// Draws a block at a uniform place; the state stays if the text is shorter than a block.
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
