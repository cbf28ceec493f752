// Licensed under the Apache License, Version 2.0.

package import LM
import Sampling

/// The scores by which `--best-of` chooses: the sum of all `--score` values.
package struct BestOfScores: Sendable {
  /// The score of the chosen text.
  struct Chosen {
    let score: Double
    /// Whether the text meets the hard statements; `nil` if there are none.
    let isMet: Bool?
    /// Why the score is not finite; `nil` if it is.
    let reason: String?

    init(score: Double, by scores: BestOfScores) {
      self.score = score
      isMet = scores.hard.isEmpty ? nil : score > -.infinity
      guard score == -.infinity else {
        reason = nil
        return
      }
      let drawn = scores.count == 1 ? "the text" : "none of the \(scores.count) texts"
      let statements = scores.hard.map(\.text).joined(separator: " and ")
      reason =
        scores.hard.isEmpty
        ? "the model gives the text probability 0"
        : "\(drawn) \(scores.count == 1 ? "does not meet" : "meets") \(statements)"
    }
  }

  private typealias TextValue = @Sendable (DecodedText) -> Double

  /// The number of texts that compete.
  let count: Int
  private var scores: [TextValue] = []
  /// Statements that rule out the texts that break them.
  private var hard: [Constraint] = []

  /// The sum of some scores, each a name or a statement.
  package init(_ count: Int, by values: [String], _ model: LoadedModel) throws {
    self.count = count
    for value in values { try add(value, model) }
  }

  private mutating func add(_ value: String, _ model: LoadedModel) throws {
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
        throw RunError.usage(
          "--score takes log-probability, mean-log-probability or a statement such as "
            + "'prefer \"sea\" 1', got '\(value)'")
      }
      for statement in statements { try add(statement, of: value, model) }
    }
  }

  private mutating func add(
    _ statement: Constraint, of value: String, _ model: LoadedModel
  ) throws {
    if case .fluency = statement.kind {
      throw RunError.usage(
        "--score '\(value)': the fluency belongs to a target and is not a score; use "
          + "log-probability")
    }
    let automaton: TokenAutomaton?
    do throws(ConstraintError) {
      automaton = try statement.automaton(for: model.tree)
    } catch {
      throw RunError(.data, "\(CompiledTarget.place(statement)): \(error)")
    }
    guard let automaton else { return }
    // Fail if no text of the model meets the statement: all texts would score the same.
    if !automaton.isSatisfiable {
      _ = try CompiledTarget([statement], for: model)
    }
    if !statement.isSoft { hard.append(statement) }
    scores.append { automaton.logWeight(of: $0.text) }
  }

  /// The rule that chooses the best of several texts of a sampler.
  func choice(of sampler: AncestralSampler) throws(DecodingError) -> BestOf {
    try BestOf(count, of: sampler) { [scores] text in scores.reduce(0) { $0 + $1(text) } }
  }
}
