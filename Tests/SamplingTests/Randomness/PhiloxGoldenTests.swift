// Licensed under the Apache License, Version 2.0.

import Sampling
import Testing

@Suite struct PhiloxGoldenTests {
  /// The known answers that the authors publish with Random123.
  @Test(arguments: [
    (
      SIMD4<UInt32>.zero, SIMD2<UInt32>.zero,
      SIMD4<UInt32>(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)
    ),
    (
      SIMD4<UInt32>(repeating: .max), SIMD2<UInt32>(repeating: .max),
      SIMD4<UInt32>(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)
    ),
    (
      SIMD4<UInt32>(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
      SIMD2<UInt32>(0xa409_3822, 0x299f_31d0),
      SIMD4<UInt32>(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
    ),
  ])
  func publishedVectors(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, expected: SIMD4<UInt32>) {
    #expect(Philox.block(counter: counter, key: key) == expected)
  }

  @Test func wordsAreTheBlocksInOrder() {
    var random = Philox(seed: 0x0123_4567_89ab_cdef)
    for b in 0..<19 as Range<UInt32> {
      let block = Philox.block(counter: SIMD4(b, 0, 0, 0), key: random.key)
      #expect(random.next() == UInt64(block[0]) | UInt64(block[1]) << 32)
      #expect(random.next() == UInt64(block[2]) | UInt64(block[3]) << 32)
    }
  }

  @Test func aCopyMadeFromKeyAndPositionGoesOnAlike() {
    for taken in 0..<40 {
      var random = Philox(seed: 7)
      for _ in 0..<taken { _ = random.next() }
      var other = Philox(key: random.key, position: random.position)
      #expect(random.next() == other.next())
      #expect(random == other)
    }
  }

  @Test func streamsDoNotDependOnThePosition() {
    var random = Philox(seed: 7)
    let before = random.stream(3)
    _ = random.next()
    #expect(random.stream(3) == before)
    #expect(random.stream(4) != before)
    #expect(before.stream(0) != random.stream(0))
  }
}
