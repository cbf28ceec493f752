// Licensed under the Apache License, Version 2.0.

import Foundation
import Sampling

/// The figures and problems of a run of a sampler without chains.
package struct SamplerDiagnosis {
  private let description: RunDescription
  private let results: RunResults
  /// The report of the run; `nil` in folders of earlier versions.
  private let report: RunReport?
  private let folder: String
  private let texts: TextFigures

  /// The fields of the summary that say how good the results are.
  private static let fields = [
    "log_evidence", "log_evidence_error", "log_evidence_interval", "upper_bound", "effective_size",
    "pareto_k", "acceptance", "best",
  ]

  /// Reads a folder.
  ///
  /// - Throws: `LoadError` if its files are not those of a run.
  package init(_ description: RunDescription, folder: String) throws {
    let results = try RunResults(folder: folder)
    report = try RunReport(folder: folder)
    self.description = description
    self.folder = folder
    self.results = results
    texts = TextFigures(results.texts.map(\.tokens))
  }

  /// All problems, each a sentence.
  package var problems: [String] {
    let summary = results.summary
    var problems: [String] = []
    if report?.isStopped ?? results.isStopped {
      problems.append(
        "the run in '\(folder)' was stopped early; --resume starts it again from its seed")
    }
    if let report { return problems + report.problems }
    if summary["draws"] as? Bool == false {
      problems.append(
        "these texts are not draws from rho"
          + (summary["schedule"] == nil
            ? "" : ": annealing is an optimiser that searches for likely texts")
      )
    }
    if let warning = summary["warning"] as? String {
      problems.append("do not trust the results: \(warning)")
    } else if let shape = summary["pareto_k"] as? Double, shape > 0.7 {
      problems.append(
        String(format: "k is %.2f, above 0.7: ", shape)
          + "too few texts carry the weight, so do not trust means or their errors; "
          + "use more --particles, smc or mh")
    }
    if let note = summary["note"] as? String { problems.append(note) }
    if let reason = summary["reason"] as? String {
      problems.append("some figures are missing: \(reason)")
    }
    for (field, reason) in (summary["missing"] as? [String: String] ?? [:]).sorted(by: <) {
      problems.append("no \(field.replacing("_", with: " ")): \(reason)")
    }
    if let reason = summary["missing_because"] as? String {
      problems.append("there are fewer results than asked for: \(reason)")
    }
    return problems
  }

  private var figures: [(field: String, value: [Double])] {
    if let report { return report.figures.named.map { ($0.field, $0.values) } }
    return Self.fields.compactMap { field in
      let value = results.summary[field]
      let numbers = (value as? [Double]) ?? (value as? Double).map { [$0] }
      return numbers.map { (field, $0) }
    }
  }

  /// The diagnosis as one JSON object.
  package var object: JSONObject {
    var object = JSONObject()
    object.add("type", .string("diagnosis"))
    object.add("command", .string(description.command))
    object.add("model", .string(description.model))
    object.add("seed", .unsigned(description.seed))
    if let draws = report?.areDraws ?? results.summary["draws"] as? Bool {
      object.add("draws", .boolean(draws))
    }
    for (field, numbers) in figures {
      object.add(field, numbers.count == 1 ? .number(numbers[0]) : .numbers(numbers))
    }
    object.add("texts", .object(texts.object))
    object.add("problems", .strings(problems))
    return object
  }

  /// The diagnosis as text for people.
  package var text: String {
    var lines = [
      "\(description.command), model \(description.model), seed \(description.seed): there are no "
        + "chains to judge, because the texts are independent", "",
    ]
    for (field, numbers) in figures {
      lines.append(
        field.replacing("_", with: " ") + ": "
          + numbers.map { String(format: "%.4g", $0) }.joined(separator: " to "))
    }
    return (lines + [texts.line] + Diagnosis.list(problems))
      .joined(separator: "\n")
  }
}
