// Licensed under the Apache License, Version 2.0.

/// A regular expression over Unicode scalars.
public indirect enum Expression: Hashable, Sendable {
  /// A condition on the scalars beside a place.
  public struct Neighbours: Hashable, Sendable {
    /// A condition on one side: the scalars that may stand there, and whether it may be empty.
    public struct Side: Hashable, Sendable {
      let scalars: ScalarSet
      let orNothing: Bool

      /// Creates a condition on one side.
      ///
      /// - Parameters:
      ///   - scalars: the scalars that may stand there.
      ///   - orNothing: whether the text may begin or end there.
      public init(_ scalars: ScalarSet, orNothing: Bool) {
        self.scalars = scalars
        self.orNothing = orNothing
      }
    }

    /// The condition before the place; `nil` if any will do.
    let before: Side?
    /// The condition after the place; `nil` if any will do.
    let after: Side?

    /// Combines two conditions; `nil` accepts anything on that side.
    public init(_ before: Side?, _ after: Side?) {
      self.before = before
      self.after = after
    }

    /// Scalars of the given kinds on each side, and whether the side may be empty; `nil` accepts
    /// anything.
    public init(
      before: (kinds: Set<ScalarKind>, orNothing: Bool)? = nil,
      after: (kinds: Set<ScalarKind>, orNothing: Bool)? = nil
    ) {
      func side(_ allowed: (kinds: Set<ScalarKind>, orNothing: Bool)?) -> Side? {
        guard let allowed else { return nil }
        let scalars = allowed.kinds.reduce(ScalarSet()) { $0.union(.kind($1)) }
        return Side(scalars, orNothing: allowed.orNothing)
      }
      self.init(side(before), side(after))
    }
  }

  /// One scalar out of a set.
  case scalar(ScalarSet)
  /// Expressions one after another; an empty list matches the empty text.
  case sequence([Expression])
  /// Any one of these expressions; an empty list matches nothing.
  case anyOf([Expression])
  /// A number of repetitions; `nil` means no upper limit.
  case repeated(Expression, from: Int, to: Int?)
  /// The empty text at a place whose neighbours meet a condition.
  case place(Neighbours)

  /// The empty text.
  public static let empty = Expression.sequence([])
  /// Any text.
  public static let anything = Expression.repeated(.scalar(.all), from: 0, to: nil)
  /// The beginning of the text.
  public static let beginning = Expression.place(Neighbours(before: ([], true)))
  /// The end of the text.
  public static let end = Expression.place(Neighbours(after: ([], true)))

  /// A literal text.
  public static func text(_ text: String, ignoringCase: Bool = false) -> Expression {
    .sequence(
      text.unicodeScalars.map { scalar in
        .scalar(ignoringCase ? LowerCase.alike(scalar) : ScalarSet([scalar]))
      })
  }

  /// A literal text at word boundaries.
  ///
  /// If it begins or ends with a letter or digit of a script with spaces, no such letter or digit
  /// may stand beside it.
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

  /// All sets of scalars that the expression uses, including those beside its places.
  var sets: Set<ScalarSet> {
    var sets: Set<ScalarSet> = []
    collect(into: &sets)
    return sets
  }

  private func collect(into sets: inout Set<ScalarSet>) {
    switch self {
    case .scalar(let set): sets.insert(set)
    case .sequence(let parts), .anyOf(let parts): for part in parts { part.collect(into: &sets) }
    case .repeated(let part, _, _): part.collect(into: &sets)
    case .place(let neighbours):
      if let before = neighbours.before { sets.insert(before.scalars) }
      if let after = neighbours.after { sets.insert(after.scalars) }
    }
  }

  /// An expression for the same texts with fewer parts.
  ///
  /// Nested counts are multiplied, runs of one class are counted together, and parts that match
  /// nothing or only the empty text are dropped.
  var simplified: Expression {
    switch self {
    case .scalar(let set): return set.isEmpty ? .anyOf([]) : self
    case .place: return self
    case .anyOf(let parts):
      var branches: [Expression] = []
      var known: Set<Expression> = []
      var scalars: [ClosedRange<UInt32>] = []
      for part in parts.map(\.simplified) {
        switch part {
        case .scalar(let set): scalars += set.ranges
        case .anyOf(let inner):
          for branch in inner {
            if case .scalar(let set) = branch {
              scalars += set.ranges
            } else if known.insert(branch).inserted {
              branches.append(branch)
            }
          }
        default: if known.insert(part).inserted { branches.append(part) }
        }
      }
      if !scalars.isEmpty { branches.append(.scalar(ScalarSet(scalars))) }
      return branches.count == 1 ? branches[0] : .anyOf(branches)
    case .sequence(let parts):
      var flat: [Expression] = []
      for part in parts.map(\.simplified) {
        if case .sequence(let inner) = part {
          for one in inner { Self.append(one, to: &flat) }
        } else if part == .anyOf([]) {
          return part
        } else {
          Self.append(part, to: &flat)
        }
      }
      return flat.count == 1 ? flat[0] : .sequence(flat)
    case .repeated(let part, let from, let to):
      let inner = part.simplified
      if inner == .empty || to == 0 { return .empty }
      if inner == .anyOf([]) { return from == 0 ? .empty : inner }
      if from == 1, to == 1 { return inner }
      if case .repeated(let innermost, let low, let high) = inner,
        let (least, most) = Self.multiplied(low, high, from, to)
      {
        return .repeated(innermost, from: least, to: most)
      }
      return .repeated(inner, from: from, to: to)
    }
  }

  /// Appends a part, or counts it together with the last one if both repeat the same class.
  private static func append(_ part: Expression, to parts: inout [Expression]) {
    func counted(_ part: Expression) -> (set: ScalarSet, from: Int, to: Int?)? {
      switch part {
      case .scalar(let set): return (set, 1, 1)
      case .repeated(.scalar(let set), let from, let to): return (set, from, to)
      default: return nil
      }
    }
    if let last = parts.last.flatMap(counted), let next = counted(part), last.set == next.set {
      let (from, overflows) = last.from.addingReportingOverflow(next.from)
      let to: (Int, Bool)? = last.to.flatMap { a in
        next.to.map { b in a.addingReportingOverflow(b) }
      }
      if !overflows, to?.1 != true {
        parts[parts.count - 1] = .repeated(.scalar(last.set), from: from, to: to?.0)
        return
      }
    }
    parts.append(part)
  }

  /// The counts of a repetition within a repetition; `nil` if they leave gaps or are huge.
  private static func multiplied(
    _ low: Int, _ high: Int?, _ from: Int, _ to: Int?
  ) -> (Int, Int?)? {
    // k times low ... high, for k = from ... to. There are no gaps if there is none after the
    // first.
    let largest = 1 << 24
    guard max(low, high ?? 0) < largest, max(from, to ?? 0) < largest else { return nil }
    guard let high else {
      if from == 0 { return low <= 1 ? (0, nil) : nil }
      return (from * low, nil)
    }
    guard to == from || from * high + 1 >= (from + 1) * low else { return nil }
    return (from * low, to.map { $0 * high })
  }
}

/// Simple lower-case mappings of single scalars.
enum LowerCase {
  static func of(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    // The only scalar whose full mapping has two scalars.
    if scalar.value == 0x130 { return "i" }
    return scalar.properties.lowercaseMapping.unicodeScalars.first ?? scalar
  }

  /// All scalars with the same lower-case mapping.
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

/// Simple case folding of single scalars, as in Unicode's CaseFolding.txt (status C and S).
///
/// It is derived from the standard library's mappings: the lower case of the upper case, if each is
/// one scalar. The dotted and dotless i of Turkish fold to themselves.
public enum CaseFolding {
  static func of(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    switch scalar.value {
    case 0x130, 0x131: return scalar
    // Their upper case has more than one scalar.
    case 0x1FD3: return "\u{390}"
    case 0x1FE3: return "\u{3B0}"
    case 0xFB05: return "\u{FB06}"
    default: break
    }
    func single(_ mapping: String) -> Unicode.Scalar? {
      mapping.unicodeScalars.count == 1 ? mapping.unicodeScalars.first : nil
    }
    let upper = single(scalar.properties.uppercaseMapping) ?? scalar
    return single(upper.properties.lowercaseMapping) ?? upper
  }

  /// The set with all scalars added that differ from one of its own by case alone.
  public static func closure(of set: ScalarSet) -> ScalarSet {
    var ranges = set.ranges
    for family in families where family.contains(where: { set.contains($0) }) {
      ranges += family.map { $0...$0 }
    }
    return ScalarSet(ranges)
  }

  /// Groups of several scalars that fold to the same one.
  private static let families: [[UInt32]] = {
    var families: [Unicode.Scalar: Set<UInt32>] = [:]
    for value in UInt32(0)..<0x20000 {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let folded = of(scalar)
      if folded != scalar { families[folded, default: [folded.value]].insert(value) }
    }
    return families.values.map { $0.sorted() }
  }()
}

/// Words as `length`, `at` and templates count them.
///
/// Consider a maximal run without white space. If it has no scalar of a script without spaces, the
/// run is one word. Otherwise each such scalar is a word, and so is each stretch between them that
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

  /// One word, including the punctuation around it.
  static let word = Expression.anyOf([
    .sequence([runStart, run, .scalar(letters), run, runEnd]),
    .scalar(.kind(.spaceless)),
    .sequence([spacedStart, signs, spacedEnd]),
  ])

  /// What may stand between words, before the first and after the last.
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

  /// A word that equals a text except for outer punctuation; `nil` if no word can be that text.
  static func word(_ text: String, ignoringCase: Bool) -> Expression? {
    let kinds = text.unicodeScalars.map { ScalarKind($0) }
    let exact = Expression.text(text, ignoringCase: ignoringCase)
    if kinds.isEmpty || kinds.contains(.space) { return nil }
    if kinds.contains(.spaceless) { return kinds.count == 1 ? exact : nil }
    if !kinds.contains(.letter) { return .sequence([spacedStart, exact, spacedEnd]) }
    // The text must not have outer punctuation itself, because that isn't compared.
    guard kinds.first == .letter, kinds.last == .letter else { return nil }
    return .sequence([runStart, punctuation, exact, punctuation, runEnd])
  }

  /// A number of words as a template's hole holds them; its ends may touch punctuation.
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
    // Punctuation beside a character of a script without spaces belongs to it, as it does to any
    // word.
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
