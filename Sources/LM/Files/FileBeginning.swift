// Licensed under the Apache License, Version 2.0.

internal import Foundation

/// What the first bytes of a file say: whether it is text, and if not, what else.
package struct FileBeginning {
  /// How many of the first bytes are looked at.
  package static let byteCount = 56

  private let bytes: [UInt8]

  /// The first bytes of a file, fewer only where it has fewer.
  package init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes.prefix(Self.byteCount)) }

  /// Bytes of the UTF-8 byte-order mark, which is no part of a text: 3 or 0.
  package var markCount: Int { begins([0xEF, 0xBB, 0xBF]) ? 3 : 0 }

  /// Why the file cannot be read as text, and what to do; `nil` for text.
  ///
  /// - Parameter path: the file; `-` is standard input.
  /// - Returns: a sentence without the file's name.
  package func fault(path: String) -> String? {
    if let encoding {
      return "is \(encoding) text; make UTF-8 of it, for example with "
        + "'iconv -f \(encoding) -t UTF-8'"
    }
    if let (name, suffix, tool) = compression {
      if path == "-" {
        return "is compressed with \(name); put '\(tool) -dc |' before this command"
      }
      return suffix == ".gz"
        ? "is compressed with gzip, but its name does not say so; rename it to '\(path).gz', or "
          + "unpack it with 'gzip -dc \(path)'"
        : "is compressed with \(name), which gensample does not read; unpack it with "
          + "'\(tool) -dc \(path)'"
    }
    let hasControls = bytes.contains { $0 < 9 }
    if let kind = Self.kinds.first(where: {
      begins(Array($0.magic.utf8)) && (hasControls || !$0.isText)
    }) {
      return "is \(kind.name); \(kind.advice)"
    }
    return nil
  }

  /// Whether it is a model in gensample's own format.
  package var isGSM: Bool { begins(GSMHeader.magic) }

  /// Whether it looks like an ARPA file.
  var isARPA: Bool {
    let text = String(decoding: bytes, as: UTF8.self)
    return text.contains("\\data\\") || text.hasPrefix("# gensample ")
  }

  /// The first bytes of a plain file; none where it cannot be read.
  package init(path: String) {
    var status = stat()
    guard path != "-", unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      self.init([])
      return
    }
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    var bytes = [UInt8](repeating: 0, count: Self.byteCount)
    let count = unsafe bytes.withUnsafeMutableBytes {
      unsafe read(descriptor, $0.baseAddress, $0.count)
    }
    self.init(bytes.prefix(max(0, count)))
  }

  private func begins(_ magic: [UInt8]) -> Bool { bytes.starts(with: magic) }

  /// UTF-16 or UTF-32, by its mark or, without one, by the zeros among Latin letters.
  private var encoding: String? {
    if begins([0xFF, 0xFE, 0, 0]) || begins([0, 0, 0xFE, 0xFF]) { return "UTF-32" }
    if begins([0xFF, 0xFE]) || begins([0xFE, 0xFF]) { return "UTF-16" }
    guard bytes.count >= 4 else { return nil }
    let isZero = bytes.prefix(bytes.count & ~1).map { $0 == 0 }
    let low = stride(from: 0, to: isZero.count, by: 2)
    func areAll(_ places: some Sequence<Int>, _ value: Bool) -> Bool {
      places.allSatisfy { isZero[$0] == value }
    }
    if areAll(low, false), areAll(low.map { $0 + 1 }, true) { return "UTF-16LE" }
    if areAll(low, true), areAll(low.map { $0 + 1 }, false) { return "UTF-16BE" }
    return nil
  }

  private var compression: (name: String, suffix: String, tool: String)? {
    if begins([0x1F, 0x8B]) { return ("gzip", ".gz", "gzip") }
    if begins(Array("BZh".utf8)), bytes.count >= 10, [0x31, 0x17].contains(bytes[4]) {
      return ("bzip2", ".bz2", "bzip2")
    }
    if begins([0xFD] + Array("7zXZ".utf8) + [0]) { return ("xz", ".xz", "xz") }
    if begins([0x28, 0xB5, 0x2F, 0xFD]) { return ("zstd", ".zst", "zstd") }
    if begins([0x04, 0x22, 0x4D, 0x18]) { return ("lz4", ".lz4", "lz4") }
    if begins([0x1F, 0x9D]) { return ("compress", ".Z", "gzip") }
    return nil
  }

  /// Files that are no text, by their first bytes; those that a text could begin with hold a control
  /// character, too.
  private static let kinds: [(magic: String, isText: Bool, name: String, advice: String)] = [
    (
      "mmap lm http://kheafield.com/code", false, "a KenLM binary",
      "KenLM cannot turn it back: give the ARPA file that it was built from"
    ),
    (
      "SRILM_BINARY_NGRAM_", false, "an SRILM binary",
      "make an ARPA file of it with 'ngram -lm FILE -write-lm FILE.arpa'"
    ),
    ("GGUF", true, "a GGUF file, which holds a neural model", "give an n-gram model"),
    ("PK", true, "a zip archive", "unpack it with 'unzip'"),
    ("gs-ngram", true, "a model in gensample's own format", "give a text"),
  ]
}
