// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Options that say what is sampled: the model and what is said of its texts.
enum TargetOptions {
  /// What is said of texts.
  static let statements = [
    Option("constraints", "FILE", isRepeatable: true, "a constraint file, or - ; all of them hold"),
    Option("include", "WORD", isRepeatable: true, "the text holds this word"),
    Option("exclude", "WORD", isRepeatable: true, "the text does not hold this word"),
    Option("length", "A..B", "how many words it has"),
    Option("match", "REGEX", isRepeatable: true, "the whole text matches"),
  ]

  static let all =
    [Option("model", "NAME|PATH", "a built-in model or a model's file (default english)")]
    + statements + [
      Option("prompt", "TEXT", "what every result begins with"),
      Option("each", "FILE", "words to include, one set a line: every line is its own target"),
    ]

  /// What is said by files and options together.
  ///
  /// A decoder puts the prompt's tokens there itself.
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

  /// A file's name as messages have it.
  static func shown(_ path: String) -> String { path == "-" ? "standard input" : path }

  /// An expression, as an option has it.
  static func expression(
    _ text: String, option: String
  ) throws(CommandFailure) -> Sampling.Expression {
    do throws(RegularExpression.Failure) {
      return try RegularExpression.parse(text)
    } catch {
      throw .usage("--\(option) '\(text)': at character \(error.offset + 1) \(error.reason)")
    }
  }

  /// An expression that stands without slashes, as it stands between them.
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

  /// The keyword sets of a file with their lines' numbers; empty lines are none.
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
      throw CommandFailure(.data, "\(shown(path)) holds no words; one set a line is expected")
    }
    return sets
  }
}

/// Statements compiled for a model, with messages where that cannot be done.
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

  /// What is allowed but cannot be meant: words to prefer that the model does not know.
  func warnings(_ tree: VocabularyTree) -> [String] {
    compiled.parts.compactMap { part in
      guard case .prefer = part.constraint.kind,
        let message = Self.unwritable(part.constraint, target.model, tree)
      else { return nil }
      return message + "; this weighs no text"
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
      return "the constraints together are too large: \(error); say fewer or simpler things"
    case .divergent(let constraint):
      return "\(place(constraint)): the weights of longer and longer texts add up without end; "
        + "bound the length, for example with 'length ..40 tokens' (words leave marks uncounted)"
    case .clash(let constraints):
      // A word that the model cannot write explains more than the statement that asks for it.
      if constraints.count == 1, let message = unwritable(constraints[0], model, tree) {
        return message
      }
      return constraints.count == 1
        ? "\(place(constraints[0])): no text of this model does that"
        : "no text of this model meets all of these, and each of them is needed for that:\n"
          + constraints.map { "  \(place($0))" }.joined(separator: "\n")
    }
  }

  /// A word that a statement needs and the model does not know, with near ones; `nil` for none.
  static func unwritable(
    _ constraint: Constraint, _ model: NGramModel, _ tree: VocabularyTree
  ) -> String? {
    // Words stand between boundaries, but for a template's, which may be parts of words.
    var isTemplate = false
    if case .template = constraint.kind { isTemplate = true }
    func isMissing(_ word: String) -> Bool {
      let alone = Constraint(
        .include([isTemplate ? .expression(.text(word)) : .word(word)]), text: "include")
      return (try? alone.automaton(for: tree))?.isSatisfiable == false
    }
    guard let whole = constraint.neededWords.first(where: isMissing) else { return nil }
    // Of several words, the one that is missing.
    let word = whole.split(separator: " ").map(String.init).first(where: isMissing) ?? whole
    return "\(place(constraint)): \(outside(word, model.vocabulary))"
  }

  /// What is said of a word that a vocabulary lacks.
  private static func outside(_ word: String, _ vocabulary: Vocabulary) -> String {
    let near = NearWords.of(word, in: vocabulary)
    return "'\(word)' is outside the model's vocabulary"
      + (near.isEmpty
        ? "; take another word, or a model with --model that knows it"
        : "; near words within are " + near.map { "'\($0)'" }.joined(separator: ", "))
  }

  /// A text's tokens, with a message where the model has no entry for a part of it.
  static func tokens(of text: String, model: NGramModel, option: String) throws -> TokenSequence {
    var tokenizer = Tokenizer(for: model.vocabulary)
    let tokens = tokenizer.tokens(of: text, in: model.vocabulary)
    guard let unknown = tokens.firstIndex(of: nil) else {
      return TokenSequence(tokens.compactMap { $0 })
    }
    let pieces = tokenizer.pieces(of: text)
    let piece = unknown < pieces.count ? pieces[unknown] : text
    let trimmed = piece.trimmingCharacters(in: .whitespaces)
    let word = trimmed.isEmpty ? piece : trimmed
    // What the shell hands over is repaired before anybody sees it.
    let isRepaired = piece.contains("\u{FFFD}")
    throw CommandFailure(
      .data,
      "\(option): "
        + (isRepaired
          ? "'\(word)' is outside the model's vocabulary; is it UTF-8?"
          : spacedOtherwise(piece, of: pieces, model.vocabulary) ?? outside(word, model.vocabulary))
    )
  }

  /// What is said of a piece that a vocabulary has with a space before it, or without the one there
  /// is; `nil` of others.
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
      ? "'\(piece.dropFirst())' behind a space is outside the model's vocabulary, without one it is "
      : "'\(piece)' right behind what comes before is outside the model's vocabulary, behind a space it "
        + "is ") + "within: write '\(mended.drop { $0 == " " })'"
  }

  /// The first statement that a text does not meet, and the number of tokens after which that is
  /// settled; `nil` where all are met.
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

  /// What every sampler says of a text.
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
