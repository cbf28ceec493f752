// Licensed under the Apache License, Version 2.0.

package import LM
package import Sampling

/// Whether the weights of all texts of a model have a sum, looked into once for many targets.
///
/// Only n-gram models that other programs made can lack one: models that normalise in each context
/// leave less and less to longer texts.
package final class LimitedSum {
  private let model: NGramModel
  private let threads: Int
  private let monitor: RunMonitor

  /// Looks into a model; `nil` for models that normalise.
  package init?(_ loaded: LoadedModel, threads: Int, monitor: RunMonitor) {
    guard let model = loaded.chainModel as? NGramModel else { return nil }
    self.model = model
    self.threads = threads
    self.monitor = monitor
  }

  /// Whether longer and longer texts of the model alone may add up without end.
  ///
  /// They do not if each context leaves less than 1 to all tokens but the end. If one leaves more,
  /// as in edited files or by rounding, the sums say it.
  private lazy var mayDiverge: Bool = {
    let vocabulary = model.vocabulary
    let totals = model.contextTotals { vocabulary.isDrawable($0) }
    guard totals.most >= 1 - 1e-9 else { return false }
    return fault(SentenceTarget(model: model)) != nil
  }()

  /// Says why a target has no sum, and what to do.
  ///
  /// - Throws: the message of `exact` if it has none.
  package func check(_ target: CompiledTarget) throws(RunError) {
    let sentences = target.sentences(of: model)
    guard sentences.constraint?.isUnbounded ?? true, mayDiverge, let fault = fault(sentences)
    else { return }
    throw ExactSums.failure(fault, target, model, nil)
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
