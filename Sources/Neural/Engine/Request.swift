// Licensed under the Apache License, Version 2.0.

import Foundation

/// Tokens that are read after a context, and what is asked on the way.
package struct Request: Sendable {
  package enum Wanted: Sendable {
    /// The logits of all tokens.
    case logits
    /// The natural logarithms of the probabilities of these tokens.
    case logProbabilities([Int32])
  }

  /// What comes after the context and the first `after` of the tokens.
  package struct Question: Sendable {
    package var after: Int
    package var wanted: Wanted
    package init(after: Int, _ wanted: Wanted) {
      self.after = after
      self.wanted = wanted
    }
  }

  package var context: PrefixContext
  package var tokens: [Int32]
  package var questions: [Question]

  package init(context: PrefixContext, tokens: [Int32], questions: [Question] = []) {
    self.context = context
    self.tokens = tokens
    self.questions = questions
  }

  /// Asks for the log-probability of each token given all before it, and for those of the tokens
  /// `next` after the last one.
  package static func scoring(
    _ tokens: [Int32], after context: PrefixContext, next: [Int32] = []
  ) -> Request {
    var questions = tokens.indices.map {
      Question(after: $0, .logProbabilities([tokens[$0]]))
    }
    if !next.isEmpty { questions.append(Question(after: tokens.count, .logProbabilities(next))) }
    return Request(context: context, tokens: tokens, questions: questions)
  }
}

/// The answers to requests, in the order of the requests and of their questions.
///
/// Used again for the next requests, it keeps its memory. One thread at a time uses it.
@safe package final class Results: @unchecked Sendable {
  /// Of each request, its context with its tokens.
  package internal(set) var contexts: [PrefixContext] = []
  package internal(set) var logProbabilities: [Double] = []
  /// For each row of logits, the logarithm of the sum of their exponentials.
  package internal(set) var logNormalisers: [Double] = []
  private let numbers = NumberBuffer(count: 0)
  private var size = 0

  package init() {}

  /// Rows of logits.
  package var rows: Int { logNormalisers.count }

  /// Lets `body` read a row of logits.
  package func withLogits<Answer>(
    _ row: Int, _ body: (Span<Float>) throws -> Answer
  ) rethrows -> Answer {
    let place = place(row)
    return unsafe try body(Span(_unsafeStart: place.start, count: size))
  }

  package func logits(_ row: Int) -> [Float] {
    withLogits(row) { row in row.indices.map { row[$0] } }
  }

  func begin(rows: Int, size: Int) {
    contexts.removeAll(keepingCapacity: true)
    logProbabilities.removeAll(keepingCapacity: true)
    logNormalisers = [Double](repeating: 0, count: rows)
    numbers.grow(to: rows * size)
    self.size = size
  }

  func place(_ row: Int) -> Numbers {
    precondition(0 <= row && row < rows, "row \(row) of \(rows)")
    return numbers.numbers.advanced(by: row * size)
  }
}

/// What one thread asks, until it is answered.
final class Call: @unchecked Sendable {
  let requests: [Request]
  let results: Results
  var error: NeuralError?
  /// Rows of logits that are filled.
  var answeredRows = 0
  fileprivate var isDone = false

  init(_ requests: [Request], _ results: Results) {
    self.requests = requests
    self.results = results
  }
}

/// Lets one thread in at a time, which also answers for those that wait.
final class Gate: @unchecked Sendable {
  private let condition = NSCondition()
  private var waiting: [Call] = []
  private var isBusy = false

  /// Returns when the call is answered, by `run` on this thread or on another one.
  func enter(_ call: Call, run: ([Call]) -> Void) {
    condition.lock()
    waiting.append(call)
    while isBusy, !call.isDone { condition.wait() }
    if call.isDone {
      condition.unlock()
      return
    }
    isBusy = true
    let calls = waiting
    waiting = []
    condition.unlock()
    run(calls)
    condition.lock()
    for call in calls { call.isDone = true }
    leave()
  }

  func enterAlone(run: () -> Void) {
    condition.lock()
    while isBusy { condition.wait() }
    isBusy = true
    condition.unlock()
    run()
    condition.lock()
    leave()
  }

  private func leave() {
    isBusy = false
    condition.broadcast()
    condition.unlock()
  }
}
