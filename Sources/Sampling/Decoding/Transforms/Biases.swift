// Licensed under the Apache License, Version 2.0.

/// Numbers added to the logits of some tokens.
///
/// Reference: the `logit_bias` of OpenAI's completion interface.
///
/// **Edge cases.** Minus infinity forbids the token. A removed token stays removed.
public struct TokenBias: NextTokenTransform {
  /// What is added to which token.
  public let biases: [Token: Double]

  /// Biases that are numbers below plus infinity.
  public init(_ biases: [Token: Double]) throws(DecodingError) {
    for (token, bias) in biases.sorted(by: { $0.key < $1.key }) where !(bias < .infinity) {
      throw .argument("bias", "what is added to token \(token) is a number below infinity", bias)
    }
    self.biases = biases
  }

  /// `bias`.
  public var name: String { "bias" }

  /// True.
  public var dependsOnLogitsAlone: Bool { true }

  /// Adds.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    for (token, bias) in biases where token.index < next.count { next[token] += bias }
  }
}

/// Numbers added to the logit of a token that completes a sequence.
///
/// A sequence of one token is always about to be completed. Each sequence adds its own number,
/// whether it begins in the prompt or not.
///
/// Reference: transformers' `SequenceBiasLogitsProcessor`.
///
/// **Edge cases.** Minus infinity forbids. A removed token stays removed.
public struct SequenceBias: NextTokenTransform {
  /// What is added, by sequence.
  public let biases: [(sequence: [Token], bias: Double)]
  private let written: String

  /// Biases that are numbers below plus infinity, of sequences that are not empty.
  ///
  /// - Parameters:
  ///   - biases: what is added, by sequence.
  ///   - written: the same as the user wrote it, for messages.
  /// - Throws: where a sequence is empty, or a bias is no number below plus infinity.
  public init(
    _ biases: [(sequence: [Token], bias: Double)], written: String = ""
  ) throws(DecodingError) {
    for (sequence, bias) in biases {
      guard !sequence.isEmpty else {
        throw .argument("bias", "a sequence has at least 1 token", sequence)
      }
      guard bias < .infinity else {
        throw .argument("bias", "what is added to \(sequence) is a number below infinity", bias)
      }
    }
    self.biases = biases
    self.written = written
  }

  /// `bias`, and what was written.
  public var name: String { written.isEmpty ? "bias" : "bias \(written)" }

  /// Whether all sequences are single tokens.
  public var dependsOnLogitsAlone: Bool { biases.allSatisfy { $0.sequence.count == 1 } }

  /// Adds where a sequence is about to be completed.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    for (sequence, bias) in biases {
      guard let last = sequence.last, last.index < next.count,
        next.endsWithAllButLast(of: sequence)
      else { continue }
      next[last] += bias
    }
  }
}

/// Sequences that may not be completed: bad words.
///
/// Reference: transformers' `NoBadWordsLogitsProcessor`.
///
/// **Edge cases.** A sequence that the prompt already holds is none of its business.
public struct ForbiddenSequences: NextTokenTransform {
  /// What may not be completed.
  public let sequences: [[Token]]
  private let written: String

  /// Sequences that are not empty.
  ///
  /// - Parameters:
  ///   - sequences: what may not be completed.
  ///   - written: the same as the user wrote it, for messages.
  /// - Throws: where a sequence is empty.
  public init(_ sequences: [[Token]], written: String = "") throws(DecodingError) {
    guard sequences.allSatisfy({ !$0.isEmpty }) else {
      throw .argument("forbid", "a sequence has at least 1 token", sequences)
    }
    self.sequences = sequences
    self.written = written
  }

  /// `forbid`, and what was written.
  public var name: String { written.isEmpty ? "forbid" : "forbid \(written)" }

  /// Whether all sequences are single tokens.
  public var dependsOnLogitsAlone: Bool { sequences.allSatisfy { $0.count == 1 } }

  /// Removes tokens that would complete one.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    for sequence in sequences {
      guard let last = sequence.last, last.index < next.count,
        next.endsWithAllButLast(of: sequence)
      else { continue }
      next.remove(last)
    }
  }
}

/// Tokens that must come at given places after the prompt, whatever the model says.
///
/// Reference: transformers' `ForcedBOSTokenLogitsProcessor` and its like.
///
/// **Edge cases.** A forced token need not be left; its logit becomes 0.
public struct ForcedTokens: NextTokenTransform {
  /// The token by place, 0 being the first behind the prompt.
  public let tokens: [Int: Token]

  /// Tokens at places that are 0 or more.
  public init(_ tokens: [Int: Token]) throws(DecodingError) {
    for place in tokens.keys.sorted() where place < 0 {
      throw .argument("forced", "a place behind the prompt is 0 or more", place)
    }
    self.tokens = tokens
  }

  /// `forced`.
  public var name: String { "forced" }

  /// Removes all others at those places.
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
