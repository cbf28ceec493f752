// Licensed under the Apache License, Version 2.0.

import Foundation
import Sampling

/// Figures about how different the texts of a run are.
package struct TextFigures {
  private let count: Int
  private let values: [(field: String, label: String, value: Estimate)]

  /// Computes all figures once.
  package init(_ texts: [[Int]]) {
    count = texts.count
    let texts = TextDiversity(texts)
    values = [
      ("distinct_texts", "distinct texts", texts.distinctTexts),
      ("distinct_1", "distinct-1", texts.distinct(1)),
      ("distinct_2", "distinct-2", texts.distinct(2)),
      ("distinct_3", "distinct-3", texts.distinct(3)),
      ("self_bleu_4", "self-BLEU-4", texts.selfBLEU(4)),
      ("repeated_2", "repeated 2-grams", texts.repeated(2)),
      ("repeated_3", "repeated 3-grams", texts.repeated(3)),
    ]
  }

  /// The figures as JSON; undefined ones are `null`, and their reasons are listed.
  package var object: JSONObject {
    var one = JSONObject()
    one.add("count", .integer(count))
    var reasons: [String] = []
    for (field, _, value) in values {
      one.add(field, value.value.map { .number($0) } ?? .null)
      if let reason = value.reason, !reasons.contains(reason) { reasons.append(reason) }
    }
    if !reasons.isEmpty { one.add("reason", .string(reasons.joined(separator: "; "))) }
    return one
  }

  /// The figures as a line of text.
  package var line: String {
    "\(counted(count, "text")): "
      + values.map { "\($0.label) \($0.value.value.map { String(format: "%.3f", $0) } ?? "-")" }
      .joined(separator: ", ")
  }
}
