// Licensed under the Apache License, Version 2.0.

import Foundation
package import LM
package import Sampling

/// The file `checkpoint` of a run folder: what its chains need to go on bit for bit.
///
/// Words of 64 bits, little endian: the layout's mark, the checksum of `run.json`, whether the run
/// is finished, the seconds that it has taken, the chains, and a checksum of all before it.
package struct CheckpointFile {
  /// `gensckp` and the layout's number.
  private static let mark: UInt64 = 0x0370_6b63_736e_6567

  /// The checksum of the description that it belongs to.
  package var run: UInt64
  package var isFinished = false
  package var seconds = 0.0
  package var chains: [ChainCheckpoint<TokenSequence>] = []

  package init(
    run: UInt64, isFinished: Bool = false, seconds: Double = 0,
    chains: [ChainCheckpoint<TokenSequence>] = []
  ) {
    self.run = run
    self.isFinished = isFinished
    self.seconds = seconds
    self.chains = chains
  }

  /// The file's bytes.
  package var bytes: [UInt8] {
    var words: [UInt64] = [Self.mark, run, isFinished ? 1 : 0, seconds.bitPattern]
    func append(_ numbers: [Int]) {
      words.append(UInt64(numbers.count))
      words += numbers.map(UInt64.init)
    }
    func append(_ text: TokenSequence) { append(text.map(\.index)) }
    words.append(UInt64(chains.count))
    for chain in chains {
      let record = chain.record
      words += [
        UInt64(record.chain), UInt64(record.steps), record.isComplete ? 1 : 0,
        UInt64(chain.random.key[0]), UInt64(chain.random.key[1]), chain.random.position,
      ]
      append(chain.state)
      words.append(UInt64(chain.memory.count))
      words += chain.memory
      append(record.proposed)
      append(record.accepted)
      for draws in [record.draws, record.best] {
        words.append(UInt64(draws.count))
        for draw in draws {
          words += [UInt64(draw.step), draw.logProbability.bitPattern]
          append(draw.state)
        }
      }
      words += [UInt64(record.trace.count), UInt64(record.trace.first?.count ?? 0)]
      for row in record.trace { words += row.map(\.bitPattern) }
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 * words.count + 8)
    func write(_ word: UInt64) {
      for i in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * i))) }
    }
    for word in words { write(word) }
    write(checksum(of: bytes))
    return bytes
  }

  /// Reads a file, whatever its bytes are.
  ///
  /// - Throws: `LoadError` where it is damaged or of another layout.
  package init(_ bytes: [UInt8], path: String) throws(LoadError) {
    let damaged = LoadError(
      .badData, path: path, "is damaged; begin the run anew, in another folder")
    guard bytes.count >= 48, bytes.count % 8 == 0 else { throw damaged }
    var reader = Words(bytes)
    guard reader.next() == Self.mark else {
      throw LoadError(
        .badData, path: path,
        "is no checkpoint that this version, \(programVersion), reads; go on with the version that "
          + "wrote it")
    }
    guard checksum(of: Array(bytes.dropLast(8))) == reader.last else { throw damaged }
    run = reader.next()
    isFinished = reader.next() != 0
    seconds = Double(bitPattern: reader.next())
    for _ in 0..<reader.count() {
      var record = ChainRecord<TokenSequence>(chain: reader.count(), kinds: 0)
      record.steps = reader.count()
      record.isComplete = reader.next() != 0
      let key = SIMD2(
        UInt32(truncatingIfNeeded: reader.next()), UInt32(truncatingIfNeeded: reader.next()))
      let random = Philox(key: key, position: reader.next())
      let state = reader.text()
      let memory = reader.words()
      record.proposed = reader.counts()
      record.accepted = reader.counts()
      for list in [\ChainRecord<TokenSequence>.draws, \.best] {
        for _ in 0..<reader.count() {
          let step = reader.count()
          let logProbability = Double(bitPattern: reader.next())
          record[keyPath: list].append(
            Draw(
              chain: record.chain, step: step, state: reader.text(),
              logProbability: logProbability))
          guard !reader.isPastEnd else { throw damaged }
        }
      }
      let rows = reader.count()
      let columns = reader.count()
      // Rows without numbers would take no room and no end.
      guard rows == 0 || (columns > 0 && columns <= bytes.count / 8) else { throw damaged }
      for _ in 0..<rows {
        record.trace.append((0..<columns).map { _ in Double(bitPattern: reader.next()) })
        guard !reader.isPastEnd else { throw damaged }
      }
      guard !reader.isPastEnd else { throw damaged }
      chains.append(
        ChainCheckpoint(record: record, state: state, random: random, memory: memory))
    }
    guard reader.isAtEnd else { throw damaged }
  }

  /// Reads words in order; past the end there are zeros, and that is remembered.
  private struct Words {
    private let bytes: [UInt8]
    private var place = 0
    private(set) var isPastEnd = false

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Whether only the checksum is left.
    var isAtEnd: Bool { !isPastEnd && place == bytes.count - 8 }

    var last: UInt64 { word(bytes.count - 8) }

    mutating func next() -> UInt64 {
      guard place + 8 < bytes.count else {
        isPastEnd = true
        return 0
      }
      place += 8
      return word(place - 8)
    }

    /// A number of things, each of which takes a word at least.
    mutating func count() -> Int {
      let value = next()
      guard value <= UInt64(Int.max) else {
        isPastEnd = true
        return 0
      }
      return Int(value)
    }

    mutating func words() -> [UInt64] {
      let length = count()
      guard length <= bytes.count / 8 else {
        isPastEnd = true
        return []
      }
      return (0..<length).map { _ in next() }
    }

    mutating func counts() -> [Int] {
      words().map { word in
        if word > UInt64(Int.max) { isPastEnd = true }
        return Int(clamping: word)
      }
    }

    mutating func text() -> TokenSequence {
      TokenSequence(counts().map { Token(rawValue: UInt32(truncatingIfNeeded: $0)) })
    }

    private func word(_ at: Int) -> UInt64 {
      var word: UInt64 = 0
      for i in 0..<8 { word |= UInt64(bytes[at + i]) << (8 * i) }
      return word
    }
  }
}
