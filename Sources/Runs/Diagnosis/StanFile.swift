// Licensed under the Apache License, Version 2.0.

import Foundation
package import LM
import Sampling

/// The rows of one chain in Stan's sample format: comments, a line of names, rows of numbers.
package struct StanFile: Sendable {
  /// The names of the columns.
  package var names: [String] = []
  /// The columns, without the rows of the warm-up.
  package var columns: [[Double]] = []
  /// The `key = value` pairs in the comments before the names.
  package var settings: [String: String] = [:]

  /// Reads a file.
  ///
  /// - Throws: `LoadError` with line and column if a row is invalid, or if the file has fewer rows
  ///   than its own comments say.
  package init(_ path: String) throws(LoadError) {
    let bytes = try TextInput.text(path)
    var number = 0
    for line in bytes.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      number += 1
      var line = Substring(line)
      if line.utf8.last == UInt8(ascii: "\r") { line = line.dropLast() }
      if line.isEmpty { continue }
      if line.utf8.first == UInt8(ascii: "#") {
        if names.isEmpty { read(comment: line) }
      } else if names.isEmpty {
        names = Self.fields(of: line).map { $0.text.trimmingCharacters(in: .whitespaces) }
        if let name = names.first, Double(name) != nil {
          throw LoadError(
            .badData, path: path, place: .line(number),
            "found the number \(name), expected the names of the columns, such as 'lp__,length'")
        }
        if let twice = Dictionary(grouping: names, by: { $0 }).first(where: { $1.count > 1 }) {
          throw LoadError(
            .badData, path: path, place: .line(number), "the column '\(twice.key)' is repeated")
        }
        columns = names.map { _ in [] }
      } else {
        try read(row: line, path, number)
      }
    }
    guard !names.isEmpty else {
      throw LoadError(
        .badData, path: path,
        "has no line of column names; expected the trace of a run or a Stan sample file")
    }
    try dropWarmup(path)
    // R writes the numbers of rows under no name.
    if names.count > 1, names[0].isEmpty {
      names.removeFirst()
      columns.removeFirst()
    }
  }

  /// The fields of a line, without the quotes around them and with single quotes inside, each with its
  /// place in the line.
  private static func fields(of line: Substring) -> [(text: Substring, offset: Int)] {
    let bytes = line.utf8
    var fields: [(text: Substring, offset: Int)] = []
    guard bytes.contains(UInt8(ascii: "\"")) else {
      var offset = 0
      for field in bytes.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
        fields.append((Substring(field), offset))
        offset += field.count + 1
      }
      return fields
    }
    var field: [UInt8] = []
    var (offset, start) = (0, 0)
    var isQuoted = false
    var isAfterQuote = false
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""):
        // Two in a row inside quotes are one.
        if !isQuoted, isAfterQuote { field.append(byte) }
        isQuoted.toggle()
        isAfterQuote = !isQuoted
      case UInt8(ascii: ",") where !isQuoted:
        fields.append((Substring(String(decoding: field, as: UTF8.self)), start))
        field = []
        start = offset + 1
        isAfterQuote = false
      default:
        field.append(byte)
        isAfterQuote = false
      }
      offset += 1
    }
    return fields + [(Substring(String(decoding: field, as: UTF8.self)), start)]
  }

  private mutating func read(comment line: Substring) {
    guard let equals = line.utf8.firstIndex(of: UInt8(ascii: "=")) else { return }
    var value = Self.trimmed(line.utf8[line.utf8.index(after: equals)...])
    if value.hasSuffix(" (Default)") { value.removeLast(10) }
    settings[Self.trimmed(line.utf8[..<equals].dropFirst())] = value
  }

  // Trims without Foundation, because thousands of files have a dozen comments each.
  private static func trimmed(_ bytes: Substring.UTF8View) -> String {
    func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    let head = bytes.drop(while: isSpace)
    let end = head.lastIndex { !isSpace($0) }.map { head.index(after: $0) } ?? head.startIndex
    return String(Substring(head[..<end]))
  }

  private mutating func read(row line: Substring, _ path: String, _ number: Int) throws(LoadError) {
    var column = 0
    for (text, offset) in Self.fields(of: line) {
      guard column < names.count else {
        throw LoadError(
          .badData, path: path, place: .line(number),
          "found too many numbers, expected \(counted(names.count, "column"))")
      }
      guard let value = Double(text) ?? Double(text.trimmingCharacters(in: .whitespaces)) else {
        throw LoadError(
          .badData, path: path, place: .column(line: number, column: offset + 1),
          "found '\(text.prefix(30))', expected a number")
      }
      columns[column].append(value)
      column += 1
    }
    guard column == names.count else {
      throw LoadError(
        .badData, path: path, place: .line(number),
        "found \(counted(column, "number")), expected \(names.count); the file may be incomplete")
    }
  }

  /// Drops the warm-up; Stan then writes `num_samples / thin` rows, rounded up.
  private mutating func dropWarmup(_ path: String) throws(LoadError) {
    let rows = columns[0].count
    guard let samples = settings["num_samples"].flatMap({ Int($0) }), samples >= 0 else { return }
    let thin = max(1, settings["thin"].flatMap { Int($0) } ?? 1)
    var expected = samples / thin + (samples % thin == 0 ? 0 : 1)
    if ["1", "true"].contains(settings["save_warmup"]),
      let warmup = settings["num_warmup"].flatMap({ Int($0) }), warmup >= 0
    {
      let kept = warmup / thin + (warmup % thin == 0 ? 0 : 1)
      for i in columns.indices { columns[i].removeFirst(min(kept, columns[i].count)) }
      expected = CheckedNumbers.sum(expected, kept) ?? .max
    }
    guard rows >= expected else {
      throw LoadError(
        .badData, path: path,
        "found \(counted(rows, "row")), but its comments announce \(expected); the file or its chain is "
          + "incomplete")
    }
  }

  /// The number of the chain, if the comments give one.
  package var id: Int? { settings["id"].flatMap { Int($0) } }
}
