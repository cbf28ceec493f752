// Licensed under the Apache License, Version 2.0.

package import LM
package import Sampling

/// Sums over all texts of a target.
package struct ExactSums {
  /// What progress counts the sums as.
  package static let parts = 1000

  package let inference: NGramInference
  private let target: CompiledTarget
  private let memory: MemoryLimit
  private let monitor: RunMonitor

  /// Computes the sums; `nil` if the run was stopped before they were complete.
  package init?(
    _ target: CompiledTarget, for what: String, memory: MemoryLimit, tolerance: Double,
    threads: Int, _ monitor: RunMonitor
  ) throws {
    self.target = target
    self.memory = memory
    self.monitor = monitor
    let sentences = target.sentences(of: try target.model.ngrams(.exact, for: what))
    var done = 0
    do throws(ExactInference.Fault) {
      inference = try NGramInference(
        target: sentences, memory: memory.share, threads: threads, tolerance: tolerance
      ) { share in
        monitor.add(Int(share * Double(Self.parts)) - done)
        done = Int(share * Double(Self.parts))
        return !monitor.isStopping
      }
    } catch {
      if error == .stopped { return nil }
      throw Self.failure(error, target, sentences.model, memory)
    }
    monitor.add(Self.parts - done)
    guard inference.logEvidence > -.infinity else {
      let fluency = sentences.fluency
      var choices = RandomChoices(seed: 0)
      // What adds up to zero here may be small alone.
      let isSmall = (try? sentences.randomStart(using: &choices)) != nil
      throw RunError(
        .failed,
        fluency > 1
          ? "under fluency \(fluency) the model's probabilities are too small for a "
            + "number: take a lower fluency, or mh, which needs ratios alone"
          : isSmall
            ? "the probabilities of the allowed texts are too small to be added up (below 1e-308): "
              + "take mh, which needs ratios alone"
            : "the model gives no allowed text a positive probability")
    }
  }

  package var logEvidence: Double { inference.logEvidence }

  /// What is reported of the sums.
  var report: ExactReport.Sums {
    ExactReport.Sums(logEvidence: logEvidence, logEvidenceError: inference.tail)
  }

  /// The message about a fault; `memory` is what sums may take, if that can be the fault.
  static func failure(
    _ fault: ExactInference.Fault, _ target: CompiledTarget, _ model: NGramModel,
    _ memory: MemoryLimit?
  ) -> RunError {
    switch fault {
    case .divergent, .unproved:
      RunError(
        .data,
        (target.compiled.growing.map { "\(CompiledTarget.place($0)): " } ?? excess(model) ?? "")
          + "\(fault): add a statement to a constraint file, for example 'length ..30 tokens'")
    case .tooLarge(let bytes, _):
      RunError(.data, memory?.refusal(bytes) ?? "\(fault)")
    case .impossible, .stopped: RunError(.failed, "\(fault)")
    }
  }

  /// That the model's own probabilities add up to too much; `nil` if they do not.
  private static func excess(_ model: NGramModel) -> String? {
    let totals = model.contextTotals { $0 != model.vocabulary.start }
    guard totals.isOverOne else { return nil }
    return "the model's probabilities \(totals.place(in: model.vocabulary)) add up to "
      + "\(QuantitySummary.short(totals.most)), where 1 is expected: "
  }

  /// The most probable texts; `nil` if the run was stopped.
  func best(_ count: Int) throws -> [TokenSequence]? {
    do throws(ExactInference.Fault) {
      return try inference.best(count, memory: memory.share) { [monitor] _ in !monitor.isStopping }
    } catch {
      if error == .stopped { return nil }
      throw Self.failure(error, target, inference.target.model, memory)
    }
  }

  /// The probabilities of tokens and lengths; `nil` if the run was stopped before they were
  /// complete.
  package func marginals() -> ExactMarginals? {
    let marginals = inference.marginals { [monitor] in !monitor.isStopping }
    return monitor.isStopping ? nil : marginals
  }

  /// How probable it is that a draw meets a statement; `nil` if the run was stopped.
  func probability(of statement: ExactStatement) throws -> Double? {
    do {
      return try inference.probability(of: statement.automaton, memory: memory.share) {
        [monitor] _ in !monitor.isStopping
      }
    } catch ExactInference.Fault.stopped {
      return nil
    } catch let fault as ExactInference.Fault {
      throw Self.failure(fault, target, inference.target.model, memory)
    } catch let error as ConstraintError {
      throw RunError(
        .data, "--probability \(statement.text): together with what texts must meet: \(error)")
    }
  }
}

/// A statement whose probability is asked for.
package struct ExactStatement: Sendable {
  package let text: String
  package let automaton: TokenAutomaton

  package init(_ text: String, _ automaton: TokenAutomaton) {
    self.text = text
    self.automaton = automaton
  }
}
