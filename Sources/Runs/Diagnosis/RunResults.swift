// Licensed under the Apache License, Version 2.0.

import Foundation
import LM

/// The contents of `samples.jsonl` in a run folder: the texts and the summary.
package struct RunResults {
  package var texts: [(chain: Int, step: Int, tokens: [Int])] = []
  /// The fields of the summary.
  package var summary: [String: Any] = [:]

  /// Whether the run was stopped early.
  package var isStopped: Bool { summary["stopped"] as? Bool == true }

  /// The moves in the summary.
  package var moves: [MoveReport] {
    (summary["moves"] as? [String: [String: Any]] ?? [:]).map { kind, counts in
      MoveReport(
        kind: kind, proposed: counts["proposed"] as? Int ?? 0,
        accepted: counts["accepted"] as? Int ?? 0)
    }
  }

  /// Reads the file in a folder.
  ///
  /// - Throws: if the file is missing, or one of its lines is not a result.
  package init(folder: String) throws {
    let path = folder + "/samples.jsonl"
    guard FileManager.default.fileExists(atPath: path) else {
      throw RunError(.data, RunFolder.unfinished(folder, missing: "samples.jsonl"))
    }
    var hasSummary = false
    for (i, line) in try TextInput.lines(path).enumerated() {
      let value = try? JSONSerialization.jsonObject(with: Data(line.utf8))
      guard let object = value as? [String: Any] else {
        throw LoadError(
          .badData, path: path, place: .line(i + 1),
          "found no JSON object, expected a result; the file may be incomplete")
      }
      switch object["type"] as? String {
      case "sample":
        guard let tokens = object["tokens"] as? [Int] else {
          throw LoadError(
            .badData, path: path, place: .line(i + 1), "the result has no list of 'tokens'")
        }
        texts.append((object["chain"] as? Int ?? 0, object["step"] as? Int ?? 0, tokens))
      case "marginal": break
      case "summary":
        hasSummary = true
        summary = object
      default:
        throw LoadError(
          .badData, path: path, place: .line(i + 1),
          "found an object that is not a result of a run")
      }
    }
    guard hasSummary else {
      throw LoadError(
        .badData, path: path, "has no summary line at its end; the file is incomplete")
    }
  }
}
