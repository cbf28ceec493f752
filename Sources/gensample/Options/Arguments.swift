// Licensed under the Apache License, Version 2.0.

import LM
import Runs

/// The arguments of a command, parsed by the options that it declares.
struct Arguments {
  /// The name of the command.
  let command: String
  /// The arguments that aren't options, in order; `-` counts as one.
  var positional: [String] = []
  private var values: [String: [String]] = [:]
  /// All options in the order in which they were given; the value of a flag is empty.
  private(set) var ordered: [(name: String, value: String)] = []

  /// Parses `--name value`, `--name=value` and flags; `--` ends the options.
  ///
  /// A value that begins with two hyphens must follow an equals sign.
  init(_ words: [String], options: [Option], command: String) throws(CommandFailure) {
    self.command = command
    var rest = words[...]
    while let word = rest.popFirst() {
      if word == "--" {
        positional += rest
        return
      }
      let name: String
      var value: String?
      if word.hasPrefix("--") {
        let body = word.dropFirst(2)
        if let equals = body.firstIndex(of: "=") {
          name = String(body[..<equals])
          value = String(body[body.index(after: equals)...])
        } else {
          name = String(body)
        }
      } else if word.count == 2, word.first == "-", let short = word.last,
        let long = shortNames[short]
      {
        name = long
      } else if word.count > 1, word.hasPrefix("-"), Double(word) == nil {
        throw .usage(
          "unknown option \(word); see 'gensample \(command) --help'")
      } else {
        positional.append(word)
        continue
      }
      guard let option = options.first(where: { $0.name == name }) else {
        let near = suggestions(for: name, among: options.map(\.name)).map { "--\($0)" }
        throw .usage(
          "'\(command)' has no option --\(name)"
            + (near.isEmpty ? "" : ", did you mean \(alternatives(near))?")
            + " (see 'gensample \(command) --help')")
      }
      if let valueName = option.valueName {
        if value == nil {
          if let next = rest.first, next.hasPrefix("--") {
            throw .usage(
              "--\(name) needs a value, got the option \(next); if you mean this value, write "
                + "--\(name)=\(next)")
          }
          value = rest.popFirst()
        }
        guard var value else {
          throw .usage("--\(name) needs a value: --\(name) \(valueName)")
        }
        guard option.isRepeatable || values[name] == nil else {
          throw .usage("--\(name) was given twice; it takes one \(valueName)")
        }
        // A text may come out of a file with its byte-order mark.
        if value.unicodeScalars.first == "\u{FEFF}" { value.unicodeScalars.removeFirst() }
        values[name, default: []].append(value)
        ordered.append((name, value))
      } else {
        guard value == nil else { throw .usage("--\(name) takes no value") }
        values[name] = [""]
        flags.insert(name)
        ordered.append((name, ""))
      }
    }
  }

  /// Whether the option was given.
  func has(_ name: String) -> Bool { values[name] != nil }

  /// The value of the option as it was given; the last one of a repeatable option.
  func text(_ name: String) -> String? { values[name]?.last }

  /// All values of a repeatable option, in order.
  func texts(_ name: String) -> [String] { values[name] ?? [] }

  /// A whole number in a range.
  func integer(_ name: String, in range: ClosedRange<Int>) throws(CommandFailure) -> Int? {
    guard let text = text(name) else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw .usage(
        "--\(name) takes a whole number \(description(of: range)), got '\(text)'")
    }
    return value
  }

  /// A number in a range.
  func number(
    _ name: String, in range: ClosedRange<Double>, expected: String
  ) throws(CommandFailure) -> Double? {
    guard let text = text(name) else { return nil }
    guard let value = Double(text), range.contains(value) else {
      throw .usage("--\(name) takes \(expected), got '\(text)'")
    }
    return value
  }

  /// An option written as it would stand on a command line.
  func word(_ option: (name: String, value: String)) -> String {
    flags.contains(option.name) ? "--\(option.name)" : "--\(option.name)=\(option.value)"
  }

  private var flags: Set<String> = []

  /// A seed: an unsigned 64-bit number.
  func seed(_ name: String) throws(CommandFailure) -> UInt64? {
    guard let text = text(name) else { return nil }
    guard let value = UInt64(text) else {
      throw .usage("--\(name) takes a whole number from 0 to 2^64 - 1, got '\(text)'")
    }
    return value
  }

  /// One of a fixed set of words.
  func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, as: Choice.Type
  ) throws(CommandFailure) -> Choice? where Choice.RawValue == String {
    guard let text = text(name) else { return nil }
    guard let value = Choice(rawValue: text) else {
      let all = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw .usage("--\(name) takes one of \(all), got '\(text)'")
    }
    return value
  }

  /// A number of bytes: a whole number with an optional K, M or G (powers of 1024).
  func bytes(_ name: String) throws(CommandFailure) -> Int? {
    guard let text = text(name) else { return nil }
    let factors: [Character: Int] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
    let factor = text.uppercased().last.flatMap { factors[$0] }
    let digits = factor == nil ? text[...] : text.dropLast()
    guard let number = Int(digits), number > 0 else {
      throw .usage("--\(name) takes a size such as 200M or 1G, got '\(text)'")
    }
    let (product, overflow) = number.multipliedReportingOverflow(by: factor ?? 1)
    guard !overflow else { throw .usage("--\(name) \(text) is more memory than any machine has") }
    return product
  }

  private func description(of range: ClosedRange<Int>) -> String {
    range.upperBound == .max
      ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
  }
}

/// What a user may have meant: the candidates that begin with the name, else the closest one.
func suggestions(for name: String, among candidates: [String]) -> [String] {
  let longer = name.count < 2 ? [] : candidates.filter { $0.hasPrefix(name) }
  return longer.isEmpty
    ? NearWords.nearest(to: name, among: candidates).map { [$0] } ?? []
    : Array(longer.sorted().prefix(4))
}

/// `a`, `a or b`, `a, b or c`.
func alternatives(_ words: [String]) -> String {
  guard let last = words.last, words.count > 1 else { return words.first ?? "" }
  return words.dropLast().joined(separator: ", ") + " or " + last
}
