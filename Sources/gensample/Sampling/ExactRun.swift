// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

/// A statement whose probability is asked for.
struct ExactStatement {
  let text: String
  let automaton: TokenAutomaton

  /// All that `--probability` asks for, each once.
  ///
  /// Words that the model does not know are told of.
  static func all(_ arguments: Arguments, _ run: SamplerRun) throws -> [ExactStatement] {
    let tree = run.loaded.tree
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
        if !run.isQuiet, let message = CompiledTarget.unwritable(constraint, run.loaded) {
          report("gensample: \(message)")
        }
        return ExactStatement(text: constraint.text, automaton: automaton)
      }
    }
  }
}

/// What sums may take, as `--memory` says it.
struct ExactMemory {
  private let given: String?
  private let all: Int
  private let parts: Int

  /// What an option says.
  ///
  /// - Parameters:
  ///   - arguments: the options.
  ///   - otherwise: bytes where none is given.
  ///   - parts: how many sums share it.
  /// - Throws: where it is no size.
  init(_ arguments: Arguments, otherwise: Int, parts: Int = 1) throws(CommandFailure) {
    given = arguments.text("memory")
    all = try arguments.bytes("memory") ?? otherwise
    self.parts = parts
  }

  /// Bytes for one of the sums.
  var share: Int { all / parts }

  /// Why sums that need so many bytes are not made, and what would do.
  func refusal(_ bytes: Int) -> String {
    "--memory \(given ?? size(ofAtLeast: all) + ", where none is given,") is too little: "
      + (parts > 1 ? "\(parts) sums of \(bytes) bytes are needed" : "\(bytes) bytes are needed")
      + "; give --memory \(size(ofAtLeast: parts * bytes)), shorten the texts or say fewer things "
      + "of them"
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
  private let memory: ExactMemory

  /// Computes the sums; `nil` where the run was stopped before they were complete.
  init?(
    _ target: CompiledTarget, line: Int?, run: SamplerRun, memory: ExactMemory, tolerance: Double
  ) throws {
    self.target = target
    self.line = line
    self.run = run
    self.memory = memory
    let monitor = run.monitor
    var done = 0
    do throws(ExactInference.Fault) {
      inference = try NGramInference(
        target: target.target, memory: memory.share, threads: run.threads, tolerance: tolerance
      ) { share in
        monitor.add(Int(share * Double(Self.parts)) - done)
        done = Int(share * Double(Self.parts))
        return !monitor.isStopping
      }
    } catch {
      if error == .stopped { return nil }
      throw Self.failure(error, target, memory)
    }
    monitor.add(Self.parts - done)
    guard inference.logEvidence > -.infinity else {
      let fluency = target.target.fluency
      var choices = RandomChoices(seed: 0)
      // What adds up to zero here may be small alone.
      let isSmall = (try? target.target.randomStart(using: &choices)) != nil
      throw CommandFailure(
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

  /// How much too small the log of the evidence is at most, for the longest texts.
  var logEvidenceError: Double { inference.tail }

  /// What is said of a fault; `memory` is what sums may take, where that can be the fault.
  static func failure(
    _ fault: ExactInference.Fault, _ target: CompiledTarget, _ memory: ExactMemory?
  ) -> CommandFailure {
    switch fault {
    case .divergent, .unproved:
      CommandFailure(
        .data,
        (target.compiled.growing.map { "\(CompiledTarget.place($0)): " } ?? excess(target) ?? "")
          + "\(fault): add a statement to a constraint file, for example 'length ..30 tokens'")
    case .tooLarge(let bytes, _):
      CommandFailure(.data, memory?.refusal(bytes) ?? "\(fault)")
    case .impossible, .stopped: CommandFailure(.failed, "\(fault)")
    }
  }

  /// That the model's own probabilities add up to too much; `nil` where they do not.
  private static func excess(_ target: CompiledTarget) -> String? {
    let model = target.target.model
    let totals = model.contextTotals { $0 != model.vocabulary.start }
    guard totals.isOverOne else { return nil }
    return "the model's probabilities \(totals.place(in: model.vocabulary)) add up to "
      + "\(QuantitySummary.short(totals.most)), where 1 is expected: "
  }

  /// Draws and prints; a text's random numbers are its own, whatever else is drawn.
  ///
  /// - Returns: how many texts were drawn.
  func draw(_ samples: Int, seed: UInt64, isUnique: Bool) throws -> Int {
    var seen: Set<TokenSequence> = []
    return try inference.inBatches(
      samples, random: Philox(seed: seed), threads: run.threads,
      proceed: { !run.monitor.isStopping && !run.stream.isClosedByReader }
    ) { texts in
      for text in texts where !isUnique || seen.insert(text).inserted { try write(text) }
      run.monitor.add(texts.count)
    }
  }

  /// Prints the most probable texts.
  ///
  /// - Returns: how many there are.
  func writeBest(_ count: Int) throws -> Int {
    let monitor = run.monitor
    let texts: [TokenSequence]
    do throws(ExactInference.Fault) {
      texts = try inference.best(count, memory: memory.share) { _ in !monitor.isStopping }
    } catch {
      if error == .stopped { return 0 }
      throw Self.failure(error, target, memory)
    }
    for text in texts { try write(text) }
    monitor.add(texts.count)
    return texts.count
  }

  private func write(_ text: TokenSequence) throws {
    let text = SampledText(
      text, of: target, logProbability: target.target.logProbability(of: text))
    try run.write(text.text, text.object(ofLine: line), of: line)
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
    var isShown = run.format == .text
    for (place, probabilities) in marginals.tokens.enumerated() {
      let likeliest = probabilities.indices.filter { probabilities[$0] > 0 }
        .sorted { (probabilities[$1], $0) < (probabilities[$0], $1) }.prefix(count)
      func text(_ token: Int) -> String { vocabulary.text(of: TokenSequence([Token(token)])) }
      let reached = probabilities.reduce(0, +)
      if isShown {
        // What would be shown as 0.0 % only.
        isShown = reached >= 0.0005 || marginals.tokens.count <= place + 1
        let words = likeliest.map { text($0) + " " + percent(probabilities[$0]) }
        try run.write(
          "place \(place + 1)"
            + (isShown
              ? ": " + words.joined(separator: ", ")
              : " and later ones are reached by less than 0.05 % of texts"),
          of: line)
      }
      func object() -> JSONObject {
        var object = JSONObject()
        object.add("type", .string("marginal"))
        object.add("place", .integer(place + 1))
        object.add("probability", .number(reached))
        let tokens = likeliest.map { token in
          var one = JSONObject()
          one.add("token", .integer(token))
          one.add("text", .string(text(token)))
          one.add("probability", .number(probabilities[token]))
          return one
        }
        object.add("tokens", .objects(tokens))
        if let line { object.add("target", .integer(line)) }
        return object
      }
      try run.write(object())
    }
    return marginals
  }

  /// How probable it is that a draw meets a statement; `nil` where the run was stopped.
  func probability(of statement: ExactStatement) throws -> Double? {
    do {
      return try inference.probability(of: statement.automaton, memory: memory.share) {
        [monitor = run.monitor] _ in !monitor.isStopping
      }
    } catch ExactInference.Fault.stopped {
      return nil
    } catch let fault as ExactInference.Fault {
      throw Self.failure(fault, target, memory)
    } catch let error as ConstraintError {
      throw CommandFailure(
        .data, "--probability \(statement.text): together with what texts must meet: \(error)")
    }
  }
}

extension NGramInference {
  /// Draws texts some at a time: few enough to stop soon, many enough to share among threads.
  ///
  /// - Parameters:
  ///   - count: how many in all.
  ///   - random: what the texts' streams split from.
  ///   - threads: how many threads; they change no result.
  ///   - proceed: asked before each batch.
  ///   - take: takes a batch.
  /// - Returns: how many were drawn.
  /// - Throws: what `take` throws.
  func inBatches(
    _ count: Int, random: Philox, threads: Int, proceed: () -> Bool,
    _ take: ([TokenSequence]) throws -> Void
  ) rethrows -> Int {
    var drawn = 0
    while drawn < count, proceed() {
      let texts = draws(
        drawn..<min(count, drawn + 1024 * threads), random: random, threads: threads)
      try take(texts)
      drawn += texts.count
    }
    return drawn
  }
}
