// Licensed under the Apache License, Version 2.0.

internal import Foundation
internal import Neural
public import Sampling
internal import Synchronization

/// A neural language model from a file, run on the processor.
///
/// It reads GGUF files, folders in Hugging Face's layout and llama2.c checkpoints. Log-probabilities
/// come from single-precision activations over the weights as they are stored, and are the same to
/// the bit in every batch and on any number of threads.
///
/// A text stands behind the ``Options/beginning`` and ends with any of the model's end tokens, whose
/// probabilities are added up.
public struct NeuralModel: LanguageModel {
  /// A beginning of a text, which shares what the network computed with all others.
  public struct Context: Sendable {
    let inner: PrefixContext
  }

  /// How a network is used.
  public struct Options: Hashable, Sendable {
    /// The spellings of the tokens before every text; `nil` for what the files say.
    public var beginning: [String]?
    /// What conditions the model and is no part of a text.
    public var context: String
    /// A turn of a chat that every text answers, behind the context.
    public var chat: ChatTurn?
    /// The most bytes of keys and values that are kept.
    public var memory = 256 << 20
    /// The number of threads of a forward pass.
    public var threads = 1
    /// Whether all token sequences have weight, not only the tokenizer's own.
    public var allowsAnyTokens = false

    /// Creates the options that suit most models.
    public init(context: String = "") { self.context = context }
  }

  /// The tokens that the model knows.
  ///
  /// Tokens of padding and of chats are never drawn. The end symbol stands for all end tokens.
  public let vocabulary: Vocabulary
  /// The most tokens of a text behind the beginning and the context.
  public let longestText: Int
  let file: NetworkFile
  let encoder: SubwordEncoder
  let spelling: CanonicalSpelling?
  private let network: Network
  /// The tokens before every text: the beginning, then the context.
  private let before: [Int32]
  /// The tokens that end a text, the vocabulary's end symbol first.
  private let ends: [Int32]
  private let shared = Shared()

  /// What is computed once, on demand.
  private final class Shared: Sendable {
    let unigram = Mutex<[Double]?>(nil)
  }

  /// Opens a model's file or folder.
  ///
  /// - Parameters:
  ///   - path: a built-in neural model's name, a GGUF file, a folder with `config.json`, or a
  ///     llama2.c checkpoint.
  ///   - options: how it is used.
  /// - Throws: `LoadError` that names what is wrong with the file or with the options.
  public init(path: String, options: Options = Options()) throws(LoadError) {
    do throws(NeuralError) {
      if let builtIn = BuiltInModel(rawValue: path), builtIn.isNeural {
        try self.init(NetworkFile.open(builtIn.file), options)
      } else {
        try self.init(NetworkFile.open(path), options)
      }
    } catch {
      throw LoadError(.badData, path: path, error.description)
    }
  }

  /// Whether a name or path leads to a neural model, or to something that can be no other.
  ///
  /// That is a built-in neural model, a folder, a GGUF file, weights alone, a pickle, or a llama2.c
  /// checkpoint.
  public static func isNeural(path: String) -> Bool {
    if let builtIn = BuiltInModel(rawValue: path) { return builtIn.isNeural }
    var isFolder: ObjCBool = false
    guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      return false
    }
    let suffixes = [".gguf", ".safetensors", ".bin", ".pt", ".pth"]
    if isFolder.boolValue || suffixes.contains(where: path.lowercased().hasSuffix) { return true }
    guard let file = FileHandle(forReadingAtPath: path) else { return false }
    defer { try? file.close() }
    return (try? file.read(upToCount: 4)) == Data("GGUF".utf8)
  }

  /// A number that identifies the weights.
  var checksum: UInt64 {
    file.files.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ $1.checksum) &* 0x100_0000_01b3 }
  }

  init(_ file: NetworkFile, _ options: Options) throws(NeuralError) {
    let configuration = file.configuration
    guard !configuration.isBidirectional, file.weights.head != nil else {
      throw NeuralError(
        "it sees both sides of every token (\(configuration.architecture.rawValue)), so it gives no "
          + "text a probability. Use a causal model"
          + (file.weights.head == nil ? "." : ", or this one with 'score'."))
    }
    let tokenizer = try file.makeTokenizer()
    let names = NeuralTokens(file.description.tokens, tokenizer)
    let ends = names.ends
    guard let end = ends.first else {
      throw NeuralError("its files name no end token, so its texts have no end")
    }
    var beginning = try names.beginning(options.beginning)
    let context = try Self.context(file.description, tokenizer, options)
    // The frame of such a chat is a beginning of its own.
    if options.chat != nil, options.beginning == nil, file.description.tokens.addsBegin != true {
      beginning = []
    }
    guard !beginning.isEmpty || !context.isEmpty else {
      throw NeuralError(
        "it needs a token before the first one that it scores. Give one with --begin, or a "
          + "--context.")
    }
    before = beginning + context
    longestText = configuration.contextLength - before.count
    guard longestText > 0 else {
      throw NeuralError(
        "the context has \(before.count) tokens, and the model reads at most "
          + "\(configuration.contextLength)")
    }
    let size = configuration.vocabularySize
    self.file = file
    self.ends = ends
    encoder = SubwordEncoder(tokenizer: tokenizer)
    spelling = options.allowsAnyTokens ? nil : CanonicalSpelling(tokenizer: tokenizer)
    // The start symbol is one more: a token that begins texts may also end them.
    vocabulary = Vocabulary(
      spellings: (0...size).map {
        $0 < tokenizer.count ? tokenizer.bytes(of: Int32($0)) : []
      }, spacing: tokenizer.addsBlank ? .carried : .none, start: Token(size),
      end: Token(Int(end)), unknown: nil,
      controls: (0..<size).filter {
        $0 != Int(end)
          && ($0 >= tokenizer.count || tokenizer.isControl(Int32($0))
            || tokenizer.bytes(of: Int32($0)).isEmpty)
      }.map { Token($0) })
    network = Network(
      configuration, file.weights, threads: options.threads, memory: options.memory)
  }

  /// The tokens of what conditions the model.
  private static func context(
    _ description: NetworkDescription, _ tokenizer: any NetworkTokenizer, _ options: Options
  ) throws(NeuralError) -> [Int32] {
    let context = try tokenizer.encode(options.context, specials: false)
    guard let chat = options.chat else { return context }
    guard description.chatTemplate != nil else {
      throw NeuralError("it has no chat format. Write the turn out with --context.")
    }
    guard let format = description.chatFormat else {
      throw NeuralError(
        "its chat format is not one of ChatML, Llama 2, Llama 3, Gemma and Zephyr. Write the turn "
          + "out with --context.")
    }
    return try context + chat.tokens(format, tokenizer)
  }

  /// The context behind the beginning and the context of the options.
  ///
  /// - Throws: `LoadError` if there is too little memory for them.
  public func makeContext() throws -> Context {
    let results = Results()
    try score([Request(context: network.root, tokens: before)], results)
    return Context(inner: results.contexts[0])
  }

  /// Reads runs of tokens in one pass through the network.
  ///
  /// - Throws: `LoadError` if a text is too long, if there is too little memory, or if the network
  ///   gives no number.
  public func score(_ runs: [TokenRun<Context>], into results: inout ScoredRuns<Context>) throws {
    let answers = Results()
    try score(runs.map(request), answers)
    results.removeAll(width: vocabulary.count)
    var log = 0
    var row = 0
    for (run, whole) in zip(runs, answers.contexts) {
      results.beginRun()
      let first = run.context.inner.count
      for count in stride(from: 1, through: run.tokens.count, by: 1) {
        results.append(context: Context(inner: whole.truncated(to: first + count)))
      }
      if run.rows != .all {
        for _ in run.tokens {
          results.append(logProbability: answers.logProbabilities[log])
          log += 1
        }
      }
      let firstRow = row
      for _ in 0..<rowCount(of: run) {
        results.appendRow { fill(&$0, answers, row) }
        row += 1
      }
      if run.rows == .all {
        for (place, token) in run.tokens.enumerated() {
          results.append(logProbability: logProbability(of: token.index, answers, firstRow + place))
        }
      }
      guard run.scoresEnd else { continue }
      if run.rows == .none {
        let all = ends.indices.map { answers.logProbabilities[log + $0] }
        log += ends.count
        results.append(logProbability: Self.logSum(all))
      } else {
        results.append(logProbability: endLogProbability(answers, row - 1))
      }
    }
  }

  private func rowCount(of run: TokenRun<Context>) -> Int {
    switch run.rows {
    case .none: 0
    case .last: 1
    case .all: run.tokens.count + 1
    }
  }

  private func request(_ run: TokenRun<Context>) -> Request {
    let tokens = run.tokens.map { Int32($0.index) }
    var questions: [Request.Question] = []
    if run.rows == .all {
      questions = (0...tokens.count).map { .init(after: $0, .logits) }
    } else {
      questions = tokens.indices.map { .init(after: $0, .logProbabilities([tokens[$0]])) }
      if run.rows == .last {
        questions.append(.init(after: tokens.count, .logits))
      } else if run.scoresEnd {
        questions.append(.init(after: tokens.count, .logProbabilities(ends)))
      }
    }
    return Request(context: run.context.inner, tokens: tokens, questions: questions)
  }

  private func score(_ requests: [Request], _ answers: Results) throws(LoadError) {
    do throws(NeuralError) {
      try network.score(requests, into: answers)
    } catch {
      throw LoadError(.badData, path: file.path, error.description)
    }
  }

  private func logProbability(of token: Int, _ answers: Results, _ row: Int) -> Double {
    answers.withLogits(row) { Double($0[token]) } - answers.logNormalisers[row]
  }

  private func endLogProbability(_ answers: Results, _ row: Int) -> Double {
    Self.logSum(ends.map { logProbability(of: Int($0), answers, row) })
  }

  /// Writes a row in which the end symbol has the mass of all end tokens.
  private func fill(_ row: inout MutableSpan<Double>, _ answers: Results, _ index: Int) {
    let normaliser = answers.logNormalisers[index]
    answers.withLogits(index) { logits in
      for token in logits.indices { row[token] = Double(logits[token]) - normaliser }
    }
    row[vocabulary.start.index] = -.infinity
    let end = endLogProbability(answers, index)
    for token in ends { row[Int(token)] = -.infinity }
    row[vocabulary.end.index] = end
  }

  private static func logSum(_ logs: [Double]) -> Double {
    guard logs.count > 1, let most = logs.max(), most > -.infinity else {
      return logs.first ?? -.infinity
    }
    return most + log(logs.reduce(0) { $0 + exp($1 - most) })
  }
}

extension NeuralModel: ChainModel {
  /// The model's probabilities of a text's first token, mixed with as many uniform draws.
  public var unigramWeights: [Double] {
    if let known = shared.unigram.withLock({ $0 }) { return known }
    let uniform = 0.5 / Double(vocabulary.count)
    var weights = [Double](repeating: uniform, count: vocabulary.count)
    var results = ScoredRuns<Context>()
    // A model that fails here fails again, and tells it, when the chains begin.
    if let start = try? makeContext(),
      (try? score([TokenRun(start, [], rows: .last)], into: &results)) != nil
    {
      for (token, log) in results.row(0, ofRun: 0).enumerated() { weights[token] += 0.5 * exp(log) }
    }
    shared.unigram.withLock { $0 = weights }
    return weights
  }

  /// Makes the target of texts that are spelled as the model's tokenizer spells them.
  ///
  /// With `Options/allowsAnyTokens`, it is over token sequences.
  public func makeTarget(
    constraint: TokenAutomaton?, fluency: Double
  ) -> PrefixTarget<NeuralModel, TokenAutomaton> {
    PrefixTarget(model: self, constraint: constraint, fluency: fluency, spelling: spelling)
  }

  /// Makes a source that draws from the rows that a scorer keeps.
  public func makeLeftTokens() -> LeftConditionalTokens<PrefixScorer<NeuralModel, TokenAutomaton>> {
    LeftConditionalTokens()
  }

  /// Makes a source that scores the whole vocabulary.
  public func makeFullTokens() -> FullConditionalTokens<PrefixScorer<NeuralModel, TokenAutomaton>> {
    FullConditionalTokens()
  }
}
