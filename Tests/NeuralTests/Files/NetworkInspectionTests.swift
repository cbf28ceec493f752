// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

/// What files hold, whether or not they can be used.
@Suite struct NetworkInspectionTests {
  @Test(
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      // The examples of FIPS 180-4: the padding needs a block of its own.
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
    ]) func checksumsAreThoseOfTheStandard(_ text: String, _ sum: String)
  {
    let bytes = Array(text.utf8)
    #expect(unsafe bytes.withUnsafeBytes { unsafe SHA256.hex(of: $0) } == sum)
  }

  @Test func aSoundFolderIsOpened() throws {
    let folder = try HandmadeFolder.llama()
    let inspected = try withExtendedLifetime(folder) { try NetworkInspection(folder.path) }
    #expect(inspected.fault == nil)
    #expect(inspected.architecture == "llama")
    #expect(inspected.network?.configuration.blocks.count == 2)
    #expect(inspected.unreadable.isEmpty)
    try inspected.checkNumbers()
  }

  @Test func numbersThatAreNotFiniteAreFound() throws {
    let folder = try HandmadeFolder.llama { $0[3].values[64 * 2 + 5] = .nan }
    let name = HandmadeFolder.llamaTensors()[3].name
    #expect(
      message { try NetworkInspection(folder.path).checkNumbers() }
        == "the tensor '\(name)' holds nan in row 2, column 5 (expected finite numbers). "
        + "Fetch the file again.")
  }

  /// One tensor in a type that gensample does not read: the rest is shown all the same.
  @Test func aFileOfAnUnsupportedTypeIsListed() throws {
    let folder = try HandmadeFolder.llama()
    let path = folder.path + "/out.gguf"
    _ = try GGUFConversion.write(NetworkFile.open(folder.path), to: path, as: .f16)
    var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
    let name = Array("blk.1.ffn_down.weight".utf8)
    let place = try #require(bytes.indices.first { bytes[$0...].starts(with: name) })
    // Behind the name: the number of dimensions, two sizes, the type.
    bytes[place + name.count + 4 + 16] = 20
    let changed = try folder.write("iq4.gguf", bytes)
    let inspected = try NetworkInspection(changed)
    #expect(inspected.network == nil)
    #expect(
      inspected.fault?.description.hasPrefix(
        "the tensor 'blk.1.ffn_down.weight' has the type IQ4_NL, which is not supported") == true)
    #expect(inspected.architecture == "llama")
    #expect(inspected.description.types.map(\.typeName).sorted() == ["F16", "F32", "IQ4_NL"])
    #expect(inspected.unreadable.map(\.name) == ["blk.1.ffn_down.weight"])
  }

  @Test func whatHasNoHeaderIsRefused() throws {
    let folder = try TestFolder()
    let path = try folder.write("x.gguf", "GGUF")
    #expect(
      message { _ = try NetworkInspection(path) } == message { _ = try NetworkFile.open(path) })
  }
}
