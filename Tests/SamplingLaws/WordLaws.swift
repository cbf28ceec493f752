// Licensed under the Apache License, Version 2.0.

public import Sampling

/// The largest relative error of a fast way of choosing words, over all gaps of some texts: of
/// what is drawn, and of what it says of each word's probability, against a slow twin.
///
/// - Parameters:
///   - words: what is judged.
///   - oracle: what it should be.
///   - target: whose texts.
///   - texts: where.
/// - Returns: 0 for a perfect twin; infinite where one draws what the other cannot.
public func wordDefect<Model: FiniteContextModel>(
  of words: some GapTokens<Model>, against oracle: some GapTokens<Model>,
  under target: SentenceTarget<Model, TokenAutomaton>, at texts: [TokenSequence]
) -> Double {
  var worst = 0.0
  for text in texts {
    let scorer = target.makeScorer(at: text)
    for low in 0...text.count {
      for high in low...min(low + 1, text.count) {
        let gap = Gap(low, high)
        let law = outcomes { choices in
          words.draw(for: gap, in: scorer, using: &choices)?.token
        }
        for token in (0..<target.model.vocabulary.count).map({ Token($0) })
        where target.model.vocabulary.isDrawable(token) {
          let expected = LogSpace.exp(oracle.logProbability(of: token, for: gap, in: scorer))
          let told = LogSpace.exp(words.logProbability(of: token, for: gap, in: scorer))
          let drawn = law[token] ?? 0
          if expected == 0 {
            if drawn > 0 || told > 0 { return .infinity }
          } else {
            worst = max(worst, abs(drawn / expected - 1), abs(told / expected - 1))
          }
        }
      }
    }
  }
  return worst
}
