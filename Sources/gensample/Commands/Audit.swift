// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

enum Audit: Command {
  static let name = "audit"
  static let summary = "whether a decoder always ends its texts, and in which loops it is caught"
  static let usage = "[--strategy greedy|sample|beam] [decoder options]"
  static let discussion = """
    Computes the probability that a decoder never ends its text, and shows the loops. The result is
    exact for greedy decoding and for sampling under transforms that read only the model's
    distribution: it is computed from the model's contexts, and its error is printed beside it.
    --stop-loops ends a loop once its detector sees the repetition. Self-terminating wrappers always
    end, and so do texts under constraints, which are closed within --max-tokens.

    Every other decoder that draws is run --runs times. never_ends is then an interval with 99 %
    confidence: a text that never ends is cut, but a text that is cut might have ended later. Beam
    search, contrastive search and greedy decoding with penalties make a single text; if it is cut,
    the probability is unknown.

    For a decoder that may never end, the command also prints cures: the smallest change of top-k,
    top-p or epsilon that makes it always end while all other options stay the same.

        gensample audit --strategy greedy
        gensample audit --top-k 4 --picture survival.svg
        gensample audit --top-p 0.2 --prompts prompts.txt --format jsonl
    """
  static let options =
    [
      Option("strategy", "NAME", "greedy, sample or beam (default sample)"),
      Option("prompts", "FILE", "also start from each prompt in FILE, one per line (- for stdin)"),
      Option(flag: "one-word-prompts", "also start from each single token"),
      Option(
        "max-transitions", "N",
        "stop exploring contexts after N transitions between them (default 8000000)"),
      Option("runs", "N", "how many texts to draw if nothing can be computed (default 1000)"),
      Option("seed", "N", "the same seed gives the same runs (default: a random one, printed)"),
      Option("picture", "PATH", "write an SVG chart: the share of unfinished texts by length"),
      Option("loops", "N", "how many loops to show (default 10)"),
    ]
    + DecodingOptions.limits.filter { $0.name != "max-seconds" } + TargetOptions.statements
    + Beam.search + Greedy.contrastive + DecodingOptions.truncations + DecodingOptions.copies
    + DecodingOptions.penalties + DecodingOptions.termination
    + [
      DecodingOptions.verbose, OutputOptions.format, OutputOptions.output, OutputOptions.quiet,
      OutputOptions.progress,
    ]

  static func run(_ arguments: Arguments) throws {
    if let extra = arguments.positional.first {
      throw CommandFailure.usage(
        "audit takes only options, got '\(extra)'; to name a model, use --model '\(extra)'")
    }
    let strategy = try arguments.choice("strategy", as: AuditStrategy.self) ?? .sample
    if strategy != .beam, let option = Beam.search.first(where: { arguments.has($0.name) }) {
      throw CommandFailure.usage("--\(option.name) needs --strategy beam")
    }
    if strategy != .greedy, let option = Greedy.contrastive.first(where: { arguments.has($0.name) })
    {
      throw CommandFailure.usage("--\(option.name) needs --strategy greedy")
    }
    if strategy != .sample {
      if let option = DecodingOptions.truncations.first(where: { arguments.has($0.name) }) {
        throw CommandFailure.usage("--\(option.name) needs --strategy sample")
      }
    }
    let limit = try arguments.integer("max-transitions", in: 1...2_000_000_000) ?? 8_000_000
    let runs = try arguments.integer("runs", in: 1...10_000_000) ?? 1000
    let shown = try arguments.integer("loops", in: 0...1_000_000) ?? 10
    let seed = try arguments.seed("seed") ?? UInt64.random(in: 0...UInt64.max)
    let modelName = arguments.text("model") ?? BuiltInModel.english.rawValue
    let opened = try openModel(modelName, arguments, isDecoder: true)
    let rules = try DecodingOptions.rules(
      arguments, model: opened, truncates: strategy == .sample)
    let prompt = try DecodingOptions.prompt(arguments, model: opened)
    guard !arguments.has("prompts") || !arguments.has("one-word-prompts") else {
      throw CommandFailure.usage("give either --prompts or --one-word-prompts, not both")
    }
    var others = try arguments.text("prompts").map { path in
      let prompts = try TextInput.lines(path).enumerated().map { place, line in
        try CompiledTarget.tokens(
          of: NFC.of(line), model: opened, option: "\(TextInput.shown(path)):\(place + 1)")
      }
      guard !prompts.isEmpty else {
        throw CommandFailure(
          .data, "--prompts: \(TextInput.shown(path)) is empty; expected one prompt per line")
      }
      return prompts
    }
    if arguments.has("one-word-prompts") {
      others = (0..<opened.vocabulary.count).map { Token($0) }
        .filter(opened.vocabulary.isDrawable).map { TokenSequence([$0]) }
    }
    rules.announce(
      isVerbose: arguments.has("verbose"), isQuiet: arguments.has("quiet"))
    Interruption.watch {}
    var audit = TerminationAudit(opened, strategy, rules)
    audit.prompt = prompt
    audit.others = others
    audit.isContrastive = arguments.has("contrastive")
    audit.greedy = strategy == .greedy ? try Greedy.decoder(arguments, rules) : nil
    audit.beam =
      strategy == .beam ? BeamDecoder(rules, try Beam.search(arguments, rules, opened)) : nil
    audit.transformsKeepingEnds = keepingEnds(arguments, rules, opened)
    audit.limit = limit
    audit.runs = runs
    audit.seed = seed
    guard audit.dependsOnContextAlone || !arguments.has("one-word-prompts") else {
      throw CommandFailure.usage(
        "--one-word-prompts needs a decoder whose choice depends only on the model's context; "
          + "for this decoder, list some prompts in a file and use --prompts FILE")
    }
    let report = try audit.run(
      AuditReport(
        model: modelName, strategy: strategy, rules, vocabulary: opened.vocabulary,
        search: (Beam.search + Greedy.contrastive).filter { arguments.has($0.name) }.map {
          "\($0.name) \(arguments.text($0.name) ?? "")"
        }, shown: shown),
      try AuditProgress(arguments))
    // Without a single run there is nothing to draw.
    if let path = arguments.text("picture"), let survival = report.survival {
      let stream = try ResultStream(path: path)
      try stream.writeLine(SurvivalPicture(survival, neverEnds: report.neverEnds.lowerBound).svg)
      try stream.finish()
    }
    let stream = try ResultStream(path: arguments.text("output"))
    switch try OutputOptions.format(arguments) {
    case .jsonl: try stream.writeLine(report.object.text)
    case .text: try stream.writeLine(report.table)
    }
    try stream.finish()
    if let code = Interruption.failure {
      throw CommandFailure(code, "stopped; the output holds what was known by then")
    }
  }

  /// The same transforms with `--keep-end`; `nil` if that changes nothing or isn't possible.
  private static func keepingEnds(
    _ arguments: Arguments, _ rules: DecodingRules, _ model: LoadedModel
  ) -> [any NextTokenTransform]? {
    guard
      rules.transforms.transforms.contains(where: {
        ($0 as? any Truncation)?.keepsEnd == false
      })
    else { return nil }
    return try? DecodingOptions.rules(arguments, model: model, keepingEnds: true).transforms
      .transforms
  }
}

/// Shows the progress of an audit's parts.
private final class AuditProgress: AuditAudience {
  private let mode: ProgressMode
  private var progress: Progress?

  init(_ arguments: Arguments) throws(CommandFailure) {
    mode =
      arguments.has("quiet")
      ? .never : try arguments.choice("progress", as: ProgressMode.self) ?? .auto
  }

  func begin(_ unit: String, total: Int, _ monitor: RunMonitor) {
    progress = Progress(mode, unit: unit, total: total, done: { monitor.steps })
  }

  func end() { progress?.finish() }
}
