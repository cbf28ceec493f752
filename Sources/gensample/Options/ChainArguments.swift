// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

/// The options that commands of chains share, and what they say.
struct ChainArguments {
  static let options =
    TargetOptions.all + [
      ModelOptions.memory,
      Option("start", "TEXT", "the text that every chain starts from (default: a random one each)"),
    ] + PlanOptions.all + [
      Option(
        "trace", "REGEX", isRepeatable: true,
        "trace how often this occurs; of what is drawn it says nothing")
    ] + ResultOptions.all + FolderOptions.chains + OutputOptions.sampler

  let plan: RunPlan
  private let arguments: Arguments
  private let choice: ResultChoice
  private let chains: ClosedRange<Int>

  /// Reads the options that need no model.
  ///
  /// - Parameters:
  ///   - arguments: the options.
  ///   - isSlow: whether they ask for slow steps, of which there are fewer by default.
  /// - Throws: what is wrong with them.
  init(_ arguments: Arguments, isSlow: Bool = false) throws(CommandFailure) {
    self.arguments = arguments
    _ = try FolderOptions.interval(arguments)
    choice = try ResultOptions.choice(arguments)
    plan = try PlanOptions.plan(
      arguments,
      otherwise: ModelOptions.isNeural(arguments)
        ? PlanOptions.neuralDefaults : isSlow ? PlanOptions.slowDefaults : PlanOptions.defaults)
    chains = try PlanOptions.chainRange(arguments, plan)
  }

  /// The chains, with what is read of the model's texts.
  func options(_ model: LoadedModel) throws -> ChainOptions {
    ChainOptions(
      plan, chains: chains, choice: choice,
      start: try arguments.text("start").map {
        try CompiledTarget.tokens(of: $0, model: model, option: "--start")
      },
      patterns: try patterns(model.tree))
  }

  /// What is traced beside the target's own quantities: counts, as statements that add one nat.
  private func patterns(_ tree: VocabularyTree) throws -> [CompiledConstraints.Part] {
    try arguments.texts("trace").compactMap { value in
      let text = NFC.of(value)
      let constraint = Constraint(
        .prefer(.expression(try TargetOptions.expression(text, option: "trace")), 1),
        text: "trace /\(TargetOptions.escapingSlashes(text))/", origin: "--trace")
      do throws(ConstraintError) {
        return try constraint.automaton(for: tree).map {
          CompiledConstraints.Part(constraint: constraint, automaton: $0)
        }
      } catch {
        throw CommandFailure.usage("--trace '\(value)': \(error)")
      }
    }
  }
}
