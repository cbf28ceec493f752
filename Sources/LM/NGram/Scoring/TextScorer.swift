// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Log-probabilities of texts under an n-gram model, line by line.
///
/// A model of reversed texts reads a text from its last token to its first.
public struct TextScorer {
  /// The score of one line, or the sum over many lines.
  public struct Score: Hashable, Sendable {
    /// Natural log-probability, including the end of the sentence.
    public var logProbability = 0.0
    /// The part of it that comes from unknown words.
    public var logProbabilityOfUnknown = 0.0
    /// The number of words and ends of sentences.
    public var tokenCount = 0
    /// The number of words that the model has no entry for.
    public var unknownCount = 0
    /// Each token of one line in the text's order, then the end; empty unless they are asked for.
    public var tokens: [TokenScore] = []

    /// Creates the score of no lines.
    public init() {}

    /// Adds the score of other lines.
    public mutating func add(_ other: Score) {
      logProbability += other.logProbability
      logProbabilityOfUnknown += other.logProbabilityOfUnknown
      tokenCount += other.tokenCount
      unknownCount += other.unknownCount
    }

    /// exp(- mean log-probability), including unknown words; `nil` if there are no tokens.
    public var perplexity: Double? {
      tokenCount > 0 ? LogSpace.exp(-logProbability / Double(tokenCount)) : nil
    }

    /// The perplexity without unknown words, but with the ends of sentences.
    public var perplexityOfKnown: Double? {
      let known = tokenCount - unknownCount
      return known > 0
        ? LogSpace.exp(-(logProbability - logProbabilityOfUnknown) / Double(known)) : nil
    }
  }

  /// The score of one token.
  public struct TokenScore: Hashable, Sendable {
    /// The token; `nil` for an unknown word of a model without an entry for it.
    public let token: Token?
    /// The token's natural log-probability.
    public let logProbability: Double
    /// The length of the longest listed n-gram used: 1 for the token alone, 0 if it has no entry;
    /// `nil` for models without n-grams.
    public let length: Int?
  }

  /// Whether to score the end of each text.
  public var countsEnd = true
  /// Whether each score lists its tokens.
  public var keepsTokens = false

  /// log10 probability of a word without an entry if the model has no unknown token; as in KenLM.
  public static let logProbabilityOfUnlisted = -100 * logOf10

  private let model: NGramModel
  private var tokenizer: Tokenizer
  /// Finds words between white space; `nil` if texts are divided otherwise.
  private let table: WordTable?
  private var words: [WordTable.Word] = []
  /// The tokens of the current line.
  private var tokens: [UInt32] = []

  /// Creates a scorer that divides texts as the model's training did.
  public init(_ model: NGramModel) {
    self.model = model
    tokenizer = Tokenizer(for: model.vocabulary)
    table = tokenizer.tokenization == .whitespace ? WordTable(model.vocabulary) : nil
  }

  /// The score of one line.
  public mutating func score(_ line: String) -> Score {
    let composed = model.vocabulary.spacing == .joined ? line : NFC.of(line)
    return unsafe Array(composed.utf8).withUnsafeBytes { unsafe score($0) }
  }

  /// Scores all lines of a file and hands each over; `-` is standard input.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - isLossy: whether U+FFFD is put in place of what is no UTF-8.
  ///   - isCancelled: asked while there is nothing to read yet.
  ///   - body: takes a line and its score.
  /// - Throws: `LoadError` where the file cannot be read, is no valid UTF-8 or reading was
  ///   cancelled, or what `body` throws.
  public mutating func score(
    path: String, isLossy: Bool = false,
    isCancelled: @escaping @Sendable () -> Bool = { false },
    _ body: (String, Score) throws -> Void
  ) throws {
    var scorer = self
    try unsafe Self.forEachLine(
      of: path, model.vocabulary, isLossy: isLossy, isCancelled: isCancelled
    ) { text, bytes in
      if let bytes = unsafe bytes {
        try body(text, unsafe scorer.score(bytes))
      } else {
        try body(text, scorer.score(text))
      }
    }
  }

  /// Reads the lines of a file, which must not hold the symbols of a model of n-grams.
  ///
  /// - Parameters:
  ///   - path: the file; `-` is standard input.
  ///   - vocabulary: the tokens of the model; `nil` for models that read symbols as plain text.
  ///   - isLossy: whether U+FFFD is put in place of what is no UTF-8.
  ///   - isCancelled: asked while there is nothing to read yet.
  ///   - body: takes a line, and its bytes if they are ASCII.
  /// - Throws: `LoadError`, or what `body` throws.
  static func forEachLine(
    of path: String, _ vocabulary: Vocabulary?, isLossy: Bool,
    isCancelled: @escaping @Sendable () -> Bool,
    _ body: (String, UnsafeRawBufferPointer?) throws -> Void
  ) throws {
    let stream = try ByteStream(path: path, isCancelled: isCancelled)
    var offset = 0
    try unsafe stream.forEachLine { bytes, number in
      var isASCII: UInt8 = 0
      for i in 0..<bytes.count { isASCII |= unsafe bytes[i] }
      let text = unsafe String(decoding: bytes, as: UTF8.self)
      if isASCII >= 0x80, !isLossy, let place = unsafe firstInvalidUTF8(bytes) {
        let byte = unsafe bytes[place]
        throw LoadError(
          .badData, path: path, place: .line(number),
          "found the byte 0x\(String(byte, radix: 16, uppercase: true)) at byte "
            + "\(stream.markCount + offset + place), "
            + "which is no UTF-8 there; convert the text, or give --lossy to put U+FFFD in its place"
        )
      }
      offset += bytes.count + 1
      if let vocabulary, let (symbol, column) = ModelSymbols.first(in: text, of: vocabulary) {
        throw LoadError(
          .badData, path: path, place: .column(line: number, column: column),
          ModelSymbols.message(symbol, in: "text"))
      }
      try unsafe body(text, isASCII < 0x80 ? bytes : nil)
    }
  }

  /// The score of a line of valid UTF-8 in NFC.
  mutating func score(_ line: UnsafeRawBufferPointer) -> Score {
    var score = Score()
    var context = model.makeContext()
    tokens.removeAll(keepingCapacity: true)
    if let table {
      unsafe table.append(line, to: &tokens, words: &words)
    } else {
      unsafe tokenizer.forEachToken(of: line, in: model.vocabulary) {
        tokens.append($0?.rawValue ?? WordTable.none)
      }
    }
    if model.readsBackward { tokens.reverse() }
    let unknown = model.vocabulary.unknown
    for number in tokens {
      let token = number == WordTable.none ? nil : Token(rawValue: number)
      // Its length is that of the context before it.
      let length =
        keepsTokens ? (token ?? unknown).map { model.gramLength(of: $0, in: context) } : 0
      let logProbability: Double
      if let token, token != unknown {
        logProbability = model.advance(&context, scoring: token)
      } else {
        score.unknownCount += 1
        if let unknown {
          logProbability = model.advance(&context, scoring: unknown)
        } else {
          logProbability = Self.logProbabilityOfUnlisted
          context = model.makeEmptyContext()
        }
        score.logProbabilityOfUnknown += logProbability
      }
      score.logProbability += logProbability
      if keepsTokens {
        score.tokens.append(
          TokenScore(
            token: token ?? unknown, logProbability: logProbability, length: length ?? 0))
      }
    }
    score.tokenCount = tokens.count
    // Tokens are told in the order in which they are read.
    if model.readsBackward { score.tokens.reverse() }
    guard countsEnd else { return score }
    let end = model.vocabulary.end
    let logProbability = model.logProbability(of: end, in: context)
    score.logProbability += logProbability
    score.tokenCount += 1
    if keepsTokens {
      score.tokens.append(
        TokenScore(
          token: end, logProbability: logProbability,
          length: model.gramLength(of: end, in: context)))
    }
    return score
  }
}
