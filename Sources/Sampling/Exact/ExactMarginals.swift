// Licensed under the Apache License, Version 2.0.

/// The probabilities of tokens at places, and of lengths, for a draw.
public struct ExactMarginals: Sendable {
  /// For each place and token, the probability that the text has this token there.
  public let tokens: [[Double]]
  /// For each number of tokens, the probability that the text has this length.
  public let lengths: [Double]

  /// The mean number of tokens.
  public var expectedLength: Double {
    lengths.enumerated().reduce(0) { $0 + Double($1.offset) * $1.element }
  }

  /// The probability that the text has a token at a place; places count from 0.
  public func probability(of token: Token, at place: Int) -> Double {
    tokens.indices.contains(place) ? tokens[place][token.index] : 0
  }
}

extension ExactInference {
  /// Computes the probabilities of all tokens at all places, and of all lengths.
  ///
  /// They are the derivatives of the log evidence, computed in one forward pass. If texts may have
  /// any length, places that they reach with at most the tolerance are left out.
  ///
  /// **Accuracy.** An absolute error of some units in the last place of 1 for each token, because
  /// small probabilities are differences of large ones.
  ///
  /// - Parameter proceed: called before each place; `false` stops, and later places and lengths are
  ///   then missing.
  /// - Returns: the probabilities.
  /// - Complexity: O(arcs x automaton states x length) time, O(contexts x automaton states +
  ///   vocabulary x length) memory.
  public func marginals(proceed: () -> Bool = { true }) -> ExactMarginals {
    var tokens: [[Double]] = []
    var lengths: [Double] = []
    // The derivative of the log evidence with respect to each context's message in each state.
    var width = layers.columns(0).count
    var slopes = [Double](repeating: 0, count: model.contextCount * width)
    slopes[model.start * width + layers.startColumn] = 1 / messages.startValue
    var window = messages.window(from: 0)
    for count in 0..<layers.most {
      // For texts of any length, longer texts than these are too rare to count.
      if layers.isEndless, tokens.last.map({ $0.reduce(0, +) <= tolerance }) ?? false {
        return ExactMarginals(tokens: tokens, lengths: lengths)
      }
      guard proceed() else { return ExactMarginals(tokens: tokens, lengths: lengths) }
      if count >= window.end { window = messages.window(from: count) }
      let rows = window[count]
      // The same with respect to the messages as predecessors see them.
      var seen = [Double](repeating: 0, count: model.contextCount * width)
      for context in model.order.reversed().lazy.map({ Int($0) }) {
        let own = context * width
        guard (own..<own + width).contains(where: { slopes[$0] != 0 }) else { continue }
        for arc in model.arcs[context].lazy.map({ Int($0) }) {
          let lower = Int(model.lowerTargets[arc]) * width
          let correction = model.corrections[arc]
          for column in 0..<width { seen[lower + column] += correction * slopes[own + column] }
          guard model.isSplit[context] else { continue }
          let target = Int(model.targets[arc]) * width
          let weight = model.weights[arc]
          for column in 0..<width { seen[target + column] += weight * slopes[own + column] }
        }
        guard context > 0 else { continue }
        let shorter = Int(model.failures[context]) * width
        let backoff = model.backoffs[context]
        for column in 0..<width { slopes[shorter + column] += backoff * slopes[own + column] }
      }
      let nextWidth = layers.columns(count + 1).count
      var next = [Double](repeating: 0, count: model.contextCount * nextWidth)
      var places = [Double](repeating: 0, count: model.vocabulary.count)
      var ended = 0.0
      let classCount = layers.automaton.classCount
      let steps = (0..<classCount).map { c in
        (0..<width).map { column in
          (
            column: layers.step(count, column, class: c).column,
            factor: messages.steps(count).factor(column, class: c)
          )
        }
      }
      for context in 1..<model.contextCount {
        let token = Token(rawValue: model.lastTokens[context])
        if context == model.end {
          for column in 0..<width {
            ended += seen[context * width + column] * rows[context, column]
          }
          continue
        }
        guard model.vocabulary.isDrawable(token) else { continue }
        let row = steps[Int(layers.automaton.classes[token.index])]
        for column in 0..<width {
          let (after, factor) = row[column]
          let slope = seen[context * width + column]
          guard after >= 0, slope != 0 else { continue }
          places[token.index] += slope * rows[context, column]
          next[context * nextWidth + after] += slope * factor
        }
      }
      tokens.append(places.map { min(1, max(0, $0)) })
      lengths.append(min(1, max(0, ended)))
      slopes = next
      width = nextWidth
    }
    var ended = 0.0
    for context in 0..<model.contextCount {
      for column in 0..<width { ended += slopes[context * width + column] * messages.ends[context] }
    }
    lengths.append(min(1, max(0, ended)))
    return ExactMarginals(tokens: tokens, lengths: lengths)
  }
}
