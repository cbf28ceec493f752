// Licensed under the Apache License, Version 2.0.

public import Sampling

extension NGramModel {
  /// The contexts of the model and the tokens that they list, in the form that exact inference
  /// reads.
  ///
  /// Contexts that no text can have (those with an unknown token) are left out. A token that the
  /// model never extends is a context that backs off with weight one. A power of a back-off model
  /// is a back-off model, too: `(backoff p)^f = backoff^f p^f`.
  ///
  /// - Parameter fluency: the exponent of all probabilities.
  /// - Returns: the automaton.
  /// - Complexity: O(n-grams).
  public func makeBackoffAutomaton(fluency: Double = 1) -> BackoffAutomaton {
    guard layout == .fast else {
      guard let fast = try? NGramModel(makeTrie(), layout: .fast) else {
        preconditionFailure("every model has a fast layout")
      }
      return fast.makeBackoffAutomaton(fluency: fluency)
    }
    let size = vocabulary.count
    let scale = fluency * logOf10
    func weight(_ log10: Double) -> Double { LogSpace.exp(scale * log10) }
    // Context 0, the single tokens, then longer contexts that list tokens or have a back-off
    // weight.
    var lastTokens: [UInt32] = [0] + (0..<UInt32(size))
    var failures = [UInt32](repeating: 0, count: size + 1)
    var backoffs = [1.0] + (0..<size).map { weight(backoff(0, $0)) }
    var heads = [0]
    var tokens: [UInt32] = []
    var weights: [Double] = []
    var targets: [UInt32] = []
    for word in 0..<size {
      let token = Token(word)
      guard vocabulary.isDrawable(token) || token == vocabulary.end else { continue }
      tokens.append(UInt32(word))
      weights.append(weight(probability(0, word)))
      targets.append(UInt32(word) + 1)
    }
    heads.append(tokens.count)
    // For each n-gram of the order, the longest context that it ends in.
    var contexts = (1...UInt32(size)).map { $0 }
    // The n-grams that texts can contain, as contexts, with their numbers in their order.
    var nodes: [(node: Int, context: UInt32)] = (0..<size).compactMap { word in
      let token = Token(word)
      return token != vocabulary.end && token != vocabulary.unknown ? (word, UInt32(word) + 1) : nil
    }
    for k in 1..<max(1, order) {
      let suffixes = self.suffixes(ofLevel: k)
      var following = [UInt32](repeating: 0, count: counts[k])
      var next: [(node: Int, context: UInt32)] = []
      let isTop = k == order - 1
      // Contexts of single tokens exist even if they list nothing.
      func close(before context: Int) {
        while heads.count <= context { heads.append(tokens.count) }
      }
      for (node, context) in nodes {
        close(before: Int(context))
        let (low, high) = children(k, of: node)
        for child in stride(from: low, to: high, by: 1) {
          let word = self.word(k, child)
          let token = Token(rawValue: word)
          let shorter = contexts[Int(suffixes[child])]
          following[child] = shorter
          if token == vocabulary.end {
            tokens.append(word)
            weights.append(weight(probability(k, child)))
            targets.append(word + 1)
            continue
          }
          guard vocabulary.isDrawable(token) else { continue }
          if !isTop, unsafe levels[k].extends(child, true) {
            following[child] = UInt32(lastTokens.count)
            next.append((child, following[child]))
            lastTokens.append(word)
            failures.append(shorter)
            backoffs.append(weight(backoff(k, child)))
          }
          tokens.append(word)
          weights.append(weight(probability(k, child)))
          targets.append(following[child])
        }
      }
      contexts = following
      nodes = next
    }
    while heads.count <= lastTokens.count { heads.append(tokens.count) }
    return BackoffAutomaton(
      vocabulary: vocabulary, start: vocabulary.start.index + 1, lastTokens: lastTokens,
      failures: failures, backoffs: backoffs, heads: heads, tokens: tokens, weights: weights,
      targets: targets)
  }
}
