// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

/// The options of the decoders; transforms apply in the order in which they are written.
enum DecodingOptions {
  static let limits =
    ModelOptions.all + [
      ModelOptions.memory,
      Option("prompt", "TEXT", "the beginning of every result"),
      Option("max-tokens", "N", "the most tokens after the prompt, with the end (default 64)"),
      Option("min-tokens", "N", "nothing ends the text before N tokens after the prompt"),
      Option(
        "stop-token", "TEXT|ID", isRepeatable: true,
        "a token, by its spelling or number, that ends the text as the model's end does"),
      Option(
        "stop", "TEXT", isRepeatable: true,
        "end the text as soon as the part after the prompt contains TEXT, which is left out"),
      Option(
        "max-seconds", "S",
        "after S seconds, close the current text and start no other; results then depend on timing"),
    ]

  static let penalties = [
    Option("repetition-penalty", "R", "divide positive logits of repeated tokens, multiply others"),
    Option("frequency-penalty", "F", "subtract F for each occurrence of a token in the text"),
    Option("presence-penalty", "F", "subtract F once from each token that is in the text"),
    Option("penalty-window", "N", "penalties count only the last N tokens (default: all)"),
    Option("penalty-decay", "N", "penalties fade out over N tokens before the window"),
    Option("penalty-exempt", "TEXT", isRepeatable: true, "no penalty for these tokens"),
    Option(flag: "penalty-skip-prompt", "do not count the prompt as text that is repeated"),
    Option("no-repeat-ngram", "N", "never repeat a sequence of N tokens"),
    Option("dry", "M,B,L", "subtract M x B^(m - L) if a token extends a repetition of m >= L"),
    Option("dry-breaker", "TEXT", isRepeatable: true, "these tokens interrupt every repetition"),
    Option("bias", "TEXT=X", isRepeatable: true, "add X to a token that completes this text"),
    Option("forbid", "TEXT", isRepeatable: true, "forbid every token that completes this text"),
    Option("end-decay", "START,FACTOR", "favour the end by FACTOR per token after START tokens"),
  ]

  static let copies = [
    Option("source", "FILE", "the text for --copy and --coverage, or - for standard input"),
    Option(
      "copy", "N",
      "copy spans of the source: keep only tokens that follow the last N - 1 tokens there (or "
        + "fewer, if that finds none; or any token of the source, to start a new span) and the end"),
  ]

  static let truncations = [
    Option("temperature", "T", "divide logits by T; 0 keeps only the most probable token"),
    Option(
      "dynamic-temperature", "L,H,E",
      "divide logits by a temperature from L to H that rises with the entropy to the power E"),
    Option("top-k", "N", "keep the N most probable tokens"),
    Option("top-p", "P", "keep the smallest set of most probable tokens with mass P or more"),
    Option("min-p", "P", "keep tokens that are at least P times as probable as the best one"),
    Option("typical", "P", "keep the tokens of mass P whose surprise is nearest to the mean"),
    Option("epsilon", "E", "keep tokens with a probability of at least E"),
    Option("eta", "E", "keep tokens with a probability of at least min(E, sqrt(E) exp(-entropy))"),
    Option("top-h", "H", "keep the best tokens that make up the share H of the entropy"),
    Option("top-n-sigma", "S", "keep logits within S standard deviations of the largest"),
    Option("top-a", "A", "keep tokens with a probability of at least A x (the largest)^2"),
    Option("tail-free", "Z", "cut the tail where the sorted probabilities become straight"),
    Option("xtc", "P,T", "with probability P drop all tokens above probability T but the last"),
    Option("mirostat", "TAU,ETA", "steer the mean surprise to TAU bits with learning rate ETA"),
    Option("sparse", "K", "sparse softmax over the K largest logits"),
    Option(flag: "entmax", "use 1.5-entmax instead of softmax"),
  ]

  static let termination = [
    Option(flag: "keep-end", "truncations never drop the end of the text"),
    Option("self-terminating", "EPS", "the end's probability never falls and tends to 1"),
    Option("non-monotone", "EPS", "the end's probability stays above a floor that tends to 1"),
    Option(
      flag: "stop-loops",
      "stop a text that ends in 4 repetitions of one block and at least 12 repeated tokens"),
  ]

  /// The options for a draft model.
  static let drafting = [
    Option(
      "draft", "NAME|PATH",
      "speculative decoding: this model of n-grams drafts, --model verifies; the law stays the same. "
        + "For a neural model, train --tokenizer makes one"),
    Option("draft-length", "N", "tokens per draft, 1 to 64 (default 4)"),
  ]

  static let verbose = Option(
    flag: "verbose", "print the transforms in their order on standard error")

  static let output = [
    OutputOptions.format, OutputOptions.output,
    Option(
      flag: "explain",
      "print each token's log-probabilities and what constraints and transforms removed"),
    verbose, OutputOptions.quiet, OutputOptions.progress,
  ]

  /// The rules that the options describe.
  ///
  /// - Parameters:
  ///   - arguments: the options.
  ///   - model: the model to decode.
  ///   - truncates: whether the decoder takes truncations, which `--keep-end` needs.
  ///   - keepingEnds: whether to act as if `--keep-end` were given.
  /// - Returns: the rules.
  /// - Throws: if options contradict each other or refer to something that doesn't exist.
  static func rules(
    _ arguments: Arguments, model: LoadedModel, truncates: Bool = true, keepingEnds: Bool = false
  ) throws -> DecodingRules {
    let penalties = ["repetition-penalty", "frequency-penalty", "presence-penalty"]
    let repetitions = penalties + ["no-repeat-ngram", "dry"]
    for (name, needed) in [
      ("penalty-window", penalties + ["dry"]), ("penalty-decay", penalties),
      ("penalty-exempt", penalties), ("penalty-skip-prompt", penalties + ["no-repeat-ngram"]),
      ("dry-breaker", ["dry"]),
    ] where arguments.has(name) && !needed.contains(where: arguments.has) {
      throw CommandFailure.usage(
        "--\(name) needs "
          + either(repetitions.filter(needed.contains).map { "--\($0)" }))
    }
    let window = try arguments.integer("penalty-window", in: 0...Int.max) ?? .max
    guard window > 0 || arguments.has("penalty-decay") else {
      throw CommandFailure.usage(
        "--penalty-window 0 makes the penalties do nothing; use 1 or more, or add "
          + "--penalty-decay N")
    }
    let keepsEnd = arguments.has("keep-end") || keepingEnds
    let breakers = try tokens("dry-breaker", arguments, model)
    let source = try source(arguments, for: "copy", model: model)
    var transforms: [any NextTokenTransform] = []
    let constraint = try constraint(arguments, model: model)
    let deadline = try arguments.text("max-seconds").map {
      (text) throws -> ContinuousClock.Instant in
      guard let seconds = Double(text), seconds >= 0, seconds < 1e9 else {
        throw CommandFailure.usage(
          "--max-seconds takes a number of seconds from 0 to 1e9, got '\(text)'")
      }
      return .now + .seconds(seconds)
    }
    do {
      let scope = try RepetitionScope(
        window: window, decay: try arguments.integer("penalty-decay", in: 0...Int.max / 2) ?? 0,
        exempt: try tokens("penalty-exempt", arguments, model),
        countsPrompt: !arguments.has("penalty-skip-prompt"))
      for (name, value) in arguments.ordered {
        if let transform = try transform(
          name, value, model: model, scope: scope, breakers: breakers, source: source,
          keepsEnd: keepsEnd)
        {
          transforms.append(transform)
        }
      }
      if keepsEnd, truncates {
        try checkKeptEnd(transforms)
      } else if keepsEnd, !arguments.has("quiet") {
        report("--keep-end has no effect: this decoder has no truncation that could drop the end")
      }
      let most =
        try arguments.integer("max-tokens", in: 1...1_000_000_000) ?? DecodingRules.plain.maxTokens
      for case let least as MinimumLength in transforms where least.length > most {
        throw CommandFailure.usage(
          "--min-tokens \(least.length) leaves no room for the end within --max-tokens \(most)")
      }
      return try DecodingRules(
        transforms: transforms, maxTokens: most,
        stops: try stops(arguments, model: model), stopTexts: StopTexts(arguments.texts("stop")),
        loops: arguments.has("stop-loops") ? LoopDetector() : nil, constraint: constraint,
        explains: arguments.has("explain"),
        isTimeUp: { Interruption.signal != nil || deadline.map { $0 <= .now } ?? false })
    } catch let error as DecodingError {
      throw CommandFailure.usage("--\(error)")
    }
  }

  /// Refuses `--keep-end` without truncations, or with a temperature of 0, which keeps one token.
  private static func checkKeptEnd(
    _ transforms: [any NextTokenTransform]
  ) throws(CommandFailure) {
    guard transforms.contains(where: { $0 is any Truncation }) else {
      throw .usage(
        "--keep-end needs a truncation, such as --top-k or --top-p")
    }
    guard !transforms.contains(where: { ($0 as? Temperature)?.temperature == 0 }) else {
      throw .usage(
        "--keep-end cannot keep the end at --temperature 0, which keeps only one token; remove one "
          + "of them")
    }
  }

  /// The draft model that the options describe; `nil` without `--draft`.
  static func draft(
    _ arguments: Arguments, for model: LoadedModel, _ rules: DecodingRules
  ) throws -> DraftModel? {
    guard let name = arguments.text("draft") else {
      guard !arguments.has("draft-length") else {
        throw CommandFailure.usage("--draft-length needs --draft")
      }
      return nil
    }
    return try DraftModel(
      try openModel(name, arguments, isFurther: true), for: model,
      length: try arguments.integer("draft-length", in: 1...64) ?? 4, rules)
  }

  private static func constraint(
    _ arguments: Arguments, model: LoadedModel
  ) throws -> DecodingConstraint? {
    var constraints = try TargetOptions.constraints(arguments, withPrompt: false)
    guard !constraints.isEmpty else { return nil }
    let prompt = try prompt(arguments, model: model)
    // Else a text may come to where nothing but its end is allowed, before it is long enough.
    if let least = try arguments.integer("min-tokens", in: 0...Int.max), least > 0,
      let length = CheckedNumbers.sum(least, prompt.count)
    {
      constraints.append(
        Constraint(
          .length(length...Int.max, .tokens), text: "min-tokens \(least)",
          origin: "--min-tokens"))
    }
    let target = try CompiledTarget(
      constraints, for: model)
    for part in target.compiled.parts {
      var state = part.automaton.start
      for token in prompt {
        state = part.automaton.following(state, token)
        guard state == TokenAutomaton.dead else { continue }
        throw CommandFailure(
          .data,
          "--prompt: no text that begins with '\(model.vocabulary.text(of: prompt))' meets "
            + CompiledTarget.place(part.constraint))
      }
    }
    return try DecodingConstraint(
      target.compiled.automaton
        ?? TokenAutomaton(lengths: 0...Int.max, vocabulary: model.vocabulary),
      fluency: target.compiled.fluency)
  }

  /// The token runs of the source, split at words that the model lacks, for an option that reads
  /// them; empty if the option is not given.
  static func source(
    _ arguments: Arguments, for reader: String, model: LoadedModel
  ) throws -> [[Token]] {
    guard let path = arguments.text("source") else {
      if arguments.has(reader) {
        throw CommandFailure.usage("--\(reader) needs --source FILE")
      }
      return []
    }
    let readers = ["copy", "coverage"].filter(arguments.has)
    guard !readers.isEmpty else {
      throw CommandFailure.usage(
        "--source needs --copy or --coverage")
    }
    guard arguments.has(reader) else { return [] }
    try TextInput.checkOnce(
      arguments.texts("constraints") + arguments.texts("prompts") + readers.map { _ in path })
    var tokenizer = model.makeTokenizer()
    let runs = try TextInput.lines(path).flatMap { line in
      tokenizer.tokens(of: NFC.of(line), in: model.vocabulary).split(separator: nil)
        .map { $0.compactMap { $0 } }
    }
    guard !runs.isEmpty else {
      throw CommandFailure(
        .data,
        "\(TextInput.shown(path)) contains no word of the model; give another --source")
    }
    return runs
  }

  private static func stops(_ arguments: Arguments, model: LoadedModel) throws -> [Token] {
    try arguments.texts("stop-token").flatMap { value in
      if let number = Int(value), number >= 0, number < model.vocabulary.count {
        return [Token(number)]
      }
      return try sequences("stop-token", value, model).map { tokens in
        guard tokens.count == 1 else {
          throw CommandFailure.usage(
            "--stop-token takes one token, but '\(value)' is \(tokens.count) tokens of this model")
        }
        return tokens[0]
      }
    }
  }

  /// The tokens that every result begins with.
  static func prompt(_ arguments: Arguments, model: LoadedModel) throws -> TokenSequence {
    try arguments.text("prompt").map {
      try CompiledTarget.tokens(of: $0, model: model, option: "--prompt")
    } ?? []
  }
}
