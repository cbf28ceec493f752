// Licensed under the Apache License, Version 2.0.

/// A statement about texts, as a value: what a line of a constraint file says.
///
/// Hard statements have weight 0 or 1. A text counts once, however many ways there are to find a
/// keyword in it.
public struct Constraint: Hashable, Sendable {
  /// What a statement looks for in a text.
  public enum Pattern: Hashable, Sendable {
    /// A word at word boundaries; every place where it occurs counts.
    case word(String, ignoringCase: Bool = false)
    /// A regular expression, its occurrences counted from left to right without overlap.
    case expression(Expression)
  }

  /// The unit of a length.
  public enum Unit: String, CaseIterable, Sendable {
    case tokens, words, characters, bytes
  }

  /// A part of a template.
  public enum TemplatePart: Hashable, Sendable {
    case text(String)
    case anything
    case words(ClosedRange<Int>)
    case characters(ClosedRange<Int>)
    case oneOf([String])
    case expression(Expression)
  }

  /// What a statement requires, with its arguments.
  public enum Kind: Hashable, Sendable {
    case include([Pattern])
    case includeAny([Pattern])
    case exclude([Pattern])
    case order([Pattern])
    case count(Pattern, ClosedRange<Int>)
    case begin(String, ignoringCase: Bool)
    case end(String, ignoringCase: Bool)
    case length(ClosedRange<Int>, Unit)
    /// The word at a position, counted from 1, or from the end starting with -1.
    case word(Int, String, ignoringCase: Bool)
    case character(Int, String, ignoringCase: Bool)
    case template([TemplatePart])
    case match(Expression)
    /// Every word matches the expression when it stands alone, without its outer punctuation.
    case within(Expression)
    /// None of these runs of words occurs. Words are counted as `length` counts them, without their
    /// outer punctuation.
    case novel(Set<[String]>)
    /// The weight of each occurrence, in nats.
    case prefer(Pattern, Double)
    /// The exponent of the model's probability.
    case fluency(Double)
  }

  /// The upper bound of a range that has none.
  public static let unbounded = Int.max

  /// What the statement requires, with its arguments.
  public let kind: Kind
  /// The statement as it was written.
  public let text: String
  /// Where it was written, such as a file's line or an option; messages begin with it.
  public let origin: String

  /// Creates a statement.
  ///
  /// Messages quote its text and its origin.
  public init(_ kind: Kind, text: String, origin: String = "") {
    self.kind = kind
    self.text = text
    self.origin = origin
  }

  /// Whether the statement adds weight rather than allowing or forbidding texts.
  public var isSoft: Bool {
    switch kind {
    case .prefer, .fluency: true
    default: false
    }
  }

  /// The words that the statement needs or names, for messages about the vocabulary.
  public var neededWords: [String] {
    func words(_ patterns: [Pattern]) -> [String] {
      patterns.compactMap { if case .word(let word, _) = $0 { word } else { nil } }
    }
    switch kind {
    case .include(let patterns), .includeAny(let patterns), .order(let patterns):
      return words(patterns)
    case .prefer(let pattern, _): return words([pattern])
    case .count(let pattern, let range): return range.lowerBound > 0 ? words([pattern]) : []
    case .begin(let word, _), .end(let word, _), .word(_, let word, _), .character(_, let word, _):
      return [word]
    case .template(let parts):
      return parts.flatMap { part -> [String] in
        switch part {
        case .text(let text): [text]
        case .oneOf(let texts): texts
        default: []
        }
      }
    default: return []
    }
  }

  /// The automaton of this statement alone; `nil` for `fluency`.
  ///
  /// - Throws: `ConstraintError` if the automaton would be too large, or no text can meet the
  ///   statement.
  public func automaton(
    for tree: VocabularyTree
  ) throws(ConstraintError) -> TokenAutomaton? {
    func lift(_ automaton: ScalarAutomaton) throws(ConstraintError) -> TokenTransducer {
      // The statement makes no difference to any text.
      guard !automaton.isTrivial else {
        throw ConstraintError("it changes nothing: every text meets it. Leave it out")
      }
      return try TokenTransducer(automaton, tree)
    }
    func occurrences(_ pattern: Pattern) throws(ConstraintError) -> TokenTransducer {
      switch pattern {
      case .word(let word, let ignoringCase):
        return try lift(
          ScalarAutomaton(
            countingOccurrencesOf: .word(word, ignoringCase: ignoringCase), mayOverlap: true))
      case .expression(let expression):
        let automaton = try ScalarAutomaton(countingOccurrencesOf: expression, mayOverlap: false)
        guard !automaton.isTrivial else {
          throw ConstraintError(
            "its expression never occurs: only an empty text can match it, and occurrences are "
              + "not empty. To forbid the empty text, write 'length 1.. characters'")
        }
        return try lift(automaton)
      }
    }
    func expression(_ pattern: Pattern) -> Expression {
      switch pattern {
      case .word(let word, let ignoringCase): .word(word, ignoringCase: ignoringCase)
      case .expression(let expression): expression
      }
    }
    func counting(
      _ patterns: [Pattern], _ range: ClosedRange<Int>
    ) throws(ConstraintError) -> TokenAutomaton? {
      var product: TokenAutomaton?
      // A word that is listed twice needs to occur only once.
      var said: Set<Pattern> = []
      for pattern in patterns where said.insert(pattern).inserted {
        let one = try occurrences(pattern).automaton(counting: range)
        product = try product.map { known throws(ConstraintError) in try known.product(one) } ?? one
      }
      return product
    }
    func matching(_ expression: Expression) throws(ConstraintError) -> TokenAutomaton {
      try lift(ScalarAutomaton(matching: expression)).automaton()
    }
    switch kind {
    case .fluency: return nil
    case .include(let patterns): return try counting(patterns, 1...Self.unbounded)
    case .exclude(let patterns): return try counting(patterns, 0...0)
    case .includeAny(let patterns):
      return try lift(
        ScalarAutomaton(
          countingOccurrencesOf: .anyOf(patterns.map(expression)), mayOverlap: true)
      ).automaton(counting: 1...Self.unbounded)
    case .order(let patterns):
      return try lift(ScalarAutomaton(inOrder: patterns.map(expression))).automaton()
    case .count(let pattern, let range):
      guard range != 0...Self.unbounded else {
        throw ConstraintError("it changes nothing: everything occurs 0 times or more")
      }
      return try occurrences(pattern).automaton(counting: range)
    case .begin(let text, let ignoringCase):
      return try matching(.sequence([.word(text, ignoringCase: ignoringCase), .anything]))
    case .end(let text, let ignoringCase):
      return try matching(.sequence([.anything, .word(text, ignoringCase: ignoringCase)]))
    case .length(0...Self.unbounded, _):
      throw ConstraintError("it changes nothing: every text has a length of 0 or more")
    case .length(let range, .tokens):
      return try TokenAutomaton(lengths: range, vocabulary: tree.vocabulary)
    case .length(let range, .words):
      return try lift(
        ScalarAutomaton(countingOccurrencesOf: WordExpression.word, mayOverlap: false)
      ).automaton(counting: range)
    case .length(let range, let unit):
      return try lift(ScalarAutomaton(countingBytes: unit == .bytes)).automaton(counting: range)
    case .word(let place, let text, let ignoringCase):
      guard let wanted = WordExpression.word(text, ignoringCase: ignoringCase) else {
        throw ConstraintError(
          "\"\(text)\" can never be one word: words hold no white space, are compared without "
            + "their outer punctuation, and are one character in scripts without spaces")
      }
      let others = Expression.repeated(
        .sequence([WordExpression.word, WordExpression.gap]), from: abs(place) - 1,
        to: abs(place) - 1)
      if place > 0 {
        return try matching(.sequence([WordExpression.gap, others, wanted, .anything]))
      }
      let after = Expression.repeated(
        .sequence([WordExpression.gap, WordExpression.word]), from: abs(place) - 1,
        to: abs(place) - 1)
      return try matching(.sequence([.anything, wanted, after, WordExpression.gap]))
    case .character(let place, let text, let ignoringCase):
      let exact = Expression.text(text, ignoringCase: ignoringCase)
      let others = Expression.repeated(
        .scalar(.all), from: abs(place) - 1, to: abs(place) - 1)
      return try matching(
        place > 0
          ? .sequence([others, exact, .anything]) : .sequence([.anything, exact, others]))
    case .template(let parts):
      return try matching(
        .sequence(
          parts.map { part in
            switch part {
            case .text(let text): .text(text)
            case .anything: .anything
            case .words(let counts): WordExpression.hole(counts)
            case .characters(let counts):
              .repeated(
                .scalar(.all), from: counts.lowerBound,
                to: counts.upperBound == Self.unbounded ? nil : counts.upperBound)
            case .oneOf(let texts): .anyOf(texts.map { .text($0) })
            case .expression(let expression): expression
            }
          }))
    case .match(let expression): return try matching(expression)
    case .novel(let runs): return try NovelAutomaton.automaton(without: runs, tree)
    case .within(let expression):
      return try lift(ScalarAutomaton(everyWordMatching: expression)).automaton()
    case .prefer(let pattern, let weight):
      return try occurrences(pattern).automaton(weight: weight)
    }
  }
}
