// Licensed under the Apache License, Version 2.0.

internal import Foundation

/// A flat array in memory or in a mapped file, read-only once made and shared by threads.
///
/// Pointers into it are valid as long as somebody holds the buffer.
@safe
public final class FlatBuffer<Element: BitwiseCopyable>: @unchecked Sendable {
  /// The number of elements.
  public let count: Int
  /// The address of the first element.
  public let pointer: UnsafeMutablePointer<Element>
  private let mappedBytes: Int
  private let isInFile: Bool

  /// Allocates elements in memory, with all bits zero.
  public init(count: Int) {
    precondition(count >= 0, "a buffer has no negative size")
    self.count = count
    let (bytes, overflow) = max(1, count).multipliedReportingOverflow(
      by: MemoryLayout<Element>.stride)
    precondition(!overflow, "a buffer fits the address space")
    // Large buffers get their own pages: untouched ones cost nothing, and all of them return to the
    // system with the buffer.
    if bytes >= 1 << 18 {
      guard
        let raw = unsafe mmap(
          nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        unsafe raw != MAP_FAILED
      else { preconditionFailure("out of memory") }
      unsafe pointer = raw.bindMemory(to: Element.self, capacity: count)
      mappedBytes = bytes
      isInFile = false
      return
    }
    guard let raw = unsafe calloc(bytes, 1) else { preconditionFailure("out of memory") }
    unsafe pointer = raw.bindMemory(to: Element.self, capacity: max(1, count))
    mappedBytes = 0
    isInFile = false
  }

  /// Copies an array.
  public convenience init(_ array: [Element]) {
    self.init(count: array.count)
    for i in array.indices { unsafe pointer[i] = array[i] }
  }

  /// Allocates elements in a file without a name, which disappears with the buffer.
  ///
  /// - Parameters:
  ///   - count: the number of elements.
  ///   - directory: the directory of the file.
  /// - Throws: `LoadError` if the file cannot be made or the disk is full.
  public init(temporaryFileOf count: Int, in directory: String) throws(LoadError) {
    let (bytes, overflow) = max(1, count).multipliedReportingOverflow(
      by: MemoryLayout<Element>.stride)
    precondition(!overflow, "a buffer fits the address space")
    let template = directory + "/gensample-XXXXXX"
    var name = template.utf8CString
    let descriptor = unsafe name.withUnsafeMutableBufferPointer { characters in
      guard let base = characters.baseAddress else { return Int32(-1) }
      return unsafe mkstemp(base)
    }
    guard descriptor >= 0 else {
      throw LoadError(
        .cannotWrite, path: directory, "cannot make a temporary file: \(systemErrorText())")
    }
    defer { close(descriptor) }
    _ = unsafe name.withUnsafeBufferPointer { characters in
      guard let base = characters.baseAddress else { return Int32(0) }
      return unsafe unlink(base)
    }
    // Reserving the blocks now turns a full disk into an error instead of a fault at a later write.
    let reserved = reserveBlocks(descriptor, bytes)
    guard reserved == 0 else {
      throw LoadError(
        .cannotWrite, path: directory,
        "cannot reserve \(bytes) bytes for temporary data: \(systemErrorText(reserved)); "
          + "free some space or set TMPDIR to another disk")
    }
    guard
      let raw = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0),
      unsafe raw != MAP_FAILED
    else {
      throw LoadError(
        .cannotWrite, path: directory, "cannot map \(bytes) bytes: \(systemErrorText())")
    }
    self.count = count
    unsafe pointer = raw.bindMemory(to: Element.self, capacity: max(1, count))
    mappedBytes = bytes
    isInFile = true
  }

  /// Returns the memory of elements in a file to the system; they are read again when needed.
  func release(_ range: Range<Int>) {
    guard isInFile, !range.isEmpty else { return }
    let page = 1 << 16
    let stride = MemoryLayout<Element>.stride
    let first = range.lowerBound * stride / page * page
    let last = min(mappedBytes, range.upperBound * stride)
    _ = unsafe madvise(UnsafeMutableRawPointer(pointer) + first, last - first, MADV_DONTNEED)
  }

  /// Returns the memory of all elements from `count` on to the system; they must not be used again.
  func discard(from count: Int) {
    guard mappedBytes > 0 else { return }
    let page = 1 << 16
    let first = (count * MemoryLayout<Element>.stride + page - 1) / page * page
    guard first < mappedBytes else { return }
    _ = unsafe madvise(
      UnsafeMutableRawPointer(pointer) + first, mappedBytes - first, MADV_DONTNEED)
  }

  deinit {
    if mappedBytes > 0 {
      unsafe munmap(pointer, mappedBytes)
    } else {
      unsafe free(pointer)
    }
  }

  /// The element at an index in 0 ..< count.
  @inlinable
  public subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count, "an index lies in the buffer")
      return unsafe pointer[index]
    }
    set {
      precondition(index >= 0 && index < count, "an index lies in the buffer")
      unsafe pointer[index] = newValue
    }
  }
}

/// Gives an empty file its length and its disk blocks; returns 0 or the system's error number.
private func reserveBlocks(_ descriptor: Int32, _ bytes: Int) -> Int32 {
  #if canImport(Darwin)
    // This system does not have posix_fallocate.
    var blocks = fstore_t(
      fst_flags: UInt32(F_ALLOCATEALL), fst_posmode: F_PEOFPOSMODE, fst_offset: 0,
      fst_length: off_t(bytes), fst_bytesalloc: 0)
    guard unsafe fcntl(descriptor, F_PREALLOCATE, &blocks) != -1 else { return errno }
    return ftruncate(descriptor, off_t(bytes)) == 0 ? 0 : errno
  #else
    return posix_fallocate(descriptor, 0, off_t(bytes))
  #endif
}
