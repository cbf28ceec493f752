// Licensed under the Apache License, Version 2.0.

internal import Neural
public import Sampling
internal import Synchronization

/// A masked network from a folder, such as BERT: probabilities of a token by both sides.
///
/// A text stands between the network's own first and last token (`[CLS]` and `[SEP]`). The token at
/// a place is hidden by the mask token. Its probabilities are the softmax over all tokens of the
/// network, also those that are never drawn. They come from single-precision activations, and are
/// the same to the bit in every batch and on any number of threads.
public struct MaskedNetwork: MaskedLanguageModel {
  /// The tokens that the network knows; tokens without a text are never drawn.
  public let vocabulary: Vocabulary
  /// The most tokens of a text.
  public let longestText: Int
  /// Which token sequences stand for texts: those that the tokenizer makes.
  public let spelling: any SpellingRule
  let encoder: SubwordEncoder
  private let network: Network
  private let first: Int32
  private let last: Int32
  private let mask: Int32
  private let shared = Shared()

  private final class Shared: Sendable {
    let failure = Mutex<LoadError?>(nil)
  }

  /// Opens a folder with `config.json`, safetensors and a tokenizer.
  ///
  /// - Throws: `LoadError` that names what is wrong with it.
  public init(path: String, threads: Int = 1) throws(LoadError) {
    do throws(NeuralError) {
      let file = try NetworkFile.open(path)
      try self.init(file.configuration, file.weights, file.makeTokenizer(), threads: threads)
    } catch {
      throw LoadError(.badData, path: path, error.description)
    }
  }

  /// Whether a path leads to a network that sees both sides and has a head.
  ///
  /// - Throws: `LoadError` if a neural model is there that cannot be read.
  public static func isMasked(path: String) throws(LoadError) -> Bool {
    guard NeuralModel.isNeural(path: path) else { return false }
    do throws(NeuralError) {
      let file = try NetworkFile.open(path)
      return file.configuration.isBidirectional && file.weights.head != nil
    } catch {
      throw LoadError(.badData, path: path, error.description)
    }
  }

  init(
    _ configuration: NetworkConfiguration, _ weights: NetworkWeights,
    _ tokenizer: any NetworkTokenizer, threads: Int = 1
  ) throws(NeuralError) {
    guard configuration.isBidirectional, weights.head != nil else {
      throw NeuralError(
        "it is no masked model (\(configuration.architecture.rawValue)"
          + (weights.head == nil ? ", without a head" : "")
          + "). Use a model like BERT, with a head.")
    }
    func special(_ spellings: [String]) throws(NeuralError) -> Int32 {
      for spelling in spellings {
        if let token = tokenizer.token(spelled: spelling),
          token < configuration.vocabularySize
        {
          return token
        }
      }
      throw NeuralError(
        "its tokenizer has no token \(spellings.joined(separator: " or ")), which a masked model "
          + "needs. Use the tokenizer that belongs to the model.")
    }
    let specials = [["[CLS]", "<s>"], ["[SEP]", "</s>"], ["[MASK]", "<mask>"]]
    first = try special(specials[0])
    last = try special(specials[1])
    mask = try special(specials[2])
    longestText = max(0, configuration.contextLength - 2)
    let size = configuration.vocabularySize
    let end = Int(last)
    let unknown = tokenizer.token(spelled: "[UNK]") ?? tokenizer.token(spelled: "<unk>")
    // The start symbol is one more, as in a causal network over the same tokens.
    vocabulary = Vocabulary(
      spellings: (0...size).map { $0 < tokenizer.count ? tokenizer.bytes(of: Int32($0)) : [] },
      spacing: tokenizer.addsBlank ? .carried : .none, start: Token(size), end: Token(end),
      unknown: nil,
      controls: (0..<size).filter {
        $0 != end
          && ($0 >= tokenizer.count || unknown.map(Int.init) == $0
            || tokenizer.isControl(Int32($0)) || tokenizer.bytes(of: Int32($0)).isEmpty)
      }.map { Token($0) })
    encoder = SubwordEncoder(tokenizer: tokenizer)
    spelling = CanonicalSpelling(tokenizer: tokenizer)
    network = Network(configuration, weights, threads: threads)
  }

  /// The first error that a question met.
  public var failure: (any Error)? { shared.failure.withLock { $0 } }

  /// Log-probabilities at one place, given all others.
  public func logProbabilities(at place: Int, in text: TokenSequence) -> [Double] {
    logProbabilities(at: [place], in: text)[0]
  }

  /// Log-probabilities at several places, each given all others, in one batch.
  public func logProbabilities(at places: [Int], in text: TokenSequence) -> [[Double]] {
    do throws(LoadError) {
      return try rows(at: places, in: text)
    } catch {
      shared.failure.withLock { $0 = $0 ?? error }
      return places.map { _ in [Double](repeating: -.infinity, count: vocabulary.count) }
    }
  }

  /// The pseudo-log-likelihood of a text by its tokens: the log-probability of each given all others.
  ///
  /// - Throws: `LoadError` if the text is too long, or if the network gives no number.
  public func pseudoLogProbabilities(of text: TokenSequence) throws(LoadError) -> [Double] {
    var logs: [Double] = []
    let places = Array(text.indices)
    // A bounded number of rows is held at a time.
    var start = 0
    while start < places.count {
      let some = Array(places[start..<min(start + 32, places.count)])
      for (place, row) in zip(some, try rows(at: some, in: text)) {
        logs.append(row[text[place].index])
      }
      start += some.count
    }
    return logs
  }

  /// The tokens of a text: special tokens spelled in it are text.
  ///
  /// - Throws: what the tokenizer throws, if a part of the text has no token.
  public func tokens(of text: String) throws -> TokenSequence {
    TokenSequence(try encoder.tokens(of: text))
  }

  private func rows(
    at places: [Int], in text: TokenSequence
  ) throws(LoadError) -> [[Double]] {
    let whole = [first] + text.map { Int32(truncatingIfNeeded: $0.index) } + [last]
    let masked = places.map { place in
      var tokens = whole
      tokens[place + 1] = mask
      return tokens
    }
    do throws(NeuralError) {
      return try network.encode(masked, wanted: places.map { [$0 + 1] }).map {
        logProbabilities($0[0])
      }
    } catch {
      throw LoadError(.badData, "the masked model: \(error.description)")
    }
  }

  /// The log-softmax of a row, for tokens that may be drawn.
  private func logProbabilities(_ logits: [Float]) -> [Double] {
    let most = Double(logits.max() ?? 0)
    let normaliser =
      most
      + LogSpace.log(
        logits.reduce(0) { $0 + LogSpace.exp(Double($1) - most) })
    var logs = [Double](repeating: -.infinity, count: vocabulary.count)
    for (token, logit) in logits.enumerated() where vocabulary.isDrawable(Token(token)) {
      logs[token] = Double(logit) - normaliser
    }
    return logs
  }
}
