// Licensed under the Apache License, Version 2.0.

import Foundation
import Sampling

/// What is to be said of a kept run of a sampler without chains: its own figures, and what is wrong.
struct SamplerDiagnosis {
  private let description: RunDescription
  private let results: RunResults
  private let folder: String
  private let texts: TextFigures

  /// Numbers of the summary that tell how much the results are worth.
  private static let fields = [
    "log_evidence", "log_evidence_error", "log_evidence_interval", "upper_bound", "effective_size",
    "pareto_k", "acceptance", "best",
  ]

  init(_ description: RunDescription, folder: String, _ results: RunResults) {
    self.description = description
    self.folder = folder
    self.results = results
    texts = TextFigures(results.texts.map(\.tokens))
  }

  /// Everything that is wrong, each a sentence.
  var problems: [String] {
    let summary = results.summary
    var problems: [String] = []
    if results.isStopped {
      problems.append(
        "the run in '\(folder)' was stopped before its end; with --resume it is made anew, from its "
          + "seed")
    }
    if summary["draws"] as? Bool == false {
      problems.append(
        "these texts are no draws from rho"
          + (summary["schedule"] == nil ? "" : ": annealing is an optimiser, and finds likely ones")
      )
    }
    if let warning = summary["warning"] as? String {
      problems.append("not to be trusted: \(warning)")
    } else if let shape = summary["pareto_k"] as? Double, shape > 0.7 {
      problems.append(
        String(format: "k is %.2f, above .7: ", shape)
          + "too few texts carry the weight, so that neither means nor their errors can be trusted; "
          + "take more --particles, smc or mh")
    }
    if let note = summary["note"] as? String { problems.append(note) }
    if let reason = summary["reason"] as? String {
      problems.append("some figures are missing: \(reason)")
    }
    for (field, reason) in (summary["missing"] as? [String: String] ?? [:]).sorted(by: <) {
      problems.append("no \(field.replacing("_", with: " ")): \(reason)")
    }
    if let reason = summary["missing_because"] as? String {
      problems.append("there are fewer results than were asked for: \(reason)")
    }
    return problems
  }

  private var figures: [(field: String, value: [Double])] {
    Self.fields.compactMap { field in
      let value = results.summary[field]
      let numbers = (value as? [Double]) ?? (value as? Double).map { [$0] }
      return numbers.map { (field, $0) }
    }
  }

  /// As one JSON object.
  var object: JSONObject {
    var object = JSONObject()
    object.add("type", .string("diagnosis"))
    object.add("command", .string(description.command))
    object.add("model", .string(description.model))
    object.add("seed", .unsigned(description.seed))
    if let draws = results.summary["draws"] as? Bool { object.add("draws", .boolean(draws)) }
    for (field, numbers) in figures {
      object.add(field, numbers.count == 1 ? .number(numbers[0]) : .numbers(numbers))
    }
    object.add("texts", .object(texts.object))
    object.add("problems", .strings(problems))
    return object
  }

  /// For people.
  var text: String {
    var lines = [
      "\(description.command), model \(description.model), seed \(description.seed): its texts do not "
        + "follow one another, so that there is nothing of chains to judge", "",
    ]
    for (field, numbers) in figures {
      lines.append(
        field.replacing("_", with: " ") + ": "
          + numbers.map { String(format: "%.4g", $0) }.joined(separator: " to "))
    }
    return (lines + [texts.line] + Diagnosis.list(problems, otherwise: "these results"))
      .joined(separator: "\n")
  }
}
