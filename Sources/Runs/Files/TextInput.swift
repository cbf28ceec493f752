// Licensed under the Apache License, Version 2.0.

import Foundation
package import LM

/// Reads files that are small enough to be read whole: constraints, keyword sets and word lists.
package enum TextInput {
  /// A file's name as messages have it.
  package static func shown(_ path: String) -> String { path == "-" ? "standard input" : path }

  /// Refuses to read standard input twice, because the second time it would be empty.
  package static func checkOnce(_ paths: some Sequence<String>) throws(RunError) {
    guard paths.count(where: { $0 == "-" }) <= 1 else {
      throw .usage("standard input can be read only once")
    }
  }

  /// The text of a whole file; `-` is standard input.
  package static func text(_ path: String) throws(LoadError) -> String {
    let descriptor = path == "-" ? STDIN_FILENO : unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw LoadError(.cannotRead, path: path, "cannot be read: \(systemErrorText())")
    }
    defer { if path != "-" { close(descriptor) } }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe piece.withUnsafeMutableBytes { buffer in
        unsafe read(descriptor, buffer.baseAddress, buffer.count)
      }
      if count == 0 { break }
      if count > 0 {
        if bytes.isEmpty, let fault = FileBeginning(piece[..<count]).fault(path: path) {
          throw LoadError(.badData, path: path, fault)
        }
        // A device such as /dev/zero never ends, so stop at the first zero.
        if let zero = piece[..<count].firstIndex(of: 0) {
          throw LoadError(
            .badData, path: path, place: .byte(bytes.count + zero),
            "found the byte 0x0, expected UTF-8 text")
        }
        bytes += piece[..<count]
      } else if errno != EINTR {
        throw LoadError(
          .cannotRead, path: path,
          errno == EISDIR
            ? "is a folder, but a file was expected" : "cannot be read: \(systemErrorText())")
      }
    }
    let marked = bytes.dropFirst(FileBeginning(bytes).markCount)
    guard let text = String(validating: marked, as: UTF8.self) else {
      let place = firstFault(bytes)
      let byte = String(bytes[place], radix: 16, uppercase: true)
      throw LoadError(
        .badData, path: path, place: .byte(place),
        "found the byte 0x\(byte), which is not valid UTF-8 here; convert the file to UTF-8")
    }
    return text
  }

  /// The lines of a file; a final line feed does not begin another line.
  package static func lines(_ path: String) throws(LoadError) -> [String] {
    var lines = try text(path).unicodeScalars
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last == "" { lines.removeLast() }
    for i in lines.indices where lines[i].unicodeScalars.last == "\r" {
      lines[i].unicodeScalars.removeLast()
    }
    return lines
  }

  /// The offset of the first byte that breaks UTF-8.
  private static func firstFault(_ bytes: [UInt8]) -> Int {
    var decoder = UTF8()
    var place = 0
    var rest = bytes.makeIterator()
    while case .scalarValue(let scalar) = decoder.decode(&rest) {
      place += UTF8.width(scalar)
    }
    return place
  }
}
