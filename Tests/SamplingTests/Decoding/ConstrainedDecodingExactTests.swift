// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

private let toy = BigramTable.toy

/// Up to four letters; each b adds half a nat, and one at least is asked for.
private func nats(_ text: TokenSequence) -> Double {
  let count = text.count { $0 == Token(3) }
  return count == 0 ? -.infinity : 0.5 * Double(count)
}

private let automaton = TokenAutomaton(toy, lengths: 0...4, weight: nats)

/// The log of the unnormalised target of each allowed text.
private func target(fluency: Double) -> [TokenSequence: Double] {
  let texts = toy.texts(ofLengths: 0...4).filter { nats($0) > -.infinity }
  return Dictionary(
    uniqueKeysWithValues: texts.map { ($0, fluency * toy.logProbability(of: $0) + nats($0)) })
}

@Suite struct ConstrainedDecodingExactTests {
  private func law(_ rules: DecodingRules) throws -> [DecodedText?: Double] {
    let sampler = AncestralSampler(rules)
    return outcomes { choices in try? sampler.draw(from: toy, using: &choices) }
  }

  /// What texts say of their weight differs from the target by so much, and the mean importance
  /// weight from the evidence.
  private func defect(
    _ law: [DecodedText?: Double], _ target: [TokenSequence: Double],
    weight: (DecodedText) -> Double
  ) -> Double {
    var worst = abs(Double(law.count - target.count))
    var evidence = 0.0
    for (text, probability) in law {
      guard let text, let expected = target[text.text], text.isFinished else { return .infinity }
      worst = max(worst, abs(weight(text) - expected))
      worst = max(worst, abs(LogSpace.exp(text.logDrawn) - probability))
      evidence += probability * LogSpace.exp(weight(text) - text.logDrawn)
    }
    return max(worst, abs(evidence - LogSpace.exp(LogSpace.sum(Array(target.values)))))
  }

  @Test(arguments: [1, 0.5, 2])
  func samplesCarryTheirWeight(fluency: Double) throws {
    let law = try law(DecodingRules(constraint: DecodingConstraint(automaton, fluency: fluency)))
    let target = target(fluency: fluency)
    #expect(defect(law, target) { $0.logTransformed } < 1e-12)
    // Mutants: what soft statements add is forgotten, or the share that is allowed.
    #expect(defect(law, target) { fluency * $0.logModel } > 1e-3)
    #expect(defect(law, target) { $0.logDrawn } > 1e-3)
    // They are no draws from the target.
    let logEvidence = LogSpace.sum(Array(target.values))
    let worst = law.map { text, probability in
      abs(probability - LogSpace.exp((text.flatMap { target[$0.text] } ?? 0) - logEvidence))
    }.max()
    #expect((worst ?? 0) > 1e-3)
  }

  /// A beam as wide as a step has continuations is a search of all allowed texts.
  @Test(arguments: [1, 0.5])
  func aWideBeamFindsTheBest(fluency: Double) throws {
    let rules = try DecodingRules(constraint: DecodingConstraint(automaton, fluency: fluency))
    let results = try BeamSearch(width: 60, rules).decode(toy)
    let expected = target(fluency: fluency).values.sorted(by: >)
    #expect(results.count == expected.count)
    for (result, score) in zip(results, expected) { #expect(abs(result.score - score) < 1e-12) }
  }

  /// Two of a word that the model puts behind itself once in ten times, in a beam of two.
  @Test func aNarrowBeamMeetsTheConstraint() throws {
    let model = BigramTable(
      letters: ["a", "b", "c"],
      rows: [
        [0.6, 0.01, 0.29, 0.1], [0.5, 0.01, 0.39, 0.1], [0.4, 0.1, 0.4, 0.1],
        [0.7, 0.01, 0.19, 0.1],
      ])
    let twice = TokenAutomaton(model, lengths: 0...6) { text in
      zip(text, text.dropFirst()).contains { $0 == Token(3) && $1 == Token(3) } ? 0 : -.infinity
    }
    let rules = try DecodingRules(constraint: DecodingConstraint(twice))
    let best = try #require(BeamSearch(width: 2, rules).decode(model).first)
    let all = model.texts(ofLengths: 0...6).filter { twice.logWeight(of: $0) == 0 }
    #expect(best.decoded.isFinished && twice.logWeight(of: best.decoded.text) == 0)
    #expect(abs(best.score - model.logProbability(of: best.decoded.text)) < 1e-12)
    #expect(all.contains(best.decoded.text))
  }

  /// The limit leaves room for the shortest completion, and every text is closed by it.
  @Test(arguments: [2, 3, 4])
  func everyTextIsClosedInTime(limit: Int) throws {
    let ba = TokenAutomaton(toy, lengths: 0...6) {
      $0.suffix(1) == toy.text("b").suffix(1) ? 0 : -.infinity
    }
    let law = try law(DecodingRules(maxTokens: limit, constraint: DecodingConstraint(ba)))
    for text in law.keys {
      let text = try #require(text)
      #expect(text.isFinished && text.text.count < limit && text.text.last == Token(3))
    }
    let rules = try DecodingRules(maxTokens: 1, constraint: DecodingConstraint(ba))
    #expect {
      _ = try GreedyDecoder(rules).decode(toy)
    } throws: { error in
      "\(error)"
        == "max-tokens 1 leaves no room for what is asked: the shortest allowed text has 2 tokens, its "
        + "end among them; give 2 or more"
    }
  }

  @Test func timeUpClosesByTheShortestWay() throws {
    let rules = try DecodingRules(constraint: DecodingConstraint(automaton), isTimeUp: { true })
    #expect(try GreedyDecoder(rules).decode(toy).text == toy.text("b"))
    #expect(try BeamSearch(rules).decode(toy).map(\.decoded.text) == [toy.text("b")])
    let open = try DecodingRules(isTimeUp: { true })
    let cut = try GreedyDecoder(open).decode(toy, after: toy.text("a"))
    #expect(cut.text == toy.text("a") && cut.ending == .timeUp && !cut.isFinished)
  }

  @Test func promptsThatCannotGoOn() throws {
    let noB = TokenAutomaton(toy, lengths: 0...4) { $0.contains(Token(3)) ? -.infinity : 0 }
    let rules = try DecodingRules(constraint: DecodingConstraint(noB))
    #expect {
      _ = try GreedyDecoder(rules).decode(toy, after: toy.text("ab"))
    } throws: { error in
      (error as? DecodingError)?.kind == .unmet
    }
    #expect(throws: DecodingError.self) {
      _ = try DecodingRules(
        stopTexts: StopTexts(["a"]), constraint: DecodingConstraint(automaton))
    }
  }

  /// A wrapper cannot end a text that is not allowed to end.
  @Test func theConstraintHasTheLastWord() throws {
    let rules = try DecodingRules(
      transforms: [SelfTerminating(0.9)], constraint: DecodingConstraint(automaton))
    for text in try law(rules).keys {
      #expect(try nats(#require(text).text) > -.infinity)
    }
  }

  @Test func explanations() throws {
    let rules = try DecodingRules(
      transforms: [TopK(1)], constraint: DecodingConstraint(automaton), explains: true)
    let decoded = try GreedyDecoder(rules).decode(toy)
    let first = try #require(decoded.steps.first)
    #expect(decoded.steps.count == decoded.text.count + 1)
    #expect(first.removals.map(\.name) == ["constraints", "top-k 1"])
    #expect(first.removals.map(\.count) == [1, 1])
    #expect(first.removals.map(\.foremost) == [[Token(1)], [Token(3)]])
    #expect(abs(first.removals[0].mass - 0.1) < 1e-12)
    // This automaton adds its weights at the end of a text.
    #expect(abs(first.removals[1].mass - 0.3 / 0.9) < 1e-12)
    #expect(first.logProbability == 0 && abs(first.logModel - LogSpace.log(0.6)) < 1e-12)
  }
}

@Suite struct StoppingExactTests {
  @Test func aStopTextInsideTokens() throws {
    let model = BigramTable(
      letters: ["ab", "cd"], rows: [[0.9, 0, 0.1], [0, 0.9, 0.1], [0.9, 0, 0.1]])
    let rules = try DecodingRules(stopTexts: StopTexts(["zz", "bc"]))
    let decoded = try GreedyDecoder(rules).decode(model)
    #expect(decoded.ending == .stop("bc", byteCount: 1) && decoded.isFinished)
    #expect(decoded.text == [Token(2), Token(3)])
    #expect(decoded.bytes(in: model.vocabulary) == Array("a".utf8))
    // What the prompt holds is none of its business.
    let prompted = try GreedyDecoder(rules).decode(model, after: [Token(2), Token(3)])
    #expect(prompted.ending == .stop("bc", byteCount: 5))
    let beam = try BeamSearch(width: 1, rules).decode(model)
    #expect(beam.map(\.decoded) == [decoded])
  }

  @Test func loops() throws {
    let detector = try LoopDetector(repetitions: 3, length: 6, longestBlock: 4)
    func block(_ text: String) -> [Token]? {
      detector.block(in: toy.text(text).tokens[...]).map { Array($0) }
    }
    #expect(block("abababab") == [Token(2), Token(3)])
    #expect(block("bbababab") == [Token(2), Token(3)])
    #expect(block("aaaaa") == nil)
    #expect(block("baaaaaa") == [Token(2)])
    #expect(block("abbabb") == nil)
    #expect(block("abbabbabb") == toy.text("abb").tokens)
    #expect(block("aaaabaaaabaaaab") == nil)
    #expect(block("") == nil)
    let model = BigramTable(letters: ["a"], rows: [[0.6, 0.4], [0.6, 0.4]])
    let rules = try DecodingRules(loops: LoopDetector())
    let decoded = try GreedyDecoder(rules).decode(model)
    #expect(decoded.ending == .loop([Token(2)]) && decoded.text.count == 12)
    #expect(!decoded.isFinished)
    let beam = try BeamSearch(width: 1, rules).decode(model)
    #expect(beam.map(\.decoded) == [decoded])
  }

  /// Whatever pieces a text comes in, what is handed out adds up to the text.
  @Test func growingTextTakesNothingBack() throws {
    let bytes: [[UInt8]] = [
      [], [], [0xE6], [0x98, 0xA5], [0x61], [0xE6, 0x98], [0xF0, 0x9F], [0xA5], [0x62, 0x63],
    ]
    let vocabulary = Vocabulary(
      spellings: bytes, spacing: .none, start: Token(0), end: Token(1), unknown: nil)
    // 春, a, 春, an emoji's half, b and c.
    let tokens = [2, 3, 4, 5, 7, 6, 8].map { Token($0) }
    var growing = GrowingText(vocabulary, after: [Token(4)])
    let pieces = tokens.map { growing.append($0) }
    #expect(pieces == ["a", "春", "a", "", "春", "", "\u{FFFD}bc"])
    var held = GrowingText(vocabulary, after: [], stops: try StopTexts(["ab"]))
    #expect(held.append(Token(4)) == "")
    #expect(held.append(Token(4)) == "a")
  }
}
