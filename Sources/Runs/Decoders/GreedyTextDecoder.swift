// Licensed under the Apache License, Version 2.0.

package import LM
package import Sampling

/// `greedy`: the most probable token at each step, or contrastive search.
package struct GreedyTextDecoder: TextDecoder {
  package static let name = "greedy"

  package let rules: DecodingRules
  /// Weighs the similarity to earlier places; `nil` for the most probable token.
  private let contrastive: ContrastiveSearch?
  private let greedy: GreedyDecoder
  /// Drafts tokens; `nil` for none.
  package var draft: DraftModel?

  package init(_ rules: DecodingRules, contrastive: ContrastiveSearch? = nil) throws(DecodingError)
  {
    self.rules = rules
    self.contrastive = contrastive
    greedy = try GreedyDecoder(rules)
  }

  package var unit: String { "tokens" }
  package var work: Int { rules.maxTokens }
  package var showsGrowth: Bool { true }

  /// The only text.
  package func text(
    of model: LoadedModel, after prompt: TokenSequence, watch: (Token) -> Void = { _ in }
  ) throws -> DecodedText {
    if let contrastive {
      return try contrastive.decode(model.chainModel, after: prompt, watch: watch)
    }
    return try greedy.decode(model.chainModel, after: prompt, watch: watch)
  }

  package func run(_ recorder: DecodingRecorder) throws {
    func show(_ token: Token) {
      recorder.show(token)
      recorder.monitor.add(1)
    }
    recorder.begin()
    guard let draft else {
      let text = try text(of: recorder.model, after: recorder.prompt, watch: show)
      recorder.endProgress()
      return try recorder.write(text)
    }
    var tally = SpeculativeDecoder.Tally()
    let text = try draft.decoder.decode(
      recorder.model.chainModel, draft: draft.model, after: recorder.prompt, tally: &tally,
      watch: show)
    recorder.endProgress()
    try recorder.write(text)
    recorder.finish(draft: tally)
  }
}
