// Licensed under the Apache License, Version 2.0.

/// Keeps only tokens that continue spans copied from a source text.
///
/// A token is kept if, in the source, it follows a copy of the text's last `length` - 1 tokens. If
/// no such copy can be continued, shorter copies are tried, and finally a new span begins. So every
/// `length` tokens in a row come from the source, except where one span ends and another begins.
/// The end is always kept. Put ``SparseSoftmax`` after this transform to keep few continuations.
///
/// Reference: Su 2021, "SPACES: extract and generate" (kexue.fm), BIO-copy, which masks all tokens
/// that form no n-gram of the source, with sparse softmax.
///
/// **Edge cases.** The prompt counts as text, so the first span continues its last tokens if the
/// source contains them. If the model or an earlier transform gives probability 0 to all
/// continuations of a copy, a shorter copy is tried. If no token is left at all, the chain fails
/// with a message.
///
/// **Complexity.** O(source x length) per token.
public struct CopiedSpans: NextTokenTransform {
  /// The token runs of the source; a span stays within one run.
  public let source: [[Token]]
  /// The number of tokens in a row that come from the source.
  public let length: Int

  /// Creates the transform; the length is positive, and the source contains at least one token.
  public init(of source: [[Token]], length: Int) throws(DecodingError) {
    guard length >= 1 else { throw .argument("copy", "a span has at least 1 token", length) }
    guard source.contains(where: { !$0.isEmpty }) else {
      throw .argument("copy", "a source contains at least 1 token of the model", "none")
    }
    self.source = source
    self.length = length
  }

  /// Returns `true`: it only removes tokens, given the text before them.
  public var forbids: Bool { true }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `copy LENGTH`.
  public var name: String { "copy \(length)" }

  /// Removes the tokens that continue no span.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    var copied = min(length - 1, next.text.count)
    var allowed: Set<Token> = []
    while true {
      let last = next.text.suffix(copied)
      for run in source where run.count > copied {
        for start in 0..<run.count - copied
        where next[run[start + copied]] > -.infinity
          && run[start..<start + copied].elementsEqual(last)
        {
          allowed.insert(run[start + copied])
        }
      }
      guard allowed.isEmpty, copied > 0 else { break }
      copied -= 1
    }
    for token in next.candidates where !allowed.contains(token) && !next.isEnd(token) {
      next.remove(token)
    }
  }
}
