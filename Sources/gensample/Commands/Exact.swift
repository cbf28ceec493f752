// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

enum Exact: Command {
  static let name = "exact"
  static let summary = "exact independent draws, and exact sums over all texts"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Sums rho(x) = p(x)^fluency x soft weights x hard constraints over all texts and draws from it,
    where p is an n-gram model. Each result is an exact draw, independent of all others.
    log_evidence is the log of the sum. Texts may have any length: what the sum then leaves out is
    proved to be at most the share --tolerance, or the sum is proved to be infinite.
    log_evidence_error is the proved bound. --compare runs another sampler with its defaults (except
    for how long) and shows how many standard errors its evidence and means are off.

    --marginals and --probability compute without estimates what draws would only suggest: which
    token stands at which place, how long texts are, and how probable a statement is. --best prints
    the most probable texts of all.

    --limit N serves any model, a neural one too, where the constraints allow at most N texts: it
    lists all of them and scores each. The summary then has their number and the entropy. --all
    prints them with their probabilities, the most probable first.

        gensample exact --include sea --length ..12 --best 10
        gensample exact --model tang --match '.{5}，.{5}。' --marginals 3 --samples 0
        gensample exact --match 'the sea .{1,9}' --probability 'include "ship"'
        gensample exact --model smollm2.gguf --match '[01]{5}' --limit 100 --all
    """
  static let options =
    TargetOptions.all + [
      Option("samples", "N", "how many draws to print (default 5)"),
      Option("best", "N", "print the N most probable texts of all; they are not draws"),
      Option(flag: "unique", "print each text once; the texts are then not draws"),
      Option("limit", "N", "list all texts, under any model; the most that may be allowed"),
      Option(
        flag: "all",
        "print all texts with their probabilities (with --limit \(ExactSampler.usualLimit) unless another is given)"
      ),
      Option("marginals", "N", "print the N likeliest tokens of each place, and text lengths"),
      Option(
        "probability", "STATEMENT", isRepeatable: true,
        "print the probability of a statement such as 'include \"love\"'"),
      Option(
        "compare", "SAMPLER",
        "also run this sampler and show how far it is from the truth: "
          + ComparedSampler.allCases.map(\.rawValue).joined(separator: ", ")),
      Option(
        "tolerance", "X",
        "share of the sum that the longest texts left out may have (default 1e-12)"),
      Option(
        "memory", "SIZE",
        "memory for the sums, such as 800M (default 4G); with --best or --probability there are "
          + "two sums, each with half of it"),
      Option("seed", "N", "the same seed gives the same results (default: a random one, printed)"),
      Option("threads", "N", "how many threads to use (default: all cores)"),
    ] + FolderOptions.plain + OutputOptions.sampler

  static func run(_ given: Arguments) throws {
    let resumed = try ResumedRun(Self.self, given)
    let arguments = resumed?.arguments ?? given
    var sampler = ExactSampler()
    sampler.samples =
      try arguments.integer("samples", in: 0...1_000_000_000) ?? sampler.samples
    sampler.isUnique = arguments.has("unique")
    sampler.best = try arguments.integer("best", in: 1...1_000_000)
    guard sampler.best == nil || !arguments.has("samples") && !sampler.isUnique else {
      throw CommandFailure.usage(
        "--best prints no draws; give either --best, or --samples and --unique")
    }
    sampler.limit = try arguments.integer("limit", in: 1...10_000_000)
    sampler.printsAll = arguments.has("all")
    if sampler.printsAll {
      sampler.limit = sampler.limit ?? ExactSampler.usualLimit
      guard sampler.best == nil, !sampler.isUnique, !arguments.has("samples") else {
        throw CommandFailure.usage(
          "--all prints all texts, each once; give it without --best, --samples and --unique")
      }
    }
    guard sampler.limit == nil || !arguments.has("tolerance") else {
      throw CommandFailure.usage("--tolerance is about sums over endless lists; --limit has none")
    }
    sampler.marginals = try arguments.integer("marginals", in: 1...1_000_000)
    sampler.compared = try arguments.choice("compare", as: ComparedSampler.self)
    sampler.comparedMemory = try arguments.bytes("memory")
    sampler.tolerance =
      try arguments.number("tolerance", in: 1e-14...0.5, expected: "a share from 1e-14 to 0.5")
      ?? sampler.tolerance
    let session = try SamplerSession(
      Self.self, arguments, resumed, seed: try ParticleOptions.seed(arguments),
      refusingDivergence: false)
    sampler.statements = try statements(arguments, session.model)
    sampler.memory = MemoryLimit(
      try arguments.bytes("memory") ?? 4 << 30, given: arguments.text("memory"),
      parts: sampler.best == nil && sampler.statements.isEmpty ? 1 : 2)
    try session.run(sampler)
  }

  /// All that `--probability` asks for, each once; says which words the model does not know.
  private static func statements(
    _ arguments: Arguments, _ model: LoadedModel
  ) throws -> [ExactStatement] {
    var seen: Set<String> = []
    return try arguments.texts("probability").flatMap { text -> [ExactStatement] in
      let constraints = try ConstraintFile.parse(text, path: "--probability")
      guard !constraints.isEmpty else {
        throw CommandFailure.usage(
          "--probability is given no statement, expected one such as 'include \"love\"'")
      }
      return try constraints.compactMap { constraint -> ExactStatement? in
        guard seen.insert(constraint.text).inserted else { return nil }
        guard !constraint.isSoft, let automaton = try constraint.automaton(for: model.tree) else {
          throw CommandFailure.usage(
            "--probability \(constraint.text): every text has that; a statement that texts meet or "
              + "not is expected, such as 'include \"love\"'")
        }
        if !arguments.has("quiet"), let message = CompiledTarget.unwritable(constraint, model) {
          report("gensample: \(message)")
        }
        return ExactStatement(constraint.text, automaton)
      }
    }
  }
}
