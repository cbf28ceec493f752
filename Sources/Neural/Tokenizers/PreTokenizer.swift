// Licensed under the Apache License, Version 2.0.

/// Cuts a text into the words that byte-level BPE merges each on its own.
///
/// Every tokenizer of this kind has a regular expression for it. They are written by hand here: it is
/// twenty times as fast, and a regular expression engine differs from another in small things.
package enum PreTokenizer: String, Sendable, CaseIterable {
  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  case gpt2
  /// Every numeric character apart, then GPT-2's on what lies between (SmolLM, StarCoder).
  case digitsThenGPT2
  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*`
  /// `|\s*[\r\n]+|\s+(?!\S)|\s+`
  case llama3
  /// Llama 3's, but with `\p{N}` for every numeric character apart.
  case qwen2

  /// The pre-tokeniser that a regular expression of a `tokenizer.json` means.
  init?(pattern: String) {
    let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    let rest = #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    switch pattern {
    case #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#:
      self = .gpt2
    case contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"# + rest: self = .llama3
    case contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + rest: self = .qwen2
    default: return nil
    }
  }

  /// The pre-tokeniser that `tokenizer.ggml.pre` of a GGUF file names.
  ///
  /// Names: llama-vocab.cpp of llama.cpp.
  init?(name: String) {
    switch name {
    case "gpt-2", "gpt2", "phi-2", "olmo", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de",
      "roberta-bpe", "mpt":
      self = .gpt2
    case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b":
      self = .digitsThenGPT2
    case "llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral": self = .llama3
    case "qwen2", "stablelm2", "deepseek-r1-qwen", "megrez": self = .qwen2
    default: return nil
    }
  }

  /// The end of the word that begins at `start` and ends at `end` or before.
  ///
  /// `bytes` is valid UTF-8; what lies before `start` and from `end` on is not looked at.
  @inline(__always)
  func wordEnd(_ bytes: borrowing Span<UInt8>, _ start: Int, _ end: Int) -> Int {
    switch self {
    case .gpt2: Self.gpt2End(bytes, start, end, apart: false)
    case .digitsThenGPT2: Self.gpt2End(bytes, start, end, apart: true)
    case .llama3: Self.llama3End(bytes, start, end, digits: 3)
    case .qwen2: Self.llama3End(bytes, start, end, digits: 1)
    }
  }

  /// Whether a word always ends between two neighbouring characters, whatever stands around them, and
  /// the words on both sides are the same as if the text ended here.
  ///
  /// White space before anything else is no such place, as `\s+(?!\S)` looks one character further;
  /// nor is a character before letters that it may join (`'s`, Llama 3's one character before
  /// letters).
  func isBoundary(_ left: UInt32, _ right: UInt32) -> Bool {
    let before = ScalarClass(left)
    let after = ScalarClass(right)
    switch self {
    case .gpt2, .digitsThenGPT2:
      if self == .digitsThenGPT2, before == .number || after == .number { return true }
      switch before {
      case .space: return false
      case .letter, .number: return before != after
      case .other: return after != .other && !(left == 0x27 && after == .letter)
      }
    case .llama3, .qwen2:
      switch before {
      case .space: return false
      case .letter: return after != .letter
      case .number: return after != .number || self == .qwen2
      case .other:
        return after == .number || after == .space && right != 0x0A && right != 0x0D
      }
    }
  }

  /// The end of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll`, `'d`, if one begins at `start`.
  @inline(__always)
  private static func contractionEnd(
    _ bytes: borrowing Span<UInt8>, _ start: Int, _ end: Int, anyCase: Bool
  ) -> Int? {
    guard bytes[start] == 0x27, start + 1 < end else { return nil }
    let fold: UInt8 = anyCase ? 0x20 : 0
    let first = bytes[start + 1] | (bytes[start + 1] < 0x80 ? fold : 0)
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"), UInt8(ascii: "l"):
      guard start + 2 < end else { return nil }
      let second = bytes[start + 2] | (bytes[start + 2] < 0x80 ? fold : 0)
      return second == (first == UInt8(ascii: "l") ? first : UInt8(ascii: "e")) ? start + 3 : nil
    // The long s, U+017F, is an s without regard to case.
    case 0xC5 where anyCase && start + 2 < end && bytes[start + 2] == 0xBF: return start + 3
    default: return nil
    }
  }

  /// The end of a run of characters of one class.
  @inline(__always)
  private static func runEnd(
    _ bytes: borrowing Span<UInt8>, _ start: Int, _ end: Int, of kind: ScalarClass
  ) -> Int {
    var position = start
    while position < end {
      let (value, next) = UTF8Scalars.next(bytes, position)
      if ScalarClass(value) != kind { break }
      position = next
    }
    return position
  }

  private static func gpt2End(
    _ bytes: borrowing Span<UInt8>, _ start: Int, _ end: Int, apart: Bool
  ) -> Int {
    if let word = contractionEnd(bytes, start, end, anyCase: false) { return word }
    var (value, next) = UTF8Scalars.next(bytes, start)
    var kind = ScalarClass(value)
    if value == 0x20, next < end {
      let (second, secondEnd) = UTF8Scalars.next(bytes, next)
      let secondKind = ScalarClass(second)
      if secondKind != .space, !(apart && secondKind == .number) {
        (value, next, kind) = (second, secondEnd, secondKind)
      }
    }
    switch kind {
    case .number where apart: return next
    case .letter, .number, .other: return runEnd(bytes, next, end, of: kind)
    case .space: return spaceEnd(bytes, start, end, apart: apart)
    }
  }

  /// `\s+(?!\S)|\s+`: white space, without its last character if something else follows.
  private static func spaceEnd(
    _ bytes: borrowing Span<UInt8>, _ start: Int, _ end: Int, apart: Bool
  ) -> Int {
    var last = start
    var position = start
    while position < end {
      let (value, next) = UTF8Scalars.next(bytes, position)
      let kind = ScalarClass(value)
      if kind != .space {
        // Numbers were cut away first, and for the pattern the text ends there.
        if apart, kind == .number { return position }
        return last > start ? last : position
      }
      (last, position) = (position, next)
    }
    return end
  }

  private static func llama3End(
    _ bytes: borrowing Span<UInt8>, _ start: Int, _ end: Int, digits: Int
  ) -> Int {
    if let word = contractionEnd(bytes, start, end, anyCase: true) { return word }
    let (value, next) = UTF8Scalars.next(bytes, start)
    let kind = ScalarClass(value)
    if kind == .letter { return runEnd(bytes, next, end, of: .letter) }
    if kind == .number {
      var position = next
      var left = digits - 1
      while left > 0, position < end {
        let (digit, after) = UTF8Scalars.next(bytes, position)
        guard ScalarClass(digit) == .number else { break }
        (position, left) = (after, left - 1)
      }
      return position
    }
    if next < end {
      let (second, secondEnd) = UTF8Scalars.next(bytes, next)
      let secondKind = ScalarClass(second)
      if secondKind == .letter, value != 0x0A, value != 0x0D {
        return runEnd(bytes, secondEnd, end, of: .letter)
      }
      if value == 0x20, secondKind == .other { return symbolEnd(bytes, secondEnd, end) }
    }
    if kind == .other { return symbolEnd(bytes, next, end) }
    var position = next
    var last = start
    var line = isLineBreak(value) ? next : start
    while position < end {
      let (space, after) = UTF8Scalars.next(bytes, position)
      guard ScalarClass(space) == .space else { break }
      if isLineBreak(space) { line = after }
      (last, position) = (position, after)
    }
    if line > start { return line }
    return position == end || last == start ? position : last
  }

  /// The end of `[^\s\p{L}\p{N}]*[\r\n]*`.
  private static func symbolEnd(
    _ bytes: borrowing Span<UInt8>, _ start: Int, _ end: Int
  ) -> Int {
    var position = runEnd(bytes, start, end, of: .other)
    while position < end, isLineBreak(UInt32(bytes[position])) { position += 1 }
    return position
  }

  private static func isLineBreak(_ value: UInt32) -> Bool { value == 0x0A || value == 0x0D }
}
