// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Options of the decoders: what changes the model's distribution, in the order written.
enum DecodingOptions {
  static let limits = [
    Option("model", "NAME|PATH", "a built-in model or a model's file (default english)"),
    Option("prompt", "TEXT", "what every result begins with"),
    Option("max-tokens", "N", "tokens after the prompt at most, the end among them (default 64)"),
    Option("min-tokens", "N", "no end before so many tokens after the prompt"),
    Option(
      "stop-token", "TEXT|ID", isRepeatable: true,
      "a token, as the model spells it or by number, that ends the text as the end does"),
    Option(
      "stop", "TEXT", isRepeatable: true,
      "end the text as soon as what follows the prompt holds TEXT, which is left out"),
    Option(
      "max-seconds", "S",
      "close the text at hand after so long and begin no other; what is printed depends on it"),
  ]

  static let penalties = [
    Option("repetition-penalty", "R", "divide positive logits of repeated tokens, multiply others"),
    Option("frequency-penalty", "F", "subtract F for each time that a token stands in the text"),
    Option("presence-penalty", "F", "subtract F once from each token of the text"),
    Option("penalty-window", "N", "the penalties look at the last N tokens (default: all)"),
    Option("penalty-decay", "N", "over N tokens before the window penalties fall to nothing"),
    Option("penalty-exempt", "TEXT", isRepeatable: true, "the penalties spare these tokens"),
    Option(flag: "penalty-skip-prompt", "what stands in the prompt is no repetition"),
    Option("no-repeat-ngram", "N", "no N tokens in a row twice"),
    Option("dry", "M,B,L", "subtract M x B^(m - L) where a token prolongs a repetition of m >= L"),
    Option("dry-breaker", "TEXT", isRepeatable: true, "no repetition reaches across these tokens"),
    Option("bias", "TEXT=X", isRepeatable: true, "add X where a token completes this text"),
    Option("forbid", "TEXT", isRepeatable: true, "no token may complete this text"),
    Option("end-decay", "START,FACTOR", "raise the end by FACTOR a token after START tokens"),
  ]

  static let copies = [
    Option("source", "FILE", "the text that --copy copies from and --coverage is about, or -"),
    Option(
      "copy", "N",
      "only tokens that follow, in the source, a copy of the text's last N - 1 tokens; of as many "
        + "fewer as go on where none does, and of none where a span begins anew; or the end"),
  ]

  static let truncations = [
    Option("temperature", "T", "divide logits by T; 0 takes the most probable token"),
    Option(
      "dynamic-temperature", "L,H,E",
      "divide logits by a temperature from L to H that rises with the entropy, to the power E"),
    Option("top-k", "N", "the N most probable tokens"),
    Option("top-p", "P", "the smallest most probable set whose mass reaches P"),
    Option("min-p", "P", "tokens at least P times as probable as the first"),
    Option("typical", "P", "the set of mass P whose surprise is nearest the expected one"),
    Option("epsilon", "E", "tokens of probability E at least"),
    Option("eta", "E", "tokens of probability min(E, sqrt(E) exp(-entropy)) at least"),
    Option("top-h", "H", "the first tokens whose terms make up the share H of the entropy"),
    Option("top-n-sigma", "S", "logits within S standard deviations of the largest"),
    Option("top-a", "A", "tokens of probability A x (the largest one)^2 at least"),
    Option("tail-free", "Z", "cut the tail, where the ordered probabilities are straight"),
    Option("xtc", "P,T", "with probability P drop all tokens of probability T but the last"),
    Option("mirostat", "TAU,ETA", "steer the mean surprise to TAU bits at the rate ETA"),
    Option("sparse", "K", "sparse softmax: the K largest logits, made probabilities"),
    Option(flag: "entmax", "1.5-entmax in place of softmax"),
  ]

  static let termination = [
    Option(flag: "keep-end", "no truncation that is given drops the end of the text"),
    Option("self-terminating", "EPS", "the end's probability never falls and goes to 1"),
    Option("non-monotone", "EPS", "the end's probability stays above a floor that goes to 1"),
    Option(
      flag: "stop-loops",
      "stop a text that runs in circles: its end is one block 4 times over, in 12 tokens at least"),
  ]

  /// What drafts for another model.
  static let drafting = [
    Option(
      "draft", "NAME|PATH",
      "a model that goes ahead and is checked: the same law, and its rate of acceptance"),
    Option("draft-length", "N", "tokens that the draft goes ahead by, 1 to 64 (default 4)"),
  ]

  static let verbose = Option(
    flag: "verbose", "say on standard error which transforms apply, in their order")

  static let output = [
    OutputOptions.format, OutputOptions.output,
    Option(
      flag: "explain",
      "say of each token its log-probabilities and what constraints and transforms removed"),
    verbose, OutputOptions.quiet, OutputOptions.progress,
  ]

  /// The rules that the options write down.
  ///
  /// - Parameters:
  ///   - arguments: the options.
  ///   - model: whose texts are decoded.
  ///   - truncates: whether the decoder takes truncations, which `--keep-end` is about.
  ///   - keepingEnds: whether it is as if `--keep-end` were given.
  /// - Returns: the rules.
  /// - Throws: where options contradict each other or name what is not there.
  static func rules(
    _ arguments: Arguments, model: NGramModel, truncates: Bool = true, keepingEnds: Bool = false
  ) throws -> DecodingRules {
    let penalties = ["repetition-penalty", "frequency-penalty", "presence-penalty"]
    let repetitions = penalties + ["no-repeat-ngram", "dry"]
    for (name, needed) in [
      ("penalty-window", penalties + ["dry"]), ("penalty-decay", penalties),
      ("penalty-exempt", penalties), ("penalty-skip-prompt", penalties + ["no-repeat-ngram"]),
      ("dry-breaker", ["dry"]),
    ] where arguments.has(name) && !needed.contains(where: arguments.has) {
      throw CommandFailure.usage(
        "--\(name) says something of "
          + repetitions.filter(needed.contains).map { "--\($0)" }.joined(separator: ", ")
          + ", and none is given")
    }
    let window = try arguments.integer("penalty-window", in: 0...Int.max) ?? .max
    guard window > 0 || arguments.has("penalty-decay") else {
      throw CommandFailure.usage(
        "--penalty-window 0 looks at no token, so the penalties do nothing; give 1 or more, or "
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
        report("--keep-end changes nothing: this decoder takes no truncation that drops the end")
      }
      let most =
        try arguments.integer("max-tokens", in: 1...1_000_000_000) ?? DecodingRules.plain.maxTokens
      for case let least as MinimumLength in transforms where least.length > most {
        throw CommandFailure.usage(
          "--min-tokens \(least.length) leaves no end within --max-tokens \(most)")
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

  /// Refuses an end that no truncation would drop, or that goes with all tokens but one.
  private static func checkKeptEnd(
    _ transforms: [any NextTokenTransform]
  ) throws(CommandFailure) {
    guard transforms.contains(where: { $0 is any Truncation }) else {
      throw .usage(
        "--keep-end says of truncations such as --top-k and --top-p that they do not drop the end, "
          + "and none is given")
    }
    guard !transforms.contains(where: { ($0 as? Temperature)?.temperature == 0 }) else {
      throw .usage(
        "--keep-end cannot keep the end at --temperature 0, which leaves one token; leave one of "
          + "them out")
    }
  }

  /// The draft that the options name, and how far it goes ahead; `nil` where they name none.
  static func draft(
    _ arguments: Arguments, for model: NGramModel, _ rules: DecodingRules
  ) throws -> (model: RespelledModel<NGramModel>, decoder: SpeculativeDecoder)? {
    guard let name = arguments.text("draft") else {
      guard !arguments.has("draft-length") else {
        throw CommandFailure.usage("--draft-length says something of --draft, and none is given")
      }
      return nil
    }
    let draft = RespelledModel(try loadModel(name), in: model.vocabulary)
    guard draft.sharedCount > 0 else {
      throw CommandFailure(
        .data,
        "draft '\(name)' shares no token with the model; a draft is of the same language and "
          + "divides text alike")
    }
    let length = try arguments.integer("draft-length", in: 1...64) ?? 4
    return (draft, try SpeculativeDecoder(length: length, rules))
  }

  private static func constraint(
    _ arguments: Arguments, model: NGramModel
  ) throws -> DecodingConstraint? {
    let constraints = try TargetOptions.constraints(arguments, withPrompt: false)
    guard !constraints.isEmpty else { return nil }
    let target = try CompiledTarget(
      constraints, model: model, tree: VocabularyTree(model.vocabulary))
    let prompt = try prompt(arguments, model: model)
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

  /// The runs of the source's tokens between words that the model does not know, for an option that
  /// reads them; none where it is not given.
  static func source(
    _ arguments: Arguments, for reader: String, model: NGramModel
  ) throws -> [[Token]] {
    guard let path = arguments.text("source") else {
      if arguments.has(reader) {
        throw CommandFailure.usage("--\(reader) is about a text; give it by --source FILE")
      }
      return []
    }
    let readers = ["copy", "coverage"].filter(arguments.has)
    guard !readers.isEmpty else {
      throw CommandFailure.usage(
        "--source is the text that --copy copies from and a beam's --coverage is about, and neither "
          + "is given")
    }
    guard arguments.has(reader) else { return [] }
    try TextInput.checkOnce(
      arguments.texts("constraints") + arguments.texts("prompts") + readers.map { _ in path })
    var tokenizer = Tokenizer(for: model.vocabulary)
    let runs = try TextInput.lines(path).flatMap { line in
      tokenizer.tokens(of: NFC.of(line), in: model.vocabulary).split(separator: nil)
        .map { $0.compactMap { $0 } }
    }
    guard !runs.isEmpty else {
      throw CommandFailure(
        .data, "\(TargetOptions.shown(path)) holds no word of the model; give another --source")
    }
    return runs
  }

  private static func stops(_ arguments: Arguments, model: NGramModel) throws -> [Token] {
    try arguments.texts("stop-token").flatMap { value in
      if let number = Int(value), number >= 0, number < model.vocabulary.count {
        return [Token(number)]
      }
      return try sequences("stop-token", value, model).map { tokens in
        guard tokens.count == 1 else {
          throw CommandFailure.usage(
            "--stop-token takes one token, and '\(value)' is \(tokens.count) of this model")
        }
        return tokens[0]
      }
    }
  }

  /// What the results begin with.
  static func prompt(_ arguments: Arguments, model: NGramModel) throws -> TokenSequence {
    try arguments.text("prompt").map {
      try CompiledTarget.tokens(of: $0, model: model, option: "--prompt")
    } ?? []
  }
}
