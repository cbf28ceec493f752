// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Reads constraint files: one statement per line, comments after `#`.
///
/// ```
/// include "sea" "storm"      # both occur
/// length 6..14 words
/// end "."
/// ```
public enum ConstraintFile {
  /// Parses the text of a constraint file.
  ///
  /// - Parameters:
  ///   - text: the file's contents; they are converted to NFC.
  ///   - path: the file's name, for messages.
  /// - Returns: the statements, in order.
  /// - Throws: `LoadError` with line and column, what was found and what was expected.
  public static func parse(_ text: String, path: String) throws(LoadError) -> [Constraint] {
    var constraints: [Constraint] = []
    var number = 0
    // Scalar by scalar, because a carriage return and its line feed form one character.
    for line in text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false) {
      number += 1
      var body = NFC.of(String(line))
      if number == 1, body.unicodeScalars.first == "\u{FEFF}" { body.unicodeScalars.removeFirst() }
      if body.unicodeScalars.last == "\r" { body.unicodeScalars.removeLast() }
      var parser = StatementParser(body, path: path, line: number)
      if let constraint = try parser.statement() { constraints.append(constraint) }
    }
    return constraints
  }

  /// The names of statements.
  static let names = [
    "include", "include-any", "exclude", "order", "count", "begin", "end", "length", "at",
    "template", "match", "within", "novel", "prefer", "fluency",
  ]

  /// Statements that compare texts, and so have a form that ignores case.
  ///
  /// Quoted words are compared by their simple lower-case mappings, regular expressions by simple
  /// case folding.
  static let comparingNames: Set<String> = [
    "include", "include-any", "exclude", "order", "count", "begin", "end", "at", "match", "within",
    "prefer",
  ]
}

/// A line of a constraint file.
private struct StatementParser {
  private let scalars: [Unicode.Scalar]
  private let path: String
  private let line: Int
  private var place = 0
  /// The file that the statement names, and the number of words in its runs.
  private var corpus: (path: String, count: Int)?

  // With weights up to this, sums over the tokens of a text stay finite.
  private static let largest = 1e100

  init(_ text: String, path: String, line: Int) {
    scalars = Array(text.unicodeScalars)
    self.path = path
    self.line = line
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { quoted += "\\" }
      quoted.unicodeScalars.append(scalar)
    }
    return quoted + "\""
  }

  private func error(_ reason: String, at offset: Int? = nil) -> LoadError {
    LoadError(
      .badData, path: path, place: .column(line: line, column: (offset ?? place) + 1), reason)
  }

  private var peek: Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }

  private mutating func skipBlanks() {
    while let next = peek, next.properties.isWhitespace { place += 1 }
  }

  private var isAtEnd: Bool { peek == nil || peek == "#" }

  /// The text at a place, for messages.
  private func shown(at offset: Int) -> String {
    guard offset < scalars.count else { return "the end of the line" }
    var text = ""
    for scalar in scalars[offset...].prefix(while: { !$0.properties.isWhitespace }).prefix(30) {
      text.unicodeScalars.append(scalar)
    }
    return text.hasPrefix("#") ? "the end of the statement" : "'\(text)'"
  }

  mutating func statement() throws(LoadError) -> Constraint? {
    skipBlanks()
    if isAtEnd { return nil }
    let start = place
    var name = ""
    while let next = peek, next.properties.isAlphabetic || next == "-" {
      name.unicodeScalars.append(next)
      place += 1
    }
    var ignoringCase = false
    if peek == "~" {
      place += 1
      ignoringCase = true
    }
    guard ConstraintFile.names.contains(name) else {
      let hint =
        NearWords.nearest(to: name, among: ConstraintFile.names).map { "did you mean '\($0)'?" }
        ?? "expected one of \(ConstraintFile.names.joined(separator: ", "))"
      throw error("found \(shown(at: start)), which is no statement; \(hint)", at: start)
    }
    guard !ignoringCase || ConstraintFile.comparingNames.contains(name) else {
      throw error(
        "'\(name)~' does not exist: '\(name)' compares no text. Leave out the '~'", at: start)
    }
    guard isAtEnd || peek?.properties.isWhitespace == true else {
      throw error("found \(shown(at: place)) right behind '\(name)', expected a space")
    }
    let kind = try arguments(of: name, ignoringCase)
    skipBlanks()
    guard isAtEnd else {
      throw error("found \(shown(at: place)), expected the end of the statement")
    }
    var end = place
    while end > start, scalars[end - 1].properties.isWhitespace { end -= 1 }
    var text = ""
    for scalar in scalars[start..<end] { text.unicodeScalars.append(scalar) }
    // A statement stored in a run must mean the same file wherever the run is stored.
    if let corpus { text = "\(name) \(Self.quoted(corpus.path)) \(corpus.count) words" }
    return Constraint(kind, text: text, origin: "\(path):\(line)")
  }

  private mutating func arguments(
    of name: String, _ ignoringCase: Bool
  ) throws(LoadError) -> Constraint.Kind {
    switch name {
    case "include": return .include(try patterns(name, ignoringCase))
    case "include-any": return .includeAny(try patterns(name, ignoringCase))
    case "exclude": return .exclude(try patterns(name, ignoringCase))
    case "order":
      let start = place
      let all = try patterns(name, ignoringCase)
      guard all.count > 1 else { throw error("'order' needs two words or more", at: start) }
      return .order(all)
    case "count":
      return .count(try pattern(name, ignoringCase), try range("a count such as 1..2"))
    case "begin": return .begin(try word(name), ignoringCase: ignoringCase)
    case "end": return .end(try word(name), ignoringCase: ignoringCase)
    case "length":
      let range = try range("a length such as 6..14")
      let start = place
      let unitName = try self.name(of: "a unit")
      guard let unit = Constraint.Unit(rawValue: unitName) else {
        skipBlanksBack(to: start)
        throw error(
          "found \(shown(at: place)), expected tokens, words, characters or bytes")
      }
      return .length(range, unit)
    case "at":
      let start = place
      let unit = try self.name(of: "'word' or 'character'")
      guard unit == "word" || unit == "character" else {
        skipBlanksBack(to: start)
        throw error("found \(shown(at: place)), expected 'word' or 'character'")
      }
      let position = try number("a place such as 3, or -1 for the last")
      guard let index = Int(position.text), index != 0, abs(index) <= 10_000 else {
        throw error(
          "found '\(position.text)', expected a place from 1 to 10000, or from -1 backwards",
          at: position.start)
      }
      let text = try word(name)
      return unit == "word"
        ? .word(index, text, ignoringCase: ignoringCase)
        : .character(index, text, ignoringCase: ignoringCase)
    case "template":
      let start = (place..<scalars.count).first { scalars[$0] == "\"" } ?? place
      return .template(try templateParts(try word(name), from: start + 1))
    case "match": return .match(try expression(name, ignoringCase))
    case "within": return .within(try expression(name, ignoringCase))
    case "novel": return .novel(try runs())
    case "prefer":
      let pattern = try pattern(name, ignoringCase)
      let weight = try number("a weight in nats such as 1.5")
      guard let nats = Double(weight.text), abs(nats) <= Self.largest else {
        throw error(
          "found '\(weight.text)', expected a number of nats from -1e100 to 1e100",
          at: weight.start)
      }
      return .prefer(pattern, nats)
    default:
      let exponent = try number("an exponent such as 0.8")
      guard let value = Double(exponent.text), value > 0, value <= Self.largest else {
        throw error(
          "found '\(exponent.text)', expected an exponent above 0 and up to 1e100",
          at: exponent.start)
      }
      return .fluency(value)
    }
  }

  /// Parses `"corpus.txt" 5 words`: the runs of that many words in a file.
  private mutating func runs() throws(LoadError) -> Set<[String]> {
    let written = try word("novel")
    let number = try number("how many words a run has, such as 5")
    guard let count = Int(number.text), (1...50).contains(count) else {
      throw error(
        "found '\(number.text)', expected a number of words from 1 to 50", at: number.start)
    }
    let start = place
    let unit = try name(of: "'words'")
    guard unit == "words" || unit == "word" else {
      skipBlanksBack(to: start)
      throw error("found \(shown(at: place)), expected 'words'")
    }
    let file = WordRuns.resolved(written, from: path)
    let runs = WordRuns.runs(of: count, in: try WordRuns.corpus(file))
    guard !runs.isEmpty else {
      throw error(
        "'\(written)' has fewer than \(count) words, so the statement changes nothing. Take a longer "
          + "text or shorter runs", at: number.start)
    }
    corpus = (file, count)
    return runs
  }

  private mutating func skipBlanksBack(to start: Int) {
    place = start
    skipBlanks()
  }

  private mutating func name(of what: String) throws(LoadError) -> String {
    skipBlanks()
    var name = ""
    while let next = peek, next.properties.isAlphabetic {
      name.unicodeScalars.append(next)
      place += 1
    }
    if name.isEmpty { throw error("found \(shown(at: place)), expected \(what)") }
    return name
  }

  private mutating func number(
    _ what: String
  ) throws(LoadError) -> (text: String, start: Int) {
    skipBlanks()
    let start = place
    var text = ""
    while let next = peek, !next.properties.isWhitespace, next != "#", next != "\"" {
      text.unicodeScalars.append(next)
      place += 1
    }
    guard !text.isEmpty else { throw error("found \(shown(at: start)), expected \(what)") }
    return (text, start)
  }

  private mutating func range(_ what: String) throws(LoadError) -> ClosedRange<Int> {
    let (text, start) = try number(what)
    let range = ConstraintRange.parse(text)
    switch range {
    case .success(let range): return range
    case .failure(let fault): throw error("found '\(text)', expected \(what); \(fault)", at: start)
    }
  }

  private mutating func patterns(
    _ name: String, _ ignoringCase: Bool
  ) throws(LoadError) -> [Constraint.Pattern] {
    var all = [try pattern(name, ignoringCase)]
    skipBlanks()
    while !isAtEnd {
      all.append(try pattern(name, ignoringCase))
      skipBlanks()
    }
    return all
  }

  private mutating func pattern(
    _ name: String, _ ignoringCase: Bool
  ) throws(LoadError) -> Constraint.Pattern {
    skipBlanks()
    if peek == "/" { return .expression(try expression(name, ignoringCase)) }
    return .word(try word(name), ignoringCase: ignoringCase)
  }

  /// Parses a text in double quotes, with the escapes of JSON.
  private mutating func word(_ name: String) throws(LoadError) -> String {
    skipBlanks()
    let start = place
    guard peek == "\"" else {
      throw error("found \(shown(at: place)), expected a text in double quotes behind '\(name)'")
    }
    place += 1
    var units: [UInt16] = []
    while true {
      guard let next = peek else { throw error("found '\"' without its end", at: start) }
      place += 1
      if next == "\"" { break }
      guard next == "\\" else {
        units += Array(String(Character(next)).utf16)
        continue
      }
      guard let escaped = peek else { throw error("found '\"' without its end", at: start) }
      place += 1
      switch escaped {
      case "\"", "\\", "/": units += Array(String(Character(escaped)).utf16)
      case "b": units.append(8)
      case "f": units.append(12)
      case "n": units.append(10)
      case "r": units.append(13)
      case "t": units.append(9)
      case "u":
        var digits = ""
        for scalar in scalars[place...].prefix(4) { digits.unicodeScalars.append(scalar) }
        guard digits.unicodeScalars.count == 4, let unit = UInt16(digits, radix: 16) else {
          throw error("found '\\u' without four hexadecimal digits", at: place - 2)
        }
        place += 4
        units.append(unit)
      default:
        throw error(
          "found the escape '\\\(escaped)'; there are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX",
          at: place - 2)
      }
    }
    guard let text = String(validating: units, as: UTF16.self) else {
      throw error("found half of a surrogate pair", at: start)
    }
    guard !text.isEmpty else { throw error("found an empty text, expected a word", at: start) }
    return NFC.of(text)
  }

  /// Parses an expression between slashes.
  private mutating func expression(
    _ name: String, _ ignoringCase: Bool
  ) throws(LoadError) -> Expression {
    skipBlanks()
    let start = place
    guard peek == "/" else {
      throw error(
        "found \(shown(at: place)), expected an expression between slashes behind '\(name)'")
    }
    place += 1
    var text = ""
    // A slash inside is written \/, which is one scalar longer than in the expression.
    var offsets: [Int] = []
    while true {
      guard let next = peek else { throw error("found '/' without its end", at: start) }
      place += 1
      if next == "/" { break }
      if next == "\\", peek == "/" {
        offsets.append(place)
        place += 1
        text.unicodeScalars.append("/")
        continue
      }
      offsets.append(place - 1)
      text.unicodeScalars.append(next)
      if next == "\\", let following = peek {
        offsets.append(place)
        text.unicodeScalars.append(following)
        place += 1
      }
    }
    let end = place - 1
    do {
      return try RegularExpression.parse(text, ignoringCase: ignoringCase)
    } catch {
      throw self.error(
        error.reason, at: error.offset < offsets.count ? offsets[error.offset] : end)
    }
  }

  private func templateParts(
    _ text: String, from start: Int
  ) throws(LoadError) -> [Constraint.TemplatePart] {
    var parts: [Constraint.TemplatePart] = []
    var literal = ""
    let all = Array(text.unicodeScalars)
    var i = 0
    while i < all.count {
      if all[i] == "}" { throw error("found '}' without its '{'", at: start + i) }
      guard all[i] == "{" else {
        literal.unicodeScalars.append(all[i])
        i += 1
        continue
      }
      if !literal.isEmpty { parts.append(.text(literal)) }
      literal = ""
      let open = i
      i += 1
      var hole = ""
      var inExpression = false
      while i < all.count {
        if all[i] == "/", i == open + 1 || all[i - 1] != "\\" { inExpression.toggle() }
        if !inExpression, all[i] == "}" { break }
        hole.unicodeScalars.append(all[i])
        i += 1
      }
      guard i < all.count else { throw error("found '{' without its '}'", at: start + open) }
      i += 1
      parts.append(try self.hole(hole, at: start + open))
    }
    if !literal.isEmpty { parts.append(.text(literal)) }
    return parts
  }

  private func hole(
    _ text: String, at offset: Int
  ) throws(LoadError) -> Constraint.TemplatePart {
    let trimmed = text.trimmingBlanks()
    if trimmed == "any" { return .anything }
    if trimmed.hasPrefix("/"), trimmed.hasSuffix("/"), trimmed.count > 1 {
      do {
        return .expression(
          try RegularExpression.parse(
            String(trimmed.dropFirst().dropLast()).replacing("\\/", with: "/")))
      } catch {
        throw self.error("in the template's expression: \(error.reason)", at: offset)
      }
    }
    if trimmed.hasPrefix("one of") {
      var inner = StatementParser(String(trimmed.dropFirst(6)), path: path, line: line)
      var words: [String] = []
      inner.skipBlanks()
      while inner.peek != nil {
        do {
          words.append(try inner.word("one of"))
        } catch {
          throw self.error("in the template's choice: \(error.reason)", at: offset)
        }
        inner.skipBlanks()
      }
      guard !words.isEmpty else {
        throw error("found '{one of}' without words in double quotes", at: offset)
      }
      return .oneOf(words)
    }
    let fields = trimmed.split(separator: " ")
    let units: [Substring] = ["words", "word", "characters", "character"]
    if fields.count == 2, units.contains(fields[1]) {
      let range: ClosedRange<Int>
      switch ConstraintRange.parse(String(fields[0])) {
      case .success(let parsed): range = parsed
      case .failure(let fault): throw error("found '{\(text)}': \(fault)", at: offset)
      }
      switch fields[1] {
      case "words", "word":
        guard range.upperBound <= 100 else {
          throw error("found '{\(text)}', expected at most 100 words; use {any}", at: offset)
        }
        return .words(range)
      case "characters", "character":
        guard range.upperBound == Constraint.unbounded || range.upperBound <= 10_000 else {
          throw error("found '{\(text)}', expected at most 10000 characters", at: offset)
        }
        return .characters(range)
      default: break
      }
    }
    throw error(
      "found '{\(text)}', expected any, 2 words, 1..2 words, 3 characters, one of \"a\" \"b\" or "
        + "/an expression/", at: offset)
  }
}

extension String {
  fileprivate func trimmingBlanks() -> String {
    var text = Substring(self)
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}

/// Ranges in the notation of constraints and options.
public enum ConstraintRange {
  /// The reason why a text is not a range.
  public struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
    /// The reason, as a clause for a message.
    public let description: String
  }

  /// Parses `2`, `1..2`, `..2` or `1..`; a missing upper bound is ``Constraint/unbounded``.
  public static func parse(_ text: String) -> Result<ClosedRange<Int>, Fault> {
    func number(_ text: Substring) -> Int? {
      guard text.utf8.allSatisfy({ (48...57).contains($0) }), let value = Int(text),
        value <= 1_000_000
      else { return nil }
      return value
    }
    let fault = Fault(description: "bounds are whole numbers up to 1000000")
    if let value = number(text[...]) { return .success(value...value) }
    guard let dots = text.firstRange(of: "..") else { return .failure(fault) }
    let left = text[..<dots.lowerBound]
    let right = text[dots.upperBound...]
    if left.isEmpty && right.isEmpty {
      return .failure(Fault(description: "'..' alone bounds nothing"))
    }
    guard let low = left.isEmpty ? 0 : number(left),
      let high = right.isEmpty ? Constraint.unbounded : number(right)
    else { return .failure(fault) }
    guard low <= high else {
      return .failure(Fault(description: "its lower bound is above its upper bound"))
    }
    return .success(low...high)
  }
}

/// Words of a vocabulary that the user may have meant.
public enum NearWords {
  /// Words within two edits, the nearest first; otherwise words with the same beginning.
  public static func of(_ word: String, in vocabulary: Vocabulary, count: Int = 3) -> [String] {
    // Any two words of one character are a single edit apart.
    guard word.count > 1 else { return [] }
    let lower = word.lowercased()
    var found: [(word: String, distance: Int)] = []
    for index in 0..<vocabulary.count where vocabulary.isDrawable(Token(index)) {
      var bytes: [UInt8] = []
      vocabulary.appendBytes(of: Token(index), isFirst: true, to: &bytes)
      // If the lengths differ by more than the allowed edits, the words do, too.
      guard abs(bytes.count - word.utf8.count) <= 4 else { continue }
      let spelling = String(decoding: bytes, as: UTF8.self)
      guard abs(spelling.count - word.count) <= 2 else { continue }
      let distance = distance(lower, spelling.lowercased())
      if distance <= min(2, max(1, word.count / 3)) { found.append((spelling, distance)) }
    }
    return found.sorted { ($0.distance, $0.word) < ($1.distance, $1.word) }
      .prefix(count).map(\.word)
  }

  /// The candidate with the fewest edits, if it is near enough to be meant.
  public static func nearest(to word: String, among candidates: [String]) -> String? {
    let scored = candidates.map { (name: $0, distance: distance(word, $0)) }
    guard let best = scored.min(by: { $0.distance < $1.distance }),
      best.distance <= max(1, (word.count + 1) / 3)
    else { return nil }
    return best.name
  }

  /// The number of insertions, deletions and replacements between two words.
  public static func distance(_ a: String, _ b: String) -> Int {
    let b = Array(b)
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        let replaced = diagonal + (x == y ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[b.count]
  }
}
