// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import Testing

/// No bits make a reader trap, and none that differ from what was written are taken.
@Suite struct GSMDamageExactTests {
  static func bytes(_ layout: NGramLayout, quantizedBits: Int = 0) throws -> [UInt8] {
    let lines = BackoffTable.randomLines(order: 3, vocabulary: 12, seed: 21)
    let file = try TemporaryFile("m.arpa", lines.joined(separator: "\n"))
    let out = try TemporaryFile("m.gsm")
    try NGramTrie(arpa: file.path).write(
      gsm: out.path, layout: layout, quantizedBits: quantizedBits)
    return Array(try Data(contentsOf: URL(fileURLWithPath: out.path)))
  }

  static func isRefused(_ bytes: [UInt8], _ file: TemporaryFile) throws -> Bool {
    try Data(bytes).write(to: URL(fileURLWithPath: file.path))
    do {
      _ = try NGramModel(path: file.path)
      return false
    } catch let error as LoadError {
      return error.kind == .badData
    }
  }

  /// Of a file of so many bytes: all places, or by default those of the header and every eleventh.
  static func places(_ count: Int) -> [Int] {
    (0..<count).filter { TestData.isDeep || $0 < 64 || $0 % 11 == 0 || $0 > count - 16 }
  }

  @Test(arguments: NGramLayout.allCases)
  func everyTruncationIsRefused(layout: NGramLayout) throws {
    let bytes = try Self.bytes(layout)
    let file = try TemporaryFile("cut.gsm")
    #expect(try !Self.isRefused(bytes, file))
    for count in Self.places(bytes.count) {
      #expect(try Self.isRefused(Array(bytes[..<count]), file), "\(count) bytes")
    }
  }

  @Test(arguments: NGramLayout.allCases)
  func everyFlippedBitIsRefused(layout: NGramLayout) throws {
    let bytes = try Self.bytes(layout)
    let file = try TemporaryFile("flipped.gsm")
    for place in Self.places(bytes.count) {
      var flipped = bytes
      flipped[place] ^= 1 << UInt8(place % 8)
      #expect(try Self.isRefused(flipped, file), "byte \(place)")
    }
  }

  /// A file whose checksum was made to fit its damage: what is not refused must answer.
  @Test(arguments: NGramLayout.allCases, [0, 4])
  func fittingChecksumsLeadNowhereElse(layout: NGramLayout, bits: Int) throws {
    guard layout == .small || bits == 0 else { return }
    let bytes = try Self.bytes(layout, quantizedBits: bits)
    let file = try TemporaryFile("forged.gsm")
    var choices = RandomChoices(seed: 5)
    for _ in 0..<(TestData.isDeep ? 1500 : 150) {
      var forged = bytes
      for _ in 0..<1 + choices.index(below: 4) {
        forged[choices.index(below: forged.count - 8)] = UInt8(choices.index(below: 256))
      }
      GSMForgery.seal(&forged)
      try Data(forged).write(to: URL(fileURLWithPath: file.path))
      guard let model = try? NGramModel(path: file.path) else { continue }
      var logs = [Double](repeating: 0, count: model.vocabulary.count)
      for first in 0..<model.vocabulary.count {
        var context = model.makeContext()
        model.advance(&context, by: Token(first))
        model.advance(&context, by: Token((first * 5 + 3) % model.vocabulary.count))
        var span = logs.mutableSpan
        model.logProbabilities(in: context, into: &span)
        #expect(logs.allSatisfy { !$0.isNaN && $0 < .infinity })
      }
      _ = model.makeTrie()
    }
  }
}
