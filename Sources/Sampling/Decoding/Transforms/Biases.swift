// Licensed under the Apache License, Version 2.0.

/// Adds numbers to the logits of some tokens.
///
/// Reference: the `logit_bias` of OpenAI's completion interface.
///
/// **Edge cases.** Minus infinity forbids a token. A removed token stays removed.
public struct TokenBias: NextTokenTransform {
  /// The number to add for each token.
  public let biases: [Token: Double]

  /// Creates the transform; each bias is a number below plus infinity.
  public init(_ biases: [Token: Double]) throws(DecodingError) {
    for (token, bias) in biases.sorted(by: { $0.key < $1.key }) where !(bias < .infinity) {
      throw .argument("bias", "the bias of token \(token) is a number below infinity", bias)
    }
    self.biases = biases
  }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `bias`.
  public var name: String { "bias" }

  /// True, because it reads only the logits.
  public var dependsOnLogitsAlone: Bool { true }

  /// Adds the biases to the logits.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    for (token, bias) in biases where token.index < next.count { next[token] += bias }
  }
}

/// Adds numbers to the logits of tokens that complete a sequence.
///
/// A sequence of one token can always be completed. Each sequence adds its own number, even if it
/// begins in the prompt.
///
/// Reference: transformers' `SequenceBiasLogitsProcessor`.
///
/// **Edge cases.** Minus infinity forbids a completion. A removed token stays removed.
public struct SequenceBias: NextTokenTransform {
  /// The number to add for each sequence.
  public let biases: [(sequence: [Token], bias: Double)]
  private let written: String

  /// Creates the transform; each bias is a number below plus infinity.
  ///
  /// - Parameters:
  ///   - biases: the sequences, which aren't empty, and the numbers to add.
  ///   - written: the biases as the user wrote them, for messages.
  /// - Throws: if a sequence is empty or a bias is not a number below plus infinity.
  public init(
    _ biases: [(sequence: [Token], bias: Double)], written: String = ""
  ) throws(DecodingError) {
    for (sequence, bias) in biases {
      guard !sequence.isEmpty else {
        throw .argument("bias", "a sequence has at least 1 token", sequence)
      }
      guard bias < .infinity else {
        throw .argument("bias", "the bias of \(sequence) is a number below infinity", bias)
      }
    }
    self.biases = biases
    self.written = written
  }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `bias` and what the user wrote.
  public var name: String { written.isEmpty ? "bias" : "bias \(written)" }

  /// True if all sequences are single tokens.
  public var dependsOnLogitsAlone: Bool { biases.allSatisfy { $0.sequence.count == 1 } }

  /// Adds the bias of every sequence that a token would complete.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    for (sequence, bias) in biases {
      guard let last = sequence.last, last.index < next.count,
        next.endsWithAllButLast(of: sequence)
      else { continue }
      next[last] += bias
    }
  }
}

/// Forbids tokens that complete certain sequences ("bad words").
///
/// Reference: transformers' `NoBadWordsLogitsProcessor`.
///
/// **Edge cases.** It does not matter if the prompt already contains such a sequence.
public struct ForbiddenSequences: NextTokenTransform {
  /// The sequences that may not be completed.
  public let sequences: [[Token]]
  private let written: String

  /// Creates the transform.
  ///
  /// - Parameters:
  ///   - sequences: the sequences that may not be completed; none of them is empty.
  ///   - written: the sequences as the user wrote them, for messages.
  /// - Throws: if a sequence is empty.
  public init(_ sequences: [[Token]], written: String = "") throws(DecodingError) {
    guard sequences.allSatisfy({ !$0.isEmpty }) else {
      throw .argument("forbid", "a sequence has at least 1 token", sequences)
    }
    self.sequences = sequences
    self.written = written
  }

  /// Returns `true`: it only removes tokens, given the text before them.
  public var forbids: Bool { true }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `forbid` and what the user wrote.
  public var name: String { written.isEmpty ? "forbid" : "forbid \(written)" }

  /// True if all sequences are single tokens.
  public var dependsOnLogitsAlone: Bool { sequences.allSatisfy { $0.count == 1 } }

  /// Removes the tokens that would complete a sequence.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    for sequence in sequences {
      guard let last = sequence.last, last.index < next.count,
        next.endsWithAllButLast(of: sequence)
      else { continue }
      next.remove(last)
    }
  }
}

/// Forces certain tokens at given places after the prompt.
///
/// Reference: transformers' `ForcedBOSTokenLogitsProcessor` and similar classes.
///
/// **Edge cases.** A forced token may have been removed before; its logit becomes 0.
public struct ForcedTokens: NextTokenTransform {
  /// The token at each place; place 0 is the first one after the prompt.
  public let tokens: [Int: Token]

  /// Creates the transform; places are 0 or more.
  public init(_ tokens: [Int: Token]) throws(DecodingError) {
    for place in tokens.keys.sorted() where place < 0 {
      throw .argument("forced", "a place after the prompt is 0 or more", place)
    }
    self.tokens = tokens
  }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `forced`.
  public var name: String { "forced" }

  /// Removes all other tokens at these places.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard let token = tokens[next.text.count - next.promptCount], token.index < next.count
    else { return }
    next.force(token)
  }
}

extension NextTokens {
  fileprivate func endsWithAllButLast(of sequence: [Token]) -> Bool {
    let length = sequence.count - 1
    guard length <= text.count else { return false }
    for i in 0..<length where text[text.count - length + i] != sequence[i] { return false }
    return true
  }
}
