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
    let opened = try openModel(modelName, arguments)
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
    rules.announce(arguments)
    Interruption.watch {}
    let progress = try ProgressOptions(arguments)
    var audit = AuditReport(
      model: opened, modelName: modelName, strategy: strategy, rules: rules,
      search: (Beam.search + Greedy.contrastive).filter { arguments.has($0.name) }.map {
        "\($0.name) \(arguments.text($0.name) ?? "")"
      }, shown: shown)
    if strategy != .beam, !arguments.has("contrastive"), rules.constraint == nil,
      rules.transforms.dependsOnLogitsAlone, rules.stopTexts.texts.isEmpty
    {
      let decoder = try Decoder(
        arguments, model: opened, strategy: strategy, rules: rules, limit: limit, progress: progress
      )
      let texts = [prompt] + (others ?? [])
      if decoder.readsLeadingTokens(rules.transforms.transforms) {
        try compute(decoder, &audit, prompt, others, leadingExplorer(decoder, texts))
      } else {
        try compute(decoder, &audit, prompt, others, vectorExplorer(decoder, texts))
      }
      if rules.loops != nil {
        // The loop detector depends on more than the context, so it can only be measured.
        audit.measured(
          try self.runs(
            opened, strategy, arguments, rules, prompt, most: runs, seed: seed, progress),
          seed: seed)
      }
    } else {
      guard !arguments.has("one-word-prompts") else {
        throw CommandFailure.usage(
          "--one-word-prompts needs a decoder whose choice depends only on the model's context; "
            + "for this decoder, list some prompts in a file and use --prompts FILE")
      }
      let all = try ([prompt] + (others ?? [])).map { prompt in
        try self.runs(opened, strategy, arguments, rules, prompt, most: runs, seed: seed, progress)
      }
      audit.estimated(all[0], others: others == nil ? nil : Array(all.dropFirst()), seed: seed)
    }
    // Without a single run there is nothing to draw.
    if let path = arguments.text("picture"), let survival = audit.survival {
      let stream = try ResultStream(path: path)
      try stream.writeLine(SurvivalPicture(survival, neverEnds: audit.neverEnds.lowerBound).svg)
      try stream.finish()
    }
    let stream = try ResultStream(path: arguments.text("output"))
    switch try OutputOptions.format(arguments) {
    case .jsonl: try stream.writeLine(audit.object.text)
    case .text: try stream.writeLine(audit.table)
    }
    try stream.finish()
    if let code = Interruption.failure {
      throw CommandFailure(code, "stopped; the output holds what was known by then")
    }
  }

  private static func compute<Context>(
    _ decoder: Decoder, _ audit: inout AuditReport, _ prompt: TokenSequence,
    _ others: [TokenSequence]?, _ explore: Explorer<Context>
  ) throws {
    let analysis = try analyse(
      decoder, decoder.rules.transforms.transforms, Exploration(isPromptAlone: false), explore)
    audit.exact(analysis, prompt: prompt, prompts: others)
    if audit.neverEnds.upperBound > 0 || audit.logExpectedAtLeast != nil,
      analysis.chain.isComplete
    {
      audit.cures = try cures(decoder, analysis, prompt, explore)
    }
    if !analysis.chain.isComplete, decoder.strategy == .sample,
      decoder.rules.transforms.transforms.allSatisfy(keepsEnds),
      decoder.automaton.everyContextMayEnd
    {
      audit.ends(proven: "every context can end, and no transform removes the end")
    }
  }

  /// Whether a transform keeps a positive probability of the end positive.
  private static func keepsEnds(_ transform: any NextTokenTransform) -> Bool {
    switch transform {
    case let truncation as any Truncation: truncation.keepsEnd
    // A temperature below 1 can make the end so improbable that rounding removes it.
    case let temperature as Temperature: temperature.temperature >= 1
    case let temperature as DynamicTemperature: temperature.low >= 1
    default: false
    }
  }

  /// Runs from a prompt: `most` of them if the decoder draws, else the only possible one.
  private static func runs(
    _ opened: LoadedModel, _ strategy: AuditStrategy, _ arguments: Arguments,
    _ rules: DecodingRules,
    _ prompt: TokenSequence, most: Int, seed: UInt64, _ options: ProgressOptions
  ) throws -> AuditReport.Runs {
    func only(_ decoded: DecodedText?) -> AuditReport.Runs {
      var runs = AuditReport.Runs(isDrawn: false)
      // A run that was interrupted says nothing.
      if let decoded, Interruption.signal == nil { runs.add(decoded) }
      return runs
    }
    switch strategy {
    case .greedy:
      return only(try Greedy.decoder(arguments, rules).text(of: opened, after: prompt))
    case .beam:
      return only(
        try Beam.search(arguments, rules, opened)
          .decode(opened.chainModel, after: prompt).first?.decoded)
    case .sample:
      let sampler = AncestralSampler(rules)
      let random = Philox(seed: seed)
      let count = SharedCount()
      let progress = Progress(options.mode, unit: "texts", total: most, done: { count.value })
      defer { progress.finish() }
      var runs = AuditReport.Runs(isDrawn: true)
      for run in 0..<most where Interruption.signal == nil {
        var choices = RandomChoices(random.stream(UInt64(run)))
        let decoded = try sampler.draw(
          from: opened.chainModel, after: prompt, using: &choices)
        // The interrupt cut the current run, so it doesn't count.
        if Interruption.signal != nil { break }
        runs.add(decoded)
        count.value += 1
      }
      return runs
    }
  }
}
