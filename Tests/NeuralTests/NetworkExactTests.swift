// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

@Suite struct NetworkExactTests {
  /// Logits of up to some tens, computed in single precision through two blocks.
  private static let tolerance = 1e-4

  @Test(arguments: RandomNetwork.causal)
  func logitsAreThoseOfTheReference(_ random: RandomNetwork) throws {
    var numbers = RandomNumbers(seed: 100)
    let network = random.open()
    let reference = ReferenceNetwork(random.configuration, random.weights)
    for length in [1, 7, 40] {
      let tokens = numbers.tokens(length, below: 11)
      let expected = reference.logits(tokens)
      let rows = try allLogits(network, tokens)
      #expect(largestDifference(rows, expected) < Self.tolerance)
      let results = Results()
      try network.score(
        [
          Request(
            context: network.root, tokens: tokens,
            questions: (1...length).map { .init(after: $0, .logProbabilities([3, 0, 10])) })
        ], into: results)
      let logs = reference.logProbabilities(tokens).flatMap { [$0[3], $0[0], $0[10]] }
      #expect(zip(results.logProbabilities, logs).allSatisfy { abs($0 - $1) < Self.tolerance })
      #expect(results.logProbabilities.count == logs.count)
    }
  }

  @Test(arguments: RandomNetwork.masked)
  func masksAreFilledLikeTheReference(_ random: RandomNetwork) throws {
    var numbers = RandomNumbers(seed: 101)
    let network = random.open()
    let reference = ReferenceNetwork(random.configuration, random.weights)
    let texts = [1, 5, 16, 33].map { numbers.tokens($0, below: 11) }
    let rows = try network.encode(texts, wanted: texts.map { Array($0.indices) })
    for (text, rows) in zip(texts, rows) {
      #expect(largestDifference(rows, reference.logits(text)) < Self.tolerance)
    }
    for (text, states) in zip(texts, try network.states(texts)) {
      #expect(largestDifference(states, reference.hiddenStates(text)) < Self.tolerance)
    }
  }

  @Test(arguments: RandomNetwork.all)
  func traceIsThatOfTheReference(_ random: RandomNetwork) throws {
    let tokens: [Int32] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3]
    var expected: [[[Double]]] = []
    _ = ReferenceNetwork(random.configuration, random.weights).logits(tokens) {
      expected.append($0)
    }
    let layers = try random.open().trace(tokens)
    #expect(layers.count == expected.count)
    for (layer, rows) in layers.enumerated() {
      #expect(largestDifference(rows, expected[layer]) < Self.tolerance, "layer \(layer)")
    }
  }

  /// Texts asked in random order, in random batches, cut and continued at random, with so little memory
  /// that beginnings are evicted, on several threads: all have the bits of a text that is asked alone.
  @Test(arguments: RandomNetwork.causal, [1, 2, 3])
  func allWaysGiveTheSameBits(_ random: RandomNetwork, threads: Int) throws {
    var numbers = RandomNumbers(seed: 200 + UInt64(threads))
    let block = BlockLayout(
      keyValueHeads: random.configuration.keyValueHeads,
      headSize: random.configuration.headSize, width: random.configuration.width, layers: 2)
    let network = random.open(threads: threads, memory: 9 * block.size * 4)
    var contexts = [network.root]
    var expected: [[Int32]: [[Float]]] = [:]
    for _ in 0..<25 {
      var requests: [Request] = []
      var wholes: [[Int32]] = []
      for _ in 0..<1 + numbers.next() % 6 {
        var context = contexts[Int(numbers.next() % UInt64(contexts.count))]
        if numbers.next() % 2 == 0 {
          context = context.truncated(to: Int(numbers.next() % UInt64(context.count + 1)))
        }
        // Few different tokens, so that texts often begin alike.
        let tokens = numbers.tokens(
          1 + Int(numbers.next() % UInt64(max(1, min(20, 60 - context.count)))), below: 2)
        requests.append(
          Request(
            context: context, tokens: tokens,
            questions: tokens.indices.map { .init(after: $0 + 1, .logits) }))
        wholes.append(context.tokens + tokens)
      }
      let results = Results()
      try network.score(requests, into: results)
      var row = 0
      for (request, whole) in zip(requests, wholes) {
        let alone = try expected[whole] ?? allLogits(random.open(), whole)
        expected[whole] = alone
        for position in request.context.count..<whole.count {
          #expect(results.logits(row) == alone[position])
          row += 1
        }
      }
      #expect(results.contexts.map(\.tokens) == wholes)
      contexts += results.contexts.filter { $0.count < 50 }
      if contexts.count > 12 { contexts.removeSubrange(1..<contexts.count - 8) }
    }
  }

  @Test(arguments: RandomNetwork.masked)
  func masksGiveTheSameBitsInAnyBatch(_ random: RandomNetwork) throws {
    var numbers = RandomNumbers(seed: 300)
    let texts = (0..<20).map { _ in numbers.tokens(1 + Int(numbers.next() % 60), below: 11) }
    let wanted = texts.map { Array($0.indices) }
    let alone = try texts.map { try random.open().encode([$0], wanted: [Array($0.indices)])[0] }
    for threads in 1...3 {
      #expect(try random.open(threads: threads).encode(texts, wanted: wanted) == alone)
    }
  }

  @Test func callsOfSeveralThreadsAreAnsweredAlike() async throws {
    let random = RandomNetwork.causal[2]
    let network = random.open(threads: 2)
    let alone = random.open()
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for task in 0..<4 {
        group.addTask {
          var numbers = RandomNumbers(seed: 400 + UInt64(task))
          var context = network.root
          let results = Results()
          for _ in 0..<40 {
            if context.count > 40 { context = context.truncated(to: 10) }
            let tokens = numbers.tokens(3, below: 3)
            try network.score(
              [
                Request(
                  context: context, tokens: tokens, questions: [.init(after: 3, .logits)])
              ], into: results)
            context = results.contexts[0]
            let expected = Results()
            try alone.score(
              [
                Request(
                  context: alone.root, tokens: context.tokens,
                  questions: [.init(after: context.count, .logits)])
              ], into: expected)
            guard results.logits(0) == expected.logits(0) else { return false }
          }
          return true
        }
      }
      for try await isEqual in group { #expect(isEqual) }
    }
  }

  @Test func rowsThatAreKnownAreNotComputedAgain() throws {
    // The head alone answers: with other weights in the blocks the answer would change, with the
    // same bits it doesn't.
    let network = RandomNetwork.causal[2].open()
    let tokens: [Int32] = [1, 2, 3, 4, 5, 6, 7, 8]
    let first = try allLogits(network, tokens)
    #expect(network.rowsComputed == 8)
    #expect(try allLogits(network, tokens) == first)
    #expect(network.rowsComputed == 8)
    _ = try allLogits(network, [1, 2, 3, 4, 9, 6, 7, 8])
    #expect(network.rowsComputed == 12)
    // Two texts that part within a block, in one batch: the common beginning is computed once.
    let results = Results()
    try network.score(
      [
        Request(context: network.root, tokens: [9, 9, 9, 1]),
        Request(context: network.root, tokens: [9, 9, 9, 2]),
      ], into: results)
    #expect(network.rowsComputed == 17)
  }

  @Test func whatCannotBeAnsweredIsSaid() throws {
    let network = RandomNetwork.causal[2].open(memory: 15_000)
    let results = Results()
    func message(_ request: Request) -> String? {
      do {
        try network.score([request], into: results)
        return nil
      } catch {
        return error.description
      }
    }
    let long = Request(context: network.root, tokens: [Int32](repeating: 1, count: 65))
    #expect(
      message(long)
        == "the text has 65 tokens, and the model reads at most 64. Shorten the text.")
    #expect(
      message(Request(context: network.root, tokens: [11]))
        == "the model has no token 11 (it has 0 to 10)")
    #expect(
      message(.scoring([1], after: network.root))
        == "the model needs a token before the first one that it scores")
    #expect(
      message(Request(context: network.root, tokens: [Int32](repeating: 1, count: 64)))
        == "a text of 64 tokens needs 1 MB of memory (found 0 MB). Use --memory 1M or more.")
  }

  @Test func noNumberIsAnError() throws {
    var random = RandomNetwork.causal[2]
    var values = random.weights.tokenEmbedding.floats
    values[5 * 16] = .nan
    var weights = random.weights
    weights.tokenEmbedding = Tensor(name: "broken", shape: [11, 16], values: values)
    random = RandomNetwork(name: "", configuration: random.configuration, weights: weights)
    let network = random.open()
    let results = Results()
    #expect(
      throws: NeuralError(
        "the model gives no number at position 2. Its weights may be damaged.")
    ) {
      try network.score(
        [
          Request(
            context: network.root, tokens: [1, 2, 5],
            questions: (1...3).map { .init(after: $0, .logits) })
        ], into: results)
    }
  }

  private func allLogits(_ network: Network, _ tokens: [Int32]) throws -> [[Float]] {
    let results = Results()
    try network.score(
      [
        Request(
          context: network.root, tokens: tokens,
          questions: tokens.indices.map { .init(after: $0 + 1, .logits) })
      ], into: results)
    return tokens.indices.map { results.logits($0) }
  }

  private func largestDifference(_ rows: [[Float]], _ expected: [[Double]]) -> Double {
    guard rows.map(\.count) == expected.map(\.count) else { return .infinity }
    var largest = 0.0
    for (row, other) in zip(rows, expected) {
      for (a, b) in zip(row, other) {
        let difference = abs(Double(a) - b)
        largest = difference > largest || difference.isNaN ? difference : largest
      }
    }
    return largest
  }
}
