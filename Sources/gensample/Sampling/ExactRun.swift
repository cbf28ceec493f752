// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

/// A statement whose probability is asked for.
struct ExactStatement {
  let text: String
  let automaton: TokenAutomaton

  /// All that `--probability` asks for, each once.
  ///
  /// Words that the model does not know are told of.
  static func all(_ arguments: Arguments, _ run: SamplerRun) throws -> [ExactStatement] {
    let tree = run.tree
    var seen: Set<String> = []
    return try arguments.texts("probability").flatMap { text -> [ExactStatement] in
      let constraints = try ConstraintFile.parse(text, path: "--probability")
      guard !constraints.isEmpty else {
        throw CommandFailure.usage(
          "--probability is given no statement, expected one such as 'include \"love\"'")
      }
      return try constraints.compactMap { constraint -> ExactStatement? in
        guard seen.insert(constraint.text).inserted else { return nil }
        guard !constraint.isSoft, let automaton = try constraint.automaton(for: tree) else {
          throw CommandFailure.usage(
            "--probability \(constraint.text): every text has that; a statement that texts meet or "
              + "not is expected, such as 'include \"love\"'")
        }
        if !run.isQuiet, let message = CompiledTarget.unwritable(constraint, run.model, tree) {
          report("gensample: \(message)")
        }
        return ExactStatement(text: constraint.text, automaton: automaton)
      }
    }
  }
}

/// Exact inference for one target, as the command line sees it.
struct ExactRun {
  /// What progress counts the sums as.
  static let parts = 1000

  let inference: NGramInference
  private let target: CompiledTarget
  private let line: Int?
  private let run: SamplerRun
  private let memory: Int

  /// Computes the sums; `nil` where the run was stopped before they were complete.
  init?(
    _ target: CompiledTarget, line: Int?, run: SamplerRun, memory: Int, tolerance: Double
  ) throws {
    self.target = target
    self.line = line
    self.run = run
    self.memory = memory
    let monitor = run.monitor
    var done = 0
    do throws(ExactInference.Fault) {
      inference = try NGramInference(
        target: target.target, memory: memory, threads: run.threads, tolerance: tolerance
      ) { share in
        monitor.add(Int(share * Double(Self.parts)) - done)
        done = Int(share * Double(Self.parts))
        return !monitor.isStopping
      }
    } catch {
      if error == .stopped { return nil }
      throw Self.failure(error, target)
    }
    monitor.add(Self.parts - done)
    guard inference.logEvidence > -.infinity else {
      throw CommandFailure(
        .failed,
        target.target.fluency > 1
          ? "under fluency \(target.target.fluency) the model's probabilities are too small for a "
            + "number: take a lower fluency, or mh, which needs ratios alone"
          : "the model gives no allowed text a positive probability")
    }
  }

  /// How much too small the log of the evidence is at most, for the longest texts.
  var logEvidenceError: Double { inference.tail }

  private static func failure(
    _ fault: ExactInference.Fault, _ target: CompiledTarget
  ) -> CommandFailure {
    switch fault {
    case .divergent, .unproved:
      CommandFailure(
        .data,
        (target.compiled.growing.map { "\(CompiledTarget.place($0)): " } ?? "")
          + "\(fault): add a statement to a constraint file, for example 'length ..30 tokens'")
    case .tooLarge:
      CommandFailure(.data, "\(fault); or allow more with --memory")
    case .impossible, .stopped: CommandFailure(.failed, "\(fault)")
    }
  }

  /// Draws and prints; a text's random numbers are its own, whatever else is drawn.
  ///
  /// - Returns: how many texts were drawn.
  func draw(_ samples: Int, seed: UInt64, isUnique: Bool) throws -> Int {
    let random = Philox(seed: seed)
    var seen: Set<TokenSequence> = []
    var drawn = 0
    // Few enough to stop soon, many enough to share among threads.
    let batch = 1024 * run.threads
    while drawn < samples, !run.monitor.isStopping, !run.stream.isClosedByReader {
      let texts = inference.draws(
        drawn..<min(samples, drawn + batch), random: random, threads: run.threads)
      for text in texts where !isUnique || seen.insert(text).inserted { try write(text) }
      drawn += texts.count
      run.monitor.add(texts.count)
    }
    return drawn
  }

  /// Prints the most probable texts.
  ///
  /// - Returns: how many there are.
  func writeBest(_ count: Int) throws -> Int {
    let monitor = run.monitor
    let texts: [TokenSequence]
    do throws(ExactInference.Fault) {
      texts = try inference.best(count, memory: memory) { _ in !monitor.isStopping }
    } catch {
      if error == .stopped { return 0 }
      throw Self.failure(error, target)
    }
    for text in texts { try write(text) }
    monitor.add(texts.count)
    return texts.count
  }

  private func write(_ text: TokenSequence) throws {
    guard run.format == .jsonl else {
      return try run.stream.writeLine(target.target.model.vocabulary.text(of: text))
    }
    var object = target.object(text, logProbability: target.target.logProbability(of: text))
    if let line { object.add("target", .integer(line)) }
    try run.stream.writeLine(object.text)
  }

  /// The probabilities of tokens and lengths; `nil` where the run was stopped before they were
  /// complete.
  func marginals() -> ExactMarginals? {
    let marginals = inference.marginals { [monitor = run.monitor] in !monitor.isStopping }
    return run.monitor.isStopping ? nil : marginals
  }

  /// Prints the likeliest tokens of each place.
  func writeMarginals(_ count: Int) throws -> ExactMarginals? {
    guard let marginals = marginals() else { return nil }
    let vocabulary = target.target.model.vocabulary
    for (place, probabilities) in marginals.tokens.enumerated() {
      let likeliest = probabilities.indices.filter { probabilities[$0] > 0 }
        .sorted { (probabilities[$1], $0) < (probabilities[$0], $1) }.prefix(count)
      guard run.format == .jsonl else {
        let reached = probabilities.reduce(0, +)
        // What would be shown as 0.0 % only.
        if reached < 0.0005, marginals.tokens.count > place + 1 {
          try run.stream.writeLine(
            "place \(place + 1) and later ones are reached by less than 0.05 % of texts")
          break
        }
        let words = likeliest.map { token in
          let text = vocabulary.text(of: TokenSequence([Token(token)]))
          return "\(text) \(ChainResults.percent(probabilities[token]))"
        }
        try run.stream.writeLine("place \(place + 1): " + words.joined(separator: ", "))
        continue
      }
      var object = JSONObject()
      object.add("type", .string("marginal"))
      object.add("place", .integer(place + 1))
      object.add("probability", .number(probabilities.reduce(0, +)))
      object.add(
        "tokens",
        .objects(
          likeliest.map { token in
            var one = JSONObject()
            one.add("token", .integer(token))
            one.add("text", .string(vocabulary.text(of: TokenSequence([Token(token)]))))
            one.add("probability", .number(probabilities[token]))
            return one
          }))
      if let line { object.add("target", .integer(line)) }
      try run.stream.writeLine(object.text)
    }
    return marginals
  }

  /// How probable it is that a draw meets a statement; `nil` where the run was stopped.
  func probability(of statement: ExactStatement) throws -> Double? {
    do {
      return try inference.probability(of: statement.automaton, memory: memory) {
        [monitor = run.monitor] _ in !monitor.isStopping
      }
    } catch ExactInference.Fault.stopped {
      return nil
    } catch let fault as ExactInference.Fault {
      throw Self.failure(fault, target)
    } catch let error as ConstraintError {
      throw CommandFailure(
        .data, "--probability \(statement.text): together with what texts must meet: \(error)")
    }
  }
}
