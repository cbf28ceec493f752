// Licensed under the Apache License, Version 2.0.

public import Sampling

/// The sums of probabilities in a model's contexts.
///
/// A sound model has the sum 1 in each context. Edited files may not: if tokens were added without
/// lowering other probabilities, a context sums to more than 1, and so may the texts.
public struct ContextTotals: Hashable, Sendable {
  /// The smallest sum over all contexts.
  public fileprivate(set) var least = Double.infinity
  /// The largest sum over all contexts.
  public fileprivate(set) var most = -Double.infinity
  /// The context with the largest sum; the shortest if several have it.
  public fileprivate(set) var mostContext: [Token] = []

  /// Whether some sum exceeds 1 by more than rounding and quantisation explain.
  public var isOverOne: Bool { most > 1.05 }

  /// The context of the largest sum, in the form `after 'the sea'`.
  public func place(in vocabulary: Vocabulary) -> String {
    let spelled = mostContext.map(vocabulary.spelling)
    let text = spelled.joined(separator: vocabulary.spacing == .joined ? " " : "")
    return spelled.isEmpty ? "with no context" : "after '\(text.drop { $0 == " " })'"
  }
}

extension NGramModel {
  /// The sums over the tokens that count, in each context that can occur.
  ///
  /// - Parameter counts: whether a token counts. A token that does not count is part of no context,
  ///   except for the start symbol.
  /// - Returns: the least and the largest sum.
  /// - Complexity: O(n-grams x order).
  public func contextTotals(where counts: (Token) -> Bool) -> ContextTotals {
    var found = ContextTotals()
    // For each length, the sums of the contexts of that many tokens, by their node numbers.
    var totals: [[Double]] = [[0]]
    for index in 0..<vocabulary.count where counts(Token(index)) {
      totals[0][0] += LogSpace.exp(probability(0, index) * logOf10)
    }
    func note(_ total: Double, _ context: [Token]) {
      found.least = min(found.least, total)
      // Sums that differ only by rounding are equal; the shortest context is reported.
      guard total > found.most + 1e-9 else { return }
      (found.most, found.mostContext) = (total, context)
    }
    note(totals[0][0], [])
    for length in 1..<max(1, order) {
      var sums = [Double](repeating: 0, count: self.counts[length - 1])
      var words: [Token] = []
      /// Visits the contexts that begin like this one; `shorter` lacks its first token.
      func descend(_ node: Int, _ shorter: NGramContext) {
        guard words.count == length else {
          forEachChild(words.count, of: node) { child, word in
            let token = Token(rawValue: word)
            guard counts(token), token != vocabulary.end else { return }
            var following = shorter
            advance(&following, by: token)
            words.append(token)
            descend(child, following)
            words.removeLast()
          }
          return
        }
        var listed = 0.0
        var lower = 0.0
        forEachChild(length, of: node) { child, word in
          let token = Token(rawValue: word)
          guard counts(token) else { return }
          listed += LogSpace.exp(probability(length, child) * logOf10)
          lower += LogSpace.exp(logProbability(of: token, in: shorter))
        }
        let rest = totals[shorter.count][
          shorter.count == 0 ? 0 : shorter.node(ofLength: shorter.count)]
        // If a context lists all tokens, nothing is left over.
        sums[node] =
          listed + LogSpace.exp(backoff(length - 1, node) * logOf10) * max(0, rest - lower)
        note(sums[node], words)
      }
      for index in 0..<vocabulary.count {
        let token = Token(index)
        guard token == vocabulary.start || counts(token), token != vocabulary.end else { continue }
        words = [token]
        descend(index, makeEmptyContext())
      }
      totals.append(sums)
    }
    return found
  }
}
