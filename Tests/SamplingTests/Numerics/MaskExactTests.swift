// Licensed under the Apache License, Version 2.0.

import Testing

@testable import Sampling

/// Masks of logits, against the same thing said bit by bit.
struct MaskExactTests {
  /// Lengths around the 64 bits of a word, and the vocabulary of GPT-2.
  static let counts = [0, 1, 7, 63, 64, 65, 127, 128, 129, 1000, 50_257]

  /// Words of a mask: no token, all tokens, every other one, one in a word, and any.
  static let patterns: [@Sendable (Int, inout RandomChoices) -> UInt64] = [
    { _, _ in 0 }, { _, _ in .max }, { _, _ in 0xAAAA_AAAA_AAAA_AAAA },
    { place, _ in 1 << UInt64(place % 64) },
    { place, choices in place % 3 == 0 ? .max : choices.random.next() },
  ]

  @Test(arguments: counts) func agreesWithBits(count: Int) {
    var choices = RandomChoices(seed: 1)
    for pattern in Self.patterns {
      let allowed = (0..<(count + 63) / 64).map { pattern($0, &choices) }
      // What is allowed keeps every bit, also of what is not a number.
      var logits = (0..<count).map { $0 % 5 == 0 ? -Double.nan : Double($0 - 100) / 7 }
      var singles = logits.map { Float($0) }
      let expected = masked(logits, allowed)
      let expectedSingles = masked(singles, allowed)
      DenseNumbers.mask(&logits, allowed: allowed)
      DenseNumbers.mask(&singles, allowed: allowed)
      #expect(logits.map(\.bitPattern) == expected.map(\.bitPattern))
      #expect(singles.map(\.bitPattern) == expectedSingles.map(\.bitPattern))
    }
  }

  /// The definition.
  private func masked<Number: BinaryFloatingPoint>(
    _ logits: [Number], _ allowed: [UInt64]
  ) -> [Number] {
    logits.indices.map { allowed[$0 / 64] >> UInt64($0 % 64) & 1 == 1 ? logits[$0] : -.infinity }
  }
}
