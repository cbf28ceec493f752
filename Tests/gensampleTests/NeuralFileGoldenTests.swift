// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// `inspect` and `convert` on files of neural models.
@Suite struct NeuralFileGoldenTests {
  private static let stories = TestData.path("models/llama-stories260K")

  @Test(TestData.isNeeded) func aFolderIsInspected() throws {
    let outcome = try Program.run(["inspect", Self.stories, "--format", "jsonl", "--checksum"])
    #expect(outcome.errors == "")
    #expect(outcome.code == 0)
    let object = try #require(try outcome.objects().first)
    #expect(object["type"] as? String == "model")
    #expect(object["kind"] as? String == "folder")
    #expect(object["architecture"] as? String == "llama")
    #expect(object["blocks"] as? Int == 5)
    #expect(object["vocabulary_size"] as? Int == 512)
    #expect(object["tokenizer"] as? String == "tokenizer.json")
    #expect(object["sound"] as? Bool == true)
    #expect((object["sha256"] as? [String])?.first?.count == 64)
    #expect((object["unsupported"] as? [String])?.isEmpty == true)
  }

  @Test(TestData.isNeeded) func aFolderBecomesGGUF() throws {
    let folder = try Folder()
    let made = try Program.run(
      ["convert", Self.stories, "small.gguf", "--quantize", "q8_0"], in: folder.path)
    #expect(made.errors == "")
    #expect(made.code == 0)
    let outcome = try Program.run(["inspect", "small.gguf"], in: folder.path)
    #expect(outcome.code == 0)
    #expect(
      outcome.lines.first == "small.gguf: neural model (GGUF version 3, llama), sound")
    #expect(outcome.lines.contains { $0.hasPrefix("  type        Q8_0: ") })
    // A file that was cut is no model.
    try folder.write("cut.gguf", folder.bytes("small.gguf").prefix(2000))
    let cut = try Program.run(["inspect", "cut.gguf"], in: folder.path)
    #expect(cut.code == 65)
    #expect(cut.errors.hasPrefix("gensample: cut.gguf: "))
  }

  @Test(
    TestData.isNeeded,
    arguments: [
      (
        ["convert", stories, "x.gsm"],
        "'\(stories)' is a neural model, which becomes a .gguf file only, got 'x.gsm'"
      ),
      (
        ["convert", "english", "x.gguf"],
        "'english' is a model of n-grams, which becomes .gsm, .arpa or .arpa.gz, got 'x.gguf'"
      ),
      (
        ["convert", stories, "x.gguf", "--quantize", "q4_0"],
        "--quantize takes one of q8_0, q4_1, f16 for a .gguf file, got 'q4_0'"
      ),
    ])
  func whatCannotBeConvertedIsRefused(_ arguments: [String], _ message: String) throws {
    let outcome = try Program.run(arguments)
    #expect(outcome.code == 64)
    #expect(outcome.errors == "gensample: \(message)\n")
  }
}
