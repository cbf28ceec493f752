// Licensed under the Apache License, Version 2.0.

/// A tokenizer whose texts fall into pieces that are encoded each on its own.
///
/// Where a piece ends is decided by the two characters on both sides alone (`isBoundary`). This is
/// what makes an edit local: it changes the pieces that it touches, and no others.
protocol PiecewiseTokenizer: NetworkTokenizer {
  var added: AddedTokens { get }

  /// A part of a text between control tokens as the pieces spell it: composed, with an added blank.
  /// Nil where that is the text itself.
  func spelling(of text: ArraySlice<UInt8>) -> [UInt8]?

  /// Whether the spelling of a text falls apart at boundaries, too. If not, whole texts are compared.
  var isSpelledLocally: Bool { get }

  /// Whether every text falls apart between two neighbouring scalars: no token spans the two, and
  /// what stands on one side has no influence on the tokens of the other.
  func isBoundary(_ left: UInt32, _ right: UInt32) -> Bool

  /// Appends the tokens of a part of a text between added tokens or ends. Returns the place of the
  /// first byte that has no token, if there is one.
  func encode(
    fragment range: Range<Int>, of bytes: borrowing Span<UInt8>,
    _ workspace: inout MergeWorkspace, into tokens: inout [Int32]
  ) -> Int?

  /// From where on the tokens of a text may change with what follows it.
  ///
  /// `length` is that of the text without an incomplete character at its end. Nil where every
  /// beginning of the tokens of a longer text is the tokens of its own text.
  func openStart(of bytes: [UInt8], length: Int) -> Int?

  /// What `bytes(of:)` gives, without a copy.
  func slice(of token: Int32) -> ArraySlice<UInt8>
}

extension PiecewiseTokenizer {
  package func encode(_ text: String, specials: Bool) throws(NeuralError) -> [Int32] {
    let bytes = Array(text.utf8)
    guard bytes.count < Int(Int32.max) else {
      throw NeuralError("the text is over 2 GB. Cut it into parts.")
    }
    var tokens: [Int32] = []
    tokens.reserveCapacity(bytes.count / 3)
    var workspace = MergeWorkspace()
    var start = 0
    if specials {
      for match in added.matches(in: bytes.span, 0..<bytes.count, specials: true)
      where added.isSpecial(match.token) {
        try encode(
          segment: start..<match.range.lowerBound, of: bytes, &workspace, into: &tokens)
        tokens.append(match.token)
        start = match.range.upperBound
      }
    }
    try encode(segment: start..<bytes.count, of: bytes, &workspace, into: &tokens)
    return tokens
  }

  /// Encodes what lies between control tokens.
  private func encode(
    segment range: Range<Int>, of bytes: [UInt8], _ workspace: inout MergeWorkspace,
    into tokens: inout [Int32]
  ) throws(NeuralError) {
    guard !range.isEmpty else { return }
    let spelled = spelling(of: bytes[range])
    let text = spelled ?? bytes
    let segment = spelled.map { 0..<$0.count } ?? range
    guard let missing = encode(spelled: segment, of: text, &workspace, into: &tokens) else {
      return
    }
    var start = missing
    while start > segment.lowerBound, text[start] & 0xC0 == 0x80 { start -= 1 }
    let end = min(text.count, start + UTF8Scalars.length(text[start]))
    // Where the spelling differs the place is that in the spelling, without the added blank.
    var place = bytes[..<range.lowerBound].count { $0 & 0xC0 != 0x80 } + (addsBlank ? 0 : 1)
    place += text[segment.lowerBound..<start].count { $0 & 0xC0 != 0x80 }
    throw .noToken(for: text[start..<end], at: place)
  }

  /// Encodes a text that is spelled as the pieces are.
  private func encode(
    spelled range: Range<Int>, of bytes: [UInt8], _ workspace: inout MergeWorkspace,
    into tokens: inout [Int32]
  ) -> Int? {
    var start = range.lowerBound
    if added.hasPlain {
      for match in added.matches(in: bytes.span, range, specials: false) {
        let missing = encode(
          fragment: start..<match.range.lowerBound, of: bytes.span, &workspace, into: &tokens)
        if let missing { return missing }
        tokens.append(match.token)
        start = match.range.upperBound
      }
    }
    return encode(
      fragment: start..<range.upperBound, of: bytes.span, &workspace, into: &tokens)
  }

  package func pieceEnds(of text: String) -> [Int] {
    var ends: [Int] = []
    var place = 0
    var last: UInt32?
    for scalar in text.unicodeScalars {
      if let last, isBoundary(last, scalar.value) { ends.append(place) }
      last = scalar.value
      place += UTF8.width(scalar)
    }
    if place > 0 { ends.append(place) }
    return ends
  }

  /// The local answer is exact for two reasons.
  ///
  /// 1. Between two scalars for which `isBoundary` holds, every text falls apart: the tokens of the
  ///    text are those of the left part and then those of the right part. So a sequence is canonical
  ///    exactly if tokens end at all such places and the tokens between two of them are what
  ///    `encode` gives for the text between them.
  /// 2. Whether a place is a boundary depends on the scalars on its two sides only. If the edit left
  ///    the tokens of both alone, the place was a boundary before the edit too, and what lies beyond
  ///    it has not changed: it was canonical and still is.
  ///
  /// So the tokens are read outwards from the edit to the next such places (or control tokens, or
  /// ends), one unchanged token at least on each side, and what lies between is encoded anew.
  package func isCanonical(
    _ tokens: some RandomAccessCollection<Int32>, around edit: Range<Int>
  ) -> Bool {
    let count = tokens.count
    guard knowsTokens(of: tokens, in: edit) else { return false }
    func token(_ position: Int) -> Int32 {
      tokens[tokens.index(tokens.startIndex, offsetBy: position)]
    }
    let lower = windowStart(edit.lowerBound, token)
    var upper = edit.upperBound
    while upper < count, !isControl(token(upper)) {
      upper += 1
      if isSpelledLocally, upper < count, !isControl(token(upper)),
        let left = lastScalar(before: upper, from: edit.upperBound, token),
        let right = firstScalar(from: upper, to: count, token),
        isBoundary(left, right)
      {
        break
      }
    }
    // The window may hold control tokens of the edit: they divide it.
    var workspace = MergeWorkspace()
    var start = lower
    for end in lower...upper where end == upper || isControl(token(end)) {
      let isStart = start == 0 || isControl(token(start - 1))
      if start < end,
        !isCanonical(
          segment: start..<end, isStart: isStart,
          isEnd: end < upper || upper == count || isControl(token(upper)), &workspace, token)
      {
        return false
      }
      start = end + 1
    }
    return true
  }

  package func mayBecomeCanonical(
    _ tokens: some RandomAccessCollection<Int32>, from start: Int
  ) -> Bool {
    let count = tokens.count
    precondition(start >= 0 && start <= count, "start out of range")
    func token(_ position: Int) -> Int32 {
      tokens[tokens.index(tokens.startIndex, offsetBy: position)]
    }
    for position in start..<count
    where token(position) < 0 || Int(token(position)) >= self.count {
      return false
    }
    var workspace = MergeWorkspace()
    var lower = windowStart(start, token)
    for end in lower..<count where isControl(token(end)) {
      let isStart = lower == 0 || isControl(token(lower - 1))
      if lower < end,
        !isCanonical(segment: lower..<end, isStart: isStart, isEnd: true, &workspace, token)
      {
        return false
      }
      lower = end + 1
    }
    guard lower < count else { return true }
    let isStart = lower == 0 || isControl(token(lower - 1))
    if isCanonical(segment: lower..<count, isStart: isStart, isEnd: true, &workspace, token) {
      return true
    }
    // What may still change with the following text is let pass; what stands before it is not.
    var bytes: [UInt8] = []
    for position in lower..<count { bytes.append(contentsOf: slice(of: token(position))) }
    if isStart, addsBlank, bytes == [0x20] { return true }
    let length = bytes.count - StreamingDecoder.incomplete(bytes)
    guard let open = openStart(of: bytes, length: length) else { return false }
    // The words before the open ones stay what they are with the open ones behind them.
    var encoded: [Int32] = []
    let text = Array(bytes[..<length])
    guard UTF8Scalars.areValid(text),
      encode(spelled: 0..<length, of: text, &workspace, into: &encoded) == nil
    else {
      return false
    }
    var place = 0
    var index = 0
    while place < open {
      guard index < encoded.count, lower + index < count, encoded[index] == token(lower + index)
      else {
        return false
      }
      place += slice(of: encoded[index]).count
      index += 1
    }
    return place == open
  }

  /// The nearest place to the left of an edit where the text falls apart, one unchanged token away
  /// at least.
  private func windowStart(_ edit: Int, _ token: (Int) -> Int32) -> Int {
    var lower = edit
    while lower > 0, !isControl(token(lower - 1)) {
      lower -= 1
      if isSpelledLocally, lower > 0, !isControl(token(lower - 1)),
        let left = lastScalar(before: lower, from: 0, token),
        let right = firstScalar(from: lower, to: edit, token), isBoundary(left, right)
      {
        break
      }
    }
    return lower
  }

  /// Whether tokens between two boundaries are what `encode` gives for their text, which begins and
  /// ends there or goes on.
  private func isCanonical(
    segment range: Range<Int>, isStart: Bool, isEnd: Bool = false,
    _ workspace: inout MergeWorkspace, _ token: (Int) -> Int32
  ) -> Bool {
    var bytes: [UInt8] = []
    for position in range { bytes.append(contentsOf: slice(of: token(position))) }
    guard UTF8Scalars.areValid(bytes) else { return false }
    // What the text would be spelled like must be what the tokens spell.
    if isStart, addsBlank {
      guard bytes.first == 0x20 else { return false }
      if bytes.count > 1 {
        guard spelling(of: bytes[1...]) == bytes else { return false }
      } else if isEnd {
        return false
      }
    } else if let spelling = localSpelling(of: bytes) {
      guard spelling == bytes else { return false }
    }
    var encoded: [Int32] = []
    let missing = encode(spelled: 0..<bytes.count, of: bytes, &workspace, into: &encoded)
    guard missing == nil, encoded.count == range.count else { return false }
    return zip(encoded, range).allSatisfy { $0 == token($1) }
  }

  /// The spelling of a part of a text that does not stand at the beginning.
  private func localSpelling(of bytes: [UInt8]) -> [UInt8]? {
    guard addsBlank else { return spelling(of: bytes[...]) }
    return spelling(of: bytes[...]).map { Array($0[1...]) }
  }

  /// The scalar that ends where a token begins; nil if none ends there.
  private func lastScalar(
    before position: Int, from start: Int, _ token: (Int) -> Int32
  ) -> UInt32? {
    var position = position
    var value: UInt32 = 0
    var shift: UInt32 = 0
    while position > start {
      position -= 1
      for byte in slice(of: token(position)).reversed() {
        if byte & 0xC0 != 0x80 {
          guard UTF8Scalars.length(byte) == Int(shift / 6) + 1 else { return nil }
          return value | UTF8Scalars.leadBits(byte) << shift
        }
        guard shift < 18 else { return nil }
        value |= UInt32(byte & 0x3F) << shift
        shift += 6
      }
    }
    return nil
  }

  /// The scalar that begins where a token begins; nil if none does, or it ends beyond `end`.
  private func firstScalar(from start: Int, to end: Int, _ token: (Int) -> Int32) -> UInt32? {
    var value: UInt32 = 0
    var left = -1
    for position in start..<end {
      for byte in slice(of: token(position)) {
        if left < 0 {
          guard byte & 0xC0 != 0x80 else { return nil }
          left = UTF8Scalars.length(byte) - 1
          value = UTF8Scalars.leadBits(byte)
        } else {
          guard byte & 0xC0 == 0x80 else { return nil }
          value = value << 6 | UInt32(byte & 0x3F)
          left -= 1
        }
        if left == 0 { return value }
      }
    }
    return nil
  }
}

extension NeuralError {
  /// A text holds a character that the tokenizer cannot express.
  static func noToken(for character: some Collection<UInt8>, at place: Int) -> NeuralError {
    let name = String(decoding: character, as: UTF8.self).unicodeScalars.first.map { scalar in
      let digits = String(scalar.value, radix: 16, uppercase: true)
      return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
    return NeuralError(
      "character \(place) of the text is \(quoted(character)) (\(name ?? "no Unicode")), for which "
        + "the model has no token. Remove it, or use another model.")
  }
}
