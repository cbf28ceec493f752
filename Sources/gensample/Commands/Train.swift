// Licensed under the Apache License, Version 2.0.

import Foundation
import LM

enum Train: Command {
  static let name = "train"
  static let summary = "estimate an n-gram model from text"
  static let usage = "TEXT... -o MODEL [options]"
  static let discussion = """
    Counts the n-grams of texts, one sentence a line, and estimates an interpolated modified
    Kneser-Ney model. TEXT is a file, plain or .gz, or - for standard input. MODEL ends in .gsm,
    .arpa or .arpa.gz.

        gensample train poems.txt -o poems.gsm --tokens characters --order 4
    """
  static let options =
    [
      Option("output", "MODEL", "the model's file; -o for short"),
      Option("order", "N", "words an n-gram has at most, 1 to 8 (default 3)"),
      Option(
        "tokens", "KIND",
        "words: with punctuation apart, put together again as text; characters: for scripts "
          + "without spaces; whitespace: what stands between spaces, byte for byte (default "
          + "whitespace)"),
      Option(
        "prune", "A,B,...",
        "for each order: n-grams whose count is at most this go; missing numbers repeat the last "
          + "(default 0)"),
      Option(
        "rebalance", "SHARE,N",
        "make one token of two words that occur N times so and in this share of the first one's "
          + "places, until there are no such; of words and characters"),
      Option("min-count", "N", "words that occur less often are the unknown word"),
      Option("vocabulary", "FILE", "words that are not in this file, one a line, are unknown"),
      Option(
        "memory", "SIZE", "what counting may take, such as 200M; more goes to disk (default 1G)"),
      Option("quantize", "BITS", "bits a value in the small layout, 2 to 16"),
      Option(
        "layout", "LAYOUT",
        "small: the least memory; fast: the most speed (default fast, small with --quantize)"),
      Option(
        flag: "reversed", "count sentences from their ends: a model for gibbs --masked"),
      Option(flag: "lossy", "put U+FFFD in place of bytes that are no UTF-8"),
      Option("threads", "N", "how many threads count (default: all cores)"),
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
    var options = NGramTrainer.Options()
    options.order = try arguments.integer("order", in: 1...NGramTrie.highestOrder) ?? 3
    options.tokenization =
      try arguments.choice("tokens", as: Tokenization.self) ?? .whitespace
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
        throw CommandFailure.usage("--min-count and --vocabulary both limit the words; give one")
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
          "--rebalance takes a share and a number of times such as 0.3,20, got '\(text)'")
      }
      options.rebalance = .init(share: share, leastCount: count)
    }
    options.isReversed = arguments.has("reversed")
    options.isLossy = arguments.has("lossy")
    if let threads = try arguments.integer("threads", in: 1...1024) { options.threads = threads }
    options.isCancelled = { Interruption.signal != nil }
    Interruption.watch {}
    // Said now and not after hours of counting.
    try form.checkPlace(path)

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
        "gensample: the counts of order \(discounts.order) are too few to estimate discounts; "
          + "took .5, 1 and 1.5")
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
        """ + (options.rebalance == nil ? "" : "\n\(report.mergedCount) pairs are tokens"))
  }
}

/// What kind of model file a path names.
enum ModelForm: Equatable {
  case gsm, arpa

  init(_ path: String) throws(CommandFailure) {
    if path.hasSuffix(".gsm") {
      self = .gsm
    } else if path.hasSuffix(".arpa") || path.hasSuffix(".arpa.gz") {
      self = .arpa
    } else {
      throw .usage("'\(path)' does not say what to write; let it end in .gsm, .arpa or .arpa.gz")
    }
  }

  func check(layout: NGramLayout?, quantized: Int?) throws(CommandFailure) {
    if self == .arpa, layout != nil || quantized != nil {
      throw .usage("--layout and --quantize are about .gsm files; an ARPA file holds plain numbers")
    }
    if layout == .fast, quantized != nil {
      throw .usage("--quantize makes the small layout smaller; the fast one would gain nothing")
    }
  }

  /// Whether a file can be made there.
  func checkPlace(_ path: String) throws(CommandFailure) {
    let names = OutputNames(path)
    Interruption.removeAtEnd(names.beside)
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

/// Does work whose own cancellation is a signal's doing.
func interruptible<Result>(_ work: () throws -> Result) throws -> Result {
  do {
    return try work()
  } catch let error as LoadError where error.kind == .cancelled {
    throw CommandFailure(
      Interruption.exitCode ?? .interrupted, "stopped; nothing was written")
  }
}
