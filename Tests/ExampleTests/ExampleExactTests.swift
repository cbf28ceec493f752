// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Testing

/// The package's folder.
private let root = URL(filePath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// Where the executables that were built with these tests are.
private var products: URL {
  #if os(macOS)
    final class Marker {}
    return Bundle(for: Marker.self).bundleURL.deletingLastPathComponent()
  #else
    return Bundle.main.bundleURL
  #endif
}

private func text(_ path: String) throws -> String {
  try String(contentsOf: root.appending(path: path), encoding: .utf8)
}

/// What an executable prints.
private func output(of name: String) throws -> (lines: [String], status: Int32) {
  let process = Process()
  process.executableURL = products.appending(path: name)
  let pipe = Pipe()
  process.standardOutput = pipe
  try process.run()
  let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
  process.waitUntilExit()
  let lines = String(decoding: data, as: UTF8.self).split(
    separator: "\n", omittingEmptySubsequences: false)
  return (lines.dropLast().map(String.init), process.terminationStatus)
}

@Suite struct ExampleExactTests {
  static let quickNames = ["kernel", "annealing"]
  static let names =
    quickNames + ["sentences", "agreement", "keywords", "poem", "termination", "tour"]
  /// Long chains and sums over whole models take up to minutes in debug; `scripts/requote --check`
  /// runs them from the release build.
  #if DEBUG
    static let runNames = quickNames
  #else
    static let runNames = names
  #endif

  /// Examples quote what they print behind `//>`, so that prose and numbers cannot drift.
  @Test(arguments: runNames)
  func printsWhatItQuotes(name: String) throws {
    let quoted = try text("examples/\(name).swift").split(separator: "\n")
      .filter { $0.hasPrefix("//>") }.map { String($0.dropFirst(4)) }
    let (lines, status) = try output(of: name)
    #expect(status == 0)
    #expect(lines == quoted)
  }

  @Test(arguments: names)
  func staysShort(name: String) throws {
    #expect(try text("examples/\(name).swift").components(separatedBy: "\n").count <= 150)
  }

  /// What the README and the guides show of the library is part of an example.
  @Test func pagesShowExamples() throws {
    let guides = try FileManager.default.contentsOfDirectory(
      atPath: root.appending(path: "Guides").path
    ).map { "Guides/\($0)" }
    let blocks = try (["README.md"] + guides).flatMap { page in
      try text(page).components(separatedBy: "```swift\n").dropFirst()
        .map { $0.components(separatedBy: "```")[0] }
    }
    let examples = try Self.names.map { try text("examples/\($0).swift") }
    #expect(!blocks.isEmpty)
    for block in blocks { #expect(examples.contains { $0.contains(block) }) }
  }

  /// The statements of the README's table are such, and the constraint files can be read.
  @Test func statementsAreUnderstood() throws {
    let statements = try text("README.md").components(separatedBy: "\n")
      .filter { $0.hasPrefix("| `") }.map { $0.components(separatedBy: "`")[1] }
    #expect(statements.count > 10)
    for statement in statements {
      // The reader has a poem of their own.
      let statement = statement.replacing("poem.txt", with: "LICENSE")
      #expect(try ConstraintFile.parse(statement, path: root.path + "/README.md").count == 1)
    }
    let folder = root.appending(path: "examples/constraints")
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      let path = "examples/constraints/\(name)"
      #expect(try !ConstraintFile.parse(text(path), path: path).isEmpty)
    }
  }
}
