// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

@Suite struct GGUFConversionTests {
  /// 128 numbers of four sizes; expected: gguf 0.19.0 (`gguf.quants.quantize`), a hash of all bytes.
  @Test(
    arguments: [
      (.f16, 0xe088_eaf1_66c6_ca4e), (.q8_0, 0x80b8_a0a9_abf7_c53d), (.q4_1, 0x4542_bb94_dbd9_5706),
    ] as [(TensorType, UInt64)])
  func roundsAsGGUFPythonToTheBit(_ type: TensorType, _ expected: UInt64) throws {
    var state: UInt32 = 7
    var values: [Float] = []
    for i in 0..<128 {
      state = state &* 1_664_525 &+ 1_013_904_223
      let value = Double(state >> 8) / 0x1p24 * 4 - 2
      values.append(Float(value) * ([1, 1e-3, 3e-7, 100] as [Float])[i / 32])
    }
    values[5] = 0
    var bytes: [UInt8] = []
    try type.quantize(values, into: &bytes, of: "t")
    let hash = bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    #expect(hash == expected)
  }

  @Test func everyHalfComesBack() {
    for pattern in UInt16(0)...0xffff where pattern & 0x7c00 != 0x7c00 {
      if floatToHalf(halfToFloat(pattern)) != pattern { Issue.record("\(pattern)") }
    }
    // Ties go to even; from half a step above the largest on, to infinity.
    #expect(floatToHalf(1 + 0x1p-11) == 0x3c00)
    #expect(floatToHalf(1 + 0x1.8p-10) == 0x3c02)
    #expect(floatToHalf(0x1p-25) == 0)
    #expect(floatToHalf(0x1.8p-24) == 2)
    #expect(floatToHalf(65_519.996) == 0x7bff)
    #expect(floatToHalf(65_520) == 0x7c00)
  }

  @Test func numbersThatDoNotFitAreRefused() {
    var bytes: [UInt8] = []
    #expect(
      message { try TensorType.f16.quantize([65_520], into: &bytes, of: "t") }
        == "the tensor 't' holds a number that is too large for half precision (found 65520.0, "
        + "expected at most 65504). Write F32.")
    #expect(
      message { try TensorType.f32.quantize([.infinity], into: &bytes, of: "t") }
        == "the tensor 't' holds a number that is not finite (found inf)")
  }

  /// What is written is what is read; rows of queries and keys in the order of `llama`.
  @Test(arguments: [TensorType.f32, .f16]) func aFolderComesBack(_ type: TensorType) throws {
    let folder = try HandmadeFolder.llama(#""bos_token_id": 0, "eos_token_id": [4, 3]"#)
    let network = try NetworkFile.open(folder.path)
    let path = folder.path + "/x.gguf"
    let conversion = try GGUFConversion.write(network, to: path, as: type)
    #expect(conversion.notes.isEmpty)
    let back = try NetworkFile.open(path)
    var expected = network.configuration
    expected.positions = .rotary(.init(base: 10_000, dimensions: 16, pairsNeighbours: true))
    #expect(back.configuration == expected)
    #expect(back.description.tokens.begin == 0)
    #expect(back.description.tokens.ends == [4, 3])
    for (a, b) in zip(network.weights.tensors, back.weights.tensors) {
      #expect(b.type == (b.shape.count == 1 ? .f32 : type))
      guard !a.name.contains("q_proj") && !a.name.contains("k_proj") else {
        for row in 0..<a.rows {
          let (head, place) = (row / 16, row % 16)
          #expect(b.row(row) == a.row(head * 16 + place / 2 + place % 2 * 8))
        }
        continue
      }
      #expect(a.floats == b.floats)
    }
    let file = try GGUFFile(path)
    #expect(try file.string("tokenizer.ggml.model") == "gpt2")
    #expect(try file.string("tokenizer.ggml.pre") == "gpt-2")
    #expect(try file.array("tokenizer.ggml.tokens")?.strings == ["a", "b", "ab", "c", "<e>"])
    #expect(try file.array("tokenizer.ggml.token_type")?.integers == [1, 1, 1, 1, 3])
    #expect(try file.array("tokenizer.ggml.merges")?.strings == ["a b"])
    // No half-written file is left.
    #expect(!FileSystem.names(in: folder.path).contains { $0.contains("partial") })
  }

  @Test func aWindowShortensTheContext() throws {
    let folder = try HandmadeFolder.llama(#""sliding_window": 8"#, kind: "mistral")
    let network = try NetworkFile.open(folder.path)
    let path = folder.path + "/x.gguf"
    let conversion = try GGUFConversion.write(network, to: path, as: .q8_0)
    #expect(conversion.notes.count == 1)
    #expect(try NetworkFile.open(path).configuration.contextLength == 8)
  }

  @Test func frequenciesOfLlama3ComeBackAsDivisors() throws {
    let folder = try HandmadeFolder.llama(
      #""rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "#
        + #""high_freq_factor": 4.0, "original_max_position_embeddings": 64}"#)
    let network = try NetworkFile.open(folder.path)
    let path = folder.path + "/x.gguf"
    _ = try GGUFConversion.write(network, to: path, as: .f32)
    guard case .rotary(let before) = network.configuration.positions,
      case .rotary(let after) = try NetworkFile.open(path).configuration.positions
    else {
      Issue.record("no rotary positions")
      return
    }
    // Written in single precision.
    #expect(after.scaling == .divisors(before.divisors.map { Float($0) }))
    #expect(before.divisors.first == 1)
    #expect(before.divisors.last == 8)
  }

  @Test(
    TestData.isNeeded, arguments: ["gpt2-shakespeare", "llama-stories260K", "tang-gpt"])
  func aRealFolderComesBack(_ name: String) throws {
    let network = try NetworkFile.open(TestData.path("models/\(name)"))
    let folder = try TestFolder()
    let path = folder.path + "/x.gguf"
    _ = try GGUFConversion.write(network, to: path, as: .f32)
    let back = try NetworkFile.open(path)
    #expect(back.weights.tokenEmbedding.floats == network.weights.tokenEmbedding.floats)
    #expect(
      back.weights.blocks.last?.value.matrix.floats
        == network.weights.blocks.last?.value.matrix.floats)
    #expect(back.description.tokens.ends == network.description.tokens.ends)
  }

  @Test(TestData.isNeeded) func theHeadOfAMaskedModelIsRefused() throws {
    let network = try NetworkFile.open(TestData.path("models/nano-bert"))
    #expect(
      message { _ = try GGUFConversion.write(network, to: "/none", as: .f32) }
        == "GGUF files cannot hold the head of a masked model. Use the folder.")
  }
}
