// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// `gensample score` beside what draws texts and what trains models.
@Suite struct ScoreGoldenTests {
  private static let quotes = """
    "the sea was calm," he said.
    the storm (a storm) came over the sea...
    a calm wind, and "the moon".
    "a storm," said the moon.
    the wind was a storm; the sea was not.
    """

  private func train(_ folder: Folder, _ corpus: String, _ options: String...) throws -> String {
    let model = folder.path("\(UUID().uuidString).gsm")
    let outcome = try Program.run(
      ["train", try folder.write("corpus.txt", corpus + "\n"), "-o", model] + options)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return model
  }

  /// Log-probabilities of texts as a model reads them.
  private func scores(_ texts: [String], _ model: String) throws -> [Double] {
    try Program.run(
      ["score", model, "-", "--format", "jsonl", "--quiet"],
      input: texts.map { $0 + "\n" }.joined()
    ).objects().dropLast().map { try #require($0["log_probability"] as? Double) }
  }

  /// What a decoder prints scores as what it says of it, but for texts that it counts as read
  /// otherwise.
  @Test func whatIsDrawnScoresTheSame() throws {
    let folder = try Folder()
    let model = try train(folder, Self.quotes, "--tokens", "words")
    let objects = try Program.run([
      "sample", "--model", model, "--samples", "150", "--seed", "1", "--format", "jsonl",
    ]).objects()
    let texts = objects.dropLast().filter { $0["finished"] as? Bool == true }
    #expect(texts.count == objects.count - 1)
    let found = try scores(texts.compactMap { $0["text"] as? String }, model)
    #expect(found.count == texts.count)
    var differ = 0
    var signsFirst = 0
    for (text, score) in zip(texts, found) {
      // Equal sums of the same terms.
      let isSame = abs(score - (text["log_model"] as? Double ?? .nan)) < 1e-9
      if !isSame { differ += 1 }
      if isSame, let first = (text["text"] as? String)?.first, ".,;)".contains(first) {
        signsFirst += 1
      }
    }
    #expect(differ > 0 && signsFirst > 0)
    #expect(objects.last?["read_otherwise"] as? Int == differ)
    let told = try Program.run([
      "sample", "--model", model, "--samples", "150", "--seed", "1",
    ])
    #expect(
      told.errors.contains("  \(differ) texts would be read as other tokens than those drawn"))
    // Tokens with one space between them are always read as they are.
    let spaced = try Program.run([
      "sample", "--model", try train(folder, Self.quotes, "--tokens", "whitespace"), "--samples",
      "150", "--seed", "1", "--format", "jsonl",
    ]).objects()
    #expect(spaced.last?["texts"] as? Int == 150 && spaced.last?["read_otherwise"] == nil)
  }

  /// A model of reversed texts gives a text what a model gives the text reversed.
  @Test func reversedModelsReadFromTheEnd() throws {
    let folder = try Folder()
    let lines = SmallModel.corpus.split(separator: "\n").map(String.init)
    func reversed(_ line: String) -> String {
      line.split(separator: " ").reversed().joined(separator: " ")
    }
    let backward = try train(
      folder, SmallModel.corpus, "--tokens", "whitespace", "--reversed")
    let forward = try train(
      folder, lines.map(reversed).joined(separator: "\n"), "--tokens", "whitespace")
    let texts = lines + ["the moon was a wind .", "unheard of the sea", ""]
    let found = try scores(texts, backward)
    let expected = try scores(texts.map(reversed), forward)
    #expect(found.count == texts.count && found == expected)
    // Mutant: read from the beginning.
    #expect(try found != scores(texts, forward))
    let told = try Program.run(["score", backward, "-"], input: "the sea\n")
    #expect(told.errors.contains("is a model of reversed texts: each line is scored from its end"))
  }
}
