// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

/// Networks against figures of transformers in double precision; `neural.md` beside them says how they
/// were made, and bounds what single precision can reach.
@Suite struct NetworkReferenceTests {
  private struct Logits: Decodable {
    var input_ids: [[Int32]]
    var logits: [[[Double]]]
    var token_logprobs: [[Double]]?
  }

  @Test(
    TestData.isNeeded,
    arguments: ["nano-llama", "nano-gpt2"])
  func logitsOfSmallNetworks(_ name: String) throws {
    let network = try open(TestData.path("models/\(name)"))
    let file: Logits = try read("\(name).json")
    let results = Results()
    for (tokens, expected) in zip(file.input_ids, file.logits) {
      try network.score(
        [
          Request(
            context: network.root, tokens: tokens,
            questions: tokens.indices.map { .init(after: $0 + 1, .logits) })
        ], into: results)
      for (row, logits) in expected.enumerated() {
        #expect(largest(results.logits(row), logits) < 2e-4, "position \(row)")
      }
    }
  }

  private struct Trained: Decodable {
    struct Last: Decodable {
      var ids: [Int32]
      var last_logits: [Double]
    }
    struct Score: Decodable {
      var ids: [Int32]
      var token_logprobs: [Double]
    }
    var logits: [Last]
    var scores: [Score]
  }

  @Test(TestData.isNeeded, arguments: ["gpt2-shakespeare", "llama-stories260K", "tang-gpt"])
  func logitsOfTrainedNetworks(_ name: String) throws {
    let network = try open(TestData.path("models/\(name)"))
    let file: Trained = try read("\(name).json")
    let results = Results()
    try network.score(
      file.logits.map {
        Request(
          context: network.root, tokens: $0.ids,
          questions: [.init(after: $0.ids.count, .logits)])
      }, into: results)
    for (row, text) in file.logits.enumerated() {
      #expect(largest(results.logits(row), text.last_logits) < 2e-4)
    }
    try network.score(
      file.scores.map { begun([$0.ids[0]], Array($0.ids.dropFirst()), network) }, into: results)
    let expected = file.scores.flatMap(\.token_logprobs)
    #expect(results.logProbabilities.count == expected.count)
    for (a, b) in zip(results.logProbabilities, expected) { #expect(abs(a - b) < 2e-4) }
  }

  @Test(TestData.isNeeded) func logitsOfNanoBert() throws {
    let network = try open(TestData.path("models/nano-bert"))
    let file: Logits = try read("nano-bert.json")
    let rows = try network.encode(
      file.input_ids, wanted: file.input_ids.map { Array($0.indices) })
    for (rows, expected) in zip(rows, file.logits) {
      for (row, logits) in zip(rows, expected) { #expect(largest(row, logits) < 2e-4) }
    }
  }

  private struct TangMasks: Decodable {
    struct Text: Decodable {
      var ids: [Int32]
      var per_token: [Double]
      var total: Double
    }
    var mask: Int32
    var pseudo_log_likelihood: [Text]
  }

  @Test(TestData.isNeeded) func pseudoLikelihoodsOfTangMLM() throws {
    let network = try open(TestData.path("models/tang-mlm"))
    let file: TangMasks = try read("tang-mlm.json")
    for text in file.pseudo_log_likelihood {
      let places = Array(1..<text.ids.count - 1)
      let masked = places.map { place in
        var ids = text.ids
        ids[place] = file.mask
        return ids
      }
      let rows = try network.encode(masked, wanted: places.map { [$0] })
      for (index, place) in places.enumerated() {
        let row = rows[index][0]
        let logProbability =
          Double(row[Int(text.ids[place])]) - log(row.reduce(0) { $0 + exp(Double($1)) })
        #expect(abs(logProbability - text.per_token[index]) < 2e-4)
      }
    }
  }

  private struct English: Decodable {
    struct Score: Decodable {
      var ids: [Int32]
      var logp: [Double]
      var end_logp: Double
    }
    var bos: Int32
    var eos: Int32
    var scores: [Score]
  }

  @Test(TestData.isNeeded) func scoresOfEnglishLlama() throws {
    let network = try open(TestData.path("models/english-llama"))
    let file: English = try read("english-llama.json")
    let results = Results()
    try network.score(
      file.scores.map { begun([file.bos], $0.ids, next: [file.eos], network) }, into: results)
    let expected = file.scores.flatMap { $0.logp + [$0.end_logp] }
    #expect(results.logProbabilities.count == expected.count)
    for (a, b) in zip(results.logProbabilities, expected) { #expect(abs(a - b) < 2e-4) }
  }

  // MARK: Real models

  private struct LanguageModel: Decodable {
    struct Variant: Decodable {
      var begin: [Int32]
      var logp: [Double?]
      var total: Double
      var end_logp: [String: Double]?
    }
    struct Text: Decodable {
      var ids: [Int32]
      var variants: [Variant]
    }
    struct Greedy: Decodable {
      var ids: [Int32]
      var tokens: [Int32]
      var margin: [Double]
      var logp: [Double]
    }
    struct Next: Decodable {
      struct Token: Decodable {
        var id: Int
        var logProbability: Double
        init(from decoder: any Decoder) throws {
          var list = try decoder.unkeyedContainer()
          id = try list.decode(Int.self)
          logProbability = try list.decode(Double.self)
        }
      }
      var ids: [Int32]
      var logsumexp: Double
      var top: [Token]
    }
    struct Edit: Decodable {
      var op: String
      var at: Int
      var id: Int32?
      var logp: [Double]
      var total: Double
    }
    struct Edits: Decodable {
      var begin: [Int32]
      var ids: [Int32]
      var logp: [Double]
      var edits: [Edit]
    }
    var end_tokens: [Int32]
    var texts: [Text]
    var next: [Next]
    var greedy: [Greedy]
    var edits: Edits
  }

  @Test(TestModels.areNeeded, arguments: ["smollm2", "gemma3"])
  func scoresOfRealModels(_ name: String) throws {
    let network = try open(TestModels.path("\(name).gguf"))
    let file: LanguageModel = try read("\(name).json")
    let results = Results()
    for text in file.texts {
      for variant in text.variants {
        let whole = variant.begin + text.ids
        guard !whole.isEmpty else { continue }
        let ends = variant.end_logp == nil ? [] : file.end_tokens
        try network.score(
          [begun(Array(whole.prefix(1)), Array(whole.dropFirst()), next: ends, network)],
          into: results)
        var found = results.logProbabilities[...]
        if variant.begin.count > 1 { found = found.dropFirst(variant.begin.count - 1) }
        let expected = variant.logp.compactMap { $0 }
        for (a, b) in zip(found, expected) { #expect(abs(a - b) < 1e-3) }
        let total = found.prefix(expected.count).reduce(0, +)
        #expect(abs(total - variant.total) < 5e-3)
        for (end, a) in zip(ends, found.dropFirst(expected.count)) {
          #expect(abs(a - (variant.end_logp?[String(end)] ?? .nan)) < 1e-3)
        }
      }
    }
    for prompt in file.next {
      try network.score(
        [
          Request(
            context: network.root, tokens: prompt.ids,
            questions: [.init(after: prompt.ids.count, .logits)])
        ], into: results)
      #expect(abs(results.logNormalisers[0] - prompt.logsumexp) < 1e-3)
      let row = results.logits(0)
      for token in prompt.top {
        #expect(
          abs(Double(row[token.id]) - results.logNormalisers[0] - token.logProbability) < 1e-3)
      }
    }
  }

  @Test(TestModels.areNeeded, arguments: ["smollm2", "gemma3"])
  func greedyTokensOfRealModels(_ name: String) throws {
    let network = try open(TestModels.path("\(name).gguf"))
    let file: LanguageModel = try read("\(name).json")
    let results = Results()
    // All prompts in step.
    var requests = file.greedy.map {
      Request(
        context: network.root, tokens: $0.ids,
        questions: [.init(after: $0.ids.count, .logits)])
    }
    var isOpen = file.greedy.map { _ in true }
    for step in file.greedy[0].tokens.indices {
      try network.score(requests, into: results)
      for (index, prompt) in file.greedy.enumerated() {
        let row = results.logits(index)
        var best = 0
        for token in row.indices where row[token] > row[best] { best = token }
        if prompt.margin[step] < 1e-3 { isOpen[index] = false }
        if isOpen[index] {
          #expect(Int32(best) == prompt.tokens[step])
          let logProbability = Double(row[best]) - results.logNormalisers[index]
          #expect(abs(logProbability - prompt.logp[step]) < 1e-3)
        }
        requests[index] = Request(
          context: results.contexts[index], tokens: [prompt.tokens[step]],
          questions: [.init(after: 1, .logits)])
      }
    }
  }

  @Test(TestModels.areNeeded, arguments: ["smollm2", "gemma3"])
  func editsOfRealModels(_ name: String) throws {
    let path = TestModels.path("\(name).gguf")
    let network = try open(path, threads: 2)
    let file: LanguageModel = try read("\(name).json")
    let results = Results()
    let begin = file.edits.begin
    try network.score([begun(begin, file.edits.ids, network)], into: results)
    let current = results.contexts[0]
    var texts: [[Int32]] = []
    var requests: [Request] = []
    for edit in file.edits.edits {
      var ids = file.edits.ids
      switch edit.op {
      case "replace": ids[edit.at] = try #require(edit.id)
      case "insert": ids.insert(try #require(edit.id), at: edit.at)
      default: ids.remove(at: edit.at)
      }
      texts.append(ids)
      requests.append(
        .scoring(
          Array(ids[edit.at...]), after: current.truncated(to: begin.count + edit.at),
          next: file.end_tokens))
    }
    // All edits in one batch that shares what stands left of them.
    try network.score(requests, into: results)
    let incremental = results.logProbabilities
    var first = 0
    for (index, edit) in file.edits.edits.enumerated() {
      let count = requests[index].tokens.count
      let found = incremental[first..<first + count]
      first += count + file.end_tokens.count
      for (a, b) in zip(found, edit.logp[edit.at...]) { #expect(abs(a - b) < 1e-3) }
      // Some of them anew, by a network without memory of them: equal to the bit.
      guard index % 10 == 0 else { continue }
      let other = try open(path)
      let anew = Results()
      try other.score([begun(begin, texts[index], other)], into: anew)
      #expect(Array(anew.logProbabilities[edit.at...]) == Array(found))
    }
  }

  private struct Embeddings: Decodable {
    struct Sentence: Decodable {
      var ids: [Int32]
      var embedding: [Double]
    }
    var sentences: [Sentence]
  }

  @Test(TestModels.areNeeded) func embeddingsOfMiniLM() throws {
    let network = try open(TestModels.path("minilm"))
    let file: Embeddings = try read("minilm.json")
    let found = try network.embeddings(file.sentences.map(\.ids))
    for (embedding, sentence) in zip(found, file.sentences) {
      #expect(largest(embedding.map(Float.init), sentence.embedding) < 1e-5)
    }
  }

  private struct Antibodies: Decodable {
    struct Sequence: Decodable {
      var ids: [Int32]
      var pseudo_logp: [Double]
      var pseudo_total: Double
    }
    var sequences: [Sequence]
  }

  @Test(TestModels.areNeeded) func pseudoLikelihoodsOfAntiBERTy() throws {
    let network = try open(TestModels.path("antiberty"))
    let file: Antibodies = try read("antiberty.json")
    let mask: Int32 = 4
    for sequence in file.sequences {
      let places = Array(stride(from: 1, to: sequence.ids.count - 1, by: 20))
      let masked = places.map { place in
        var ids = sequence.ids
        ids[place] = mask
        return ids
      }
      let rows = try network.encode(masked, wanted: places.map { [$0] })
      for (index, place) in places.enumerated() {
        let row = rows[index][0]
        let logProbability =
          Double(row[Int(sequence.ids[place])]) - log(row.reduce(0) { $0 + exp(Double($1)) })
        #expect(abs(logProbability - sequence.pseudo_logp[place - 1]) < 1e-3)
      }
    }
  }

  /// A text whose first tokens begin it and are not scored.
  private func begun(
    _ begin: [Int32], _ tokens: [Int32], next: [Int32] = [], _ network: Network
  ) -> Request {
    var request = Request(context: network.root, tokens: begin + tokens)
    for (index, token) in tokens.enumerated() {
      request.questions.append(.init(after: begin.count + index, .logProbabilities([token])))
    }
    if !next.isEmpty {
      request.questions.append(
        .init(after: begin.count + tokens.count, .logProbabilities(next)))
    }
    return request
  }

  private func open(_ path: String, threads: Int = 1) throws -> Network {
    let file = try NetworkFile.open(path)
    return Network(file.configuration, file.weights, threads: threads)
  }

  private func read<Value: Decodable>(_ name: String) throws -> Value {
    let data = try Data(contentsOf: URL(fileURLWithPath: TestData.path("reference/\(name)")))
    return try JSONDecoder().decode(Value.self, from: data)
  }

  private func largest(_ row: [Float], _ expected: [Double]) -> Double {
    guard row.count == expected.count else { return .infinity }
    var largest = 0.0
    for (a, b) in zip(row, expected) {
      let difference = abs(Double(a) - b)
      largest = difference > largest || difference.isNaN ? difference : largest
    }
    return largest
  }
}
