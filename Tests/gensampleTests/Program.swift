// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// The built program, run as a user runs it.
enum Program {
  /// What a run left.
  struct Outcome: Sendable {
    var code: Int32
    var output: String
    var errors: String

    /// Lines of standard output.
    var lines: [String] {
      output.isEmpty ? [] : output.dropLast().components(separatedBy: "\n")
    }

    /// Each line of standard output as a JSON object.
    func objects() throws -> [[String: Any]] {
      try lines.map { line in
        let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
        return try #require(value as? [String: Any], "no object: \(line)")
      }
    }
  }

  /// The executable, which is built into the folder of the test bundle.
  static let path: String = {
    let bundle = CommandLine.arguments.compactMap { argument -> String? in
      guard let end = argument.range(of: "gensamplePackageTests.xctest") else { return nil }
      return URL(fileURLWithPath: String(argument[..<end.lowerBound])).path
    }
    let folder = bundle.first ?? Bundle.main.bundleURL.path
    return folder + "/gensample"
  }()

  /// Whether a process takes signals into its own hands by now.
  private static func isWatching(_ process: Int32) -> Bool {
    guard let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    else { return !FileManager.default.fileExists(atPath: "/proc/self/status") }
    guard let mask = status.firstMatch(of: #/SigCgt:\s*([0-9a-f]+)/#),
      let bits = UInt64(mask.1, radix: 16)
    else { return false }
    return bits & (1 << UInt64(SIGTERM - 1)) != 0
  }

  /// Runs the program to its end, in a folder, with a text as its standard input.
  ///
  /// `shell` is a line of `sh` in which `"$@"` is the program and its arguments; `interrupt` is a
  /// signal for it once it listens and has printed, on either stream, what the condition asks for;
  /// after `limit` seconds it is killed.
  static func run(
    _ arguments: [String], input: String? = nil, in folder: String? = nil, shell: String? = nil,
    interrupt: (signal: Int32, when: @Sendable (String) -> Bool)? = nil, limit: TimeInterval = 60
  ) throws -> Outcome {
    let process = Process()
    if let shell {
      process.executableURL = URL(fileURLWithPath: "/bin/sh")
      process.arguments = ["-c", shell, "sh", path] + arguments
    } else {
      process.executableURL = URL(fileURLWithPath: path)
      process.arguments = arguments
    }
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    // Files and not pipes: nothing needs to be read while it runs.
    let scratch = try Folder()
    let (output, errors) = (scratch.path("stdout"), scratch.path("stderr"))
    try scratch.write("stdin", input ?? "")
    for name in ["stdout", "stderr"] { try scratch.write(name, "") }
    process.standardInput = try FileHandle(
      forReadingFrom: URL(fileURLWithPath: scratch.path("stdin")))
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
    try process.run()
    let deadline = Date(timeIntervalSinceNow: limit)
    var isSent = false
    var sendAt: Date?
    while process.isRunning {
      if let interrupt, sendAt == nil, isWatching(process.processIdentifier),
        interrupt.when(try scratch.read("stdout") + scratch.read("stderr"))
      {
        sendAt = Date(timeIntervalSinceNow: 0.2)
      }
      if let interrupt, !isSent, let sendAt, Date() > sendAt {
        kill(process.processIdentifier, interrupt.signal)
        isSent = true
      }
      if Date() > deadline {
        kill(process.processIdentifier, SIGKILL)
        Issue.record("gensample \(arguments) did not end within \(limit) s")
        break
      }
      Thread.sleep(forTimeInterval: 0.002)
    }
    process.waitUntilExit()
    // A shell says 128 + the signal too.
    let code =
      process.terminationReason == .uncaughtSignal
      ? 128 + process.terminationStatus : process.terminationStatus
    return Outcome(
      code: code, output: try scratch.read("stdout"), errors: try scratch.read("stderr"))
  }
}

/// A folder of this test run, gone afterwards.
final class Folder: Sendable {
  let path: String

  init() throws {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("gensample-tests-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func path(_ name: String) -> String { path + "/" + name }

  /// Writes a file of text.
  @discardableResult
  func write(_ name: String, _ text: String) throws -> String {
    try write(name, Data(text.utf8))
  }

  /// Writes a file of bytes.
  @discardableResult
  func write(_ name: String, _ bytes: Data) throws -> String {
    try bytes.write(to: URL(fileURLWithPath: path(name)))
    return path(name)
  }

  func read(_ name: String) throws -> String {
    String(decoding: try bytes(name), as: UTF8.self)
  }

  func bytes(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: path(name)))
  }

  /// What is in it, sorted.
  func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  }
}

/// A small model of six sentences, trained once by the program itself.
enum SmallModel {
  static let corpus = """
    the sea was calm .
    the storm came over the sea .
    a calm wind and the moon .
    the moon was over the sea and the wind .
    the wind was a storm .
    a storm and a moon and a sea .
    """

  /// The model's file.
  static let path: String = {
    do {
      try folder.write("corpus.txt", corpus + "\n")
      let outcome = try Program.run(
        ["train", folder.path("corpus.txt"), "-o", folder.path("small.gsm"), "--tokens", "words"])
      guard outcome.code == 0 else { fatalError("no small model: \(outcome.errors)") }
      return folder.path("small.gsm")
    } catch {
      fatalError("no small model: \(error)")
    }
  }()

  static var corpusPath: String {
    URL(fileURLWithPath: path).deletingLastPathComponent().path + "/corpus.txt"
  }

  private static let folder: Folder = {
    do {
      let folder = try Folder()
      // Nothing ends the life of a static folder but the process.
      atexit { try? FileManager.default.removeItem(atPath: SmallModel.folder.path) }
      return folder
    } catch {
      fatalError("no folder: \(error)")
    }
  }()

  /// A short `mh` run on it.
  static func mh(_ options: String...) -> [String] {
    [
      "mh", "--model", path, "--warmup", "50", "--thin", "10", "--seed", "1", "--quiet",
    ] + options
  }
}
