// Licensed under the Apache License, Version 2.0.

import Foundation

/// A file mapped into memory, read-only.
///
/// The pages are read when they are first touched and are shared by all processes that map the file.
/// A process that reads behind the new end of a file that was cut meanwhile is killed (SIGBUS), which
/// no program can prevent; `checkUnchanged` finds the change where it is cheap to look.
@safe package final class MappedFile: @unchecked Sendable {
  package let path: String
  package let bytes: UnsafeRawBufferPointer
  /// The open file; -1 of memory that is part of the program.
  private let descriptor: Int32
  private let modified: (seconds: Int, nanoseconds: Int)

  package init(_ path: String) throws(NeuralError) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw NeuralError("cannot be read: \(MappedFile.systemErrorText())")
    }
    do throws(NeuralError) {
      let status = try MappedFile.status(descriptor)
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw NeuralError("is not a regular file, so it cannot be mapped")
      }
      guard let count = Int(exactly: status.st_size), count > 0 else {
        throw NeuralError("byte 0: the file is empty")
      }
      guard let base = unsafe mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0),
        unsafe base != MAP_FAILED
      else {
        throw NeuralError("cannot be mapped: \(MappedFile.systemErrorText())")
      }
      // Starts reading; a first pass over the weights then waits less.
      _ = unsafe posix_madvise(base, count, POSIX_MADV_WILLNEED)
      unsafe bytes = UnsafeRawBufferPointer(start: base, count: count)
      modified = MappedFile.modified(status)
    } catch {
      close(descriptor)
      throw error
    }
    self.path = path
    self.descriptor = descriptor
  }

  /// Memory that is part of the program and stays there.
  package init(constant bytes: UnsafeRawBufferPointer, name: String) {
    path = name
    unsafe self.bytes = unsafe bytes
    descriptor = -1
    modified = (0, 0)
  }

  deinit {
    guard descriptor >= 0 else { return }
    if let base = unsafe bytes.baseAddress {
      unsafe munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
    }
    close(descriptor)
  }

  /// Throws if the file has another size or was written to since it was mapped.
  package func checkUnchanged() throws(NeuralError) {
    guard descriptor >= 0 else { return }
    let status = try MappedFile.status(descriptor)
    guard unsafe Int(status.st_size) == bytes.count else {
      throw unsafe NeuralError(
        "the file changed while it was in use (found \(status.st_size) bytes, "
          + "expected \(bytes.count)). Run the command again.")
    }
    guard MappedFile.modified(status) == modified else {
      throw NeuralError("the file was written to while it was in use. Run the command again.")
    }
  }

  /// FNV-1a over words of 64 bits and the bytes left over: finds damage, not malice.
  package var checksum: UInt64 {
    var sum: UInt64 = 0xcbf2_9ce4_8422_2325
    let count = unsafe bytes.count
    let words = count / 8
    for i in 0..<words {
      let word = unsafe UInt64(
        littleEndian: bytes.loadUnaligned(fromByteOffset: i &* 8, as: UInt64.self))
      sum = (sum ^ word) &* 0x100_0000_01b3
      sum ^= sum >> 32
    }
    for i in (words * 8)..<count { sum = unsafe (sum ^ UInt64(bytes[i])) &* 0x100_0000_01b3 }
    return sum
  }

  private static func status(_ descriptor: Int32) throws(NeuralError) -> stat {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw NeuralError("cannot be read: \(systemErrorText())")
    }
    return status
  }

  private static func modified(_ status: stat) -> (seconds: Int, nanoseconds: Int) {
    #if os(Linux)
      (Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec))
    #else
      (Int(status.st_mtimespec.tv_sec), Int(status.st_mtimespec.tv_nsec))
    #endif
  }

  private static func systemErrorText() -> String {
    unsafe String(cString: strerror(errno))
  }
}
