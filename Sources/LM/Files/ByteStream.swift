// Licensed under the Apache License, Version 2.0.

internal import Foundation

/// Reads the bytes of a file, of standard input (`-`), or of a `.gz` file through `gzip`, in
/// pieces.
final class ByteStream {
  /// The path as the user gave it, for messages.
  let path: String
  private let descriptor: Int32
  private let process: Process?
  private let output: Pipe?
  private let isCancelled: @Sendable () -> Bool

  /// Opens a path; waiting for a pipe or a terminal ends when `isCancelled` returns true.
  init(
    path: String, isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws(LoadError) {
    self.path = path
    self.isCancelled = isCancelled
    if path == "-" {
      descriptor = STDIN_FILENO
      process = nil
      output = nil
      return
    }
    let opened = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard opened >= 0 else {
      throw LoadError(.cannotRead, path: path, "cannot be read: \(systemErrorText())")
    }
    var status = stat()
    guard unsafe fstat(opened, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
      close(opened)
      throw LoadError(.cannotRead, path: path, "is a folder, but a file was expected")
    }
    guard path.hasSuffix(".gz") else {
      descriptor = opened
      process = nil
      output = nil
      return
    }
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-dc"]
    process.standardInput = FileHandle(fileDescriptor: opened, closeOnDealloc: true)
    process.standardOutput = output
    // The error below reports what gzip would say, together with the file's name.
    process.standardError = FileHandle.nullDevice
    do {
      try process.run()
    } catch {
      throw LoadError(
        .cannotRead, path: path, "needs the command 'gzip', which cannot be run: \(error)")
    }
    self.process = process
    self.output = output
    descriptor = output.fileHandleForReading.fileDescriptor
  }

  deinit {
    if process == nil, descriptor != STDIN_FILENO { close(descriptor) }
    if let process, process.isRunning { process.terminate() }
  }

  /// Bytes of the byte-order mark that was dropped at the beginning; known once something was read.
  private(set) var markCount = 0
  private var isBegun = false

  /// Reads up to `capacity` bytes of text; 0 at the end.
  ///
  /// A byte-order mark at the beginning is dropped.
  /// - Throws: also where the first bytes are those of another kind of file.
  func read(into base: UnsafeMutableRawPointer, capacity: Int) throws(LoadError) -> Int {
    guard !isBegun, capacity >= FileBeginning.byteCount else {
      return try unsafe readAny(into: base, capacity: capacity)
    }
    isBegun = true
    // Pipes may hand over one byte. A line is enough to go on with: somebody may be typing.
    var count = 0
    while count < FileBeginning.byteCount {
      let new = try unsafe readAny(into: base + count, capacity: capacity - count)
      count += new
      if unsafe new == 0 || memchr(base, 0x0A, count) != nil { break }
    }
    let beginning = unsafe FileBeginning(UnsafeRawBufferPointer(start: base, count: count))
    if let fault = beginning.fault(path: path) {
      throw LoadError(.badData, path: path, fault)
    }
    markCount = beginning.markCount
    unsafe memmove(base, base + markCount, count - markCount)
    // A text of nothing but the mark is at its end.
    return count - markCount
  }

  private func readAny(
    into base: UnsafeMutableRawPointer, capacity: Int
  ) throws(LoadError) -> Int {
    while true {
      try waitForBytes()
      let count = unsafe Foundation.read(descriptor, base, capacity)
      if count > 0 { return count }
      if count == 0 {
        if let process {
          process.waitUntilExit()
          guard process.terminationStatus == 0 else {
            throw LoadError(.badData, path: path, "is not a valid gzip file")
          }
        }
        return 0
      }
      guard errno == EINTR else {
        throw LoadError(.cannotRead, path: path, "cannot be read: \(systemErrorText())")
      }
    }
  }

  /// Waits until there are bytes, because a read that has begun cannot be cancelled.
  private func waitForBytes() throws(LoadError) {
    var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while true {
      let ready = unsafe poll(&waiting, 1, 100)
      guard ready == 0 || (ready < 0 && errno == EINTR) else { return }
      if isCancelled() { throw LoadError(.cancelled, path: path, "stopped") }
    }
  }

  /// Visits the lines of the file without their line feeds, numbered from 1.
  ///
  /// A last line without a line feed counts. The longest line must fit into memory.
  func forEachLine(_ body: (UnsafeRawBufferPointer, Int) throws -> Void) throws {
    var capacity = 1 << 20
    var buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    defer { unsafe buffer.deallocate() }
    var filled = 0
    var number = 0
    while true {
      if filled == capacity {
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity * 2, alignment: 16)
        unsafe larger.copyMemory(from: buffer, byteCount: filled)
        unsafe buffer.deallocate()
        unsafe buffer = larger
        capacity *= 2
      }
      let count = try unsafe read(into: buffer + filled, capacity: capacity - filled)
      var scanned = filled
      filled += count
      var start = 0
      while scanned < filled,
        let found = unsafe memchr(buffer + scanned, 0x0A, filled - scanned)
      {
        let end = unsafe UnsafeRawPointer(found) - UnsafeRawPointer(buffer)
        number += 1
        try unsafe body(UnsafeRawBufferPointer(start: buffer + start, count: end - start), number)
        start = end + 1
        scanned = start
      }
      if count == 0 {
        if start < filled {
          number += 1
          try unsafe body(
            UnsafeRawBufferPointer(start: buffer + start, count: filled - start), number)
        }
        return
      }
      unsafe memmove(buffer, buffer + start, filled - start)
      filled -= start
    }
  }
}
