// Licensed under the Apache License, Version 2.0.

/// A chain's working copy of a text under a ``PrefixTarget``: for models without a finite context.
///
/// It keeps the model's context and log-probability at each place, and the rows asked for so far.
/// So a proposal from the tokens left of a place costs at most one row, once. A look at an edit
/// costs one run over the edited place and everything after it; many looks share one batch.
/// Committing an edit that was looked at costs nothing, and neither does going back to the text
/// before the last commit. ``RescoringScorer`` is its oracle.
public final class PrefixScorer<Model: LanguageModel, Constraint: TokenConstraint>: TextScorer {
  /// A beginning of the current text, continued with tokens that the model has not read yet.
  public struct Branch {
    fileprivate var context: Model.Context
    fileprivate var pending: [Token]
  }

  /// A text with everything that is known about its places.
  private struct Scored {
    var tokens: [Token]
    /// The context before each place and the one after the last token.
    var contexts: [Model.Context]
    /// The log-probability of each token, then of the end symbol.
    var logs: [Double]
    /// For each place, its row, if it was asked for.
    var rows: [[Double]?]
    /// The constraint's state before each place; empty without a constraint.
    var states: [Constraint.State]
    /// The nats that the constraint adds at each place, then at the end; empty without a
    /// constraint.
    var weights: [Double]

    var logModel: Double { logs.reduce(0, +) }
    var logConstraint: Double { weights.reduce(0, +) }
  }

  /// What a look found from the first changed place on.
  private struct Looked {
    var edit: TokenSequence.Edit
    var low: Int
    /// The tokens from `low` on, the contexts after them, and their log-probabilities and the
    /// end's.
    var tokens: [Token]
    var contexts: [Model.Context]
    var logs: [Double]
    var states: [Constraint.State]
    var weights: [Double]
    var change: Double
  }

  /// The distribution over texts that the chain samples.
  public let target: PrefixTarget<Model, Constraint>
  /// The first error that kept the model from answering; `nil` if there was none.
  public private(set) var failure: (any Error)?

  private var now: Scored
  /// The text before the last commit; going back to it costs nothing.
  private var before: Scored?
  private var looked: [Looked] = []
  private var results = ScoredRuns<Model.Context>()
  private var isForbidden = false

  /// Creates a working copy of a text, which costs one batch of one run.
  public init(target: PrefixTarget<Model, Constraint>, at text: TokenSequence) {
    self.target = target
    now = Scored(
      tokens: text.tokens, contexts: [], logs: [], rows: [], states: [], weights: [])
    do {
      let start = try target.model.makeContext()
      let runs = [TokenRun(start, text.tokens, scoresEnd: true)]
      try target.model.score(runs, into: &results)
      now.contexts = [start] + text.tokens.indices.map { results.context(ofRun: 0, behind: $0 + 1) }
      now.logs = Array(results.logProbabilities(ofRun: 0))
    } catch {
      failure = error
      now.tokens = []
      isForbidden = true
    }
    now.rows = [[Double]?](repeating: nil, count: now.contexts.count)
    if let spelling = target.spelling, !spelling.allows(now.tokens) { isForbidden = true }
    guard let constraint = target.constraint else { return }
    var state = constraint.start
    now.states = [state]
    for token in now.tokens {
      guard token.index < constraint.tokenCount, let next = constraint.next(state, token) else {
        isForbidden = true
        return
      }
      now.weights.append(constraint.weight(state, token))
      now.states.append(next)
      state = next
    }
    now.weights.append(constraint.endWeight(state))
    if now.weights.last == -.infinity { isForbidden = true }
  }

  /// The model's vocabulary.
  public var vocabulary: Vocabulary { target.model.vocabulary }
  /// The constraint on texts; `nil` allows all.
  public var constraint: Constraint? { target.constraint }
  /// The number of tokens in the current text.
  public var count: Int { now.tokens.count }
  /// The token at a place in 0 ..< count.
  public func token(at place: Int) -> Token { now.tokens[place] }
  /// The current text.
  public var state: TokenSequence { TokenSequence(now.tokens) }

  /// The constraint's state before a place; `nil` without a constraint.
  ///
  /// Places go from 0 to ``count``.
  public func constraintState(before place: Int) -> Constraint.State? {
    now.states.isEmpty ? nil : now.states[place]
  }

  /// The model's natural log-probability of the token at a place.
  ///
  /// Places go from 0 to ``count``, where the end symbol stands.
  public func logProbability(at place: Int) -> Double { now.logs[place] }

  /// The model's natural log-probability of the current text, including its end.
  public var logModel: Double { now.logModel }

  /// The nats that the constraint adds to the current text; minus infinity if it is not allowed.
  public var logConstraint: Double { isForbidden ? -.infinity : now.logConstraint }

  /// The log of the target at the current text, summed over its places.
  public var logProbability: Double {
    isForbidden ? -.infinity : target.fluency * logModel + logConstraint
  }

  // MARK: Rows

  /// The row before a place, kept until an edit changes a token left of it.
  public func nextTokenLogProbabilities(before place: Int) -> [Double] {
    if let known = now.rows[place] { return known }
    let row = row(TokenRun(now.contexts[place], [], rows: .last))
    if failure == nil { now.rows[place] = row }
    return row
  }

  /// The text before a place, which can be continued with other tokens.
  ///
  /// Places go from 0 to ``count``.
  public func branch(before place: Int) -> Branch {
    Branch(context: now.contexts[place], pending: [])
  }

  /// Continues with a token, which the model reads with the next question.
  public func append(_ token: Token, to branch: inout Branch) { branch.pending.append(token) }

  /// The row after a branch, which costs one batch of one run.
  public func nextTokenLogProbabilities(after branch: Branch) -> [Double] {
    row(TokenRun(branch.context, branch.pending, rows: .last))
  }

  private func row(_ run: TokenRun<Model.Context>) -> [Double] {
    guard score([run]) else {
      return [Double](repeating: -.infinity, count: vocabulary.count)
    }
    return Array(results.row(0, ofRun: 0))
  }

  /// Scores all candidates in one batch, each with everything that follows.
  public func logWeights(of tokens: [Token], after branch: Branch, before place: Int) -> [Double] {
    let rest = now.tokens[place...]
    let runs = tokens.map {
      TokenRun(branch.context, branch.pending + [$0] + rest, scoresEnd: true)
    }
    guard !runs.isEmpty, score(runs) else { return tokens.map { _ in -.infinity } }
    return tokens.indices.map { run in
      // The pending tokens stand before every candidate.
      results.logProbabilities(ofRun: run).dropFirst(branch.pending.count).reduce(0, +)
    }
  }

  /// Asks the model, and keeps its error if it fails.
  private func score(_ runs: [TokenRun<Model.Context>]) -> Bool {
    guard failure == nil else { return false }
    do {
      try target.model.score(runs, into: &results)
      return true
    } catch {
      failure = error
      return false
    }
  }

  // MARK: Looking and committing

  /// What the edit would add to ``logProbability``, which costs one run over everything after it.
  public func change(under edit: TokenSequence.Edit, atLeast bound: Double) -> Double {
    var changes: [Double] = []
    self.changes(under: [edit], into: &changes)
    return changes[0]
  }

  /// What each of the edits would add to ``logProbability``, in one batch.
  public func changes(under edits: [TokenSequence.Edit], into changes: inout [Double]) {
    changes.removeAll(keepingCapacity: true)
    looked.removeAll(keepingCapacity: true)
    var runs: [TokenRun<Model.Context>] = []
    // For each edit its place among the looks, or `nil` if it is forbidden.
    var numbers: [Int?] = []
    for edit in edits {
      guard failure == nil, !isForbidden, let look = prepared(edit) else {
        numbers.append(nil)
        continue
      }
      numbers.append(looked.count)
      looked.append(look)
      runs.append(TokenRun(now.contexts[look.low], look.tokens, scoresEnd: true))
    }
    if !runs.isEmpty, score(runs) {
      for run in looked.indices {
        looked[run].logs = Array(results.logProbabilities(ofRun: run))
        looked[run].contexts = looked[run].tokens.indices.map {
          results.context(ofRun: run, behind: $0 + 1)
        }
        let low = looked[run].low
        let model = looked[run].logs.reduce(0, +) - now.logs[low...].reduce(0, +)
        let soft = looked[run].weights.reduce(0, +) - now.weights.dropFirst(low).reduce(0, +)
        looked[run].change = target.fluency * model + soft
      }
    }
    for number in numbers {
      changes.append(failure == nil ? number.map { looked[$0].change } ?? -.infinity : -.infinity)
    }
  }

  /// The edited text from the first changed place on, as far as the constraint goes; `nil` if it is
  /// forbidden.
  private func prepared(_ edit: TokenSequence.Edit) -> Looked? {
    var text = TokenSequence(now.tokens)
    text.apply(edit)
    guard text.count <= target.model.longestText else { return nil }
    let shared = zip(text.tokens, now.tokens).prefix { $0 == $1 }.count
    var look = Looked(
      edit: edit, low: shared, tokens: Array(text.tokens[shared...]), contexts: [], logs: [],
      states: [], weights: [], change: -.infinity)
    guard look.tokens.allSatisfy(vocabulary.isDrawable) else { return nil }
    guard isSpelled(text, from: shared) else { return nil }
    guard let constraint = target.constraint else { return look }
    var state = now.states[shared]
    for token in look.tokens {
      guard let next = constraint.next(state, token) else { return nil }
      look.weights.append(constraint.weight(state, token))
      look.states.append(next)
      state = next
    }
    look.weights.append(constraint.endWeight(state))
    return look.weights.last == -.infinity ? nil : look
  }

  /// Whether the target's rule allows the text behind an edit.
  public func isSpelled(behind edit: TokenSequence.Edit) -> Bool {
    guard target.spelling != nil else { return true }
    var text = TokenSequence(now.tokens)
    text.apply(edit)
    return isSpelled(text, from: zip(text.tokens, now.tokens).prefix { $0 == $1 }.count)
  }

  /// Whether the target's rule allows a text that shares its first tokens with the current one.
  private func isSpelled(_ text: TokenSequence, from shared: Int) -> Bool {
    guard let spelling = target.spelling else { return true }
    let rest = zip(text.tokens[shared...].reversed(), now.tokens[shared...].reversed())
      .prefix { $0 == $1 }.count
    return spelling.allows(text.tokens, changed: shared..<text.count - rest)
  }

  /// Makes an edit that the target allows.
  ///
  /// It costs nothing if the edit was among the last looks or leads back to the text before the
  /// last commit.
  public func commit(_ edit: TokenSequence.Edit) {
    if let before, goesBack(edit, to: before) {
      self.before = now
      now = before
      looked.removeAll(keepingCapacity: true)
      return
    }
    if !looked.contains(where: { $0.edit == edit }) {
      precondition(
        change(under: edit, atLeast: -.infinity) > -.infinity || failure != nil,
        "an edit that is made is allowed")
    }
    guard failure == nil, let look = looked.first(where: { $0.edit == edit }) else { return }
    before = now
    let low = look.low
    now.tokens.replaceSubrange(low..., with: look.tokens)
    now.contexts.replaceSubrange((low + 1)..., with: look.contexts)
    now.logs.replaceSubrange(low..., with: look.logs)
    now.rows.removeSubrange((low + 1)...)
    now.rows.append(contentsOf: repeatElement(nil, count: look.tokens.count))
    if target.constraint != nil {
      now.states.replaceSubrange((low + 1)..., with: look.states)
      now.weights.replaceSubrange(low..., with: look.weights)
    }
    looked.removeAll(keepingCapacity: true)
  }

  private func goesBack(_ edit: TokenSequence.Edit, to old: Scored) -> Bool {
    var text = TokenSequence(now.tokens)
    text.apply(edit)
    return text.tokens == old.tokens
  }
}
