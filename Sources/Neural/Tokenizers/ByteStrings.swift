// Licensed under the Apache License, Version 2.0.

/// Many strings of bytes in one block of memory: the pieces of a vocabulary.
///
/// An array of arrays costs one allocation for each piece, which takes longer than everything else
/// about a vocabulary of 262,144 pieces.
package struct ByteStrings: Sendable {
  private(set) var bytes: [UInt8] = []
  private var ends: [Int] = []

  package init() {}

  package init(_ strings: some Sequence<some Sequence<UInt8>>) {
    for string in strings { append(string) }
  }

  package init(_ strings: some Sequence<String>) {
    for string in strings { append(string.utf8) }
  }

  package var count: Int { ends.count }

  package mutating func reserve(count: Int, bytes: Int) {
    ends.reserveCapacity(count)
    self.bytes.reserveCapacity(bytes)
  }

  package mutating func append(_ string: some Sequence<UInt8>) {
    bytes.append(contentsOf: string)
    ends.append(bytes.count)
  }

  mutating func append(_ byte: UInt8) { bytes.append(byte) }

  /// Ends a string whose bytes were appended one by one.
  mutating func endString() { ends.append(bytes.count) }

  /// Where a string lies in `bytes`.
  func range(_ index: Int) -> Range<Int> {
    (index == 0 ? 0 : ends[index - 1])..<ends[index]
  }

  package subscript(index: Int) -> ArraySlice<UInt8> { bytes[range(index)] }

  /// For messages: bad bytes are replaced, long strings are cut.
  func text(_ index: Int) -> String { quoted(self[index]) }
}

/// Bytes as a message shows them: in quotes, control characters spelled out, cut after 40 characters.
func quoted(_ bytes: some Collection<UInt8>) -> String {
  var text = ""
  for scalar in String(decoding: bytes.prefix(160), as: UTF8.self).unicodeScalars.prefix(40) {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse:
      text += "\\u{" + String(scalar.value, radix: 16) + "}"
    default: text.unicodeScalars.append(scalar)
    }
  }
  return "'\(text)'"
}
