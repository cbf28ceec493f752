// Licensed under the Apache License, Version 2.0.

import Foundation
import LM

/// The file `samples.jsonl` of a run folder: its texts and its summary.
struct RunResults {
  var texts: [(chain: Int, step: Int, tokens: [Int])] = []
  /// The summary's fields.
  var summary: [String: Any] = [:]

  /// Whether the run was stopped before its end.
  var isStopped: Bool { summary["stopped"] as? Bool == true }

  /// Reads the file of a folder.
  ///
  /// - Throws: where it is missing, or a line of it is no result.
  init(folder: String) throws {
    let path = folder + "/samples.jsonl"
    guard FileManager.default.fileExists(atPath: path) else {
      throw CommandFailure(.data, RunFolder.unfinished(folder, missing: "samples.jsonl"))
    }
    var hasSummary = false
    for (i, line) in try TextInput.lines(path).enumerated() {
      let value = try? JSONSerialization.jsonObject(with: Data(line.utf8))
      guard let object = value as? [String: Any] else {
        throw LoadError(
          .badData, path: path, place: .line(i + 1),
          "found no JSON object, expected a result of the run; the file may be cut short")
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
          .badData, path: path, place: .line(i + 1), "found an object that is no result of a run")
      }
    }
    guard hasSummary else {
      throw LoadError(
        .badData, path: path, "ends without the line of its summary; the file is cut short")
    }
  }
}
