// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Reads the regular expressions of constraint files, in the syntax of Swift's `Regex`.
///
/// It knows literals, `.`, classes with nested sets and the operations `&&`, `--` and `~~`, `\d \w
/// \s \h \v \p{L} \p{Han}` and their opposites, groups, alternation, `* + ? {m,n}`, `^ $ \A \z \b
/// \B` and the flags `(?i)` and `(?s)`. Each scalar stands for itself. Syntax that no automaton can
/// follow is refused by name.
public struct RegularExpression {
  /// The reason why an expression cannot be read, and where.
  public struct Failure: Error, Hashable, Sendable {
    /// The index of the scalar, from 0.
    public let offset: Int
    /// What was found and what was expected.
    public let reason: String
  }

  private let scalars: [Unicode.Scalar]
  private var place = 0
  private var depth = 0
  private var ignoresCase: Bool
  private var dotMatchesNewlines = false

  private init(_ text: String, ignoringCase: Bool) {
    scalars = Array(text.unicodeScalars)
    ignoresCase = ignoringCase
  }

  /// Parses an expression.
  ///
  /// - Parameters:
  ///   - text: the expression without its slashes.
  ///   - ignoringCase: whether literals and ranges match all scalars with the same simple case
  ///     folding, as after `(?i)`.
  /// - Returns: the expression.
  /// - Throws: ``Failure``, which names what was found and where.
  public static func parse(
    _ text: String, ignoringCase: Bool = false
  ) throws(Failure) -> Expression {
    var parser = RegularExpression(text, ignoringCase: ignoringCase)
    let expression = try parser.alternation()
    if let rest = parser.peek {
      throw parser.failure("found '\(rest)' without its '('")
    }
    return expression
  }

  private var peek: Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }

  private func failure(_ reason: String, at offset: Int? = nil) -> Failure {
    Failure(offset: offset ?? place, reason: reason)
  }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard peek == scalar else { return false }
    place += 1
    return true
  }

  private func looksAt(_ text: String) -> Bool {
    scalars[place...].starts(with: text.unicodeScalars)
  }

  private mutating func alternation() throws(Failure) -> Expression {
    depth += 1
    let flags = (ignoresCase, dotMatchesNewlines)
    // Flags hold until the end of their group.
    defer {
      depth -= 1
      (ignoresCase, dotMatchesNewlines) = flags
    }
    guard depth <= 100 else { throw failure("groups are nested deeper than 100") }
    var branches = [try sequence()]
    while take("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .anyOf(branches)
  }

  private mutating func sequence() throws(Failure) -> Expression {
    var parts: [Expression] = []
    while let next = peek, next != "|", next != ")" {
      if try takesFlags() { continue }
      let start = place
      let atom = try atom()
      parts.append(try quantified(atom, from: start))
    }
    return parts.count == 1 ? parts[0] : .sequence(parts)
  }

  private mutating func quantified(
    _ atom: Expression, from start: Int
  ) throws(Failure) -> Expression {
    guard let next = peek else { return atom }
    let sign = place
    var bounds: (Int, Int?)
    switch next {
    case "*": bounds = (0, nil)
    case "+": bounds = (1, nil)
    case "?": bounds = (0, 1)
    case "{":
      guard let found = try counts() else { return atom }
      bounds = found
      place -= 1
    default: return atom
    }
    place += 1
    if peek == "?" {
      throw failure(
        "found a lazy quantifier. Whether a text matches does not depend on it: leave out the '?'")
    }
    if peek == "+" {
      throw failure(
        "found a possessive quantifier, which an automaton cannot follow. Leave out the second '+'")
    }
    if peek == "*" || peek == "{" {
      throw failure("found two quantifiers in a row. Put the first one into a group")
    }
    // \b and \B are choices of places.
    let isBoundary =
      scalars[start] == "\\" && ["b", "B"].contains(scalars[start + 1]) && sign == start + 2
    var isPlace = isBoundary
    if case .place = atom { isPlace = true }
    if isPlace {
      throw failure("found a quantifier behind an anchor, which repeats nothing", at: sign)
    }
    return .repeated(atom, from: bounds.0, to: bounds.1)
  }

  /// Parses `{m}`, `{m,}`, `{m,n}` or `{,n}`.
  private mutating func counts() throws(Failure) -> (Int, Int?)? {
    let start = place
    place += 1
    func number() throws(Failure) -> Int? {
      var digits = ""
      while let digit = peek, ("0"..."9").contains(digit) {
        digits.unicodeScalars.append(digit)
        place += 1
      }
      if digits.isEmpty { return nil }
      guard let value = Int(digits), value <= 10_000 else {
        throw failure("found the count \(digits), expected at most 10000", at: start)
      }
      return value
    }
    let low = try number()
    var high = low
    if take(",") { high = try number() }
    guard take("}"), low != nil || high != nil else {
      throw failure(
        "found '{', expected counts such as {2,5} behind it, or \\{ for the sign", at: start)
    }
    if let low, let high, low > high {
      throw failure("found {\(low),\(high)}, whose first count is the larger one", at: start)
    }
    return (low ?? 0, high)
  }

  private mutating func atom() throws(Failure) -> Expression {
    let start = place
    let scalar = scalars[place]
    place += 1
    switch scalar {
    case "(":
      for (opening, name) in Self.refusedGroups where looksAt(opening) {
        throw failure(
          "found \(name) '(\(opening)', which is not supported: expressions are compiled to "
            + "automata", at: start)
      }
      if looksAt("?:") {
        place += 2
      } else if looksAt("?<") || looksAt("?P<") {
        while let next = peek, next != ">" {
          guard next != ")" else { break }
          place += 1
        }
        guard take(">") else { throw failure("found a group's name without its '>'", at: start) }
      } else if looksAt("?") {
        // Flags for this group alone. Flags for the rest of a group are read in a sequence.
        place += 1
        let outer = (ignoresCase, dotMatchesNewlines)
        try flags(from: start)
        guard take(":") else {
          throw failure("found '(?' with flags, expected ':' or ')' behind them", at: start)
        }
        defer { (ignoresCase, dotMatchesNewlines) = outer }
        let inner = try alternation()
        guard take(")") else { throw failure("found '(' without its ')'", at: start) }
        return inner
      }
      let inner = try alternation()
      guard take(")") else { throw failure("found '(' without its ')'", at: start) }
      return inner
    case "[": return .scalar(try scalarClass(from: start))
    case ".": return .scalar(dotMatchesNewlines ? .all : ScalarProperties.newlines.complement)
    case "^": return .beginning
    case "$": return .end
    case "*", "+", "?":
      throw failure("found '\(scalar)' with nothing before it to repeat", at: start)
    case "{":
      throw failure("found '{' with nothing before it to repeat; \\{ is the sign", at: start)
    case "\\": return try escape(from: start)
    default: return .scalar(folded(ScalarSet([scalar])))
    }
  }

  /// Groups that automata cannot follow, or that have no meaning here; longer openings first.
  private static let refusedGroups = [
    ("?=", "look-ahead"), ("?!", "negative look-ahead"), ("?<=", "look-behind"),
    ("?<!", "negative look-behind"), ("?>", "an atomic group"), ("?#", "a comment"),
    ("?|", "a branch reset group"), ("?(", "a condition"), ("?R", "recursion"),
    ("?&", "recursion"), ("?P>", "recursion"), ("?P=", "a back-reference"), ("?C", "a callout"),
    ("?'", "a group named in quotes"),
  ]

  /// The set of scalars, with those that differ only by case added if case is ignored.
  private func folded(_ set: ScalarSet) -> ScalarSet {
    ignoresCase ? CaseFolding.closure(of: set) : set
  }

  /// Reads flags for the rest of the group, such as `(?i)`; returns whether there were any.
  private mutating func takesFlags() throws(Failure) -> Bool {
    guard looksAt("(?") else { return false }
    var end = place + 2
    while end < scalars.count,
      scalars[end].properties.isAlphabetic || "-^".unicodeScalars.contains(scalars[end])
    {
      end += 1
    }
    guard end > place + 2, end < scalars.count, scalars[end] == ")",
      !Self.refusedGroups.contains(where: { looksAt("(" + $0.0) })
    else { return false }
    let start = place
    place += 2
    try flags(from: start)
    place = end + 1
    return true
  }

  /// Reads the letters of flags.
  private mutating func flags(from start: Int) throws(Failure) {
    var value = true
    if take("^") { (ignoresCase, dotMatchesNewlines) = (false, false) }
    while let flag = peek, flag != ")", flag != ":" {
      switch flag {
      case "-": value = false
      case "i": ignoresCase = value
      case "s": dotMatchesNewlines = value
      default:
        throw failure(
          "found the flag '\(flag)' in '(?', which is not supported. There are i (ignore case) and "
            + "s (a dot matches line breaks)", at: start)
      }
      place += 1
    }
  }

  private mutating func escape(from start: Int) throws(Failure) -> Expression {
    guard let scalar = peek else { throw failure("found '\\' at the end", at: start) }
    switch scalar {
    case "b", "B":
      place += 1
      typealias Neighbours = Expression.Neighbours
      let word = Neighbours.Side(ScalarProperties.word, orNothing: false)
      let other = Neighbours.Side(ScalarProperties.word.complement, orNothing: true)
      return scalar == "b"
        ? .anyOf([.place(Neighbours(word, other)), .place(Neighbours(other, word))])
        : .anyOf([.place(Neighbours(word, word)), .place(Neighbours(other, other))])
    case "A", "z":
      place += 1
      return scalar == "A" ? .beginning : .end
    case "1"..."9", "k", "g":
      throw failure(
        "found the back-reference '\\\(scalar)', which is not supported: expressions are compiled "
          + "to automata", at: start)
    case "Z":
      throw failure(
        "found '\\Z', which is not supported. Write $ for the end of the text", at: start)
    case "C", "G", "K", "N", "O", "Q", "R", "X", "Y", "c", "o", "y":
      throw failure("found '\\\(scalar)', which is not supported", at: start)
    default: return .scalar(try escapedSet(from: start))
    }
  }

  /// Reads a set after a backslash.
  private mutating func escapedSet(from start: Int) throws(Failure) -> ScalarSet {
    guard let scalar = peek else { throw failure("found '\\' at the end", at: start) }
    place += 1
    switch scalar {
    case "d": return ScalarProperties.digits
    case "D": return ScalarProperties.digits.complement
    case "w": return ScalarProperties.word
    case "W": return ScalarProperties.word.complement
    case "s": return .kind(.space)
    case "S": return ScalarSet.kind(.space).complement
    case "v": return ScalarProperties.newlines
    case "V": return ScalarProperties.newlines.complement
    case "h": return ScalarSet.kind(.space).subtracting(ScalarProperties.newlines)
    case "H": return ScalarSet.kind(.space).subtracting(ScalarProperties.newlines).complement
    case "t": return ScalarSet(["\t"])
    case "n": return ScalarSet(["\n"])
    case "r": return ScalarSet(["\r"])
    case "f": return ScalarSet([Unicode.Scalar(0x0C)])
    case "a": return ScalarSet([Unicode.Scalar(0x07)])
    case "e": return ScalarSet([Unicode.Scalar(0x1B)])
    case "0":
      if let next = peek, ("0"..."9").contains(next) {
        throw failure("found an octal number. Write the hexadecimal \\x{...}", at: start)
      }
      return ScalarSet([Unicode.Scalar(0)])
    case "x": return folded(ScalarSet([try hexadecimal(2, from: start)]))
    case "u": return folded(ScalarSet([try hexadecimal(4, from: start)]))
    case "p", "P":
      let name = try propertyName(from: start)
      guard let set = ScalarProperties.named(name) else {
        throw failure(
          "found \\\(scalar){\(name)}, expected a general category such as L or Lu, or a script "
            + "such as Han", at: start)
      }
      return scalar == "p" ? set : set.complement
    default:
      guard !scalar.properties.isAlphabetic, !("0"..."9").contains(scalar) else {
        throw failure(
          "found '\\\(scalar)', which means nothing here; \\\\ is a backslash", at: start)
      }
      return ScalarSet([scalar])
    }
  }

  private mutating func hexadecimal(_ count: Int, from start: Int) throws(Failure) -> Unicode.Scalar
  {
    var digits = ""
    if take("{") {
      while let next = peek, next != "}" {
        digits.unicodeScalars.append(next)
        place += 1
      }
      if !take("}") { digits = "" }
    } else {
      while digits.count < count, let next = peek {
        digits.unicodeScalars.append(next)
        place += 1
      }
      if digits.count < count { digits = "" }
    }
    guard !digits.isEmpty, let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value)
    else { throw failure("found '\\' without the hexadecimal number of a scalar", at: start) }
    return scalar
  }

  private mutating func propertyName(from start: Int) throws(Failure) -> String {
    guard take("{") else {
      guard let letter = peek else { throw failure("found '\\p' at the end", at: start) }
      place += 1
      return String(letter)
    }
    var name = ""
    while let next = peek, next != "}" {
      name.unicodeScalars.append(next)
      place += 1
    }
    guard take("}") else { throw failure("found '\\p{' without its '}'", at: start) }
    return name
  }

  /// The set operations.
  ///
  /// All have the same precedence and apply from left to right, as in Swift.
  private static let setOperations = ["&&", "--", "~~"]

  private func setOperation() -> String? { Self.setOperations.first { looksAt($0) } }

  /// Reads a class after its '['; members side by side form a union.
  private mutating func scalarClass(from start: Int) throws(Failure) -> ScalarSet {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 100 else { throw failure("sets are nested deeper than 100", at: start) }
    if looksAtPOSIXClass() {
      throw failure("found a POSIX class '[:'; write \\p{...} instead", at: start)
    }
    let isNegated = take("^")
    var set = try members(of: start)
    while let operation = setOperation() {
      place += 2
      let other = try members(of: start)
      switch operation {
      case "&&": set = set.intersection(other)
      case "--": set = set.subtracting(other)
      default: set = set.symmetricDifference(other)
      }
    }
    guard take("]") else { throw failure("found '[' without its ']'", at: start) }
    return isNegated ? set.complement : set
  }

  /// Whether `:name:]` follows '[', which Swift and POSIX read as a named class.
  private func looksAtPOSIXClass() -> Bool {
    guard peek == ":" else { return false }
    var end = place + 1
    while end < scalars.count, scalars[end] != ":", scalars[end] != "]" { end += 1 }
    return end + 1 < scalars.count && scalars[end] == ":" && scalars[end + 1] == "]"
  }

  /// Reads the union of members up to an operation or the end of the class.
  private mutating func members(of start: Int) throws(Failure) -> ScalarSet {
    var ranges: [ClosedRange<UInt32>] = []
    let first = place
    while setOperation() == nil {
      guard let scalar = peek else { throw failure("found '[' without its ']'", at: start) }
      if scalar == "]" { break }
      let from = place
      if take("[") {
        let inner = try scalarClass(from: from)
        ranges += inner.ranges
        if peek == "-", place + 1 < scalars.count, scalars[place + 1] != "]",
          setOperation() == nil
        {
          throw failure("found a range that begins with a class", at: from)
        }
        continue
      }
      let low = try member()
      guard peek == "-", place + 1 < scalars.count, scalars[place + 1] != "]",
        setOperation() == nil
      else {
        ranges += low.set.ranges
        continue
      }
      guard let first = low.single else {
        throw failure(
          "found a range that begins with a class. Write \\- for the sign", at: from)
      }
      place += 1
      if peek == "[" {
        throw failure("found '-[', which takes nothing away. Write --[", at: from)
      }
      let high = try member()
      guard let last = high.single else {
        throw failure("found a range that ends in a class", at: from)
      }
      guard first <= last else {
        throw failure(
          "found the range '\(first)-\(last)', whose first scalar comes later", at: from)
      }
      ranges += folded(ScalarSet([first.value...last.value])).ranges
    }
    guard place > first else {
      if let operation = setOperation() {
        throw failure(
          "found '\(operation)' with nothing before it. Write \\\(operation.prefix(1)) for the sign"
        )
      }
      if Self.setOperations.contains(where: { operation in
        first >= 2 && scalars[first - 2..<first].elementsEqual(operation.unicodeScalars)
      }) {
        throw failure("found a set operation with nothing behind it", at: first - 2)
      }
      throw failure("found an empty class. Write \\] for the sign", at: start)
    }
    return ScalarSet(ranges)
  }

  private mutating func member() throws(Failure) -> (set: ScalarSet, single: Unicode.Scalar?) {
    let start = place
    guard let scalar = peek else { throw failure("found a class without its ']'") }
    place += 1
    guard scalar == "\\" else { return (folded(ScalarSet([scalar])), scalar) }
    if take("b") { return (ScalarSet([Unicode.Scalar(8)]), Unicode.Scalar(8)) }
    // A range is folded as a whole, so its bounds are read unchanged.
    let ignored = ignoresCase
    ignoresCase = false
    defer { ignoresCase = ignored }
    let set = try escapedSet(from: start)
    guard let range = set.ranges.first, set.ranges.count == 1, range.count == 1,
      let single = Unicode.Scalar(range.lowerBound)
    else { return (set, nil) }
    return (ignored ? CaseFolding.closure(of: set) : set, single)
  }
}

/// Sets of scalars by their Unicode names.
enum ScalarProperties {
  /// Line breaks, as a dot and `\v` treat them.
  static let newlines = ScalarSet([0x0A...0x0D, 0x85...0x85, 0x2028...0x2029])

  static let digits = ScalarSet { $0.properties.generalCategory == .decimalNumber }

  static let word = ScalarSet { scalar in
    if scalar.properties.isAlphabetic { return true }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation:
      return true
    default: return scalar.properties.isJoinControl
    }
  }

  /// A general category or group of them, a script, or `Any`.
  static func named(_ name: String) -> ScalarSet? {
    let plain = name.filter { $0 != "_" && $0 != " " && $0 != "-" }.lowercased()
    if plain == "any" { return .all }
    for prefix in ["script=", "sc=", "scx=", "scriptextensions="] where plain.hasPrefix(prefix) {
      return script(String(name.drop { $0 != "=" }.dropFirst()))
    }
    for prefix in ["gc=", "generalcategory="] where plain.hasPrefix(prefix) {
      return category(String(plain.drop { $0 != "=" }.dropFirst()))
    }
    return category(plain) ?? script(name)
  }

  private static func category(_ plain: String) -> ScalarSet? {
    guard let wanted = categories[plain] else { return nil }
    return ScalarSet { wanted.contains($0.properties.generalCategory) }
  }

  private typealias Category = Unicode.GeneralCategory

  private static let categories: [String: Set<Unicode.GeneralCategory>] = {
    let single: [(String, String, Category)] = [
      ("lu", "uppercaseletter", .uppercaseLetter), ("ll", "lowercaseletter", .lowercaseLetter),
      ("lt", "titlecaseletter", .titlecaseLetter), ("lm", "modifierletter", .modifierLetter),
      ("lo", "otherletter", .otherLetter), ("mn", "nonspacingmark", .nonspacingMark),
      ("mc", "spacingmark", .spacingMark), ("me", "enclosingmark", .enclosingMark),
      ("nd", "decimalnumber", .decimalNumber), ("nl", "letternumber", .letterNumber),
      ("no", "othernumber", .otherNumber), ("pc", "connectorpunctuation", .connectorPunctuation),
      ("pd", "dashpunctuation", .dashPunctuation), ("ps", "openpunctuation", .openPunctuation),
      ("pe", "closepunctuation", .closePunctuation),
      ("pi", "initialpunctuation", .initialPunctuation),
      ("pf", "finalpunctuation", .finalPunctuation), ("po", "otherpunctuation", .otherPunctuation),
      ("sm", "mathsymbol", .mathSymbol), ("sc", "currencysymbol", .currencySymbol),
      ("sk", "modifiersymbol", .modifierSymbol), ("so", "othersymbol", .otherSymbol),
      ("zs", "spaceseparator", .spaceSeparator), ("zl", "lineseparator", .lineSeparator),
      ("zp", "paragraphseparator", .paragraphSeparator), ("cc", "control", .control),
      ("cf", "format", .format), ("co", "privateuse", .privateUse),
      ("cn", "unassigned", .unassigned),
    ]
    var table: [String: Set<Category>] = [:]
    for (short, long, category) in single {
      table[short] = [category]
      table[long] = [category]
      table[String(short.prefix(1)), default: []].insert(category)
    }
    for (long, short) in [
      ("letter", "l"), ("mark", "m"), ("number", "n"), ("punctuation", "p"), ("symbol", "s"),
      ("separator", "z"), ("other", "c"),
    ] { table[long] = table[short] }
    return table
  }()

  /// The scalars of a script, found by asking the standard library's expressions for each scalar.
  private static func script(_ name: String) -> ScalarSet? {
    guard !name.isEmpty,
      name.unicodeScalars.allSatisfy({ $0.properties.isAlphabetic || $0 == "_" }),
      let expression = try? Regex("\\p{Script=\(name)}")
    else { return nil }
    return ScalarSet { scalar in
      scalar.properties.generalCategory != .unassigned
        && (try? expression.wholeMatch(in: String(Character(scalar)))) != nil
    }
  }
}
