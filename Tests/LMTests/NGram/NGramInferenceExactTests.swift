// Licensed under the Apache License, Version 2.0.

import LM
import Sampling
import SamplingLaws
import Testing

/// Exact inference against sums over every text, on models with all that ARPA files hold.
@Suite struct NGramInferenceExactTests {
  /// A target small enough to write down.
  struct Space: Sendable, CustomTestStringConvertible {
    var order: Int
    var automaton: Kind
    var fluency = 1.0
    var length: ClosedRange<Int>? = 0...3

    enum Kind: Sendable { case none, hard, soft, forced, bounded, sets }

    var testDescription: String {
      "order \(order), \(automaton), fluency \(fluency), length \(String(describing: length))"
    }

    func target() throws -> SentenceTarget<NGramModel, TokenAutomaton> {
      let model = try NGramWordsExactTests.model(order: order)
      return SentenceTarget(
        model: model, constraint: try makeAutomaton(model.vocabulary), fluency: fluency)
    }

    func makeAutomaton(_ vocabulary: Vocabulary) throws -> TokenAutomaton? {
      let words = (0..<vocabulary.count).map { Token($0) }.filter(vocabulary.isDrawable)
      switch automaton {
      case .none: return nil
      case .hard: return NGramInferenceExactTests.random(vocabulary, seed: 3, isSoft: false)
      case .soft: return NGramInferenceExactTests.random(vocabulary, seed: 8, isSoft: true)
      case .forced:
        // One word at each place.
        let dead = TokenAutomaton.dead
        var classes = [UInt32](repeating: 2, count: vocabulary.count)
        classes[words[0].index] = 0
        classes[words[1].index] = 1
        return TokenAutomaton(
          start: 0, classes: classes, classCount: 3,
          transitions: [1, dead, dead, dead, 2, dead, 3, dead, dead, dead, dead, dead],
          finalWeights: [-.infinity, -.infinity, -.infinity, 0])
      case .bounded:
        return try TokenAutomaton(lengths: 1...3, vocabulary: vocabulary).product(
          NGramInferenceExactTests.random(vocabulary, seed: 11, isSoft: true))
      case .sets:
        // Which of three words were read: as many states as the vector kernel takes at a time, and
        // a class of words that leave them as they are.
        var classes = (0..<vocabulary.count).map {
          UInt32(vocabulary.isDrawable(Token($0)) ? 3 : 4)
        }
        for (i, word) in words.prefix(3).enumerated() { classes[word.index] = UInt32(i) }
        return TokenAutomaton(
          start: 0, classes: classes, classCount: 5,
          transitions: (0..<8).flatMap { (set: UInt32) in
            [set | 1, set | 2, set | 4, set, TokenAutomaton.dead]
          },
          weights: (0..<40).map { Double($0 % 7) / 10 },
          finalWeights: (0..<8).map { $0 == 0 ? -.infinity : 0 })
      }
    }
  }

  static let spaces =
    [1, 2, 3, 5].flatMap { order in
      [
        Space(order: order, automaton: .none),
        Space(order: order, automaton: .hard, length: 1...3),
        Space(order: order, automaton: .soft, length: 2...3),
        Space(order: order, automaton: .forced, length: nil),
        Space(order: order, automaton: .bounded, length: nil),
        Space(order: order, automaton: .soft, fluency: 1.7),
        Space(order: order, automaton: .hard, fluency: 0.4),
      ]
    } + [
      Space(order: 3, automaton: .soft, length: 0...4),
      Space(order: 2, automaton: .none, length: 4...4),
    ] + [2, 3, 5].map { Space(order: $0, automaton: .sets, length: 1...4) }

  /// Four states, three classes, a third of the transitions dead.
  static func random(_ vocabulary: Vocabulary, seed: UInt64, isSoft: Bool) -> TokenAutomaton {
    var choices = RandomChoices(seed: seed)
    let classes = (0..<vocabulary.count).map { token in
      vocabulary.isDrawable(Token(token)) ? UInt32(choices.index(below: 3)) : 3
    }
    var transitions: [TokenAutomaton.State] = []
    var weights: [Double] = []
    for _ in 0..<4 {
      for c in 0..<4 {
        let isDead = c == 3 || choices.index(below: 3) == 0
        transitions.append(
          isDead ? TokenAutomaton.dead : TokenAutomaton.State(choices.index(below: 4)))
        weights.append(isSoft ? Double(choices.index(below: 4000)) / 1000 - 2 : 0)
      }
    }
    let finals = (0..<4).map { state in
      state % 2 == 0 ? isSoft ? Double(state) / 2 : 0 : -Double.infinity
    }
    return TokenAutomaton(
      start: 0, classes: classes, classCount: 4, transitions: transitions, weights: weights,
      finalWeights: finals)
  }

  /// Every allowed text with its weight.
  static func texts(
    _ target: SentenceTarget<NGramModel, TokenAutomaton>, _ length: ClosedRange<Int>?
  ) -> [TokenSequence: Double] {
    let vocabulary = target.model.vocabulary
    let words = (0..<vocabulary.count).map { Token($0) }.filter(vocabulary.isDrawable)
    var all: [TokenSequence: Double] = [:]
    var layer: [[Token]] = [[]]
    for count in 0...(length?.upperBound ?? 4) {
      if length?.contains(count) ?? true {
        for text in layer {
          let weight = LogSpace.exp(target.logProbability(of: TokenSequence(text)))
          if weight > 0 { all[TokenSequence(text)] = weight }
        }
      }
      layer = layer.flatMap { text in words.map { text + [$0] } }
    }
    return all
  }

  static func relative(_ a: Double, _ b: Double) -> Double { abs(a / b - 1) }

  @Test(arguments: spaces)
  func evidenceIsTheSumOverAllTexts(space: Space) throws {
    let target = try space.target()
    let exact = try NGramInference(target: target, length: space.length)
    let sum = Self.texts(target, space.length).values.reduce(0, +)
    #expect(Self.relative(LogSpace.exp(exact.logEvidence), sum) < 1e-12)
  }

  /// A text's probability is the product of its tokens': each is enumerated by itself.
  ///
  /// With one attempt much of a token's law is that of the whole vocabulary.
  @Test(arguments: spaces.filter { TestData.isDeep || $0.order < 4 && $0.length != 4...4 })
  func drawsFollowTheTarget(space: Space) throws {
    var space = space
    // Rejections branch at each level: long contexts are enumerated in short texts.
    if space.order > 2, let length = space.length { space.length = min(2, length.lowerBound)...2 }
    let attempts = space.order > 2 ? 1 : 2
    let target = try space.target()
    let exact = try NGramInference(target: target, length: space.length, attempts: attempts)
    let texts = Self.texts(target, space.length)
    let sum = texts.values.reduce(0, +)
    var defect = 0.0
    var drawn = 0
    var open: [(text: [Token], probability: Double)] = [([], 1)]
    while let (text, probability) = open.popLast() {
      let law = outcomes { choices in
        exact.inference.drawToken(after: text, using: &choices)
      }
      for (token, share) in law {
        if let token {
          open.append((text + [token], probability * share))
        } else {
          drawn += 1
          let truth = (texts[TokenSequence(text)] ?? 0) / sum
          defect = max(
            defect, Self.relative(probability * share, truth),
            Self.relative(LogSpace.exp(exact.logProbability(of: TokenSequence(text))), truth))
        }
      }
    }
    #expect(drawn == texts.count)
    #expect(defect < 1e-12)
  }

  @Test(arguments: [
    Space(order: 2, automaton: .soft, length: 1...2),
    Space(order: 3, automaton: .hard, length: 0...1),
    Space(order: 3, automaton: .forced, length: nil),
  ])
  func wholeDrawsFollowTheTarget(space: Space) throws {
    let target = try space.target()
    let exact = try NGramInference(target: target, length: space.length, attempts: 1)
    let texts = Self.texts(target, space.length)
    let sum = texts.values.reduce(0, +)
    let law = outcomes { choices in exact.draw(using: &choices) }
    #expect(Set(law.keys) == Set(texts.keys))
    #expect(
      texts.allSatisfy { text, weight in Self.relative(law[text] ?? 0, weight / sum) < 1e-12 })
  }

  @Test(arguments: spaces)
  func predicatesHaveTheirShare(space: Space) throws {
    let target = try space.target()
    let exact = try NGramInference(target: target, length: space.length)
    let texts = Self.texts(target, space.length)
    // Its weights are not to count.
    let predicate = Self.random(target.model.vocabulary, seed: 21, isSoft: true)
    let share = texts.reduce(0) { sum, text in
      sum + (predicate.logWeight(of: text.key) > -.infinity ? text.value : 0)
    }
    let probability = try exact.probability(of: predicate)
    #expect(abs(probability - share / texts.values.reduce(0, +)) < 1e-12)
  }

  /// Absolute: they come out of differences.
  @Test(arguments: spaces)
  func marginalsAreSharesOfAllTexts(space: Space) throws {
    let target = try space.target()
    let marginals = try NGramInference(target: target, length: space.length).marginals()
    let texts = Self.texts(target, space.length)
    let sum = texts.values.reduce(0, +)
    var lengths = [Double](repeating: 0, count: 5)
    var tokens = [[Double]](
      repeating: [Double](repeating: 0, count: target.model.vocabulary.count), count: 5)
    for (text, weight) in texts {
      lengths[text.count] += weight / sum
      for (place, token) in text.enumerated() { tokens[place][token.index] += weight / sum }
    }
    var defect = 0.0
    for place in 0..<5 {
      let length = marginals.lengths.indices.contains(place) ? marginals.lengths[place] : 0
      defect = max(defect, abs(length - lengths[place]))
      for token in tokens[place].indices {
        let probability = marginals.probability(of: Token(token), at: place)
        defect = max(defect, abs(probability - tokens[place][token]))
      }
    }
    #expect(defect < 1e-12)
    let mean = texts.reduce(0) { $0 + Double($1.key.count) * $1.value / sum }
    #expect(abs(marginals.expectedLength - mean) < 1e-11)
  }

  /// A real model: three words in any order among at most four, every such text scored by itself.
  @Test(TestData.isNeeded)
  func keywordsOnWikiText() throws {
    let path = TestData.path("corpora/en/wikitext2/valid.txt")
    let model = try NGramModel(NGramTrainer(.init(order: 3)).train([path]).0)
    let vocabulary = model.vocabulary
    let keywords = try ["war", "river", "album"].map { try #require(vocabulary.token($0)) }
    let dead = TokenAutomaton.dead
    var classes = (0..<vocabulary.count).map { vocabulary.isDrawable(Token($0)) ? UInt32(3) : 4 }
    for (i, keyword) in keywords.enumerated() { classes[keyword.index] = UInt32(i) }
    // The states are the sets of keywords read.
    let transitions = (0..<8).flatMap { (set: UInt32) in
      [set | 1, set | 2, set | 4, set, dead]
    }
    let target = SentenceTarget(
      model: model,
      constraint: TokenAutomaton(
        start: 0, classes: classes, classCount: 5, transitions: transitions,
        finalWeights: (0..<8).map { $0 == 7 ? 0 : -.infinity }))
    var texts: Set<[Token]> = []
    for i in 0..<3 {
      for j in 0..<3 where j != i {
        let three = [keywords[i], keywords[j], keywords[3 - i - j]]
        texts.insert(three)
        for word in 0..<vocabulary.count where vocabulary.isDrawable(Token(word)) {
          for place in 0...3 {
            var four = three
            four.insert(Token(word), at: place)
            texts.insert(four)
          }
        }
      }
    }
    let sum = texts.reduce(0) { $0 + LogSpace.exp(target.logProbability(of: TokenSequence($1))) }
    let exact = try NGramInference(target: target, length: 0...4)
    // Some hundred thousand terms are added up on the slow side.
    #expect(Self.relative(LogSpace.exp(exact.logEvidence), sum) < 1e-11)
  }

  /// Mutants: failure arcs that forget to take off what is listed.
  @Test(arguments: [2, 3, 5], [Space.Kind.soft, .sets])
  func forgettingToSubtractIsCaught(order: Int, kind: Space.Kind) throws {
    let target = try Space(order: order, automaton: kind).target()
    var mutant = target.model.makeBackoffAutomaton()
    mutant.forgetToSubtract()
    let automaton = try #require(target.constraint)
    let wrong = try ExactInference(mutant, automaton, length: 0...4)
    let sum = Self.texts(target, 0...4).values.reduce(0, +)
    #expect(Self.relative(LogSpace.exp(wrong.logEvidence), sum) > 1e-3)
  }

  /// What is computed again is what it was.
  @Test(arguments: spaces)
  func littleMemoryChangesNothing(space: Space) throws {
    let target = try space.target()
    let full = try NGramInference(target: target, length: space.length)
    var needed = 0
    do {
      _ = try NGramInference(target: target, length: space.length, memory: 1)
    } catch ExactInference.Fault.tooLarge(let bytes, _) {
      needed = bytes
    }
    let tight = try NGramInference(target: target, length: space.length, memory: needed)
    #expect(tight.logEvidence == full.logEvidence)
    let random = Philox(seed: 5)
    let draws = full.draws(0..<40, random: random)
    #expect(tight.draws(0..<40, random: random) == draws)
    #expect(tight.draws(20..<40, random: random, threads: 3) == Array(draws[20...]))
    var choices = RandomChoices(random.stream(7))
    #expect(tight.draw(using: &choices) == draws[7])
    #expect(tight.marginals().lengths == full.marginals().lengths)
    // Texts of equal weight come in any order.
    let best = try tight.inference.best(7, memory: needed).map(\.logWeight)
    #expect(try full.inference.best(7).map(\.logWeight) == best)
  }

  /// How far the weights of the first texts found are from the largest of all.
  static func bestDefect(
    _ exact: ExactInference, _ texts: [TokenSequence: Double], count: Int
  ) throws -> Double {
    let best = try exact.best(count)
    let largest = texts.values.sorted(by: >).prefix(count)
    guard best.count == largest.count, Set(best.map(\.text)).count == best.count else {
      return .infinity
    }
    return zip(best, largest).reduce(0) { defect, pair in
      max(
        defect, relative(texts[pair.0.text] ?? 0, pair.1),
        relative(LogSpace.exp(pair.0.logWeight), pair.1))
    }
  }

  @Test(arguments: spaces, [7, 1_000_000])
  func bestAreThoseOfLargestWeight(space: Space, count: Int) throws {
    let target = try space.target()
    let exact = try NGramInference(target: target, length: space.length)
    let texts = Self.texts(target, space.length)
    #expect(try Self.bestDefect(exact.inference, texts, count: count) < 1e-12)
  }

  /// Mutant: texts that are one token too long are searched, too.
  @Test func bestOfOtherTextsAreCaught() throws {
    let space = Space(order: 2, automaton: .soft, length: 2...2)
    let target = try space.target()
    let exact = try NGramInference(target: target, length: 2...3)
    #expect(try Self.bestDefect(exact.inference, Self.texts(target, 2...2), count: 7) > 1e-3)
  }

  /// A model whose start lists every so manieth token, the rest being left to context 0.
  struct Wide {
    let model: BackoffAutomaton
    /// The probability of each token to come first in texts of one or two.
    let law: [Token: Double]

    init(size: Int, every: Int) {
      let vocabulary = Vocabulary(
        spellings: (0..<size).map { "w\($0)".utf8 }, spacing: .joined, start: Token(1),
        end: Token(0), unknown: nil)
      var random = RandomChoices(seed: 2)
      let all = [0] + Array(2..<size)
      let some = all.filter { $0 % every == 1 }
      let weights = (all + some).map { _ in Double(1 + random.index(below: 1000)) / 1e6 }
      model = BackoffAutomaton(
        vocabulary: vocabulary, start: 2, lastTokens: [0] + (0..<UInt32(size)),
        failures: [UInt32](repeating: 0, count: size + 1),
        backoffs: [Double](repeating: 0.3, count: size + 1),
        heads: [0, all.count, all.count]
          + [Int](repeating: all.count + some.count, count: size - 1),
        tokens: (all + some).map { UInt32($0) }, weights: weights,
        targets: (all + some).map { UInt32($0) + 1 })
      // What comes after the first token has the same law whatever that is.
      var first: [Token: Double] = [:]
      for (i, token) in all.enumerated() where token > 0 { first[Token(token)] = 0.3 * weights[i] }
      for (i, token) in some.enumerated() { first[Token(token)] = weights[all.count + i] }
      let sum = first.values.reduce(0, +)
      law = first.mapValues { $0 / sum }
    }

    /// How far the law of a first token drawn by a model is from the truth.
    func defect(of model: BackoffAutomaton) throws -> Double {
      let exact = try ExactInference(
        model, TokenAutomaton(lengths: 1...2, vocabulary: model.vocabulary), attempts: 1)
      let drawn = outcomes { choices in exact.drawToken(after: [], using: &choices) }
      return law.reduce(0) {
        max($0, NGramInferenceExactTests.relative(drawn[$1.key] ?? 0, $1.value))
      }
    }
  }

  /// So many arcs that draws go by sums over blocks, and by sums over these.
  @Test(arguments: [(220, 3)] + TestData.deep([(2500, 2500)]))
  func blocksOfArcsChangeNoLaw(size: Int, every: Int) throws {
    let wide = Wide(size: size, every: every)
    #expect(try wide.defect(of: wide.model) < 1e-12)
  }

  @Test func forgettingToSubtractShowsInDraws() throws {
    let wide = Wide(size: 220, every: 3)
    var mutant = wide.model
    mutant.forgetToSubtract()
    #expect(try wide.defect(of: mutant) > 1e-3)
  }

  @Test func whatCannotBeSummedIsRefused() throws {
    let model = try NGramWordsExactTests.model(order: 2)
    let target = SentenceTarget(model: model)
    let two = SentenceTarget(
      model: model, constraint: try TokenAutomaton(lengths: 2...2, vocabulary: model.vocabulary))
    #expect(throws: ExactInference.Fault.impossible) {
      try NGramInference(target: two, length: 3...5)
    }
    #expect(throws: ExactInference.Fault.self) {
      try NGramInference(target: target, length: 0...5, memory: 100)
    }
  }

  /// No number of forced tokens makes the sums vanish.
  @Test func longTextsKeepTheirWeight() throws {
    let model = try NGramWordsExactTests.model(order: 3)
    let word = try #require(model.vocabulary.token("w3"))
    let dead = TokenAutomaton.dead
    let automaton = TokenAutomaton(
      start: 0, classes: (0..<model.vocabulary.count).map { $0 == word.index ? 0 : 1 },
      classCount: 2, transitions: [0, dead], finalWeights: [0])
    let target = SentenceTarget(model: model, constraint: automaton)
    let exact = try NGramInference(target: target, length: 500...500)
    let text = TokenSequence([Token](repeating: word, count: 500))
    let truth = target.logProbability(of: text)
    #expect(truth < -1000)
    #expect(abs(exact.logEvidence / truth - 1) < 1e-12)
    var choices = RandomChoices(seed: 1)
    #expect(exact.draw(using: &choices) == text)
  }
}
