// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

@Suite struct DequantizationTests {
  /// 512 numbers of each type, from bytes of a linear congruential generator, with the bits of scales
  /// that would make them infinite cleared.
  ///
  /// Expected: gguf 0.19.0 (`gguf.quants.dequantize`): a hash of all bits, the first and the last.
  static let cases: [(type: TensorType, hash: UInt64, first: Float, last: Float)] = [
    (.f16, 0x737e_220a_290e_eb25, -0.040924072265625, 3.2901763916015625e-05),
    (.bf16, 0xbf5b_e439_b8ee_4b25, -4.196643033083092e-14, 1.2342690683634019e-37),
    (.q8_0, 0xa89e_c6b0_fb2d_7465, 4.0924072265625, -1.6248779296875),
    (.q4_0, 0x7c21_02f2_7627_a325, -0.1636962890625, -0.5914306640625),
    (.q4_1, 0x0c1f_3175_c3bb_dd05, -0.5787353515625, 1.845794677734375),
    (.q5_0, 0x630a_e8d2_58dd_7d25, 0.1636962890625, -0.7216796875),
    (.q5_1, 0xcf9b_5f7c_bd87_38bd, -0.128570556640625, 0.3995276093482971),
    (.q2_K, 0x0b2e_c586_4380_07fd, 0.015065431594848633, 2.479900360107422),
    (.q3_K, 0x253d_6274_cc40_7ea5, -0.0296173095703125, -2.490966796875),
    (.q4_K, 0x4502_b099_a168_7705, -1.9476318359375, -1.1690788269042969),
    (.q5_K, 0xd1ad_e6b8_1ede_429a, -6.8585205078125, 116.24632263183594),
    (.q6_K, 0xc86c_29d5_9bf3_f097, 802.5693359375, -0.40263891220092773),
  ]

  /// Where the halves of a block are.
  static func halves(_ type: TensorType) -> [Int] {
    switch type {
    case .q2_K: [80, 82]
    case .q3_K: [108]
    case .q6_K: [208]
    case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
    default: [0]
    }
  }

  @Test(arguments: cases) func agreesWithGGUFPythonToTheBit(
    _ expected: (type: TensorType, hash: UInt64, first: Float, last: Float)
  ) throws {
    let type = expected.type
    var state: UInt32 = 7
    var bytes: [UInt8] = (0..<(512 / type.blockLength * type.blockBytes)).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(state >> 24)
    }
    for block in stride(from: 0, to: bytes.count, by: type.blockBytes) {
      for half in Self.halves(type) { bytes[block + half + 1] &= 0xbf }
    }
    let tensor = Tensor(name: "t", type: type, shape: [2, 256], storing: bytes)
    let values = tensor.floats
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for value in values { hash = (hash ^ UInt64(value.bitPattern)) &* 0x100_0000_01b3 }
    #expect(values.first == expected.first)
    #expect(values.last == expected.last)
    #expect(hash == expected.hash)
    #expect(tensor.row(0) + tensor.row(1) == values)
  }

  @Test func everyHalfHasItsValue() {
    // 2^10 patterns of each exponent; the formula is that of IEEE 754.
    for pattern in UInt16(0)...0xffff {
      let value = halfToFloat(pattern)
      let exponent = Int(pattern >> 10) & 31
      let fraction = Double(pattern & 1023)
      if exponent == 31 {
        #expect(fraction == 0 ? value.isInfinite : value.isNaN)
        continue
      }
      let size =
        exponent == 0 ? fraction * 0x1p-24 : (1 + fraction / 1024) * exp2(Double(exponent - 15))
      if Double(value) != (pattern >> 15 == 0 ? size : -size) {
        Issue.record("half \(pattern) is \(value)")
      }
    }
  }

  @Test(TestModels.areNeeded, arguments: ["smollm2", "gemma3"])
  func agreesWithTheReferenceOfRealModels(_ name: String) throws {
    let file = try GGUFFile(TestModels.path("\(name).gguf"))
    let reference = try JSONValue(contentsOf: TestData.path("reference/\(name).json"))
    for expected in try #require(reference["dequant"]?.array) {
      let tensor = try file.tensors.tensor(try #require(expected["tensor"]?.string))
      #expect(tensor.type.rawValue == expected["type"]?.string)
      #expect(tensor.shape == [expected["rows"]?.integer, expected["columns"]?.integer])
      let first = try #require(expected["first_row"]?.array).map { Float($0.number ?? .nan) }
      #expect(Array(tensor.row(0).prefix(32)) == first)
      let last = try #require(expected["last_row"]?.array).map { Float($0.number ?? .nan) }
      #expect(Array(tensor.row(tensor.rows - 1).suffix(32)) == last)
      // All numbers of the tables of embeddings would take a minute in debug.
      guard tensor.rows < 2000 else { continue }
      var (sum, squares) = (0.0, 0.0)
      for value in tensor.floats {
        sum += Double(value)
        squares += Double(value) * Double(value)
      }
      // Both sums are of doubles in another order: at most one rounding a number.
      let error = Double(tensor.rows * tensor.columns) * 0x1p-53
      #expect(abs(squares - (expected["sum_of_squares"]?.number ?? .nan)) < error * squares)
      let size = (Double(tensor.rows * tensor.columns) * squares).squareRoot()
      #expect(abs(sum - (expected["sum"]?.number ?? .nan)) < error * size)
    }
  }
}

extension Tensor {
  /// A tensor with these bytes in memory of its own.
  init(name: String, type: TensorType, shape: [Int], storing bytes: [UInt8]) {
    let memory = TensorMemory(byteCount: bytes.count)
    unsafe bytes.withUnsafeBytes { unsafe memory.bytes.copyMemory(from: $0) }
    unsafe self.init(
      name: name, type: type, shape: shape,
      bytes: UnsafeRawBufferPointer(rebasing: memory.bytes[..<bytes.count]), owner: memory)
  }
}
