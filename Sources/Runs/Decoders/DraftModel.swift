// Licensed under the Apache License, Version 2.0.

package import LM
package import Sampling

/// A model that drafts tokens, which the model itself verifies.
package struct DraftModel: Sendable {
  let model: any LanguageModel
  let decoder: SpeculativeDecoder

  /// Translates a model into the tokens of another one.
  ///
  /// A model over the tokens of a neural one needs no translation.
  ///
  /// - Parameters:
  ///   - draft: the model that drafts, of n-grams.
  ///   - model: the model that verifies.
  ///   - length: the most tokens of a draft.
  ///   - rules: the rules of each text.
  /// - Throws: if the two models share no token.
  package init(
    _ draft: LoadedModel, for model: LoadedModel, length: Int, _ rules: DecodingRules
  ) throws {
    decoder = try SpeculativeDecoder(length: length, rules)
    if model.isNeural, let grams = draft.chainModel as? NGramModel, grams.ownerOfTokens != nil {
      self.model = try model.companion(draft, for: "--draft").chainModel
      return
    }
    let respelled = RespelledModel(
      try draft.ngrams(.finiteContext, for: "--draft"), in: model.vocabulary)
    guard respelled.sharedCount > 0 else {
      throw RunError(
        .data,
        "draft '\(draft.name)' shares no token with the model; a draft needs the same language and "
          + "tokenization")
    }
    self.model = respelled
  }
}
