// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

/// What chains of one target are to do.
struct ChainWork: Sendable {
  let target: CompiledTarget
  let chains: ClosedRange<Int>
  let plan: RunPlan
  let quantities: [ChainResults.Quantity]
  let threads: Int
  let monitor: RunMonitor
  /// A chain's first text; `nil` where the run was stopped before one was found.
  let start: @Sendable (inout RandomChoices) throws -> TokenSequence?
}

/// What they did.
struct ChainsDone {
  var records: [ChainResults.Record]
  var kinds: [String]
  var checkpoints: ChainCheckpoints<TokenSequence>?
  /// Adds to the summary what only such chains have.
  var summarise: (inout JSONObject) -> Void = { _ in }
  /// The same for people.
  var lines: [String] = []
}

extension CompiledTarget {
  /// Says why a chain cannot start from a text.
  func check(start: TokenSequence?) throws(CommandFailure) {
    guard let start else { return }
    if let unmet = firstUnmet(by: start) {
      throw CommandFailure(
        .data,
        "--start: '\(target.model.vocabulary.text(of: start))' does not meet "
          + "\(unmet.constraint.origin): \(unmet.constraint.text); a chain begins at an allowed "
          + "text")
    }
    guard target.logProbability(of: start) > -.infinity else {
      throw CommandFailure(.data, "--start: the model gives this text no probability")
    }
  }

  /// An allowed text on a random path; `nil` where the run was stopped before one was found.
  func randomStart(
    monitor: RunMonitor, using choices: inout some ChoiceSource
  ) throws -> TokenSequence? {
    let text = try target.randomStart(isCancelled: { monitor.isStopping }, using: &choices)
    guard text != nil || monitor.isStopping else {
      throw CommandFailure(.failed, "the model gives no allowed text a positive probability")
    }
    return text
  }
}
