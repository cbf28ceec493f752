// Licensed under the Apache License, Version 2.0.

import Dispatch
import Foundation
import LM
import Synchronization

/// Calls close(2), which a method of the same name hides.
private func closeDescriptor(_ descriptor: Int32) -> Int32 { close(descriptor) }

/// Files that are not complete yet; they are deleted if the program ends at once.
package enum TemporaryFiles {
  private static let paths = Mutex<Set<String>>([])

  package static func add(_ path: String) { paths.withLock { _ = $0.insert(path) } }

  package static func removeAll() {
    for path in paths.withLock({ $0 }) { unsafe unlink(path) }
  }
}

/// The stream of results: standard output, or a file that gets its name when it is complete.
///
/// A device or a pipe is written to directly, because it cannot be renamed.
package final class ResultStream {
  private let path: String?
  private let temporary: String?
  /// The real path, after symbolic links.
  private let destination: String
  private let descriptor: Int32
  private var isOpen = true
  private var isNamed = false
  private var buffer: [UInt8] = []
  package private(set) var isClosedByReader = false

  /// Opens a path, or standard output for `nil`.
  package init(path: String?) throws(RunError) {
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
      TemporaryFiles.add(names.beside)
    case S_IFDIR:
      throw RunError(.unwritable, "cannot write '\(path)': it is a folder")
    default:
      temporary = nil
      descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
    }
    guard descriptor >= 0 else {
      throw RunError(
        .unwritable, "cannot write '\(path)': \(systemErrorText())")
    }
  }

  /// Writes a line and a line feed.
  package func writeLine(_ line: String) throws(RunError) { try writePart(line + "\n") }

  /// Writes text without a line feed.
  package func writePart(_ text: String) throws(RunError) {
    try writeBytes(text.utf8)
  }

  package func writeBytes(_ bytes: some Sequence<UInt8>) throws(RunError) {
    buffer.append(contentsOf: bytes)
    if buffer.count > 1 << 16 || path == nil { try flush() }
  }

  /// Whether the results appear on a terminal.
  package var isTerminal: Bool { path == nil && isatty(descriptor) == 1 }

  private func flush() throws(RunError) {
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
        throw RunError(
          .unwritable,
          "cannot write \(path.map { "'\($0)'" } ?? "standard output"): "
            + "\(systemErrorText())")
      }
    }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Writes what is buffered and gives the file its name.
  package func finish() throws(RunError) {
    try flush()
    if temporary != nil, fsync(descriptor) != 0, errno != EINVAL { throw unwritable() }
    try close()
    try takeName()
  }

  /// Writes what is buffered to the file, which still has its temporary name.
  package func close() throws(RunError) {
    try flush()
    guard path != nil else { return }
    isOpen = false
    if closeDescriptor(descriptor) != 0 { throw unwritable() }
  }

  /// Gives closed files their names, each after it is safely on the disk.
  ///
  /// Up to sixteen threads wait for the disk, because many requests take hardly longer than one.
  package static func name(_ streams: [ResultStream]) throws(RunError) {
    let names = streams.compactMap(\.temporary)
    let failed = FirstFailure()
    let waiting = DispatchGroup()
    for first in 0..<min(16, names.count) {
      waiting.enter()
      Thread.detachNewThread {
        for name in stride(from: first, to: names.count, by: 16).map({ names[$0] }) {
          let descriptor = unsafe open(name, O_RDONLY | O_CLOEXEC)
          let isKept = descriptor >= 0 && (fsync(descriptor) == 0 || errno == EINVAL)
          if !isKept { failed.note("cannot write '\(name)': \(systemErrorText())") }
          if descriptor >= 0 { _ = closeDescriptor(descriptor) }
        }
        waiting.leave()
      }
    }
    waiting.wait()
    if let message = failed.message { throw RunError(.unwritable, message) }
    for stream in streams { try stream.takeName() }
  }

  private final class FirstFailure: Sendable {
    private let stored = Mutex<String?>(nil)

    var message: String? { stored.withLock { $0 } }

    func note(_ message: String) { stored.withLock { $0 = $0 ?? message } }
  }

  private func takeName() throws(RunError) {
    guard let temporary else { return }
    if unsafe rename(temporary, destination) != 0 { throw unwritable() }
    isNamed = true
  }

  private func unwritable() -> RunError {
    RunError(.unwritable, "cannot write '\(path ?? "standard output")': \(systemErrorText())")
  }

  /// Deletes the temporary file if the stream was never finished.
  deinit {
    guard path != nil else { return }
    if isOpen { _ = closeDescriptor(descriptor) }
    if let temporary, !isNamed { unsafe unlink(temporary) }
  }
}
