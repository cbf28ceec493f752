// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

/// What `--best-of` chooses by: the sum of all `--score`.
struct BestOfScores {
  /// What is said of a text chosen.
  struct Chosen {
    let score: Double
    /// Whether it meets the hard statements; `nil` where there are none.
    let isMet: Bool?
    /// Why the score is no number; `nil` where it is one.
    let reason: String?

    init(score: Double, by scores: BestOfScores) {
      self.score = score
      isMet = scores.hard.isEmpty ? nil : score > -.infinity
      guard score == -.infinity else {
        reason = nil
        return
      }
      let drawn = scores.count == 1 ? "the text drawn" : "none of \(scores.count) texts drawn"
      let statements = scores.hard.map(\.text).joined(separator: " and ")
      reason =
        scores.hard.isEmpty
        ? "the model gives the text no probability"
        : "\(drawn) \(scores.count == 1 ? "does not meet" : "meets") \(statements)"
    }
  }

  private typealias Score = @Sendable (DecodedText) -> Double

  /// How many texts compete.
  let count: Int
  private var scores: [Score] = []
  /// Statements that rule out what does not meet them.
  private var hard: [Constraint] = []

  /// The scores that the options write down; `nil` where none of several is chosen.
  init?(_ arguments: Arguments, _ model: NGramModel) throws {
    guard let count = try arguments.integer("best-of", in: 1...1_000_000_000) else {
      guard !arguments.has("score") else {
        throw CommandFailure.usage(
          "--score chooses among the texts of --best-of N, which is missing")
      }
      return nil
    }
    self.count = count
    let values = arguments.has("score") ? arguments.texts("score") : ["log-probability"]
    for value in values { try add(value, model) }
  }

  private mutating func add(_ value: String, _ model: NGramModel) throws {
    switch value {
    case "log-probability": scores.append { $0.logModel }
    case "mean-log-probability":
      scores.append {
        let count = $0.text.count - $0.promptCount + ($0.end == nil ? 0 : 1)
        return count == 0 ? 0 : $0.logModel / Double(count)
      }
    default:
      let statements = try ConstraintFile.parse(value, path: "--score")
      guard !statements.isEmpty else {
        throw CommandFailure.usage(
          "--score takes log-probability, mean-log-probability or a statement such as "
            + "'prefer \"sea\" 1', got '\(value)'")
      }
      let tree = VocabularyTree(model.vocabulary)
      for statement in statements { try add(statement, of: value, model, tree) }
    }
  }

  private mutating func add(
    _ statement: Constraint, of value: String, _ model: NGramModel, _ tree: VocabularyTree
  ) throws {
    if case .fluency = statement.kind {
      throw CommandFailure.usage(
        "--score '\(value)': a fluency is the exponent of a target and no score; take "
          + "log-probability")
    }
    let automaton: TokenAutomaton?
    do throws(ConstraintError) {
      automaton = try statement.automaton(for: tree)
    } catch {
      throw CommandFailure(.data, "\(CompiledTarget.place(statement)): \(error)")
    }
    guard let automaton else { return }
    // A message for what no text of the model meets, which would choose among equals.
    if !automaton.isSatisfiable {
      _ = try CompiledTarget([statement], model: model, tree: tree)
    }
    if !statement.isSoft { hard.append(statement) }
    scores.append { automaton.logWeight(of: $0.text) }
  }

  /// The choice of the best of some texts of a sampler.
  func choice(of sampler: AncestralSampler) throws(DecodingError) -> BestOf {
    try BestOf(count, of: sampler) { [scores] text in scores.reduce(0) { $0 + $1(text) } }
  }
}
