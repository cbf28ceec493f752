// Licensed under the Apache License, Version 2.0.

/// Turns tokens into text as they come, and holds the bytes of a character back until all are there.
package struct StreamingDecoder {
  private let tokenizer: any NetworkTokenizer
  private var held: [UInt8] = []
  private var isStart = true

  package init(_ tokenizer: any NetworkTokenizer) { self.tokenizer = tokenizer }

  /// The text that this token completes.
  ///
  /// Bytes that can become no character are U+FFFD.
  package mutating func append(_ token: Int32) -> String {
    if tokenizer.isControl(token) {
      isStart = true
      return finish()
    }
    let bytes = tokenizer.bytes(of: token)
    let dropped = isStart && tokenizer.addsBlank && bytes.first == 0x20
    held.append(contentsOf: dropped ? bytes[1...] : bytes[...])
    isStart = isStart && bytes.isEmpty
    let count = held.count - Self.incomplete(held)
    let text = String(decoding: held[..<count], as: UTF8.self)
    held.removeFirst(count)
    return text
  }

  /// What was held back: U+FFFD for a character that was cut.
  package mutating func finish() -> String {
    defer { held.removeAll() }
    return String(decoding: held, as: UTF8.self)
  }

  /// How many bytes at the end may be the beginning of a character.
  static func incomplete(_ bytes: [UInt8]) -> Int {
    for back in 1...3 where back <= bytes.count {
      let byte = bytes[bytes.count - back]
      if byte & 0xC0 == 0x80 { continue }
      return (0xC2..<0xF5).contains(byte) && UTF8Scalars.length(byte) > back ? back : 0
    }
    return 0
  }
}
