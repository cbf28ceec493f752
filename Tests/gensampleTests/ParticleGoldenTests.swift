// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import Testing

/// Samplers without chains, run as users run them.
@Suite struct ParticleGoldenTests {
  static func arguments(_ command: String, _ options: String...) -> [String] {
    [command, "--model", SmallModel.path, "--seed", "1", "--quiet", "--format", "jsonl"] + options
  }

  /// The exact log evidence of a statement on the small model.
  static func logEvidence(_ statements: String) throws -> Double {
    let model = try NGramModel(path: SmallModel.path)
    let target = try SentenceTarget(
      model: model, constraints: ConstraintFile.parse(statements, path: "test"))
    return try NGramInference(target: target).logEvidence
  }

  static func summary(_ outcome: Program.Outcome) throws -> [String: Any] {
    try #require(try outcome.objects().last, "\(outcome.errors)")
  }

  @Test func rejectionStatesItsEvidence() throws {
    let outcome = try Program.run(
      Self.arguments(
        "rejection", "--include", "sea", "--length", "..7", "--max-tokens", "8", "--samples",
        "400"))
    #expect(outcome.code == 0)
    let objects = try outcome.objects()
    #expect(objects.count == 401)
    #expect(objects.dropLast().allSatisfy { $0["satisfied"] as? Bool == true })
    let summary = try Self.summary(outcome)
    let exact = try Self.logEvidence("include \"sea\"\nlength ..7 words\nlength ..8 tokens")
    let found = try #require(summary["log_evidence"] as? Double)
    let error = try #require(summary["log_evidence_error"] as? Double)
    // Four stated errors: a false alarm in 16,000 runs, and the seed is fixed.
    #expect(abs(found - exact) < 4 * error, "\(found) ± \(error), exact \(exact)")
    #expect(summary["acceptance"] as? Double != nil)
  }

  @Test func resultsDoNotDependOnThreads() throws {
    let one = try Program.run(
      Self.arguments("rejection", "--include", "sea", "--samples", "20", "--threads", "1"))
    let three = try Program.run(
      Self.arguments("rejection", "--include", "sea", "--samples", "20", "--threads", "3"))
    #expect(one.lines.dropLast() == three.lines.dropLast())
  }

  @Test func boundThatIsExceededIsSaidWithTheText() throws {
    let outcome = try Program.run(
      Self.arguments("rejection", "--include", "sea", "--bound", "-3"))
    #expect(outcome.code == 1)
    #expect(outcome.output == "")
    #expect(outcome.errors.hasPrefix("gensample: '"))
    #expect(outcome.errors.contains("above log M = -3.0000"))
    #expect(outcome.errors.contains("give --bound 1.0 or more"))
  }

  @Test func forecastIsSaidBeforeTheWait() throws {
    let outcome = try Program.run([
      "rejection", "--model", SmallModel.path, "--include", "sea", "--seed", "1",
    ])
    #expect(outcome.code == 0)
    #expect(outcome.errors.hasPrefix("expected: "))
    #expect(outcome.errors.contains("of the proposals kept, 5 results in about"))
  }

  static let badInput: [([String], Int32, String)] = [
    (["rejection", "--bound", "many"], 64, "--bound takes a number, got 'many'"),
    (
      ["rejection", "sea"], 64,
      "rejection takes options only, got 'sea'; a file of constraints is given by "
        + "--constraints sea"
    ),
    (
      ["rejection", "--include", "sea", "--max-tokens", "0"], 65,
      "the shortest allowed text has 1 tokens, --max-tokens allows 0"
    ),
  ]

  @Test(arguments: badInput)
  func badInputIsSaid(arguments: [String], code: Int32, message: String) throws {
    let outcome = try Program.run(
      [arguments[0], "--model", SmallModel.path] + arguments.dropFirst())
    #expect(outcome.code == code)
    #expect(outcome.errors == "gensample: \(message)\n")
  }

  @Test func interruptedRunPrintsWhatItHas() throws {
    let outcome = try Program.run(
      [
        "rejection", "--model", SmallModel.path, "--include", "sea", "--samples", "1000000000",
        "--seed", "1", "--quiet",
      ], interrupt: (SIGINT, { _ in true }))
    #expect(outcome.code == 130)
  }
}
