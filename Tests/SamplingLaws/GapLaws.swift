// Licensed under the Apache License, Version 2.0.

public import Sampling

/// The largest relative error of a fast way of choosing tokens, over all gaps of some texts: of
/// what is drawn, and of what it says of each token's probability, against a slow twin.
///
/// One memory serves all gaps of a text, so that one that goes stale shows.
///
/// - Parameters:
///   - tokens: what is judged.
///   - oracle: what it should be.
///   - target: whose texts.
///   - texts: where.
/// - Returns: 0 for a perfect twin; infinite where one draws what the other cannot.
public func gapDefect<Target: TextTarget>(
  of tokens: some GapTokens<Target.Scorer>, against oracle: some GapTokens<Target.Scorer>,
  under target: Target, at texts: [TokenSequence]
) -> Double {
  var worst = 0.0
  for text in texts {
    let scorer = target.makeScorer(at: text)
    var memory = tokens.start(at: scorer)
    var oracleMemory = oracle.start(at: scorer)
    for low in 0...text.count {
      for high in low...min(low + 1, text.count) {
        let gap = Gap(low, high)
        let law = outcomes { choices in
          tokens.draw(for: gap, in: scorer, memory: &memory, using: &choices)?.token
        }
        for token in (0..<target.model.vocabulary.count).map({ Token($0) })
        where target.model.vocabulary.isDrawable(token) {
          let expected = LogSpace.exp(
            oracle.logProbability(of: token, for: gap, in: scorer, memory: &oracleMemory))
          let told = LogSpace.exp(
            tokens.logProbability(of: token, for: gap, in: scorer, memory: &memory))
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

/// The largest difference between what tokens say of a gap and what they say of the same place behind
/// a branch that the text itself makes, over all places of some texts.
public func branchDefect<Target: TextTarget>(
  of tokens: some BranchTokens<Target.Scorer>, under target: Target, at texts: [TokenSequence]
) -> Double {
  var worst = 0.0
  for text in texts {
    let scorer = target.makeScorer(at: text)
    var memory = tokens.start(at: scorer)
    for low in 0...text.count {
      for first in 0...low {
        var branch = scorer.branch(before: first)
        for place in first..<low { scorer.append(text[place], to: &branch) }
        for high in low...min(low + 1, text.count) {
          for token in (0..<target.model.vocabulary.count).map({ Token($0) })
          where target.model.vocabulary.isDrawable(token) {
            let here = tokens.logProbability(
              of: token, for: Gap(low, high), in: scorer, memory: &memory)
            let there = tokens.logProbability(
              of: token, after: branch, before: high, in: scorer, memory: &memory)
            if here != there { worst = max(worst, abs(here - there)) }
          }
        }
      }
    }
  }
  return worst
}
