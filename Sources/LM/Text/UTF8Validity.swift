// Licensed under the Apache License, Version 2.0.

/// The length in bytes of the valid scalar at a place; 0 if there is none.
func validUTF8Length(_ bytes: UnsafeRawBufferPointer, _ place: Int) -> Int {
  let first = unsafe bytes[place]
  if first < 0x80 { return 1 }
  let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
  guard first >= 0xC2, first <= 0xF4, place + length <= bytes.count else { return 0 }
  for i in 1..<length where unsafe bytes[place + i] & 0xC0 != 0x80 { return 0 }
  let second = unsafe bytes[place + 1]
  switch first {
  case 0xE0: return second >= 0xA0 ? length : 0
  case 0xED: return second < 0xA0 ? length : 0
  case 0xF0: return second >= 0x90 ? length : 0
  case 0xF4: return second < 0x90 ? length : 0
  default: return length
  }
}

/// The place of the first byte that is not valid UTF-8; `nil` if all bytes are valid.
func firstInvalidUTF8(_ bytes: UnsafeRawBufferPointer) -> Int? {
  var place = 0
  while place < bytes.count {
    let length = unsafe validUTF8Length(bytes, place)
    if length == 0 { return place }
    place += length
  }
  return nil
}
