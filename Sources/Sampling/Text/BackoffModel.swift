// Licensed under the Apache License, Version 2.0.

/// A model that backs off from long contexts to shorter ones.
///
/// Exact sums, screens and look-aheads need such a model.
public protocol BackoffModel: FiniteContextModel {
  /// The number of tokens in the longest n-gram.
  var order: Int { get }

  /// The linear probability of each token without context, indexed by token, including the end
  /// symbol.
  var unigramWeights: [Double] { get }

  /// The same model cut to n-grams of at most `order` tokens.
  ///
  /// - Parameter order: positive; if it is not below the model's own, the result is the model
  ///   itself.
  /// - Returns: the smaller model.
  /// - Throws: an error if there is no memory for it.
  func lowered(to order: Int) throws -> Self

  /// The model's contexts and the tokens that they list, as exact inference reads them.
  ///
  /// - Parameter fluency: the exponent of all probabilities.
  /// - Returns: the automaton of the model's contexts.
  func makeBackoffAutomaton(fluency: Double) -> BackoffAutomaton
}
