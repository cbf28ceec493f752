// Licensed under the Apache License, Version 2.0.

internal import Foundation
internal import Sampling

/// A corpus as numbers: its distinct words, and its sentences as runs of word numbers that end with
/// 0.
struct TokenizedCorpus {
  /// A run of whole sentences, numbered by one of the interners, from 1.
  struct Piece {
    var interner: Int
    var tokens: Column<UInt32>
  }

  var interners: [Interner]
  var pieces: [Piece]
  var sentenceCount: Int
  /// The number of words, without the ends of sentences.
  var tokenCount: Int
}

/// Reads texts block by block, then splits and numbers their words on all threads.
struct CorpusReader {
  let options: TrainingOptions
  let budget: MemoryBudget

  private struct Block {
    var path: String
    var firstLine: Int
    var firstByte: Int
    var bytes: [UInt8]
  }

  /// Reads all paths in order.
  func read(_ paths: [String]) throws -> TokenizedCorpus {
    var corpus = TokenizedCorpus(
      interners: (0..<options.threads).map { _ in Interner() }, pieces: [],
      sentenceCount: 0, tokenCount: 0)
    var batch: [Block] = []
    let total = paths.reduce(0) { $0 + Self.size(of: $1) }
    var readBytes = 0
    let blockBytes = max(1 << 16, min(4 << 20, options.memory / 32 / options.threads))
    var wordBytes = 0

    func process() throws {
      if options.isCancelled() { throw LoadError(.cancelled, "stopped") }
      // Composing to NFC makes a text at most three times as long.
      let blobBytes =
        corpus.interners.reduce(0) { $0 + $1.blob.count }
        + batch.reduce(0) { $0 + 3 * $1.bytes.count }
      guard blobBytes < Int(UInt32.max) else {
        throw LoadError(.badData, "the distinct words of the corpus take more than 4 GB")
      }
      let work = batch
      batch = []
      let interners = corpus.interners
      let results = try concurrently(work.count, threads: options.threads) { i in
        try tokenize(work[i], with: interners[i])
      }
      for (i, result) in results.enumerated() {
        corpus.sentenceCount += result.sentences
        corpus.tokenCount += result.tokens.count - result.sentences
        corpus.pieces.append(.init(interner: i, tokens: result.tokens))
      }
      guard corpus.tokenCount + corpus.sentenceCount < Int(UInt32.max) else {
        throw LoadError(.badData, "the corpus has more than the 2^32 words that are supported")
      }
      let nowBytes = corpus.interners.reduce(0) { $0 + $1.byteCount }
      budget.take(nowBytes - wordBytes)
      wordBytes = nowBytes
      try budget.check(wordBytes)
      readBytes += work.reduce(0) { $0 + $1.bytes.count }
      // The size of a compressed file's or a pipe's contents is unknown.
      if total > 0 { options.progress(0.35 * min(1, Double(readBytes) / Double(total))) }
    }

    for path in paths {
      let stream = try ByteStream(path: path, isCancelled: options.isCancelled)
      var line = 1
      var byte = 0
      var rest: [UInt8] = []
      var isFirst = true
      while true {
        var bytes = rest
        rest = []
        let kept = bytes.count
        let isLast = try append(from: stream, to: &bytes, atLeast: max(blockBytes, kept * 2))
        if isFirst { byte = stream.markCount }
        isFirst = false
        if !isLast {
          guard let end = bytes.lastIndex(of: 0x0A) else {
            rest = bytes
            continue
          }
          rest = Array(bytes[(end + 1)...])
          bytes.removeLast(bytes.count - end - 1)
        }
        if !bytes.isEmpty {
          let block = Block(path: path, firstLine: line, firstByte: byte, bytes: bytes)
          byte += bytes.count
          line += unsafe bytes.withUnsafeBytes { unsafe countLineFeeds($0) }
          batch.append(block)
          if batch.count == options.threads { try process() }
        }
        if isLast { break }
      }
    }
    try process()
    return corpus
  }

  private static func size(of path: String) -> Int {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return (attributes?[.size] as? Int) ?? 0
  }

  /// Reads until there are so many bytes; returns true at the end of the stream.
  private func append(
    from stream: ByteStream, to bytes: inout [UInt8], atLeast count: Int
  ) throws(LoadError) -> Bool {
    var filled = bytes.count
    bytes.append(contentsOf: [UInt8](repeating: 0, count: count - filled))
    var failure: LoadError?
    unsafe bytes.withUnsafeMutableBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      do throws(LoadError) {
        while filled < count {
          let read = try unsafe stream.read(into: base + filled, capacity: count - filled)
          if read == 0 { break }
          filled += read
        }
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    bytes.removeLast(count - filled)
    return filled < count
  }

  private func countLineFeeds(_ bytes: UnsafeRawBufferPointer) -> Int {
    var count = 0
    for i in 0..<bytes.count { count += unsafe bytes[i] == 0x0A ? 1 : 0 }
    return count
  }

  private func tokenize(
    _ block: Block, with interner: Interner
  ) throws -> (tokens: Column<UInt32>, sentences: Int) {
    var tokenizer = Tokenizer(options.tokenization)
    var tokens: [UInt32] = []
    tokens.reserveCapacity(block.bytes.count / 4)
    var sentences = 0
    try unsafe block.bytes.withUnsafeBytes { bytes in
      var start = 0
      while start < bytes.count {
        var end = start
        var isASCII: UInt8 = 0
        var hasAngle = false
        while end < bytes.count {
          let byte = unsafe bytes[end]
          if byte == 0x0A { break }
          isASCII |= byte
          hasAngle = hasAngle || byte == 0x3C
          end += 1
        }
        let line = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        if hasAngle, options.subwords == nil {
          try unsafe refuseSymbols(line, block, sentences: sentences)
        }
        let first = tokens.count
        if let subwords = options.subwords {
          try unsafe withComposed(line, block, start) { composed in
            let text = unsafe String(decoding: composed, as: UTF8.self)
            do {
              for token in try subwords.encode(text) {
                unsafe SubwordTokens.bytes(of: token).withUnsafeBytes {
                  tokens.append(unsafe interner.intern($0) + 1)
                }
              }
            } catch {
              throw LoadError(
                .badData, path: block.path, place: .line(block.firstLine + sentences), "\(error)")
            }
          }
        } else if isASCII < 0x80 {
          unsafe tokenizer.cut(line) { tokens.append(unsafe interner.intern($0) + 1) }
        } else {
          try unsafe withComposed(line, block, start) { composed in
            unsafe tokenizer.cut(composed) { tokens.append(unsafe interner.intern($0) + 1) }
          }
        }
        if options.isReversed { tokens[first...].reverse() }
        tokens.append(0)
        sentences += 1
        start = end + 1
      }
    }
    let column = try budget.column(of: UInt32.self, tokens.count)
    for i in tokens.indices { unsafe column.pointer[i] = tokens[i] }
    column.release(0..<tokens.count)
    return (column, sentences)
  }

  /// The line as it is if it is valid and composed, otherwise its repaired, composed form.
  private func withComposed(
    _ line: UnsafeRawBufferPointer, _ block: Block, _ start: Int,
    _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    var isPlain = true
    var place = 0
    while place < line.count {
      let length = unsafe validUTF8Length(line, place)
      guard length > 0 else {
        guard options.isLossy else {
          let byte = unsafe line[place]
          throw LoadError(
            .badData, path: block.path, place: .byte(block.firstByte + start + place),
            "found the byte 0x\(String(byte, radix: 16, uppercase: true)), which is not valid "
              + "UTF-8 here; convert the file, or use --lossy to replace it with U+FFFD")
        }
        isPlain = false
        break
      }
      if length > 1, isPlain {
        var value = unsafe UInt32(line[place]) & (0xFF >> UInt32(length + 1))
        for i in 1..<length { value = unsafe value << 6 | UInt32(line[place + i] & 0x3F) }
        isPlain = NFC.isPlain(value)
      }
      place += length
    }
    if isPlain || options.tokenization == .whitespace && place == line.count {
      try unsafe body(line)
      return
    }
    let text = unsafe String(decoding: line, as: UTF8.self)
    let composed = options.tokenization == .whitespace ? text : NFC.of(text)
    try unsafe Array(composed.utf8).withUnsafeBytes { try unsafe body($0) }
  }

  private func refuseSymbols(
    _ line: UnsafeRawBufferPointer, _ block: Block, sentences: Int
  ) throws(LoadError) {
    let text = unsafe String(decoding: line, as: UTF8.self)
    guard let (symbol, column) = ModelSymbols.first(in: text) else { return }
    throw LoadError(
      .badData, path: block.path,
      place: .column(line: block.firstLine + sentences, column: column),
      ModelSymbols.message(symbol, in: "corpus"))
  }
}
