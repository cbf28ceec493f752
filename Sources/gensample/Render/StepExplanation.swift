// Licensed under the Apache License, Version 2.0.

import Foundation
import Runs
import Sampling

/// The output of `--explain` for one step.
extension DecodedStep {
  /// The step as JSON.
  func object(_ vocabulary: Vocabulary) -> JSONObject {
    var object = JSONObject()
    object.add("token", .integer(token.index))
    object.add("spelling", .string(vocabulary.spelling(of: token)))
    object.add("log_model", .number(logModel))
    object.add("log_probability", .number(logProbability))
    if !compared.isEmpty {
      object.add(
        "compared",
        .objects(
          compared.map { one in
            var object = JSONObject()
            object.add("token", .integer(one.token.index))
            object.add("spelling", .string(vocabulary.spelling(of: one.token)))
            object.add("log_probability", .number(one.logProbability))
            object.add("resemblance", .number(one.resemblance))
            object.add("score", .number(one.score))
            return object
          }))
    }
    object.add(
      "removed",
      .objects(
        removals.map { removal in
          var object = JSONObject()
          object.add("by", .string(removal.name))
          object.add("tokens", .integer(removal.count))
          object.add("mass", .number(removal.mass))
          object.add("foremost", .strings(removal.foremost.map(vocabulary.spelling(of:))))
          return object
        }))
    return object
  }

  /// The step as a line of text.
  func line(_ vocabulary: Vocabulary) -> String {
    func spelled(_ token: Token) -> String { JSONObject.quoted(vocabulary.spelling(of: token)) }
    let told = removals.filter { $0.count > 0 }.map { removal in
      "\(removal.name) removed \(removal.count) (\(percent(removal.mass))): "
        + removal.foremost.map(spelled).joined(separator: " ")
        + (removal.count > removal.foremost.count ? " ..." : "")
    }
    let scores = compared.map { one in
      "\(spelled(one.token)) "
        + String(
          format: "%.4f (p %.4f, resemblance %.4f)", one.score, LogSpace.exp(one.logProbability),
          one.resemblance)
    }
    return "\(spelled(token)) "
      + String(format: "%.4f (model %.4f)", logProbability, logModel)
      + (told.isEmpty ? "" : "; " + told.joined(separator: "; "))
      + (scores.isEmpty ? "" : "; scores: " + scores.joined(separator: ", "))
  }
}
