// Licensed under the Apache License, Version 2.0.

import Foundation
import LM

/// Texts that are read whole: constraints, keyword sets, lists of words.
enum TextInput {
  /// Refuses files that name standard input twice: the second one would be empty.
  static func checkOnce(_ paths: some Sequence<String>) throws(CommandFailure) {
    guard paths.count(where: { $0 == "-" }) <= 1 else {
      throw .usage("standard input can be read only once")
    }
  }

  /// A whole file's text; `-` is standard input, pipes and devices are read as they are.
  static func text(_ path: String) throws(LoadError) -> String {
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
        // Devices that give zeros never end.
        if let zero = piece[..<count].firstIndex(of: 0) {
          throw LoadError(
            .badData, path: path, place: .byte(bytes.count + zero),
            "found the byte 0x0, which no text holds; expected lines of UTF-8")
        }
        bytes += piece[..<count]
      } else if errno != EINTR {
        throw LoadError(
          .cannotRead, path: path,
          errno == EISDIR
            ? "is a folder, where a file is expected" : "cannot be read: \(systemErrorText())")
      }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      let place = firstFault(bytes)
      let byte = String(bytes[place], radix: 16, uppercase: true)
      throw LoadError(
        .badData, path: path, place: .byte(place),
        "found the byte 0x\(byte), which is no UTF-8 there; convert the text to UTF-8")
    }
    return text
  }

  /// Its lines; a line feed at the end begins no further one.
  static func lines(_ path: String) throws(LoadError) -> [String] {
    var lines = try text(path).unicodeScalars
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last == "" { lines.removeLast() }
    for i in lines.indices where lines[i].unicodeScalars.last == "\r" {
      lines[i].unicodeScalars.removeLast()
    }
    return lines
  }

  /// Where the first byte stands that continues no valid UTF-8.
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
