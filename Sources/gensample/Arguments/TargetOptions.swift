// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// The options that define the target: the model and the statements about texts.
enum TargetOptions {
  /// The options that make statements about texts.
  static let statements = [
    Option(
      "constraints", "FILE", isRepeatable: true, "a constraint file, or - ; all statements hold"),
    Option("include", "WORD", isRepeatable: true, "the text contains this word"),
    Option("exclude", "WORD", isRepeatable: true, "the text does not contain this word"),
    Option("length", "A..B", "the number of words in the text"),
    Option("match", "REGEX", isRepeatable: true, "the whole text matches"),
  ]

  static let all =
    [ModelOptions.model, ModelOptions.tokens] + statements + [
      Option("prompt", "TEXT", "the beginning of every result"),
      Option("each", "FILE", "words to include, one set per line; each line is its own target"),
    ]

  /// The statements of constraint files and options together.
  ///
  /// Decoders leave the prompt out, because they put its tokens into the text themselves.
  static func constraints(
    _ arguments: Arguments, withPrompt: Bool = true
  ) throws -> [Constraint] {
    var constraints: [Constraint] = []
    let files = arguments.texts("constraints")
    try TextInput.checkOnce(files + arguments.texts("each"))
    for file in files {
      constraints += try ConstraintFile.parse(TextInput.text(file), path: shown(file))
    }
    func add(
      _ option: String, _ statement: String,
      _ kind: (String) throws(CommandFailure) -> Constraint.Kind
    ) throws(CommandFailure) {
      for value in arguments.texts(option) {
        guard !value.isEmpty else {
          throw .usage("--\(option) is given an empty text, expected a word")
        }
        constraints.append(
          Constraint(
            try kind(NFC.of(value)), text: "\(statement) \(JSONObject.quoted(NFC.of(value)))",
            origin: "--\(option)"))
      }
    }
    try add("include", "include") { .include([.word($0)]) }
    try add("exclude", "exclude") { .exclude([.word($0)]) }
    if withPrompt { try add("prompt", "begin") { .begin($0, ignoringCase: false) } }
    if let value = arguments.text("length") {
      switch ConstraintRange.parse(value) {
      case .failure(let fault): throw CommandFailure.usage("--length \(value): \(fault)")
      case .success(let range):
        constraints.append(
          Constraint(.length(range, .words), text: "length \(value) words", origin: "--length"))
      }
    }
    for value in arguments.texts("match") {
      constraints.append(
        Constraint(
          .match(try expression(NFC.of(value), option: "match")),
          text: "match /\(escapingSlashes(value))/",
          origin: "--match"))
    }
    return constraints
  }

  /// The name of a file in messages.
  static func shown(_ path: String) -> String { path == "-" ? "standard input" : path }

  /// Parses the regular expression of an option.
  static func expression(
    _ text: String, option: String
  ) throws(CommandFailure) -> Sampling.Expression {
    do throws(RegularExpression.Failure) {
      return try RegularExpression.parse(text)
    } catch {
      throw .usage("--\(option) '\(text)': at character \(error.offset + 1) \(error.reason)")
    }
  }

  /// The regular expression of an option as it would stand between slashes in a constraint file.
  static func escapingSlashes(_ expression: String) -> String {
    var escaped = ""
    var isEscaped = false
    for character in expression {
      if character == "/" && !isEscaped { escaped += "\\" }
      isEscaped = character == "\\" && !isEscaped
      escaped.append(character)
    }
    return escaped
  }

  /// The keyword sets of a file with their line numbers; empty lines are skipped.
  static func keywordSets(_ path: String) throws -> [(line: Int, constraint: Constraint)] {
    var sets: [(line: Int, constraint: Constraint)] = []
    for (i, line) in try TextInput.lines(path).enumerated() {
      let words = NFC.of(line).split(whereSeparator: \.isWhitespace).map(String.init)
      guard !words.isEmpty else { continue }
      sets.append(
        (
          i + 1,
          Constraint(
            .include(words.map { .word($0) }),
            text: "include " + words.map(JSONObject.quoted).joined(separator: " "),
            origin: "\(shown(path)):\(i + 1)")
        ))
    }
    guard !sets.isEmpty else {
      throw CommandFailure(.data, "\(shown(path)) contains no words; expected one set per line")
    }
    return sets
  }
}

/// The statements compiled for a model, or a message that says why that is impossible.
struct CompiledTarget {
  let target: SentenceTarget<NGramModel, TokenAutomaton>
  let compiled: CompiledConstraints

  init(
    _ constraints: [Constraint], model: NGramModel, tree: VocabularyTree,
    refusingDivergence: Bool = true
  ) throws {
    do throws(CompiledConstraints.Fault) {
      compiled = try CompiledConstraints(
        constraints, for: tree, refusingDivergence: refusingDivergence)
    } catch {
      throw CommandFailure(.data, Self.message(error, model: model, tree: tree))
    }
    guard (1e-100...1e100).contains(compiled.fluency) else {
      throw CommandFailure(
        .data,
        "the 'fluency' statements multiply to \(compiled.fluency), expected 1e-100 to 1e100")
    }
    target = SentenceTarget(
      model: model, constraint: compiled.automaton, fluency: compiled.fluency)
  }

  /// Warnings about statements without effect, which prefer a word that the model cannot write.
  func warnings(_ tree: VocabularyTree) -> [String] {
    compiled.parts.compactMap { part in
      guard case .prefer = part.constraint.kind,
        let message = Self.unwritable(part.constraint, target.model, tree)
      else { return nil }
      return message + (message.hasSuffix("?") ? " " : ". ") + "This statement has no effect"
    }
  }

  static func place(_ constraint: Constraint) -> String {
    constraint.origin.isEmpty ? constraint.text : "\(constraint.origin): \(constraint.text)"
  }

  private static func message(
    _ fault: CompiledConstraints.Fault, model: NGramModel, tree: VocabularyTree
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
      if constraints.count == 1, let message = unwritable(constraints[0], model, tree) {
        return message
      }
      return constraints.count == 1
        ? "\(place(constraints[0])): no text of this model meets this statement"
        : "no text of this model meets all of these statements, but without one of them it could:\n"
          + constraints.map { "  \(place($0))" }.joined(separator: "\n")
    }
  }

  /// A message about a word that a statement needs and the model lacks; `nil` if it lacks none.
  static func unwritable(
    _ constraint: Constraint, _ model: NGramModel, _ tree: VocabularyTree
  ) -> String? {
    // Keywords stand between word boundaries, but the text of a template may be part of a word.
    var isTemplate = false
    if case .template = constraint.kind { isTemplate = true }
    func isMissing(_ word: String) -> Bool {
      let alone = Constraint(
        .include([isTemplate ? .expression(.text(word)) : .word(word)]), text: "include")
      return (try? alone.automaton(for: tree))?.isSatisfiable == false
    }
    guard let whole = constraint.neededWords.first(where: isMissing) else { return nil }
    // Of several words, the one that is missing.
    var word = whole.split(separator: " ").map(String.init).first(where: isMissing) ?? whole
    // Of one that the model divides, the part that is missing: one character, for example.
    if !isTemplate || model.vocabulary.spacing == .none {
      var tokenizer = Tokenizer(for: model.vocabulary)
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
  static func tokens(of text: String, model: NGramModel, option: String) throws -> TokenSequence {
    if let (symbol, _) = ModelSymbols.first(in: text, of: model.vocabulary) {
      throw CommandFailure(.data, "\(option): " + ModelSymbols.message(symbol, in: "text"))
    }
    var tokenizer = Tokenizer(for: model.vocabulary)
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
    throw CommandFailure(
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
  func firstUnmet(by text: TokenSequence) -> (constraint: Constraint, after: Int)? {
    for part in compiled.parts {
      var state = part.automaton.start
      for (place, token) in text.enumerated() {
        state = part.automaton.following(state, token)
        if state == TokenAutomaton.dead { return (part.constraint, place) }
      }
      if part.automaton.finalWeights[Int(state)] == -.infinity {
        return (part.constraint, text.count)
      }
    }
    return nil
  }

  /// The fields of a text that all samplers report.
  func object(_ text: TokenSequence, logProbability: Double) -> JSONObject {
    var object = JSONObject()
    object.add("type", .string("sample"))
    object.add("text", .string(target.model.vocabulary.text(of: text)))
    object.add("tokens", .integers(text.map(\.index)))
    object.add("log_probability", .number(logProbability))
    object.add("log_model", .number(target.model.logProbability(of: text)))
    object.add("satisfied", .boolean(firstUnmet(by: text) == nil))
    return object
  }
}
