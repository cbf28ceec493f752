// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

enum Audit: Command {
  static let name = "audit"
  static let summary = "does this decoder terminate?"
  static let usage = "[--strategy greedy|sample|beam] [decoder's options]"
  static let discussion = """
    Tells with which probability a decoder never ends, and in which loops. Greedy decoding, and
    sampling under transforms that read the model's distribution alone, are computed from the
    model's contexts: never_ends is exact, up to the error said beside it. With --stop-loops a loop
    does not go on for ever where the detector sees its round. Self-terminating wrappers are proven
    to end, and so are texts under constraints, which are closed within --max-tokens. Decoders that
    draw are else run --runs times, and never_ends lies in the interval, at a confidence of 99 %: what
    never ends is cut, what is cut may end later. Beam, contrastive search and greedy decoding with
    penalties make one text; if it is cut, nothing is known.

    What would cure a decoder that never ends is said too: of each k, mass P and floor E the least
    change by which it ends for sure, all other options as they are.

        gensample audit --strategy greedy
        gensample audit --top-k 4 --picture survival.svg
        gensample audit --top-p 0.2 --prompts prompts.txt --format jsonl
    """
  static let options =
    [
      Option("strategy", "NAME", "greedy, sample or beam (default sample)"),
      Option("prompts", "FILE", "also from each of these prompts, one a line, or - "),
      Option(flag: "one-word-prompts", "also from each prompt of one token"),
      Option(
        "max-transitions", "N",
        "look at no further contexts beyond so many steps between them (default 8000000)"),
      Option("runs", "N", "runs where nothing can be computed (default 1000)"),
      Option("seed", "N", "the same seed gives the same runs (default: a random one, printed)"),
      Option("picture", "PATH", "draw the share of texts that go on, by tokens, as SVG"),
      Option("loops", "N", "how many loops are shown (default 10)"),
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
        "audit takes options only, got '\(extra)'; a model is given by --model '\(extra)'")
    }
    let strategy = try arguments.choice("strategy", as: AuditStrategy.self) ?? .sample
    if strategy != .beam, let option = Beam.search.first(where: { arguments.has($0.name) }) {
      throw CommandFailure.usage("--\(option.name) is for --strategy beam")
    }
    if strategy != .greedy, let option = Greedy.contrastive.first(where: { arguments.has($0.name) })
    {
      throw CommandFailure.usage("--\(option.name) is for --strategy greedy")
    }
    if strategy != .sample {
      if let option = DecodingOptions.truncations.first(where: { arguments.has($0.name) }) {
        throw CommandFailure.usage("--\(option.name) is for --strategy sample")
      }
    }
    let limit = try arguments.integer("max-transitions", in: 1...2_000_000_000) ?? 8_000_000
    let runs = try arguments.integer("runs", in: 1...10_000_000) ?? 1000
    let shown = try arguments.integer("loops", in: 0...1_000_000) ?? 10
    let seed = try arguments.seed("seed") ?? UInt64.random(in: 0...UInt64.max)
    let modelName = arguments.text("model") ?? BuiltInModel.english.rawValue
    let model = try loadModel(modelName)
    let rules = try DecodingOptions.rules(
      arguments, model: model, truncates: strategy == .sample)
    let prompt = try DecodingOptions.prompt(arguments, model: model)
    guard !arguments.has("prompts") || !arguments.has("one-word-prompts") else {
      throw CommandFailure.usage("--prompts and --one-word-prompts both say which; give one")
    }
    var others = try arguments.text("prompts").map { path in
      let prompts = try TextInput.lines(path).enumerated().map { place, line in
        try CompiledTarget.tokens(
          of: NFC.of(line), model: model, option: "\(TargetOptions.shown(path)):\(place + 1)")
      }
      guard !prompts.isEmpty else {
        throw CommandFailure(
          .data, "--prompts: \(TargetOptions.shown(path)) holds no prompt; one a line is expected")
      }
      return prompts
    }
    if arguments.has("one-word-prompts") {
      others = (0..<model.vocabulary.count).map { Token($0) }
        .filter(model.vocabulary.isDrawable).map { TokenSequence([$0]) }
    }
    rules.announce(arguments)
    Interruption.watch {}
    let progress = try ProgressOptions(arguments)
    var audit = AuditReport(
      model: model, modelName: modelName, strategy: strategy, rules: rules,
      search: (Beam.search + Greedy.contrastive).filter { arguments.has($0.name) }.map {
        "\($0.name) \(arguments.text($0.name) ?? "")"
      }, shown: shown)
    if strategy != .beam, !arguments.has("contrastive"), rules.constraint == nil,
      rules.transforms.dependsOnLogitsAlone, rules.stopTexts.texts.isEmpty
    {
      let decoder = try Decoder(
        arguments, model: model, strategy: strategy, rules: rules, limit: limit, progress: progress)
      let texts = [prompt] + (others ?? [])
      if decoder.readsLeadingTokens(rules.transforms.transforms) {
        try compute(decoder, &audit, prompt, others, leadingExplorer(decoder, texts))
      } else {
        try compute(decoder, &audit, prompt, others, vectorExplorer(decoder, texts))
      }
      if rules.loops != nil {
        // What the detector stops depends on more than the context.
        audit.measured(
          try self.runs(
            model, strategy, arguments, rules, prompt, most: runs, seed: seed, progress),
          seed: seed)
      }
    } else {
      guard !arguments.has("one-word-prompts") else {
        throw CommandFailure.usage(
          "--one-word-prompts is for decoders whose choice depends on the context alone, which are "
            + "computed for all prompts at once; give this one some of them by --prompts FILE")
      }
      let all = try ([prompt] + (others ?? [])).map { prompt in
        try self.runs(model, strategy, arguments, rules, prompt, most: runs, seed: seed, progress)
      }
      audit.estimated(all[0], others: others == nil ? nil : Array(all.dropFirst()), seed: seed)
    }
    // Where no run was made, there is nothing to draw.
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
    if let code = Interruption.exitCode {
      throw CommandFailure(code, "stopped; what was known by then is printed")
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
      audit.ends(proven: "an end that no context lacks and no transform removes")
    }
  }

  /// Whether an end of positive probability stays one.
  private static func keepsEnds(_ transform: any NextTokenTransform) -> Bool {
    switch transform {
    case let truncation as any Truncation: truncation.keepsEnd
    // Below 1 an end may become so improbable that rounding removes it.
    case let temperature as Temperature: temperature.temperature >= 1
    case let temperature as DynamicTemperature: temperature.low >= 1
    default: false
    }
  }

  /// Runs from a prompt: so many where they are drawn, else the only one.
  private static func runs(
    _ model: NGramModel, _ strategy: AuditStrategy, _ arguments: Arguments, _ rules: DecodingRules,
    _ prompt: TokenSequence, most: Int, seed: UInt64, _ options: ProgressOptions
  ) throws -> AuditReport.Runs {
    func only(_ decoded: DecodedText?) -> AuditReport.Runs {
      var runs = AuditReport.Runs(isDrawn: false)
      // What was stopped in between tells nothing.
      if let decoded, Interruption.signal == nil { runs.add(decoded) }
      return runs
    }
    switch strategy {
    case .greedy:
      return only(try Greedy.decoder(arguments, rules, model, prompt)({ _ in }))
    case .beam:
      return only(
        try Beam.search(arguments, rules, model).decode(model, after: prompt).first?.decoded)
    case .sample:
      let sampler = AncestralSampler(rules)
      let random = Philox(seed: seed)
      let count = SharedCount()
      let progress = Progress(options.mode, unit: "texts", total: most, done: { count.value })
      defer { progress.finish() }
      var runs = AuditReport.Runs(isDrawn: true)
      for run in 0..<most where Interruption.signal == nil {
        var choices = RandomChoices(random.stream(UInt64(run)))
        let decoded = try sampler.draw(from: model, after: prompt, using: &choices)
        // The run at hand is cut by whoever stops it.
        if Interruption.signal != nil { break }
        runs.add(decoded)
        count.value += 1
      }
      return runs
    }
  }
}
