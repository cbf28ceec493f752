// Licensed under the Apache License, Version 2.0.

/// Only what goes on with spans copied from a source text.
///
/// A token is let through where it follows, in the source, a copy of the text's last `length` - 1
/// tokens; where no such copy goes on, of as many fewer as do, and a span begins anew. So each
/// `length` tokens in a row stand in the source, but where a span begins at the other's end. The
/// end is always let through. ``SparseSoftmax`` behind it leaves few continuations to choose from.
///
/// Reference: Su 2021, "SPACES: extract and generate" (kexue.fm), BIO-copy, which masks all tokens
/// that form no n-gram of the source, with sparse softmax.
///
/// **Edge cases.** A prompt counts as text: what follows goes on with its last tokens, if the source
/// holds them. Where the model or a transform before gives no continuation of a copy a probability,
/// a shorter copy is sought; if none is left at all, the chain says so.
///
/// **Complexity.** O(source x length) a token.
public struct CopiedSpans: NextTokenTransform {
  /// The source's runs of tokens; no span reaches from one to another.
  public let source: [[Token]]
  /// How many tokens in a row stand in the source.
  public let length: Int

  /// Spans of a positive length from a source that holds a token.
  public init(of source: [[Token]], length: Int) throws(DecodingError) {
    guard length >= 1 else { throw .argument("copy", "a span has at least 1 token", length) }
    guard source.contains(where: { !$0.isEmpty }) else {
      throw .argument("copy", "a source holds at least 1 token of the model", "none")
    }
    self.source = source
    self.length = length
  }

  /// `copy LENGTH`.
  public var name: String { "copy \(length)" }

  /// Removes what continues no span.
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
