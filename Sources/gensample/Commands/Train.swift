// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs

enum Train: Command {
  static let name = "train"
  static let summary = "train an n-gram model on text"
  static let usage = "TEXT... -o MODEL [options]"
  static let discussion = """
    Counts the n-grams of the texts, one sentence per line, and estimates an interpolated modified
    Kneser-Ney model. TEXT is a file, plain or .gz, or - for standard input. MODEL ends in .gsm,
    .arpa or .arpa.gz.

    With --tokenizer the tokens are those of a neural model. The result helps that model: --screen,
    --look-ahead and --draft take it. It has all tokens of the model, so it must be a .gsm file.

        gensample train poems.txt -o poems.gsm --tokens characters --order 4
        gensample train stories.txt --tokenizer smollm2.gguf -o stories.gsm
    """
  static let options =
    [
      Option("output", "MODEL", "the model file to write; short form -o"),
      Option("order", "N", "the most tokens in an n-gram, 1 to 8 (default 3)"),
      Option(
        "tokens", "KIND",
        "words: splits off punctuation, results read as text; characters: for scripts without "
          + "spaces; whitespace: splits only at white space and keeps bytes as they are (default "
          + "whitespace)"),
      Option("tokenizer", "MODEL", "count the tokens of this neural model"),
      Option(
        "prune", "A,B,...",
        "drop n-grams with a count of at most A for order 1, B for order 2, ...; missing numbers "
          + "repeat the last (default 0)"),
      Option(
        "rebalance", "SHARE,N",
        "merge two tokens into one if they occur together N times and in this share of the first "
          + "token's places, until no such pair is left; for words and characters"),
      Option("min-count", "N", "treat words that occur fewer than N times as unknown"),
      Option("vocabulary", "FILE", "treat words outside FILE (one per line) as unknown"),
      Option(
        "memory", "SIZE", "memory for counting, such as 200M; more goes to disk (default 1G)"),
      Option("quantize", "BITS", "bits per value in the small layout, 2 to 16"),
      Option(
        "layout", "LAYOUT",
        "small (least memory) or fast (default: fast, but small with --quantize)"),
      Option(
        flag: "reversed", "read sentences from their ends: a model for gibbs --masked"),
      Option(flag: "lossy", "replace invalid UTF-8 with U+FFFD"),
      Option("threads", "N", "how many threads to use (default: all cores)"),
    ] + OutputOptions.report + [OutputOptions.progress]

  static func run(_ arguments: Arguments) throws {
    guard let path = arguments.text("output") else {
      throw CommandFailure.usage("train needs -o MODEL, the file to write")
    }
    let form = try ModelForm(path)
    guard !arguments.positional.isEmpty else {
      throw CommandFailure.usage("train needs a text: gensample train \(usage)")
    }
    try TextInput.checkOnce(
      arguments.positional + arguments.texts("vocabulary"))
    let quantized = try arguments.integer("quantize", in: 2...16)
    let layout = try arguments.choice("layout", as: NGramLayout.self)
    try form.check(layout: layout, quantized: quantized)
    var options = TrainingOptions()
    options.order = try arguments.integer("order", in: 1...NGramTrie.highestOrder) ?? 3
    options.tokenization =
      try arguments.choice("tokens", as: Tokenization.self) ?? .whitespace
    if let name = arguments.text("tokenizer") {
      if let option = ["tokens", "vocabulary", "min-count", "rebalance", "reversed"].first(
        where: arguments.has)
      {
        throw CommandFailure.usage(
          "give either --tokenizer or --\(option): with --tokenizer the neural model says what the "
            + "tokens are")
      }
      guard form == .gsm else {
        throw CommandFailure.usage(
          "--tokenizer makes a .gsm file, because ARPA files cannot hold its tokens, got '\(path)'")
      }
      options.subwords = try LoadedModel(opening: name).subwordTokens()
      options.tokenization = .characters
    }
    if let prune = arguments.text("prune") {
      options.prune = try prune.split(separator: ",", omittingEmptySubsequences: false).map {
        guard let number = Int($0), number >= 0 else {
          throw CommandFailure.usage("--prune takes numbers such as 0,0,1, got '\(prune)'")
        }
        return number
      }
    }
    if let list = arguments.text("vocabulary") {
      guard !arguments.has("min-count") else {
        throw CommandFailure.usage("give either --min-count or --vocabulary, not both")
      }
      options.vocabulary = Set(
        try TextInput.lines(list).filter { !$0.isEmpty })
    }
    options.minimumCount = try arguments.integer("min-count", in: 1...Int(UInt32.max)) ?? 1
    options.memory = try arguments.bytes("memory") ?? 1 << 30
    if let text = arguments.text("rebalance") {
      let parts = text.split(separator: ",", omittingEmptySubsequences: false)
      guard parts.count == 2, let share = Double(parts[0]), let count = Int(parts[1]) else {
        throw CommandFailure.usage(
          "--rebalance takes a share and a count such as 0.3,20, got '\(text)'")
      }
      options.rebalance = .init(share: share, leastCount: count)
    }
    options.isReversed = arguments.has("reversed")
    options.isLossy = arguments.has("lossy")
    if let threads = try arguments.integer("threads", in: 1...1024) { options.threads = threads }
    options.isCancelled = { Interruption.signal != nil }
    Interruption.watch {}
    // Check this before hours of counting.
    try ModelForm.checkPlace(path)

    let began = ContinuousClock.now
    let isQuiet = arguments.has("quiet")
    let done = SharedCount()
    options.progress = { done.value = Int($0 * 100) }
    let progress = Progress(
      isQuiet ? .never : try arguments.choice("progress", as: ProgressMode.self) ?? .auto,
      unit: "percent", total: 100, done: { done.value })
    defer { progress.finish() }
    let (trie, report) = try interruptible {
      try NGramTrainer(options).train(arguments.positional)
    }
    progress.finish()
    for discounts in report.discounts where discounts.isFallback && !isQuiet {
      gensample.report(
        "gensample: there are too few n-grams of order \(discounts.order) to estimate discounts; "
          + "using 0.5, 1 and 1.5 instead")
    }
    try Interruption.beginIndivisible()
    try form.write(
      trie, to: path, layout: layout ?? (quantized == nil ? .fast : .small), quantized: quantized)
    let seconds = began.duration(to: .now) / .seconds(1)
    var summary = JSONObject()
    summary.add("type", .string("summary"))
    summary.add("command", .string(name))
    summary.add("model", .string(path))
    summary.add("order", .integer(trie.order))
    summary.add("counts", .integers(trie.levels.map(\.count)))
    summary.add("sentences", .integer(report.sentenceCount))
    summary.add("tokens", .integer(report.tokenCount))
    summary.add("unknown", .integer(report.unknownCount))
    if options.rebalance != nil { summary.add("merged", .integer(report.mergedCount)) }
    summary.add("seconds", .number(seconds))
    let counts = trie.levels.map { "\($0.count)" }.joined(separator: " / ")
    try OutputOptions.write(
      summary, arguments,
      text: """
        \(path): order \(trie.order), \(counts) n-grams
        from \(report.sentenceCount) sentences, \(report.tokenCount) tokens, \
        \(report.unknownCount) of them unknown, in \(String(format: "%.2f", seconds)) s
        """ + (options.rebalance == nil ? "" : "\n\(report.mergedCount) pairs were merged"))
  }
}

/// The format of a model file, which its suffix decides.
enum ModelForm: Equatable {
  case gsm, arpa

  init(_ path: String) throws(CommandFailure) {
    if path.hasSuffix(".gsm") {
      self = .gsm
    } else if path.hasSuffix(".arpa") || path.hasSuffix(".arpa.gz") {
      self = .arpa
    } else {
      throw .usage("'\(path)' has no known suffix; use .gsm, .arpa or .arpa.gz")
    }
  }

  func check(layout: NGramLayout?, quantized: Int?) throws(CommandFailure) {
    if self == .arpa, layout != nil || quantized != nil {
      throw .usage("--layout and --quantize need a .gsm file; ARPA files hold plain numbers")
    }
    if layout == .fast, quantized != nil {
      throw .usage("--quantize needs --layout small; the fast layout would not get smaller")
    }
  }

  /// Fails if the file cannot be created there.
  static func checkPlace(_ path: String) throws(CommandFailure) {
    let names = OutputNames(path)
    TemporaryFiles.add(names.beside)
    var isFolder: ObjCBool = false
    if unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder),
      isFolder.boolValue
    {
      throw CommandFailure(.unwritable, "cannot write '\(path)': it is a folder")
    }
    let descriptor = unsafe open(names.beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw CommandFailure(.unwritable, "cannot write '\(path)': \(systemErrorText())")
    }
    close(descriptor)
    unsafe unlink(names.beside)
  }

  func write(_ trie: NGramTrie, to path: String, layout: NGramLayout, quantized: Int?) throws {
    switch self {
    case .gsm: try trie.write(gsm: path, layout: layout, quantizedBits: quantized ?? 0)
    case .arpa: try trie.write(arpa: path)
    }
  }
}

/// Does work that is cancelled only by a signal, and turns the cancellation into a failure.
func interruptible<Result>(_ work: () throws -> Result) throws -> Result {
  do {
    return try work()
  } catch let error as LoadError where error.kind == .cancelled {
    throw CommandFailure(
      Interruption.failure ?? .interrupted, "stopped; nothing was written")
  }
}
