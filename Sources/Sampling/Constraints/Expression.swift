// Licensed under the Apache License, Version 2.0.

/// A regular expression over Unicode scalars.
public indirect enum Expression: Hashable, Sendable {
  /// What must stand beside a place.
  public struct Neighbours: Hashable, Sendable {
    /// Kinds of scalar by their raw values, and 7 for the text's beginning or end.
    private var allowedBefore: UInt8
    private var allowedAfter: UInt8

    /// The given kinds, and whether nothing at all will do, on each side; `nil` is anything.
    public init(
      before: (kinds: Set<ScalarKind>, orNothing: Bool)? = nil,
      after: (kinds: Set<ScalarKind>, orNothing: Bool)? = nil
    ) {
      func mask(_ side: (kinds: Set<ScalarKind>, orNothing: Bool)?) -> UInt8 {
        guard let side else { return .max }
        return side.kinds.reduce(side.orNothing ? 0x80 : 0) { $0 | 1 << $1.rawValue }
      }
      allowedBefore = mask(before)
      allowedAfter = mask(after)
    }

    /// Whether a place between two scalars will do; `nil` is the beginning or the end.
    func allows(_ before: ScalarKind?, _ after: ScalarKind?) -> Bool {
      allowedBefore >> (before?.rawValue ?? 7) & 1 == 1
        && allowedAfter >> (after?.rawValue ?? 7) & 1 == 1
    }
  }

  /// One scalar of a set.
  case scalar(ScalarSet)
  /// One after another; none is the empty text.
  case sequence([Expression])
  /// Any of these; none is nothing at all.
  case anyOf([Expression])
  /// So many times; `nil` is without a limit.
  case repeated(Expression, from: Int, to: Int?)
  /// Nothing, at a place whose neighbours will do.
  case place(Neighbours)

  /// The empty text.
  public static let empty = Expression.sequence([])
  /// Any text.
  public static let anything = Expression.repeated(.scalar(.all), from: 0, to: nil)
  /// The text's beginning.
  public static let beginning = Expression.place(Neighbours(before: ([], true)))
  /// The text's end.
  public static let end = Expression.place(Neighbours(after: ([], true)))

  /// A text as it is.
  public static func text(_ text: String, ignoringCase: Bool = false) -> Expression {
    .sequence(
      text.unicodeScalars.map { scalar in
        .scalar(ignoringCase ? LowerCase.alike(scalar) : ScalarSet([scalar]))
      })
  }

  /// A text at word boundaries: where it begins or ends with a letter or digit of a script with
  /// spaces, its neighbour is none.
  public static func word(_ text: String, ignoringCase: Bool = false) -> Expression {
    let notLetter = Set(ScalarKind.allCases).subtracting([.letter])
    var parts = [Expression.text(text, ignoringCase: ignoringCase)]
    if let first = text.unicodeScalars.first, ScalarKind(first) == .letter {
      parts.insert(.place(Neighbours(before: (notLetter, true))), at: 0)
    }
    if let last = text.unicodeScalars.last, ScalarKind(last) == .letter {
      parts.append(.place(Neighbours(after: (notLetter, true))))
    }
    return .sequence(parts)
  }

  /// All sets of scalars in it.
  var sets: [ScalarSet] {
    switch self {
    case .scalar(let set): [set]
    case .sequence(let parts), .anyOf(let parts): parts.flatMap(\.sets)
    case .repeated(let part, _, _): part.sets
    case .place: []
    }
  }
}

/// Simple lower-case mappings, scalar by scalar.
enum LowerCase {
  static func of(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    // The one scalar whose full mapping has two.
    if scalar.value == 0x130 { return "i" }
    return scalar.properties.lowercaseMapping.unicodeScalars.first ?? scalar
  }

  /// All scalars that have the same mapping.
  static func alike(_ scalar: Unicode.Scalar) -> ScalarSet {
    let lower = of(scalar)
    return ScalarSet([lower] + (uppers[lower] ?? []))
  }

  private static let uppers: [Unicode.Scalar: [Unicode.Scalar]] = {
    var uppers: [Unicode.Scalar: [Unicode.Scalar]] = [:]
    for value in UInt32(0)..<0x20000 {
      guard let scalar = Unicode.Scalar(value), scalar.properties.changesWhenLowercased else {
        continue
      }
      uppers[of(scalar), default: []].append(scalar)
    }
    return uppers
  }()
}

/// Words as `length`, `at` and templates count them.
///
/// Within a maximal run without white space: where no scalar of a script without spaces is in it,
/// the run is one word; else each such scalar is one, and what stands between them is one where it
/// holds a letter or digit.
enum WordExpression {
  private static let letters = ScalarSet.kind(.letter)
  private static let others = ScalarSet.kind(.other)
  private static let run = Expression.repeated(
    .scalar(letters.union(others)), from: 0, to: nil)
  private static let punctuation = Expression.repeated(.scalar(others), from: 0, to: nil)

  private static func place(
    before: Set<ScalarKind>? = nil, after: Set<ScalarKind>? = nil
  ) -> Expression {
    .place(
      Expression.Neighbours(
        before: before.map { ($0, true) }, after: after.map { ($0, true) }))
  }

  private static let runStart = place(before: [.space, .spaceless])
  private static let runEnd = place(after: [.space, .spaceless])
  private static let spacedStart = place(before: [.space])
  private static let spacedEnd = place(after: [.space])
  private static let signs = Expression.repeated(.scalar(others), from: 1, to: nil)

  /// One word with the punctuation around it.
  static let word = Expression.anyOf([
    .sequence([runStart, run, .scalar(letters), run, runEnd]),
    .scalar(.kind(.spaceless)),
    .sequence([spacedStart, signs, spacedEnd]),
  ])

  /// What may stand between words, before the first and behind the last.
  static let gap = Expression.repeated(
    .anyOf([
      .scalar(.kind(.space)),
      .sequence([
        .place(Expression.Neighbours(before: ([.spaceless], false))), signs, runEnd,
      ]),
      .sequence([
        spacedStart, signs, .place(Expression.Neighbours(after: ([.spaceless], false))),
      ]),
    ]), from: 0, to: nil)

  /// A word that is a given text but for its outer punctuation; `nil` where no word can be it.
  static func word(_ text: String, ignoringCase: Bool) -> Expression? {
    let kinds = text.unicodeScalars.map { ScalarKind($0) }
    let exact = Expression.text(text, ignoringCase: ignoringCase)
    if kinds.isEmpty || kinds.contains(.space) { return nil }
    if kinds.contains(.spaceless) { return kinds.count == 1 ? exact : nil }
    if !kinds.contains(.letter) { return .sequence([spacedStart, exact, spacedEnd]) }
    // Outer punctuation of the text itself is not compared.
    guard kinds.first == .letter, kinds.last == .letter else { return nil }
    return .sequence([runStart, punctuation, exact, punctuation, runEnd])
  }

  /// So many words as a template's hole holds them: its ends may touch punctuation.
  static func hole(_ counts: ClosedRange<Int>) -> Expression {
    let notLetter = Set(ScalarKind.allCases).subtracting([.letter])
    let open = place(before: notLetter)
    let close = place(after: notLetter)
    func word(isFirst: Bool, isLast: Bool) -> Expression {
      .anyOf([
        .sequence([
          isFirst ? open : runStart, run, .scalar(letters), run, isLast ? close : runEnd,
        ]),
        .scalar(.kind(.spaceless)),
        .sequence([spacedStart, signs, spacedEnd]),
      ])
    }
    func words(_ count: Int) -> Expression {
      if count == 1 { return word(isFirst: true, isLast: true) }
      return .sequence([
        word(isFirst: true, isLast: false), gap,
        .repeated(
          .sequence([word(isFirst: false, isLast: false), gap]), from: count - 2, to: count - 2),
        word(isFirst: false, isLast: true),
      ])
    }
    // Signs beside a character of a script without spaces belong to it as they do to other words.
    let signsBefore = Expression.repeated(
      .sequence([open, signs, .place(Expression.Neighbours(after: ([.spaceless], false)))]),
      from: 0, to: 1)
    let signsBehind = Expression.repeated(
      .sequence([.place(Expression.Neighbours(before: ([.spaceless], false))), signs, close]),
      from: 0, to: 1)
    return .anyOf(
      counts.map { $0 == 0 ? .empty : .sequence([signsBefore, words($0), signsBehind]) })
  }
}
