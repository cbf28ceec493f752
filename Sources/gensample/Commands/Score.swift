// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

enum Score: Command {
  static let name = "score"
  static let summary = "log-probability of each line, and perplexity"
  static let usage = "MODEL TEXT... [options]"
  static let discussion = """
    Prints the natural log-probability of each line (with the end of the sentence), its number of
    tokens and of unknown words, then the perplexity with and without the unknown words. MODEL is a
    built-in model or a file; TEXT is a file, or - for standard input. A model of reversed texts
    reads each line from its end.

    With --per-token each token follows on a line of its own: its log-probability, the length of the
    longest n-gram of the model that says it, and how the model spells it.

    A neural model reads many lines at once. Of it, the bits per byte of the lines are told, too: they
    can be compared between models with different tokens.
    Under a masked model (a folder of BERT or RoBERTa) the score is the pseudo-log-likelihood: the
    sum over all tokens of the log-probability of each given all others. It has no part for the end.
    Compare only texts of the same number of tokens.

        echo "It was a dark night." | gensample score english -
    """
  static let options = [
    ModelOptions.tokens,
    Option(flag: "summary", "print only the totals and perplexities"),
    Option(
      flag: "per-token", "also print each token, its log-probability and the length of its n-gram"),
    Option(flag: "no-end", "leave out the end of each text"),
    Option(flag: "lossy", "replace invalid UTF-8 with U+FFFD"),
    OutputOptions.format, OutputOptions.output, OutputOptions.quiet,
  ]

  /// A scorer of the model, its tokens, and whether its scores have lengths of n-grams.
  private static func open(
    _ name: String, _ arguments: Arguments
  ) throws -> (scorer: any LineScorer, vocabulary: Vocabulary, hasNGrams: Bool) {
    if BuiltInModel(rawValue: name) == nil, try MaskedNetwork.isMasked(path: name) {
      let network = try MaskedNetwork(path: name)
      guard !arguments.has("tokens") else {
        throw CommandFailure.usage(
          "--tokens is about models that write texts, but '\(name)' is a masked model")
      }
      return (PseudoLineScorer(network), network.vocabulary, false)
    }
    let model = try openModel(name, arguments, isReversed: true)
    try model.require(.language, for: Self.name)
    if model.readsBackward, !arguments.has("quiet") {
      report("gensample: '\(name)' is a model of reversed texts: each line is scored from its end")
    }
    return (model.makeLineScorer(), model.vocabulary, model.order != nil)
  }

  static func run(_ arguments: Arguments) throws {
    guard arguments.positional.count >= 2 else {
      throw CommandFailure.usage("score needs a model and a text: gensample score \(usage)")
    }
    try TextInput.checkOnce(arguments.positional.dropFirst())
    let format = try OutputOptions.format(arguments)
    let name = arguments.positional[0]
    let opened = try open(name, arguments)
    Interruption.watch {}
    let isPerToken = arguments.has("per-token")
    guard !isPerToken || !arguments.has("summary") else {
      throw CommandFailure.usage(
        "--summary prints the perplexities alone, --per-token each token; give one of them")
    }
    var scorer = opened.scorer
    scorer.countsEnd = !arguments.has("no-end")
    scorer.keepsTokens = isPerToken
    var total = TextScorer.Score()
    var lines = 0
    var bytes = 0
    var empty = 0
    let isSummary = arguments.has("summary")
    let stream = try ResultStream(path: arguments.text("output"))
    let began = ContinuousClock.now
    do {
      if format == .text && !isSummary {
        try stream.writeLine("log-probability\ttokens\tunknown\ttext")
      }
      for path in arguments.positional.dropFirst() {
        try scorer.score(
          path: path, isLossy: arguments.has("lossy"),
          isCancelled: { Interruption.signal != nil }
        ) { text, score in
          if Interruption.signal != nil { throw LoadError(.cancelled, "stopped") }
          total.add(score)
          lines += 1
          bytes += text.utf8.count
          if score.tokenCount == 0 { empty += 1 }
          if isSummary { return }
          switch format {
          case .text:
            try stream.writeLine(
              "\(String(format: "%.6f", score.logProbability))\t\(score.tokenCount)\t"
                + "\(score.unknownCount)\t\(text)")
            for one in score.tokens {
              try stream.writeLine(
                "  \(String(format: "%.6f", one.logProbability))\t"
                  + (one.length.map { "\($0)-gram\t" } ?? "")
                  + (one.token.map(opened.vocabulary.spelling) ?? "not in the vocabulary"))
            }
          case .jsonl:
            var object = JSONObject()
            object.add("type", .string("score"))
            object.add("text", .string(text))
            object.add("log_probability", .number(score.logProbability))
            object.add("token_count", .integer(score.tokenCount))
            object.add("unknown", .integer(score.unknownCount))
            if isPerToken {
              object.add(
                "tokens", .values(score.tokens.map { $0.token.map { .integer($0.index) } ?? .null })
              )
              object.add("token_log_probabilities", .numbers(score.tokens.map(\.logProbability)))
              let lengths = score.tokens.compactMap(\.length)
              if opened.hasNGrams { object.add("ngram_lengths", .integers(lengths)) }
            }
            try stream.writeLine(object.text)
          }
          if stream.isClosedByReader { throw LoadError(.cancelled, "closed") }
        }
      }
    } catch let error as LoadError where error.kind == .cancelled {
      // The lines scored so far are kept and summed up.
    }
    // Comparable between models of different tokens.
    let bitsPerByte = bytes > 0 ? -total.logProbability / log(2) / Double(bytes) : nil
    if empty > 0, !arguments.has("quiet") {
      report("gensample: \(counted(empty, "line")) without tokens, of probability 1")
    }
    let seconds = began.duration(to: .now) / .seconds(1)
    switch format {
    case .text:
      func text(_ number: Double?) -> String { number.map { "\($0)" } ?? "undefined" }
      let last = NeuralModel.isNeural(path: name) ? "\nbits per byte: \(text(bitsPerByte))" : ""
      try stream.writeLine(
        """
        lines: \(lines)  tokens: \(total.tokenCount)  unknown: \(total.unknownCount)
        log-probability: \(total.logProbability)
        perplexity with unknown words: \(text(total.perplexity))
        perplexity without unknown words: \(text(total.perplexityOfKnown))
        """ + last)
    case .jsonl:
      var object = JSONObject()
      object.add("type", .string("summary"))
      object.add("command", .string(Self.name))
      object.add("model", .string(name))
      object.add("seconds", .number(seconds))
      object.add("lines", .integer(lines))
      object.add("log_probability", .number(total.logProbability))
      object.add("token_count", .integer(total.tokenCount))
      object.add("unknown", .integer(total.unknownCount))
      object.add("perplexity", total.perplexity.map { .number($0) } ?? .null)
      object.add("perplexity_known", total.perplexityOfKnown.map { .number($0) } ?? .null)
      object.add("bits_per_byte", bitsPerByte.map { .number($0) } ?? .null)
      if total.tokenCount == 0 { object.add("reason", .string("the input has no lines")) }
      try stream.writeLine(object.text)
    }
    try stream.finish()
    if let code = Interruption.failure { throw CommandFailure(code, "stopped") }
  }
}
