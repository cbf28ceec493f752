// Licensed under the Apache License, Version 2.0.

internal import Foundation

/// The names of a file that is written under a temporary name and renamed at the end.
package struct OutputNames {
  /// The real path after symbolic links, so that a link keeps its target.
  package let destination: String
  /// The temporary name.
  package let beside: String

  package init(_ path: String) {
    let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
    destination = isLink ? URL(fileURLWithPath: path).resolvingSymlinksInPath().path : path
    beside = "\(destination).partial-\(ProcessInfo.processInfo.processIdentifier)"
  }
}

/// A file that appears only when it is complete: it is written under a temporary name, then
/// renamed.
final class FileOutput {
  let path: String
  private let destination: String
  private let beside: String
  private var descriptor: Int32
  private var process: Process?
  private var buffer: [UInt8] = []
  private var isFinished = false

  /// Opens a temporary file; the contents of a `.gz` file go through `gzip`.
  init(path: String) throws(LoadError) {
    self.path = path
    let names = OutputNames(path)
    destination = names.destination
    beside = names.beside
    let file = unsafe open(beside, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else {
      throw LoadError(.cannotWrite, path: path, "cannot be written: \(systemErrorText())")
    }
    descriptor = file
    guard path.hasSuffix(".gz") else { return }
    let process = Process()
    let input = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-cn"]
    process.standardInput = input
    process.standardOutput = FileHandle(fileDescriptor: file, closeOnDealloc: false)
    do {
      try process.run()
    } catch {
      unsafe unlink(beside)
      throw LoadError(
        .cannotWrite, path: path, "needs the command 'gzip', which cannot be run: \(error)")
    }
    self.process = process
    self.input = input
  }

  private var input: Pipe?

  deinit {
    guard !isFinished else { return }
    if let process, process.isRunning { process.terminate() }
    close(descriptor)
    unsafe unlink(beside)
  }

  /// Appends text.
  func write(_ text: String) throws(LoadError) {
    buffer.append(contentsOf: text.utf8)
    if buffer.count > 1 << 18 { try flush() }
  }

  /// Appends bytes.
  func write(_ bytes: [UInt8]) throws(LoadError) {
    buffer.append(contentsOf: bytes)
    if buffer.count > 1 << 18 { try flush() }
  }

  /// Appends bytes.
  func write(_ bytes: UnsafeRawBufferPointer) throws(LoadError) {
    if bytes.count > 1 << 18 {
      try flush()
      try unsafe writeAll(bytes)
    } else {
      unsafe buffer.append(contentsOf: bytes)
      if buffer.count > 1 << 18 { try flush() }
    }
  }

  private func flush() throws(LoadError) {
    var failure: LoadError?
    unsafe buffer.withUnsafeBytes { bytes in
      do throws(LoadError) { try unsafe writeAll(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
    buffer.removeAll(keepingCapacity: true)
  }

  private func writeAll(_ bytes: UnsafeRawBufferPointer) throws(LoadError) {
    let target = input?.fileHandleForWriting.fileDescriptor ?? descriptor
    var written = 0
    while written < bytes.count, let base = bytes.baseAddress {
      let count = unsafe Foundation.write(target, base + written, bytes.count - written)
      if count >= 0 {
        written += count
      } else if errno == EPIPE, process != nil {
        throw gzipFailure
      } else if errno != EINTR {
        throw LoadError(.cannotWrite, path: path, "cannot be written: \(systemErrorText())")
      }
    }
  }

  /// The error after gzip has failed; gzip itself has already written its message.
  private var gzipFailure: LoadError {
    LoadError(.cannotWrite, path: path, "cannot be written: gzip failed")
  }

  /// Replaces the first bytes that were written; not for `.gz` files.
  func replaceBeginning(with bytes: [UInt8]) throws(LoadError) {
    try flush()
    var written = 0
    while written < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { raw in
        guard let base = raw.baseAddress else { return 0 }
        return unsafe pwrite(descriptor, base + written, bytes.count - written, off_t(written))
      }
      if count >= 0 {
        written += count
      } else if errno != EINTR {
        throw LoadError(.cannotWrite, path: path, "cannot be written: \(systemErrorText())")
      }
    }
  }

  /// Visits everything written so far, in parts of the same size, except for the last part.
  func readBack(partBytes: Int, _ body: (UnsafeRawBufferPointer) -> Void) throws(LoadError) {
    try flush()
    var part = [UInt8](repeating: 0, count: partBytes)
    var offset = 0
    while true {
      var filled = 0
      while filled < partBytes {
        let count = unsafe part.withUnsafeMutableBytes { raw in
          guard let base = raw.baseAddress else { return 0 }
          return unsafe pread(descriptor, base + filled, partBytes - filled, off_t(offset + filled))
        }
        if count == 0 { break }
        if count > 0 {
          filled += count
        } else if errno != EINTR {
          throw LoadError(.cannotWrite, path: path, "cannot be read back: \(systemErrorText())")
        }
      }
      unsafe part.withUnsafeBytes { unsafe body(UnsafeRawBufferPointer(rebasing: $0[..<filled])) }
      offset += filled
      if filled < partBytes { return }
    }
  }

  /// Writes what is buffered, makes it durable and gives the file its name.
  func finish() throws(LoadError) {
    try flush()
    if let process, let input {
      try? input.fileHandleForWriting.close()
      process.waitUntilExit()
      guard process.terminationStatus == 0 else { throw gzipFailure }
    }
    guard fsync(descriptor) == 0 || errno == EINVAL, close(descriptor) == 0,
      unsafe rename(beside, destination) == 0
    else {
      let reason = systemErrorText()
      unsafe unlink(beside)
      isFinished = true
      throw LoadError(.cannotWrite, path: path, "cannot be written: \(reason)")
    }
    isFinished = true
  }
}
