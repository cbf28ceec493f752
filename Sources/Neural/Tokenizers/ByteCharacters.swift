// Licensed under the Apache License, Version 2.0.

/// The characters that stand for bytes in the files of byte-level BPE.
///
/// Bytes that print in Latin-1 stand for themselves, the others for U+0100 and the following, in
/// order: a blank is `Ġ`, a newline `Ċ`.
enum ByteCharacters {
  static func isItself(_ byte: UInt8) -> Bool {
    (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
  }

  /// The byte of each scalar under U+0144, -1 where there is none.
  private static let bytes: [Int16] = {
    var table = Array(repeating: Int16(-1), count: 0x144)
    var other = 0x100
    for byte in UInt8.min...UInt8.max {
      if isItself(byte) {
        table[Int(byte)] = Int16(byte)
      } else {
        table[other] = Int16(byte)
        other += 1
      }
    }
    return table
  }()

  /// Appends the bytes that a piece stands for.
  ///
  /// Returns false, and appends nothing, if the piece
  /// holds a character that stands for none.
  static func decode(_ piece: ArraySlice<UInt8>, into bytes: inout ByteStrings) -> Bool {
    guard isDecodable(piece) else { return false }
    var index = piece.startIndex
    while index < piece.endIndex {
      let value = scalar(piece, &index)
      bytes.append(UInt8(Self.bytes[value]))
    }
    return true
  }

  static func append(_ piece: ArraySlice<UInt8>, to bytes: inout [UInt8]) -> Bool {
    guard isDecodable(piece) else { return false }
    var index = piece.startIndex
    while index < piece.endIndex { bytes.append(UInt8(Self.bytes[scalar(piece, &index)])) }
    return true
  }

  private static func isDecodable(_ piece: ArraySlice<UInt8>) -> Bool {
    var index = piece.startIndex
    while index < piece.endIndex {
      let value = scalar(piece, &index)
      guard value < 0x144, bytes[value] >= 0 else { return false }
    }
    return true
  }

  /// The scalar at an index; one of no byte where it is longer than two bytes or cut.
  @inline(__always)
  private static func scalar(_ piece: ArraySlice<UInt8>, _ index: inout Int) -> Int {
    let first = Int(piece[index])
    index += 1
    if first < 0x80 { return first }
    guard first >= 0xC2, first < 0xE0, index < piece.endIndex, piece[index] & 0xC0 == 0x80 else {
      return .max
    }
    index += 1
    return (first & 0x1F) << 6 | Int(piece[index - 1]) & 0x3F
  }
}
