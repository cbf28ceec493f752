// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

private let toy = BigramTable.toy

/// All texts that a sampler can draw, with their probabilities.
private func texts(_ rules: DecodingRules) -> [DecodedText: Double] {
  let sampler = AncestralSampler(rules)
  return outcomes { choices in try? sampler.draw(from: toy, using: &choices) }
    .reduce(into: [:]) { if let text = $1.key { $0[text] = $1.value } }
}

/// The law of drawing some texts one after another, those drawn before left out.
private func sequentialLaw(_ texts: [DecodedText: Double], _ count: Int) -> [[DecodedText]: Double]
{
  var law: [[DecodedText]: Double] = [[]: 1]
  for _ in 0..<count {
    var longer: [[DecodedText]: Double] = [:]
    for (drawn, probability) in law {
      let left = texts.filter { !drawn.contains($0.key) }
      let total = left.values.reduce(0, +)
      for (text, p) in left { longer[drawn + [text]] = probability * p / total }
    }
    law = longer
  }
  return law
}

@Suite struct DistinctSamplerExactTests {
  @Test(arguments: [1, 2, 3])
  func keepsTheSequentialLaw(count: Int) throws {
    for rules in try [
      DecodingRules(maxTokens: 3),
      DecodingRules(transforms: [Temperature(2), TopK(2, keepsEnd: true)], maxTokens: 3),
    ] {
      let sampler = try DistinctSampler(rules)
      let law = outcomes { choices in
        (try? sampler.draw(count, from: toy, using: &choices))?.texts ?? []
      }
      let all = texts(rules)
      let expected = sequentialLaw(all, count)
      #expect(totalVariation(law, expected) < 1e-12)
      // Sets too, whatever the order.
      let sets = law.reduce(into: [:]) { $0[Set($1.key), default: 0] += $1.value }
      let expectedSets = expected.reduce(into: [:]) { $0[Set($1.key), default: 0] += $1.value }
      #expect(totalVariation(sets, expectedSets) < 1e-12)
      // Each says what it would weigh if drawn alone.
      for text in law.keys.joined() {
        #expect(abs(LogSpace.exp(text.logDrawn) - all[text, default: 0]) < 1e-12)
      }
      guard count > 1 else { continue }
      // Mutant: what is left below a beginning is forgotten, so that its first token keeps its share.
      let mutant = expected.reduce(into: [[DecodedText]: Double]()) { law, one in
        let drawn = one.key[0]
        let first = one.key[1].text.first
        let share = all.filter { $0.key.text.first == first }.values.reduce(0, +)
        let rest = share - (drawn.text.first == first ? all[drawn, default: 0] : 0)
        let second = all[one.key[1], default: 0]
        let others = 1 - all[drawn, default: 0]
        law[one.key] = one.value * (share * second / rest) / (second / others)
      }
      #expect(totalVariation(law, mutant) > 1e-3)
    }
  }

  @Test func drawsAllWhereThereAreFewer() throws {
    let rules = try DecodingRules(maxTokens: 2)
    let all = texts(rules)
    #expect(all.count == 7)
    for seed in UInt64(1)...3 {
      var choices = RandomChoices(seed: seed)
      let drawn = try DistinctSampler(rules).draw(100, from: toy, using: &choices)
      #expect(Set(drawn.texts) == Set(all.keys))
      #expect(drawn.texts.count == all.count)
      #expect(drawn.remaining.count == all.count + 1 && drawn.remaining.last == 0)
      #expect(drawn.remaining.allSatisfy { $0 <= 1 })
      for (place, text) in drawn.texts.enumerated() {
        let difference = drawn.remaining[place] - drawn.remaining[place + 1]
        #expect(abs(difference - LogSpace.exp(text.logDrawn)) < 1e-12)
      }
      let time = drawn.raceTime(using: &choices)
      #expect(time == .infinity)
      #expect(DistinctTexts.logInclusion(logProbability: -700, before: time) == 0)
    }
    var choices = RandomChoices(seed: 1)
    let none = try DistinctSampler(rules).draw(0, from: toy, using: &choices)
    #expect(none.texts.isEmpty && none.remaining == [1])
  }

  /// The little that is left keeps its digits: behind a text of nearly all the probability the others
  /// come in proportion.
  @Test func littleIsLeft() throws {
    let rules = try DecodingRules(
      transforms: [TokenBias([toy.vocabulary.end: 60])], maxTokens: 3)
    let sampler = try DistinctSampler(rules)
    let all = texts(rules)
    let law = outcomes { choices in
      (try? sampler.draw(2, from: toy, using: &choices))?.texts.last
    }
    let others = all.filter { $0.key.text.count > 0 }
    let total = others.values.reduce(0, +)
    for (text, p) in others where p / total > 1e-9 {
      #expect(abs(law[text, default: 0] - p / total) < 1e-12)
    }
  }

  /// With the time of the next text as the limit, 1 / q times whether a text is drawn has the mean 1.
  ///
  /// The time is a sum of exponential times of the rates left; its density is summed up by Simpson's
  /// rule, whose error at this step is below 1e-9.
  @Test(arguments: [1, 2])
  func inclusionIsUnbiased(count: Int) {
    let p = [0.5, 0.3, 0.15, 0.05]
    func mean(of i: Int, _ logInclusion: (Double) -> Double) -> Double {
      var sum = 0.0
      func walk(_ drawn: [Int], _ probability: Double, _ rates: [Double]) {
        let left = rates[rates.count - 1]
        if drawn.count == count {
          guard drawn.contains(i) else { return }
          let steps = 40_000
          let width = 40 / left / Double(steps)
          var integral = 0.0
          for step in 1...steps {
            let time = Double(step) * width
            var density = 0.0
            for j in rates.indices {
              var term = rates[j] * LogSpace.exp(-rates[j] * time)
              for k in rates.indices where k != j { term *= rates[k] / (rates[k] - rates[j]) }
              density += term
            }
            integral +=
              (step == steps ? 1 : step % 2 == 1 ? 4 : 2) * density
              / LogSpace.exp(logInclusion(time))
          }
          // The first point: the density rises as time^count, q as p x time.
          if count == 1 { integral += rates[0] * rates[1] / p[i] }
          sum += probability * integral * width / 3
          return
        }
        for j in p.indices where !drawn.contains(j) {
          walk(drawn + [j], probability * p[j] / left, rates + [left - p[j]])
        }
      }
      walk([], 1, [1])
      return sum
    }
    for i in p.indices {
      let defect = abs(
        mean(of: i) { DistinctTexts.logInclusion(logProbability: LogSpace.log(p[i]), before: $0) }
          - 1)
      #expect(defect < 1e-8)
      // Mutant: as if drawn with replacement.
      let odds = 1 - (0..<count).reduce(1.0) { product, _ in product * (1 - p[i]) }
      #expect(count == 1 || abs(mean(of: i) { _ in LogSpace.log(odds) } - 1) > 1e-3)
    }
  }

  @Test func raceTimes() throws {
    var choices = Halves()
    let rules = try DecodingRules(maxTokens: 3)
    let drawn = try DistinctSampler(rules).draw(2, from: toy, using: &choices)
    let expected = drawn.remaining.reduce(0) { $0 + LogSpace.log(2) / $1 }
    #expect(abs(drawn.raceTime(using: &choices) - expected) < 1e-12)
    #expect(abs(DistinctTexts.logInclusion(logProbability: -50, before: 1) + 50) < 1e-12)
  }

  @Test func refusesRandomTransforms() {
    #expect(throws: DecodingError.self) {
      try DistinctSampler(
        DecodingRules(transforms: [TopChoiceExclusion(probability: 0.5, threshold: 0.1)]))
    }
  }

  /// Texts that time cuts are none of the model's.
  @Test func stopsWhenTimeIsUp() throws {
    let rules = try DecodingRules(maxTokens: 3, isTimeUp: { true })
    var choices = RandomChoices(seed: 1)
    #expect(try DistinctSampler(rules).draw(5, from: toy, using: &choices).texts.isEmpty)
  }
}

/// Always the middle, and the first of positive weight.
private struct Halves: ChoiceSource {
  func index(below count: Int) -> Int { count / 2 }
  func chance(_ probability: Double) -> Bool { true }
  func index(weights: borrowing Span<Double>) -> Int {
    weights.indices.first { weights[$0] > 0 } ?? 0
  }
}
