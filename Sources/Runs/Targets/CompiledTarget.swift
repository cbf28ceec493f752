// Licensed under the Apache License, Version 2.0.

import Foundation
public import LM
public import Sampling

/// The statements compiled for a model, or a message that says why that is impossible.
public struct CompiledTarget: Sendable {
  /// Whose texts.
  public let model: LoadedModel
  /// The statements.
  public let compiled: CompiledConstraints

  /// Compiles statements for a model.
  ///
  /// - Throws: what keeps them from being sampled under.
  public init(
    _ constraints: [Constraint], for model: LoadedModel, refusingDivergence: Bool = true
  ) throws {
    self.model = model
    do throws(CompiledConstraints.Fault) {
      compiled = try CompiledConstraints(
        constraints, for: model.tree, refusingDivergence: refusingDivergence)
    } catch {
      throw RunError(.data, Self.message(error, model))
    }
    guard (1e-100...1e100).contains(compiled.fluency) else {
      throw RunError(
        .data,
        "the 'fluency' statements multiply to \(compiled.fluency), expected 1e-100 to 1e100")
    }
  }

  /// What is sampled from.
  public func sentences<Model: ChainModel>(of model: Model) -> Model.Target {
    model.makeTarget(constraint: compiled.automaton, fluency: compiled.fluency)
  }

  /// The log of rho for a text, from scratch.
  package func logProbability(of text: TokenSequence) -> Double {
    func log(_ model: some ChainModel) -> Double { sentences(of: model).logProbability(of: text) }
    return log(model.chainModel)
  }

  /// The log of the model's probability of an allowed text, the end included.
  package func logModel(of text: TokenSequence) -> Double {
    func log(_ model: some ChainModel) -> Double {
      sentences(of: model).makeScorer(at: text).logModel
    }
    return log(model.chainModel)
  }

  /// How a text reads.
  package func spelled(_ text: TokenSequence) -> String { model.vocabulary.text(of: text) }

  /// Warnings about statements without effect, which prefer a word that the model cannot write.
  package var warnings: [String] {
    compiled.parts.compactMap { part in
      guard case .prefer = part.constraint.kind,
        let message = Self.unwritable(part.constraint, model)
      else { return nil }
      return message + (message.hasSuffix("?") ? " " : ". ") + "This statement has no effect"
    }
  }

  package static func place(_ constraint: Constraint) -> String {
    constraint.origin.isEmpty ? constraint.text : "\(constraint.origin): \(constraint.text)"
  }

  private static func message(
    _ fault: CompiledConstraints.Fault, _ model: LoadedModel
  ) -> String {
    switch fault {
    case .impossible(let constraint, let error): return "\(place(constraint)): \(error)"
    case .tooLarge(let error):
      return "the constraints are too large together: \(error); use fewer or simpler statements"
    case .divergent(let constraint):
      return "\(place(constraint)): the sum over all lengths diverges; "
        + "limit the length, for example with 'length ..40 tokens' ('words' does not limit marks)"
    case .clash(let constraints):
      // If the model cannot write a word, that explains more than the statement that needs it.
      if constraints.count == 1, let message = unwritable(constraints[0], model) {
        return message
      }
      return constraints.count == 1
        ? "\(place(constraints[0])): no text of this model meets this statement"
        : "no text of this model meets all of these statements, but without one of them it could:\n"
          + constraints.map { "  \(place($0))" }.joined(separator: "\n")
    }
  }

  /// A message about a word that a statement needs and the model lacks; `nil` if it lacks none.
  package static func unwritable(
    _ constraint: Constraint, _ model: LoadedModel
  ) -> String? {
    // Keywords stand between word boundaries, but the text of a template may be part of a word.
    var isTemplate = false
    if case .template = constraint.kind { isTemplate = true }
    func isMissing(_ word: String) -> Bool {
      let alone = Constraint(
        .include([isTemplate ? .expression(.text(word)) : .word(word)]), text: "include")
      return (try? alone.automaton(for: model.tree))?.isSatisfiable == false
    }
    guard let whole = constraint.neededWords.first(where: isMissing) else { return nil }
    // Of several words, the one that is missing.
    var word = whole.split(separator: " ").map(String.init).first(where: isMissing) ?? whole
    // Of one that the model divides, the part that is missing: one character, for example.
    if !isTemplate || model.vocabulary.spacing == .none {
      var tokenizer = model.makeTokenizer()
      let pieces = tokenizer.pieces(of: word)
      let missing = tokenizer.tokens(of: word, in: model.vocabulary).firstIndex(of: nil)
      if let missing, missing < pieces.count {
        let piece = String(pieces[missing].drop { $0 == " " })
        word = piece.isEmpty ? pieces[missing] : piece
      }
    }
    return "\(place(constraint)): \(outside(word, model.vocabulary))"
  }

  /// The message about a word that the vocabulary lacks.
  private static func outside(_ word: String, _ vocabulary: Vocabulary) -> String {
    let near = NearWords.of(word, in: vocabulary)
    return "'\(word)' is outside the model's vocabulary"
      + (near.isEmpty
        ? "; use another word or a --model that knows it"
          + (isOfSpacedCharacters(vocabulary)
            ? ", or give --tokens characters, because all tokens are single characters" : "")
        : "; did you mean \(either(near.map { "'\($0)'" }))?")
  }

  /// Whether all tokens are single characters, as in models of texts with spaces between them.
  private static func isOfSpacedCharacters(_ vocabulary: Vocabulary) -> Bool {
    vocabulary.spacing == .joined
      && (0..<vocabulary.count).allSatisfy {
        !vocabulary.isDrawable(Token($0))
          || vocabulary.spelling(of: Token($0)).unicodeScalars.count == 1
      }
  }

  /// The tokens of a text.
  ///
  /// - Throws: a message that names the first part that the vocabulary lacks.
  package static func tokens(of text: String, model: LoadedModel, option: String) throws
    -> TokenSequence
  {
    if let (symbol, _) = ModelSymbols.first(in: text, of: model.vocabulary) {
      throw RunError(.data, "\(option): " + ModelSymbols.message(symbol, in: "text"))
    }
    var tokenizer = model.makeTokenizer()
    let tokens = tokenizer.tokens(of: text, in: model.vocabulary)
    guard let unknown = tokens.firstIndex(of: nil) else {
      return TokenSequence(tokens.compactMap { $0 })
    }
    let pieces = tokenizer.pieces(of: text)
    let piece = unknown < pieces.count ? pieces[unknown] : text
    let trimmed = piece.trimmingCharacters(in: .whitespaces)
    let word = trimmed.isEmpty ? piece : trimmed
    // Invalid UTF-8 on the command line has already been replaced with U+FFFD.
    let isRepaired = piece.contains("\u{FFFD}")
    throw RunError(
      .data,
      "\(option): "
        + (isRepaired
          ? "'\(word)' is outside the model's vocabulary; is it valid UTF-8?"
          : spacedOtherwise(piece, of: pieces, model.vocabulary) ?? outside(word, model.vocabulary))
    )
  }

  /// The message about a piece that the vocabulary has only with, or only without, a space before
  /// it; `nil` for other pieces.
  private static func spacedOtherwise(
    _ piece: String, of pieces: [String], _ vocabulary: Vocabulary
  ) -> String? {
    guard vocabulary.spacing == .carried else { return nil }
    func other(_ piece: String) -> String {
      piece.first == " " ? String(piece.dropFirst()) : " " + piece
    }
    guard vocabulary.token(other(piece)) != nil else { return nil }
    let mended = pieces.map { one in
      vocabulary.token(one) == nil && vocabulary.token(other(one)) != nil ? other(one) : one
    }.joined()
    return
      (piece.first == " "
      ? "the vocabulary has '\(piece.dropFirst())' only without a space before it; "
      : "the vocabulary has '\(piece)' only with a space before it; ")
      + "write '\(mended.drop { $0 == " " })'"
  }

  /// The first statement that a text breaks, and the number of tokens after which it can no longer
  /// be met; `nil` if the text meets all statements.
  package func firstUnmet(by text: TokenSequence) -> (constraint: Constraint, after: Int)? {
    for part in compiled.parts {
      var state = part.automaton.start
      for (place, token) in text.enumerated() {
        state = part.automaton.following(state, token)
        if state == TokenAutomaton.dead { return (part.constraint, place) }
      }
      if part.automaton.endWeight(state) == -.infinity {
        return (part.constraint, text.count)
      }
    }
    return nil
  }
}

extension CompiledTarget {
  /// Says why a chain cannot start from a text.
  package func check(start: TokenSequence?) throws(RunError) {
    guard let start else { return }
    if let unmet = firstUnmet(by: start) {
      throw RunError(
        .data,
        "--start: '\(spelled(start))' does not meet "
          + "\(unmet.constraint.origin): \(unmet.constraint.text); a chain begins at an allowed "
          + "text")
    }
    guard logProbability(of: start) > -.infinity else {
      throw RunError(.data, "--start: the model gives this text no probability")
    }
  }

  /// An allowed text on a random path; `nil` where the run was stopped before one was found.
  package func randomStart<Model: ChainModel>(
    _ model: Model, monitor: RunMonitor, using choices: inout some ChoiceSource
  ) throws -> TokenSequence? {
    let text = try sentences(of: model).randomStart(
      isCancelled: { monitor.isStopping }, using: &choices)
    guard text != nil || monitor.isStopping else {
      throw RunError(.failed, "the model gives no allowed text a positive probability")
    }
    return text
  }
}
