// Licensed under the Apache License, Version 2.0.

/// A `tokenizer.model` of SentencePiece.
///
/// Layout: sentencepiece_model.proto.
package struct SentencePieceModel {
  private var pieces = ByteStrings()
  private var kinds: [TokenKind] = []
  private var scores: [Float] = []
  private var type = 1
  private var hasTrailingBlanks = false
  private var normalizer = SentencePieceNormalizer(addsBlank: true)
  private var escapesBlanks = true

  package static func tokenizer(_ bytes: [UInt8]) throws(NeuralError) -> any NetworkTokenizer {
    try SentencePieceModel(bytes).tokenizer()
  }

  private init(_ bytes: [UInt8]) throws(NeuralError) {
    normalizer.dropsExtraBlanks = true
    var fields = Fields(bytes[...])
    while let (number, value) = try fields.next() {
      switch (number, value) {
      case (1, .bytes(let piece)): try readPiece(piece)
      case (2, .bytes(let trainer)): try readTrainer(trainer)
      case (3, .bytes(let settings)): try readNormalizer(settings)
      default: break
      }
    }
  }

  private mutating func readPiece(_ bytes: ArraySlice<UInt8>) throws(NeuralError) {
    var fields = Fields(bytes)
    var piece: ArraySlice<UInt8> = []
    var score: Float = 0
    var kind = TokenKind.normal
    while let (number, value) = try fields.next() {
      switch (number, value) {
      case (1, .bytes(let text)): piece = text
      case (2, .fixed32(let bits)): score = Float(bitPattern: bits)
      case (3, .number(let type)):
        guard let known = UInt8(exactly: type).flatMap(TokenKind.init) else {
          throw NeuralError("token \(kinds.count) has the unknown type \(type) (expected 1 to 6)")
        }
        kind = known
      default: break
      }
    }
    guard String(validating: piece, as: UTF8.self) != nil else {
      throw NeuralError("token \(kinds.count), \(quoted(piece)), is no UTF-8. The file is damaged.")
    }
    pieces.append(piece)
    scores.append(score)
    kinds.append(kind)
  }

  private mutating func readTrainer(_ bytes: ArraySlice<UInt8>) throws(NeuralError) {
    var fields = Fields(bytes)
    while let (number, value) = try fields.next() {
      switch (number, value) {
      case (3, .number(let value)): type = Int(clamping: value)
      case (24, .number(let value)): hasTrailingBlanks = value != 0
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ bytes: ArraySlice<UInt8>) throws(NeuralError) {
    var fields = Fields(bytes)
    while let (number, value) = try fields.next() {
      switch (number, value) {
      case (2, .bytes(let map)): normalizer.characters = try CharacterMap(map)
      case (3, .number(let value)): normalizer.addsBlank = value != 0
      case (4, .number(let value)): normalizer.dropsExtraBlanks = value != 0
      case (5, .number(let value)): escapesBlanks = value != 0
      default: break
      }
    }
  }

  private func tokenizer() throws(NeuralError) -> any NetworkTokenizer {
    guard !hasTrailingBlanks, escapesBlanks else {
      throw NeuralError(
        "the tokenizer puts blanks behind words ('treat_whitespace_as_suffix') or leaves them as "
          + "they are ('escape_whitespaces'), which gensample does not support")
    }
    let vocabulary = try PieceVocabulary(pieces: pieces, kinds: kinds)
    switch type {
    case 1:
      return try SentencePieceTokenizer.unigram(
        vocabulary, scores: scores, added: nil, normalizer: normalizer, splitsAtBlanks: false)
    case 2:
      return try SentencePieceTokenizer(
        vocabulary, scores: scores, added: nil, normalizer: normalizer, splitsAtBlanks: false
      ) { (_, _) in .scores }
    default:
      throw NeuralError(
        "the tokenizer's model is \(type == 3 ? "words" : type == 4 ? "characters" : "\(type)") "
          + "(expected BPE or unigram)")
    }
  }

  /// Reads the fields of one message.
  private struct Fields {
    enum Value {
      case number(UInt64)
      case bytes(ArraySlice<UInt8>)
      case fixed32(UInt32)
      case fixed64
    }

    private var bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    mutating func next() throws(NeuralError) -> (number: Int, value: Value)? {
      guard !bytes.isEmpty else { return nil }
      let tag = try number()
      let number = Int(tag >> 3 & 0xFFFF_FFFF)
      switch tag & 7 {
      case 0: return (number, .number(try self.number()))
      case 1:
        _ = try take(8)
        return (number, .fixed64)
      case 2: return (number, .bytes(try take(self.number())))
      case 5:
        let bits = try take(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return (number, .fixed32(bits))
      default:
        throw NeuralError(
          "byte \(bytes.startIndex): the field has the unknown wire type \(tag & 7). "
            + "This is no tokenizer.model of SentencePiece.")
      }
    }

    private mutating func number() throws(NeuralError) -> UInt64 {
      var value: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 70, by: 7) {
        guard let byte = bytes.popFirst() else { break }
        value |= UInt64(byte & 0x7F) &<< shift
        if byte & 0x80 == 0 { return value }
      }
      throw NeuralError("byte \(bytes.startIndex): a number is cut. The file is damaged.")
    }

    private mutating func take(_ count: UInt64) throws(NeuralError) -> ArraySlice<UInt8> {
      guard count <= UInt64(bytes.count) else {
        throw NeuralError(
          "byte \(bytes.startIndex): \(count) bytes should follow (found \(bytes.count)). "
            + "The file is cut or damaged.")
      }
      let taken = bytes.prefix(Int(count))
      bytes = bytes.dropFirst(Int(count))
      return taken
    }
  }
}

/// A `tokenizer.bin` of llama2.c: the longest piece, then score, length and bytes of each.
///
/// Layout: tokenizer.py of llama2.c. The first three tokens are unknown, begin and end.
package enum Llama2CTokenizer {
  package static func tokenizer(_ bytes: [UInt8]) throws(NeuralError) -> any NetworkTokenizer {
    var position = 4
    var pieces = ByteStrings()
    var scores: [Float] = []
    var kinds: [TokenKind] = []
    func word() -> UInt32? {
      guard position + 4 <= bytes.count else { return nil }
      position += 4
      return bytes[position - 4..<position].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
    while position < bytes.count {
      guard let score = word(), let length = word(), Int(length) <= bytes.count - position else {
        throw NeuralError("byte \(position): token \(kinds.count) is cut. The file is damaged.")
      }
      let piece = bytes[position..<position + Int(length)]
      position += Int(length)
      switch kinds.count {
      case 0: kinds.append(.unknown)
      case 1, 2: kinds.append(.control)
      default:
        let isByte = piece.count == 6 && piece.starts(with: "<0x".utf8) && piece.last == 0x3E
        kinds.append(isByte ? .byte : .normal)
      }
      // The begin and end tokens are spelled "\n<s>\n".
      pieces.append(kinds.last == .control ? piece.filter { $0 != 0x0A }[...] : piece)
      scores.append(Float(bitPattern: score))
    }
    return try SentencePieceTokenizer(
      PieceVocabulary(pieces: pieces, kinds: kinds), scores: scores, addsBlank: true)
  }
}
