import Testing

@testable import Neural

@Suite struct TensorTypeTests {
  @Test func blocksOfAFileOfLlamaCppHaveTheirSizes() {
    // Bytes of 256 numbers, from the sizes that gguf-py lists.
    let expected: [TensorType: Int] = [
      .f32: 1024, .f16: 512, .bf16: 512, .q8_0: 272, .q4_0: 144, .q4_1: 160, .q5_0: 176, .q5_1: 192,
      .q2_K: 84, .q3_K: 110, .q4_K: 144, .q5_K: 176, .q6_K: 210,
    ]
    for type in TensorType.allCases {
      #expect(256 / type.blockLength * type.blockBytes == expected[type])
    }
  }
}
