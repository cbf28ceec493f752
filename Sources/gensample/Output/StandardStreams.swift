// Licensed under the Apache License, Version 2.0.

import Foundation
import LM

/// Writes a message and a line's end to standard error.
func report(_ message: String) { writeToStandardError(message + "\n") }

/// Writes text to standard error as far as it goes.
///
/// `FileHandle` would trap where standard error is closed or on a full disk.
func writeToStandardError(_ text: String) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = unsafe bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return 0 }
      return unsafe write(STDERR_FILENO, base, buffer.count)
    }
    if count > 0 {
      bytes = bytes.dropFirst(count)
    } else if errno != EINTR {
      return
    }
  }
}

/// Where results go: standard output, or a file that appears whole under its name at the end.
///
/// A device or a pipe is written to as it is: a name cannot be given to it.
final class ResultStream {
  private let path: String?
  private let temporary: String?
  /// What the path leads to.
  private let destination: String
  private let descriptor: Int32
  private var isOpen = true
  private var buffer: [UInt8] = []
  private(set) var isClosedByReader = false

  /// A stream to a path, or to standard output.
  init(path: String?) throws(CommandFailure) {
    self.path = path
    guard let path else {
      temporary = nil
      destination = ""
      descriptor = STDOUT_FILENO
      return
    }
    let names = OutputNames(path)
    destination = names.destination
    var status = stat()
    let exists = unsafe stat(path, &status) == 0
    switch exists ? status.st_mode & S_IFMT : S_IFREG {
    case S_IFREG:
      temporary = names.beside
      descriptor = unsafe open(names.beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
      Interruption.removeAtEnd(names.beside)
    case S_IFDIR:
      throw CommandFailure(.unwritable, "cannot write '\(path)': it is a folder")
    default:
      temporary = nil
      descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
    }
    guard descriptor >= 0 else {
      throw CommandFailure(
        .unwritable, "cannot write '\(path)': \(systemErrorText())")
    }
  }

  /// Writes a line.
  func writeLine(_ line: String) throws(CommandFailure) { try writePart(line + "\n") }

  /// Writes a part of a line.
  func writePart(_ text: String) throws(CommandFailure) {
    try writeBytes(text.utf8)
  }

  /// Writes bytes.
  func writeBytes(_ bytes: some Sequence<UInt8>) throws(CommandFailure) {
    buffer.append(contentsOf: bytes)
    if buffer.count > 1 << 16 || path == nil { try flush() }
  }

  /// Whether somebody reads along.
  var isTerminal: Bool { path == nil && isatty(descriptor) == 1 }

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
            + "\(systemErrorText())")
      }
    }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Writes what is left and gives a file its name.
  func finish() throws(CommandFailure) {
    try flush()
    guard let path else { return }
    isOpen = false
    guard let temporary else {
      guard close(descriptor) == 0 else {
        throw CommandFailure(.unwritable, "cannot write '\(path)': \(systemErrorText())")
      }
      return
    }
    guard fsync(descriptor) == 0 || errno == EINVAL, close(descriptor) == 0,
      unsafe rename(temporary, destination) == 0
    else {
      let reason = systemErrorText()
      unsafe unlink(temporary)
      throw CommandFailure(.unwritable, "cannot write '\(path)': \(reason)")
    }
  }

  /// Leaves nothing half-written behind.
  deinit {
    guard isOpen, path != nil else { return }
    close(descriptor)
    if let temporary { unsafe unlink(temporary) }
  }
}
