// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

/// Whether the weights of all texts of a model have a sum, looked into once for many targets.
final class LimitedSum {
  private let model: NGramModel
  private let threads: Int
  private let monitor: RunMonitor

  init(_ model: NGramModel, threads: Int, monitor: RunMonitor) {
    self.model = model
    self.threads = threads
    self.monitor = monitor
  }

  /// Whether longer and longer texts of the model alone may add up without end.
  ///
  /// They do not where each context leaves less than 1 to all tokens but the end. Where one leaves
  /// more, as edited files do and rounded numbers may, the sums say it.
  private lazy var mayDiverge: Bool = {
    let vocabulary = model.vocabulary
    let totals = model.contextTotals { vocabulary.isDrawable($0) }
    guard totals.most >= 1 - 1e-9 else { return false }
    return fault(SentenceTarget(model: model)) != nil
  }()

  /// Why a target has no sum, and what to do.
  ///
  /// - Throws: the message of `exact` where it has none.
  func check(_ target: CompiledTarget) throws(CommandFailure) {
    guard target.target.constraint?.isUnbounded ?? true, mayDiverge,
      let fault = fault(target.target)
    else { return }
    throw ExactRun.failure(fault, target, nil)
  }

  private func fault(_ target: SentenceTarget<NGramModel, TokenAutomaton>) -> ExactInference.Fault?
  {
    do throws(ExactInference.Fault) {
      // A rough sum is proof enough.
      _ = try NGramInference(target: target, threads: threads, tolerance: 0.5) { [monitor] _ in
        !monitor.isStopping
      }
      return nil
    } catch {
      switch error {
      case .divergent, .unproved: return error
      case .tooLarge, .impossible, .stopped: return nil
      }
    }
  }
}
