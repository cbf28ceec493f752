// Licensed under the Apache License, Version 2.0.

package import LM
package import Sampling

/// A way of drawing texts from a target: its options, what it needs of a model, and a run.
///
/// The same value serves all targets of a command. Inside a run, `some` model is at work; a sampler
/// opens the `any` model of the task once.
package protocol Sampler: Sendable {
  /// The name of the command that runs it.
  static var name: String { get }
  /// What progress counts.
  static var unit: String { get }

  /// The abilities of a model that it needs, and the option that needs each.
  var needs: [(capability: Capability, what: String)] { get }
  /// Further models that the results depend on.
  var furtherModels: [FurtherModel] { get }
  /// Whether the printed texts are draws from the target.
  var areDraws: Bool { get }
  /// How much it does for one target, in its unit; 0 if that is unknown.
  var work: Int { get }
  /// The figures of a run that has not begun.
  var figures: RunFigures { get }
  /// The plan of its chains; `nil` for samplers without chains.
  var chainOptions: ChainOptions? { get }

  /// Samples from a target.
  ///
  /// - Returns: the task's report, with what was drawn and all figures.
  /// - Throws: why nothing could be drawn.
  func run(_ task: SamplingTask) throws -> RunReport
}

extension Sampler {
  package var needs: [(capability: Capability, what: String)] { [(.language, Self.name)] }
  package var furtherModels: [FurtherModel] { [] }
  package var areDraws: Bool { true }
  package var chainOptions: ChainOptions? { nil }
}

/// A target to sample from, and what the run has for it.
package struct SamplingTask {
  package let target: CompiledTarget
  /// The report of a run that has not begun, with the seed of this target.
  package let report: RunReport
  package let threads: Int
  package let monitor: RunMonitor
  /// Takes texts while they are drawn, from samplers that may draw more than memory holds.
  package let output: any TextOutput
  /// Where chains leave their checkpoints; `nil` if no folder keeps the run.
  package let folder: KeptRun?

  package init(
    _ target: CompiledTarget, report: RunReport, threads: Int, monitor: RunMonitor,
    output: any TextOutput, folder: KeptRun? = nil
  ) {
    self.target = target
    self.report = report
    self.threads = threads
    self.monitor = monitor
    self.output = output
    self.folder = folder
  }

  package var seed: UInt64 { report.seed }
}

/// Takes texts while they are drawn, and what is known before.
package protocol TextOutput: AnyObject {
  /// Whether nobody reads any more.
  var isClosed: Bool { get }

  /// Takes a text of the target on a line of a file; the line is `nil` if there is one target only.
  func write(_ text: SampledText, of line: Int?) throws

  /// Takes what a rejection sampler expects, before the wait.
  func expect(_ forecast: RejectionReport.Forecast, samples: Int, threads: Int, of line: Int?)
}

extension CompiledTarget {
  /// The tokens given the text on the left, made once for all targets of the model.
  package func leftTokens<Model: ChainModel>(of chainModel: Model) -> Model.Left {
    model.once { chainModel.makeLeftTokens() }
  }

  /// The tokens given both sides, made once for all targets of the model.
  package func fullTokens<Model: ChainModel>(of chainModel: Model) -> Model.Full {
    model.once { chainModel.makeFullTokens() }
  }
}
