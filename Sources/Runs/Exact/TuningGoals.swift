// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
package import Sampling

/// What `tune` is to reach: how probable a statement is, or how many tokens texts have in the mean.
package struct TuningGoal: Sendable {
  enum Kind: Sendable {
    case tokens
    case statement(Constraint, TokenAutomaton)
  }

  let text: String
  let kind: Kind
  let wanted: Double

  /// Reads what `--goal` says.
  package init(_ goal: String, _ tree: VocabularyTree) throws {
    func failure(_ reason: String) -> RunError {
      .usage(
        "--goal \(goal): \(reason), expected a statement and its probability such as "
          + "'include \"sea\" = 0.5', or 'tokens = 12'")
    }
    guard let place = goal.lastIndex(of: "=") else { throw failure("found no '='") }
    let number = goal[goal.index(after: place)...].trimmingCharacters(in: .whitespaces)
    text = goal[..<place].trimmingCharacters(in: .whitespaces)
    guard let wanted = Double(number), wanted.isFinite else {
      throw failure("found '\(number)' after '='")
    }
    self.wanted = wanted
    if text == "tokens" {
      guard wanted > 0 else { throw failure("a mean number of tokens is positive") }
      kind = .tokens
      return
    }
    guard wanted > 0, wanted < 1 else {
      throw failure("a probability to tune for lies between 0 and 1")
    }
    let constraints = try ConstraintFile.parse(text, path: "--goal")
    guard constraints.count == 1, !constraints[0].isSoft,
      let automaton = try constraints[0].automaton(for: tree)
    else { throw failure("that is no statement which texts meet or not") }
    kind = .statement(constraints[0], automaton)
  }

  func value(of text: TokenSequence) -> Double {
    switch kind {
    case .tokens: Double(text.count)
    case .statement(_, let automaton): automaton.logWeight(of: text) > -.infinity ? 1 : 0
    }
  }

  /// Refuses a mean outside the lengths of all allowed texts: no numbers reach it.
  func check(_ target: CompiledTarget, within share: Double) throws(RunError) {
    guard case .tokens = kind, let automaton = target.compiled.automaton else { return }
    let least = automaton.shortestCompletion(automaton.start) ?? .max
    let most = automaton.longestLength
    guard wanted * (1 + share) < Double(least) || wanted * (1 - share) > Double(most ?? .max) else {
      return
    }
    throw RunError(
      .data,
      "--goal \(text) = \(wanted): allowed texts have \(least) "
        + (most.map { "to \($0) tokens" } ?? "tokens or more") + ", so no numbers reach that mean")
  }

  /// How far a value lies from what is wanted, in units of what is tolerated: of probabilities
  /// absolute, of numbers of tokens relative.
  func distance(_ value: Double, within share: Double) -> Double {
    switch kind {
    case .tokens: (value / wanted - 1) / share
    case .statement: (value - wanted) / share
    }
  }
}

/// The soft statements whose numbers are tuned.
package struct TunedParameters: Sendable {
  private let constraints: [Constraint]
  private let places: [Int]
  /// For each: what counts in a text; `nil` for the model's log probability.
  private let counters: [TokenAutomaton?]

  package init(_ constraints: [Constraint], _ tree: VocabularyTree) throws {
    self.constraints = constraints
    places = constraints.indices.filter { constraints[$0].isSoft }
    guard !places.isEmpty else {
      throw RunError.usage(
        "tune changes the numbers of 'fluency' and 'prefer', and no statement is of these; add "
          + "'fluency 1' to a constraint file")
    }
    let exponents = places.filter { Self.isFluency(constraints[$0]) }
    guard exponents.count < 2 else {
      throw RunError(
        .data,
        "\(constraints[exponents[1]].origin): a second 'fluency': of a product of two only the "
          + "product can be tuned; leave one out")
    }
    counters = try places.map { place in
      guard case .prefer(let pattern, _) = constraints[place].kind else { return nil }
      return try Constraint(.prefer(pattern, 1), text: "").automaton(for: tree)
    }
  }

  private static func isFluency(_ constraint: Constraint) -> Bool {
    if case .fluency = constraint.kind { true } else { false }
  }

  /// What the search moves: the logarithm of `fluency`, the nats of `prefer`.
  var start: [Double] {
    places.map { place in
      switch constraints[place].kind {
      case .fluency(let exponent): LogSpace.log(exponent)
      case .prefer(_, let nats): nats
      default: 0
      }
    }
  }

  /// The smallest moves: half a hundredth of `fluency`, two hundredths of a nat.
  var units: [Double] { places.map { Self.isFluency(constraints[$0]) ? 0.005 : 0.02 } }

  /// What multiplies a text's features.
  func coefficients(_ point: [Double]) -> [Double] {
    places.indices.map {
      Self.isFluency(constraints[places[$0]]) ? LogSpace.exp(point[$0]) : point[$0]
    }
  }

  func features(of text: TokenSequence, _ model: some FiniteContextModel) -> [Double] {
    counters.map { $0?.logWeight(of: text) ?? model.logProbability(of: text) }
  }

  /// A point to six digits, so that what is printed is what was judged.
  func rounded(_ point: [Double]) -> [Double] {
    zip(places, coefficients(point)).map { place, number in
      let short = Double(String(format: "%.6g", number)) ?? number
      return Self.isFluency(constraints[place]) ? LogSpace.log(short) : short
    }
  }

  /// All statements, the soft ones with the numbers of a point.
  func statements(_ point: [Double]) -> [Constraint] {
    var all = constraints
    for (place, number) in zip(places, coefficients(point)) {
      let number = Double(String(format: "%.6g", number)) ?? number
      let written = String(format: "%.6g", number)
      let old = all[place]
      let head = old.text.lastIndex(where: \.isWhitespace).map { old.text[..<$0] } ?? ""
      let kind: Constraint.Kind =
        switch old.kind {
        case .prefer(let pattern, _): .prefer(pattern, number)
        default: .fluency(number)
        }
      all[place] = Constraint(kind, text: "\(head) \(written)", origin: old.origin)
    }
    return all
  }

  /// The numbers of a point beside their statements.
  func report(_ point: [Double]) -> [TuningReport.Parameter] {
    zip(places, coefficients(point)).map { place, number in
      let old = constraints[place].text
      return TuningReport.Parameter(
        statement: old.lastIndex(where: \.isWhitespace).map { String(old[..<$0]) } ?? old,
        value: Double(String(format: "%.6g", number)) ?? number)
    }
  }
}
