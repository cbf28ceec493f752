// Licensed under the Apache License, Version 2.0.

import Foundation
import Sampling
import Testing

/// 360 cases from transformers 5.23.0 in double precision.
@Suite struct TransformGoldenTests {
  private struct Case: Decodable {
    struct Number: Decodable {
      let value: Double
      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Double.self) {
          value = number
        } else {
          value = try container.decode(String.self) == "-inf" ? -.infinity : .nan
        }
      }
    }
    enum Bias: Decodable {
      case sequence([Int])
      case number(Double)
      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let sequence = try? container.decode([Int].self) {
          self = .sequence(sequence)
        } else {
          self = .number(try container.decode(Double.self))
        }
      }
    }
    struct Parameters: Decodable {
      var temperature, top_p, min_p, mass, epsilon, top_h, penalty: Double?
      var top_k, ngram_size, min_length, max_length, eos_token_id: Int?
      var bad_words_ids: [[Int]]?
      var sequence_bias: [[Bias]]?
    }
    let kind: String
    let history: [Int]
    let processor: String
    let params: Parameters
    let logits: [Number]
    let expected: [Number]

    func transform() throws -> any NextTokenTransform {
      func need<Value>(_ value: Value?) throws -> Value { try #require(value) }
      switch processor {
      case "temperature": return try Temperature(need(params.temperature))
      case "top_k": return try TopK(need(params.top_k))
      case "top_p": return try Nucleus(need(params.top_p))
      case "min_p": return try MinP(need(params.min_p))
      case "typical": return try LocallyTypical(need(params.mass))
      case "epsilon": return try EpsilonCutoff(need(params.epsilon))
      case "eta": return try EtaCutoff(need(params.epsilon))
      case "top_h": return try TopH(need(params.top_h))
      case "repetition_penalty": return try RepetitionPenalty(need(params.penalty))
      case "no_repeat_ngram": return try NoRepeatNGram(need(params.ngram_size))
      case "bad_words":
        return try ForbiddenSequences(need(params.bad_words_ids).map { $0.map { Token($0) } })
      case "sequence_bias":
        return try SequenceBias(
          need(params.sequence_bias).map { pair in
            guard case .sequence(let sequence) = pair[0], case .number(let bias) = pair[1] else {
              throw CocoaError(.coderInvalidValue)
            }
            return (sequence.map { Token($0) }, bias)
          })
      case "min_length": return try MinimumLength(need(params.min_length), countsPrompt: true)
      case "forced_eos":
        // The reference counts the end as a token.
        return try MaximumLength(need(params.max_length) - 1, countsPrompt: true)
      default: throw CocoaError(.featureUnsupported)
      }
    }
  }

  private struct File: Decodable { let cases: [Case] }

  /// Processors that differ where tokens of equal logits stand at the boundary.
  ///
  /// The reference keeps all of them (top-k,
  /// typical) or those that an unstable sort happens to put first (top-p, top-h). Here the lower
  /// ones are kept and no more than the set's definition says: exactly k, the smallest set that
  /// reaches the mass. What must agree then: how many are kept by the reference that sorts; the
  /// logits of what is kept; and that no kept logit lies below a removed one.
  private static let ties: Set<String> = ["top_k", "top_p", "typical", "top_h"]

  @Test(TestData.isNeeded) func agreesWithTransformers() throws {
    let data = try Data(
      contentsOf: URL(fileURLWithPath: TestData.path("reference/logits-processors.json")))
    let cases = try JSONDecoder().decode(File.self, from: data).cases
    #expect(cases.count == 360)
    var differing: [String: Int] = [:]
    for (number, one) in cases.enumerated() {
      var next = NextTokens(count: one.logits.count, ends: [Token(one.params.eos_token_id ?? 0)])
      next.setText(one.history.map { Token($0) }, promptCount: one.history.count)
      try next.begin(one.logits.map(\.value))
      var chain = TransformChain([try one.transform()])
      var choices = RandomChoices(seed: 1)
      try chain.apply(to: &next, using: &choices)
      let worst = zip(next.logits, one.expected).reduce(0.0) { worst, pair in
        pair.0 == pair.1.value ? worst : max(worst, abs(pair.0 - pair.1.value))
      }
      let name = "\(number) \(one.processor) \(one.kind)"
      if worst <= 1e-9 { continue }
      guard one.kind == "ties", Self.ties.contains(one.processor) else {
        Issue.record("\(name): off by \(worst)")
        continue
      }
      differing[one.processor, default: 0] += 1
      let logits = one.logits.map(\.value)
      let expected = one.expected.map { $0.value > -.infinity }
      let found = next.logits.map { $0 > -.infinity }
      for i in logits.indices where found[i] { #expect(next.logits[i] == logits[i], "\(name)") }
      let count = found.count { $0 }
      switch one.processor {
      case "top_k": #expect(count == one.params.top_k, "\(name)")
      case "typical": #expect(count <= expected.count { $0 }, "\(name)")
      default: #expect(count == expected.count { $0 }, "\(name)")
      }
      // Level by level the same values, so that only the choice among equals differs.
      let levels = Set(logits.indices.filter { found[$0] }.map { logits[$0] })
      let expectedLevels = Set(logits.indices.filter { expected[$0] }.map { logits[$0] })
      #expect(levels == expectedLevels, "\(name)")
    }
    #expect(differing == ["top_k": 6, "top_p": 9, "typical": 6, "top_h": 3])
  }
}
