// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

@Suite struct GGUFFileTests {
  /// Metadata of every type and two tensors.
  static var sound: HandmadeGGUF {
    var file = HandmadeGGUF()
    file.addKey("u8", 0) { $0.add(UInt8(200)) }
    file.addKey("i8", 1) { $0.add(Int8(-3)) }
    file.addKey("u16", 2) { $0.add(UInt16(60_000)) }
    file.addKey("i16", 3) { $0.add(Int16(-300)) }
    file.addKey("u32", 4) { $0.add(UInt32(4_000_000_000)) }
    file.addKey("i32", 5) { $0.add(Int32(-5)) }
    file.addKey("f32", 6) { $0.add(Float(0.5).bitPattern) }
    file.addKey("bool", 7) { $0.add(UInt8(1)) }
    file.addKey("string", 8) { $0.add("grün") }
    file.addKey("strings", 9) {
      $0.add(UInt32(8))
      $0.add(UInt64(2))
      $0.add("a")
      $0.add("")
    }
    file.addKey("integers", 9) {
      $0.add(UInt32(5))
      $0.add(UInt64(2))
      $0.add(Int32(7))
      $0.add(Int32(-7))
    }
    file.addKey("numbers", 9) {
      $0.add(UInt32(12))
      $0.add(UInt64(1))
      $0.add(1.25.bitPattern)
    }
    file.addKey("u64", 10) { $0.add(UInt64(1) << 40) }
    file.addKey("i64", 11) { $0.add(Int64(-1)) }
    file.addKey("f64", 12) { $0.add(0.1.bitPattern) }
    file.tensors = [
      .init(name: "matrix", shape: [4, 2]), .init(name: "vector", shape: [3], type: 1, offset: 32),
    ]
    var data = Bytes()
    for i in 0..<8 { data.add(Float(i).bitPattern) }
    for value in [1, -2, 0.5] as [Float] { data.add(floatToHalf(value)) }
    file.data = data.bytes
    return file
  }

  @Test(arguments: [2, 3] as [UInt32]) func readsEveryTypeOfMetadata(version: UInt32) throws {
    var handmade = Self.sound
    handmade.version = version
    let file = try handmade.open()
    #expect(file.version == Int(version))
    #expect(file.keys == handmade.keys.map(\.name))
    #expect(try file.integer("u8") == 200)
    #expect(try file.integer("i8") == -3)
    #expect(try file.integer("u16") == 60_000)
    #expect(try file.integer("i16") == -300)
    #expect(try file.integer("u32") == 4_000_000_000)
    #expect(try file.integer("i32") == -5)
    #expect(try file.number("f32") == 0.5)
    #expect(try file.number("i32") == -5)
    #expect(try file.boolean("bool") == true)
    #expect(try file.string("string") == "grün")
    #expect(try file.array("strings")?.strings == ["a", ""])
    #expect(try file.array("strings")?.integers == nil)
    #expect(try file.array("integers")?.integers == [7, -7])
    #expect(try file.array("integers")?.numbers == [7, -7])
    #expect(try file.array("numbers")?.numbers == [1.25])
    #expect(try file.array("numbers")?.strings == nil)
    #expect(try file.integer("u64") == 1 << 40)
    #expect(try file.integer("i64") == -1)
    #expect(try file.number("f64") == 0.1)
    #expect(try file.integer("absent") == nil)
    #expect(
      message { _ = try file.integer("string") }
        == "the metadata key 'string' is wrong (found a string, expected an integer)")
  }

  @Test func shapesAreInMemorysOrder() throws {
    let file = try Self.sound.open()
    let matrix = try file.tensors.tensor("matrix")
    #expect(matrix.shape == [2, 4])
    #expect(matrix.row(1) == [4, 5, 6, 7])
    #expect(try file.tensors.tensor("vector").floats == [1, -2, 0.5])
    #expect(
      message { _ = try file.tensors.tensor("blk.0.vector") }
        == "the tensor 'blk.0.vector' is missing (found 2 tensors)")
  }

  @Test func cutAnywhereItIsRefused() throws {
    let bytes = Self.sound.bytes
    let folder = try TestFolder()
    for count in 1..<bytes.count {
      let path = try folder.write("x.gguf", Array(bytes[..<count]))
      #expect(throws: NeuralError.self, "cut to \(count) bytes") { _ = try GGUFFile(path) }
    }
    #expect(
      message { _ = try GGUFFile(folder.write("x.gguf", Array(bytes[..<20]))) }
        == "byte 8: the number of tensors is too large (found 2, but the 4 bytes left hold at most 0 "
        + "tensors)")
    #expect(
      message { _ = try GGUFFile(folder.write("x.gguf", [])) } == "byte 0: the file is empty")
  }

  @Test func changedAnywhereItNeverTraps() throws {
    // Each byte of the header set to 0, to 255 and to 127: an error or a file that can be read.
    let sound = Self.sound.bytes
    let folder = try TestFolder()
    for i in 0..<(sound.count - 40) {
      for value in [0, 0x7f, 0xff] as [UInt8] {
        var bytes = sound
        bytes[i] = value
        let path = try folder.write("x.gguf", bytes)
        guard let file = try? GGUFFile(path) else { continue }
        for key in file.keys {
          guard case .array(let array) = file[key] else { continue }
          _ = (array.strings, array.integers, array.numbers)
        }
        for entry in file.tensors.entries { _ = entry.tensor?.floats }
      }
    }
  }

  @Test func absurdCountsAreRefusedAtOnce() throws {
    let huge: UInt64 = 1 << 60
    var file = HandmadeGGUF()
    file.statedTensors = huge
    #expect(
      try file.message()
        == "byte 8: the number of tensors is too large (found 1152921504606846976, but the 16 bytes "
        + "left hold at most 0 tensors)")
    file = HandmadeGGUF()
    file.statedKeys = huge
    #expect(try file.message().hasPrefix("byte 16: the number of metadata keys is too large"))
    file = HandmadeGGUF()
    file.addKey("k", 9) {
      $0.add(UInt32(8))
      $0.add(huge)
    }
    #expect(
      try file.message().hasPrefix(
        "byte 41: the number of elements of 'k' is too large (found 1152"))
    file = HandmadeGGUF()
    file.addKey("k", 8) { $0.add(huge) }
    #expect(try file.message().hasPrefix("byte 37: the length of the value of 'k' is too large"))
    file = HandmadeGGUF()
    file.addKey("k", 10) { $0.add(UInt64.max) }
    #expect(
      try file.message()
        == "byte 37: the value of 'k' is too large (found 18446744073709551615)")
  }

  @Test func wrongHeadersAreNamed() throws {
    var file = Self.sound
    file.version = 1
    #expect(
      try file.message()
        == "byte 4: the version of GGUF is not supported (found 1, expected 2 or 3)")
    file.version = UInt32(3).byteSwapped
    #expect(try file.message().hasPrefix("byte 4: the GGUF file is big-endian"))
    file = Self.sound
    file.keys.append(file.keys[0])
    #expect(try file.message().contains("the metadata key 'u8' stands twice"))
    file = Self.sound
    file.addKey("k", 13) { _ in }
    #expect(try file.message().contains("the type of 'k' is unknown (found 13, expected 0 to 12)"))
    file = Self.sound
    file.addKey("k", 9) { $0.add(UInt32(9)) }
    #expect(try file.message().contains("'k' is an array of arrays"))
    file = Self.sound
    file.addKey("k", 8) {
      $0.add(UInt64(1))
      $0.bytes.append(0xff)
    }
    #expect(try file.message().contains("the value of 'k' is not UTF-8"))
    file = Self.sound
    file.addKey("general.alignment", 4) { $0.add(UInt32(24)) }
    #expect(
      try file.message()
        == "the metadata key 'general.alignment' is wrong (found 24, expected a power of two from 4 "
        + "to 1048576)")
  }

  @Test(
    arguments: [
      (2, [UInt64(8)], UInt64(16), "the offset of the tensor 'vector' is misaligned (found 16"),
      (1, [1, 1, 1, 1, 1], 32, "the number of dimensions of 'vector' is wrong (found 5"),
      (0, [], 32, "the number of dimensions of 'vector' is wrong (found 0"),
      (0, [0], 32, "a dimension of 'vector' is wrong (found 0"),
      (0, [1 << 41], 32, "a dimension of 'vector' is wrong (found 2199023255552"),
      (0, [1 << 40, 1 << 40], 32, "the tensor 'vector' reaches behind the end of the file"),
      (0, [4], 32, "the tensor 'vector' reaches behind the end of the file"),
      (0, [1], 1 << 62, "the tensor 'vector' lies behind the end of the file"),
      (0, [1], 0, "the tensors 'matrix' and 'vector' overlap in the file"),
      (3, [33], 32, "a row of the tensor 'vector' has no whole number of blocks (found 33 numbers"),
    ] as [(UInt32, [UInt64], UInt64, String)])
  func wrongTensorsAreNamed(
    _ type: UInt32, _ shape: [UInt64], _ offset: UInt64, _ expected: String
  ) throws {
    var file = Self.sound
    file.tensors[1].type = type
    file.tensors[1].shape = shape
    file.tensors[1].offset = offset
    let found = try file.message()
    #expect(found.contains(expected))
  }

  @Test func unknownTypesAreRefusedWhenTheyAreNeeded() throws {
    var handmade = Self.sound
    handmade.tensors[1].type = 23
    let file = try handmade.open()
    #expect(file.tensors["vector"]?.typeName == "IQ4_XS")
    #expect(
      message { _ = try file.tensors.tensor("vector") }
        == "the tensor 'vector' has the type IQ4_XS, which is not supported (expected one of F32, "
        + "F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K)")
    handmade.tensors[1].name = "matrix"
    #expect(try handmade.message() == "the tensor 'matrix' stands twice in the file")
  }

  @Test func aChangedFileIsNoticed() throws {
    let folder = try TestFolder()
    let path = try folder.write("x.gguf", Self.sound.bytes)
    let file = try MappedFile(path)
    try file.checkUnchanged()
    let sum = file.checksum
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.truncate(atOffset: UInt64(Self.sound.bytes.count + 1))
    #expect(
      message { try file.checkUnchanged() }.hasPrefix("the file changed while it was in use (found")
    )
    #expect(try MappedFile(path).checksum != sum)
    #expect(message { _ = try MappedFile(folder.path) }.contains("is not a regular file"))
    #expect(message { _ = try MappedFile(folder.path + "/none") }.contains("cannot be read"))
  }

  @Test(TestData.isNeeded) func aRealFileCutAtEveryKilobyteIsRefused() throws {
    let path = TestData.path("models/llama-2-tiny-random/llama-2-tiny-random.gguf")
    let bytes = try #require(FileManager.default.contents(atPath: path))
    let folder = try TestFolder()
    let copy = try folder.write("x.gguf", Array(bytes))
    let handle = try #require(FileHandle(forWritingAtPath: copy))
    // From the end on, so that the file is only ever shortened; 31 is no divisor of anything in it.
    for kilobytes in stride(from: bytes.count / 1024, to: 0, by: -31) {
      try handle.truncate(atOffset: UInt64(kilobytes) * 1024)
      #expect(throws: NeuralError.self) { _ = try NetworkFile.open(copy) }
    }
  }
}
