// Licensed under the Apache License, Version 2.0.

/// A model that backs off from long contexts to shorter ones: what exact sums, screens and
/// look-aheads are made of.
public protocol BackoffModel: FiniteContextModel {
  /// The longest n-gram.
  var order: Int { get }

  /// The probability of each token without context, linear; by token, the end symbol's among them.
  var unigramWeights: [Double] { get }

  /// The same model cut to n-grams of at most so many tokens.
  ///
  /// - Parameter order: positive; from the model's own on, the result is the model itself.
  /// - Returns: a model over the same vocabulary.
  /// - Throws: where there is no memory for it.
  func lowered(to order: Int) throws -> Self

  /// The model's contexts and what they list, as exact inference reads them.
  ///
  /// - Parameter fluency: the exponent of all probabilities.
  /// - Returns: the contexts, to be multiplied with a constraint's automaton.
  func makeBackoffAutomaton(fluency: Double) -> BackoffAutomaton
}
