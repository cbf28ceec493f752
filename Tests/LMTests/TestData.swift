// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// Files that tests need but the project does not hold, in the folder `GENSAMPLE_TEST_DATA`.
enum TestData {
  static let folder = ProcessInfo.processInfo.environment["GENSAMPLE_TEST_DATA"]

  static var isPresent: Bool { folder != nil }

  /// Whether the slowest tests go through all their cases and not only a part of them.
  static let isDeep =
    folder != nil || ProcessInfo.processInfo.environment["GENSAMPLE_TEST_DEEP"] != nil

  /// The cases that are too slow for a first `swift test`.
  static func deep<Case>(_ cases: [Case]) -> [Case] { isDeep ? cases : [] }

  static func path(_ name: String) -> String { (folder ?? "") + "/" + name }

  /// Skips a test, saying why, where the folder is not given.
  static let isNeeded: any TestTrait = .enabled(
    if: isPresent, "set GENSAMPLE_TEST_DATA to the folder with test data to run this")

  /// All lines of a file, which may be a `.gz`.
  static func lines(_ name: String) throws -> [String] {
    let path = path(name)
    guard name.hasSuffix(".gz") else {
      return try String(contentsOfFile: path, encoding: .utf8).components(separatedBy: "\n")
    }
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-dc", path]
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self).components(separatedBy: "\n")
  }
}

/// A file of this test run, gone afterwards.
final class TemporaryFile {
  let path: String

  init(_ name: String, _ text: String? = nil) throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("gensample-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    path = folder.appendingPathComponent(name).path
    if let text { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) }
  }

  deinit {
    try? FileManager.default.removeItem(
      at: URL(fileURLWithPath: path).deletingLastPathComponent())
  }
}
