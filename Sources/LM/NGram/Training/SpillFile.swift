// Licensed under the Apache License, Version 2.0.

internal import Foundation
internal import Synchronization

/// A file without a name for what does not fit into memory; gone with its last owner.
final class SpillFile: Sendable {
  private let descriptor: Int32
  private let folder: String
  private let end = Mutex(0)

  /// Makes a file in a folder.
  init(in folder: String) throws(LoadError) {
    self.folder = folder
    var name = (folder + "/gensample-XXXXXX").utf8CString
    descriptor = unsafe name.withUnsafeMutableBufferPointer { characters in
      guard let base = characters.baseAddress else { return Int32(-1) }
      return unsafe mkstemp(base)
    }
    guard descriptor >= 0 else {
      throw LoadError(
        .cannotWrite, path: folder, "cannot make a temporary file: \(systemErrorText())")
    }
    _ = unsafe name.withUnsafeBufferPointer { characters in
      guard let base = characters.baseAddress else { return Int32(0) }
      return unsafe unlink(base)
    }
  }

  deinit { close(descriptor) }

  /// Appends elements and returns the byte at which they begin.
  func append<Element: BitwiseCopyable>(_ elements: [Element]) throws(LoadError) -> Int {
    let size = elements.count * MemoryLayout<Element>.stride
    let start = end.withLock { place in
      defer { place += size }
      return place
    }
    var failure: Int32 = 0
    unsafe elements.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      var written = 0
      while written < size {
        let count = unsafe pwrite(
          descriptor, base + written, size - written, off_t(start + written))
        if count > 0 {
          written += count
        } else if errno != EINTR {
          failure = errno
          return
        }
      }
    }
    guard failure == 0 else {
      throw LoadError(
        .cannotWrite, path: folder,
        "cannot write temporary data: \(systemErrorText(failure)); free some space, set TMPDIR to "
          + "another disk or give more --memory")
    }
    return start
  }

  /// Reads elements that begin at a byte.
  func read<Element: BitwiseCopyable>(_ count: Int, at offset: Int) throws(LoadError) -> [Element] {
    let size = count * MemoryLayout<Element>.stride
    var failure: Int32 = 0
    let elements = unsafe [Element](unsafeUninitializedCapacity: count) { buffer, filled in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      guard let base = raw.baseAddress else { return }
      var done = 0
      while done < size {
        let got = unsafe pread(descriptor, base + done, size - done, off_t(offset + done))
        if got > 0 {
          done += got
        } else if got == 0 || errno != EINTR {
          failure = got == 0 ? EIO : errno
          return
        }
      }
      filled = count
    }
    guard failure == 0 else {
      throw LoadError(
        .cannotRead, path: folder, "cannot read temporary data: \(systemErrorText(failure))")
    }
    return elements
  }
}
