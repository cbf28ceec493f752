// Licensed under the Apache License, Version 2.0.

import Foundation

/// Writes a message and a line's end to standard error.
func report(_ message: String) {
  FileHandle.standardError.write(Data((message + "\n").utf8))
}

/// What the system says of its last error.
func systemMessage() -> String { unsafe String(cString: strerror(errno)) }

/// Where results go: standard output, or a file that appears whole under its name at the end.
final class ResultStream {
  private let path: String?
  private let temporary: String?
  private let descriptor: Int32
  private var buffer: [UInt8] = []
  private(set) var isClosedByReader = false

  /// A stream to a path, or to standard output.
  init(path: String?) throws(CommandFailure) {
    self.path = path
    guard let path else {
      temporary = nil
      descriptor = STDOUT_FILENO
      return
    }
    let beside = path + ".partial-\(ProcessInfo.processInfo.processIdentifier)"
    temporary = beside
    descriptor = unsafe open(beside, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else {
      throw CommandFailure(
        .unwritable, "cannot write '\(path)': \(systemMessage())")
    }
  }

  /// Writes a line.
  func writeLine(_ line: String) throws(CommandFailure) {
    buffer.append(contentsOf: line.utf8)
    buffer.append(UInt8(ascii: "\n"))
    if buffer.count > 1 << 16 || path == nil { try flush() }
  }

  private func flush() throws(CommandFailure) {
    var written = 0
    while written < buffer.count, !isClosedByReader {
      let result = unsafe buffer.withUnsafeBytes { bytes in
        guard let base = bytes.baseAddress else { return 0 }
        return unsafe write(descriptor, base + written, bytes.count - written)
      }
      if result >= 0 {
        written += result
      } else if errno == EPIPE {
        isClosedByReader = true
      } else if errno != EINTR {
        throw CommandFailure(
          .unwritable,
          "cannot write \(path.map { "'\($0)'" } ?? "standard output"): "
            + "\(systemMessage())")
      }
    }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Writes what is left and gives a file its name.
  func finish() throws(CommandFailure) {
    try flush()
    guard let path, let temporary else { return }
    guard fsync(descriptor) == 0 || errno == EINVAL, close(descriptor) == 0,
      unsafe rename(temporary, path) == 0
    else {
      let reason = systemMessage()
      unsafe unlink(temporary)
      throw CommandFailure(.unwritable, "cannot write '\(path)': \(reason)")
    }
  }

  /// Leaves nothing half-written behind.
  func abandon() {
    if let temporary {
      close(descriptor)
      unsafe unlink(temporary)
    }
  }
}
