// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

private func places(_ texts: [([Int], prompt: Int)]) -> [TransformPlace] {
  texts.map { text, prompt in
    TransformPlace([0.2, -1.5, 1, 0.3, -0.7, 2], after: text, promptCount: prompt)
  }
}

private let texts = places([
  ([], 0), ([1], 1), ([1, 2, 3, 1, 2, 3, 1, 2], 3), ([5, 5, 5, 5], 0), ([2, 3, 4, 2, 3], 4),
  ([1, 2, 1, 2, 3, 1, 2, 1, 2], 2), ([4, 1, 2, 5, 4, 3, 1, 2, 5], 0),
])

/// Weights whose logarithms move by so much.
private func moved(
  _ p: [Double], _ place: TransformPlace, _ change: (Int, Double) -> Double
) -> [Double] {
  p.indices.map { p[$0] * LogSpace.exp(change($0, place.logits[$0])) }
}

private func counts(_ text: some Sequence<Token>, _ token: Int) -> Double {
  Double(text.count { $0.index == token })
}

/// The longest copy of the text's end that a token followed, compared letter by letter.
private func longestCopy(_ text: [Token], before token: Int, breakers: Set<Token>) -> Int {
  var longest = 0
  for place in text.indices where text[place].index == token {
    var length = 0
    while length < place, text[place - 1 - length] == text[text.count - 1 - length],
      !breakers.contains(text[place - 1 - length])
    {
      length += 1
    }
    longest = max(longest, length)
  }
  return breakers.contains(Token(token)) ? 0 : longest
}

private func dry(_ breakers: Set<Token>, allowed: Int = 2) -> TransformCase.Definition {
  { p, place in
    moved(p, place) { token, _ in
      let length = longestCopy(place.text, before: token, breakers: breakers)
      return length < allowed
        ? 0 : -0.5 * LogSpace.exp(Double(length - allowed) * LogSpace.log(1.75))
    }
  }
}

private func repeated(_ n: Int, within text: [Token], after whole: [Token]) -> Set<Int> {
  guard whole.count >= n - 1, text.count >= n else { return [] }
  return Set(
    (0...text.count - n).filter { text[$0..<$0 + n - 1].elementsEqual(whole.suffix(n - 1)) }
      .map { text[$0 + n - 1].index })
}

private func without(_ gone: Set<Int>, _ p: [Double]) -> [Double] {
  p.indices.map { gone.contains($0) ? 0 : p[$0] }
}

private let historyCases: [TransformCase] = [
  TransformCase(
    "repetition", { try RepetitionPenalty(1.5) },
    { p, place in
      moved(p, place) { token, logit in
        counts(place.text, token) == 0 ? 0 : (logit < 0 ? logit * 1.5 : logit / 1.5) - logit
      }
    },
    mutant: { p, place in
      moved(p, place) { token, logit in counts(place.text, token) == 0 ? 0 : logit / 1.5 - logit }
    }),
  TransformCase(
    "repetition, window, prompt and exempt",
    {
      try RepetitionPenalty(
        1.5, scope: RepetitionScope(window: 3, exempt: [Token(3)], countsPrompt: false))
    },
    { p, place in
      moved(p, place) { token, logit in
        token == 3 || counts(place.text.dropFirst(place.promptCount).suffix(3), token) == 0
          ? 0 : (logit < 0 ? logit * 1.5 : logit / 1.5) - logit
      }
    },
    mutant: { p, place in
      moved(p, place) { token, logit in
        token == 3 || counts(place.text.suffix(3), token) == 0
          ? 0 : (logit < 0 ? logit * 1.5 : logit / 1.5) - logit
      }
    }),
  TransformCase(
    "frequency", { try FrequencyPenalty(0.4) },
    { p, place in moved(p, place) { token, _ in -0.4 * counts(place.text, token) } },
    mutant: { p, place in moved(p, place) { token, _ in -0.4 * min(1, counts(place.text, token)) } }
  ),
  TransformCase(
    "frequency, decay",
    { try FrequencyPenalty(0.4, scope: RepetitionScope(window: 1, decay: 3)) },
    { p, place in
      moved(p, place) { token, _ in
        -0.4
          * zip(place.text.reversed(), [1, 0.75, 0.5, 0.25]).reduce(0) {
            $0 + ($1.0.index == token ? $1.1 : 0)
          }
      }
    },
    mutant: { p, place in moved(p, place) { token, _ in -0.4 * counts(place.text.suffix(4), token) }
    }
  ),
  TransformCase(
    "presence", { try PresencePenalty(0.4) },
    { p, place in moved(p, place) { token, _ in -0.4 * min(1, counts(place.text, token)) } },
    mutant: { p, place in moved(p, place) { token, _ in -0.4 * counts(place.text, token) } }),
  TransformCase(
    "presence, decay",
    { try PresencePenalty(0.4, scope: RepetitionScope(window: 0, decay: 3)) },
    { p, place in
      moved(p, place) { token, _ in
        -0.4
          * (zip(place.text.reversed(), [0.75, 0.5, 0.25]).filter { $0.0.index == token }
            .map(\.1).max() ?? 0)
      }
    },
    mutant: { p, place in
      moved(p, place) { token, _ in -0.4 * min(1, counts(place.text.suffix(3), token)) }
    }),
  TransformCase(
    "no repeat", { try NoRepeatNGram(3) },
    { p, place in without(repeated(3, within: place.text, after: place.text), p) },
    mutant: { p, place in without(repeated(4, within: place.text, after: place.text), p) }),
  TransformCase(
    "no repeat behind the prompt", { try NoRepeatNGram(2, countsPrompt: false) },
    { p, place in
      without(
        repeated(
          2, within: Array(place.text.dropFirst(place.promptCount)), after: place.text), p)
    },
    mutant: { p, place in without(repeated(2, within: place.text, after: place.text), p) }),
  TransformCase(
    "dry", { try RepeatedSuffixPenalty(multiplier: 0.5) }, dry([]), mutant: dry([], allowed: 1)),
  TransformCase(
    "dry with breakers",
    {
      try RepeatedSuffixPenalty(multiplier: 0.5, allowedLength: 1, breakers: [Token(1), Token(3)])
    },
    dry([Token(1), Token(3)], allowed: 1), mutant: dry([], allowed: 1)),
  TransformCase(
    "token bias", { try TokenBias([Token(1): 2, Token(4): -.infinity]) },
    { p, place in moved(p, place) { token, _ in token == 1 ? 2 : token == 4 ? -.infinity : 0 } },
    mutant: { p, place in moved(p, place) { token, _ in token == 1 ? 2 : 0 } }),
  TransformCase(
    "sequence bias",
    {
      try SequenceBias([
        ([Token(2), Token(3)], 1.5), ([Token(5)], -1), ([Token(5), Token(5)], 0.5),
      ])
    },
    { p, place in
      moved(p, place) { token, _ in
        (token == 3 && place.text.last == Token(2) ? 1.5 : 0) + (token == 5 ? -1 : 0)
          + (token == 5 && place.text.last == Token(5) ? 0.5 : 0)
      }
    },
    mutant: { p, place in
      moved(p, place) { token, _ in token == 3 ? 1.5 : token == 5 ? -1 : 0 }
    }),
  TransformCase(
    "forbid", { try ForbiddenSequences([[Token(2), Token(3)], [Token(4)]]) },
    { p, place in
      without(place.text.last == Token(2) ? [3, 4] : [4], p)
    }, mutant: { p, _ in without([3, 4], p) }),
  TransformCase(
    "forced", { try ForcedTokens([0: Token(3), 5: Token(1)]) },
    { p, place in
      switch place.text.count - place.promptCount {
      case 0: without([0, 1, 2, 4, 5], p)
      case 5: without([0, 2, 3, 4, 5], p)
      default: p
      }
    },
    mutant: { p, place in place.text.isEmpty ? without([0, 1, 2, 4, 5], p) : p }),
  TransformCase(
    "minimum", { try MinimumLength(4) },
    { p, place in place.text.count - place.promptCount < 4 ? without([0], p) : p },
    mutant: { p, place in place.text.count < 4 ? without([0], p) : p }),
  TransformCase(
    "maximum", { try MaximumLength(5) },
    { p, place in place.text.count - place.promptCount >= 5 ? without([1, 2, 3, 4, 5], p) : p },
    mutant: { p, place in place.text.count >= 5 ? without([1, 2, 3, 4, 5], p) : p }),
  TransformCase(
    "end decay", { try EndDecay(start: 2, factor: 1.5) },
    { p, place in
      let steps = max(0, place.text.count - place.promptCount - 2)
      return moved(p, place) { token, logit in
        token == 0 ? abs(logit) * ((0..<steps).reduce(1) { power, _ in power * 1.5 } - 1) : 0
      }
    },
    mutant: { p, place in
      let steps = max(0, place.text.count - 2)
      return moved(p, place) { token, logit in
        token == 0 ? abs(logit) * ((0..<steps).reduce(1) { power, _ in power * 1.5 } - 1) : 0
      }
    }),
]

@Suite struct HistoryTransformExactTests {
  @Test(arguments: historyCases)
  func isItsDefinition(one: TransformCase) throws {
    #expect(
      transformDefect(of: [try one.transform()], at: texts, against: one.definition) < 1e-12)
    #expect(transformDefect(of: [try one.transform()], at: texts, against: one.mutant) > 1e-3)
  }

  /// A removed token stays removed, but where a transform says that it must come.
  @Test func removedTokensStayRemoved() throws {
    let place = TransformPlace([-.infinity, 0, 1], after: [1, 1, 1, 1])
    for transform: any NextTokenTransform in [
      try TokenBias([Token(0): 5]), try SequenceBias([([Token(0)], 5)]),
      try EndDecay(start: 0, factor: 2), try FrequencyPenalty(-1),
    ] {
      #expect(law(of: TransformChain([transform]), at: place)?[0] == 0)
    }
    #expect(law(of: TransformChain([try MaximumLength(4)]), at: place) == [1, 0, 0])
    #expect(law(of: TransformChain([try ForcedTokens([4: Token(0)])]), at: place) == [1, 0, 0])
  }

  /// What the penalty remembers of a growing text is what it would find in the whole text.
  @Test(arguments: [[], [Token(3)]] as [Set<Token>], [1, 2, 3])
  func repeatedSuffixesAreFollowed(breakers: Set<Token>, allowed: Int) throws {
    let logits = [0.2, -1.5, 1, 0.3]
    let penalty = try RepeatedSuffixPenalty(
      multiplier: 0.5, allowedLength: allowed, breakers: breakers)
    var growing = TransformChain([penalty])
    var choices = RandomChoices(seed: 3)
    var text: [Int] = []
    for _ in 0..<120 {
      let place = TransformPlace(logits, after: text)
      let weights = dry(breakers, allowed: allowed)(logits.map { LogSpace.exp($0) }, place)
      let found = try #require(law(of: growing, at: place))
      let total = weights.reduce(0, +)
      #expect(zip(found, weights).allSatisfy { abs($0 - $1 / total) < 1e-12 })
      var next = NextTokens(count: 4, ends: [Token(0)])
      next.setText(place.text, promptCount: 0)
      try next.begin(logits)
      try growing.apply(to: &next, using: &choices)
      // Blocks that come again, and breaks between them.
      let token =
        choices.chance(0.7) && text.count > 9
        ? text[text.count - 7] : 1 + choices.index(below: 3)
      growing.accept(Token(token), logProbability: 0)
      text.append(token)
    }
  }

  @Test func beyondAllNumbers() throws {
    let loop = TransformPlace([0.5, 0, 1], after: [Int](repeating: 1, count: 3000))
    #expect(law(of: TransformChain([try EndDecay(start: 0, factor: 2)]), at: loop) == [1, 0, 0])
    #expect(law(of: TransformChain([try RepeatedSuffixPenalty(multiplier: 1)]), at: loop)?[1] == 0)
  }

  @Test func severalEndsShareTheForcedEnd() throws {
    let place = TransformPlace(
      [0.2, 0.3, 0.5].map { LogSpace.log($0) }, after: [1], ends: [0, 1])
    let law = try #require(law(of: TransformChain([try MaximumLength(1)]), at: place))
    #expect(abs(law[0] - 0.4) < 1e-12 && abs(law[1] - 0.6) < 1e-12 && law[2] == 0)
  }
}
