// Licensed under the Apache License, Version 2.0.

import Foundation
import Runs
import Testing

@testable import gensample

/// Masked models made of a model of texts and one of reversed texts, as users run them.
@Suite struct MaskedGoldenTests {
  /// Both models of a small text, and a folder for more.
  private struct Models {
    let folder: Folder
    var forward: String { folder.path("forward.gsm") }
    var backward: String { folder.path("backward.gsm") }

    init() throws {
      folder = try Folder()
      try folder.write(
        "text", "the cat sat on the mat\na dog saw the cat\nthe dog sat\na cat sat on a dog\n")
      for (path, more) in [(forward, []), (backward, ["--reversed"])] {
        let outcome = try Program.run(
          ["train", folder.path("text"), "-o", path, "--quiet"] + more)
        #expect(outcome.code == 0, "\(outcome.errors)")
      }
    }

    func gibbs(_ options: String...) -> [String] {
      ["gibbs", "--model", forward, "--masked", backward, "--seed", "1"] + options
    }
  }

  @Test func masksDrawAllowedTextsOfOneLength() throws {
    let models = try Models()
    let outcome = try Program.run(
      models.gibbs(
        "--include", "cat", "--length", "5", "--warmup", "200", "--thin", "50", "--samples", "20",
        "--format", "jsonl"))
    #expect(outcome.code == 0, "\(outcome.errors)")
    let objects = try outcome.objects()
    #expect(objects.count == 21)
    for object in objects.dropLast() {
      #expect((object["tokens"] as? [Int])?.count == 5)
      #expect(object["satisfied"] as? Bool == true)
    }
    let summary = try #require(objects.last)
    #expect(summary["draws"] as? Bool == true)
    let moves = try #require(summary["moves"] as? [String: [String: Any]])
    #expect(moves["replace-masked"]?["accepted"] as? Int ?? 0 > 0)
    #expect(moves["insert"]?["proposed"] as? Int == 0)
  }

  @Test(arguments: ["random", "systematic"]) func pseudoGibbsIsCalledSo(scan: String) throws {
    let models = try Models()
    let options = models.gibbs(
      "--length", "4", "--warmup", "20", "--thin", "5", "--pseudo", "--scan", scan)
    let text = try Program.run(options)
    #expect(text.code == 0)
    #expect(text.errors.contains("pseudo-Gibbs: these texts are draws from no declared rho"))
    let objects = try Program.run(options + ["--format", "jsonl"]).objects()
    #expect(objects.last?["draws"] as? Bool == false)
  }

  @Test func chainsKeepTheirLength() throws {
    let models = try Models()
    let objects = try Program.run(
      models.gibbs(
        "--length", "2..6", "--fixed-length", "--warmup", "50", "--thin", "10", "--samples", "12",
        "--format", "jsonl")
    ).objects()
    for chain in 0..<4 {
      let lengths = objects.filter { $0["chain"] as? Int == chain }
        .map { ($0["tokens"] as? [Int])?.count }
      #expect(lengths.count == 3 && Set(lengths).count == 1)
    }
  }

  @Test(arguments: [
    ([], 64, "a masked model says nothing of where a text ends"),
    (["--block", "2", "--length", "3"], 64, "--block draws words by an n-gram model's own"),
    (["--scan", "systematic", "--length", "3"], 64, "--scan systematic is for --pseudo"),
  ])
  func whatMeansNothingIsRefused(options: [String], code: Int32, message: String) throws {
    let models = try Models()
    let outcome = try Program.run(models.gibbs() + options)
    #expect(outcome.code == code)
    #expect(outcome.errors.contains(message), "\(outcome.errors)")
  }

  @Test func softStatementsOfPseudoGibbsAreRefused() throws {
    let models = try Models()
    let outcome = try Program.run(
      models.gibbs("--pseudo", "--constraints", "-"),
      input: "length 4 tokens\nprefer \"cat\" 1\n")
    #expect(outcome.code == 64)
    #expect(outcome.errors.contains("prefer \"cat\" 1 would weigh nothing"), "\(outcome.errors)")
  }

  @Test func modelsOfTheWrongDirectionAreRefused() throws {
    let models = try Models()
    func errors(_ options: String...) throws -> String {
      let outcome = try Program.run(["gibbs", "--length", "3"] + options)
      #expect(outcome.code != 0 && outcome.output.isEmpty)
      return outcome.errors
    }
    #expect(
      try errors("--model", models.forward, "--masked", models.forward)
        .contains("is a model of texts as they are read"))
    #expect(
      try errors("--model", models.backward, "--masked", models.backward)
        .contains("--model is one of reversed texts"))
    #expect(try errors("--model", models.forward, "--pseudo").contains("give --masked MODEL"))
    #expect(
      try errors("--model", SmallModel.path, "--masked", models.backward)
        .contains("train both on the same texts"))
  }

  @Test func resumedRunsKnowBothModels() throws {
    let models = try Models()
    let run = models.folder.path("run")
    let outcome = try Program.run(
      models.gibbs("--length", "3", "--warmup", "20", "--thin", "5", "--run", run))
    #expect(outcome.code == 0, "\(outcome.errors)")
    let description = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(fileURLWithPath: run + "/run.json")))
    let object = try #require(description as? [String: Any])
    #expect((object["model_checksum"] as? String)?.split(separator: "+").count == 2)
    // Where a file has changed, it is the one that is named.
    try FileManager.default.removeItem(atPath: run + "/checkpoint")
    try FileManager.default.removeItem(atPath: run + "/samples.jsonl")
    try models.folder.write(
      "other", "the cat sat on the mat\na dog saw the cat\nthe dog sat on the mat\n")
    let retrained = try Program.run([
      "train", models.folder.path("other"), "-o", models.backward, "--quiet", "--reversed",
    ])
    #expect(retrained.code == 0)
    let resumed = try Program.run(["gibbs", "--run", run, "--resume"])
    #expect(resumed.code == 65)
    #expect(
      resumed.errors.hasPrefix(
        "gensample: '\(models.backward)' is another model than that of the run in '\(run)'"))
    #expect(
      resumed.errors.hasSuffix("; put the file of --masked back that it was begun with\n"),
      "\(resumed.errors)")
  }

  /// Steps that take a millisecond are fewer where nothing is said of their number.
  @Test func slowStepsAreFewerByDefault() throws {
    let models = try Models()
    let run = models.folder.path("run")
    let outcome = try Program.run(
      models.gibbs("--length", "3", "--samples", "1", "--chains", "1", "--run", run))
    #expect(outcome.code == 0, "\(outcome.errors)")
    let description = try RunDescription(folder: run)
    #expect(description.chains?.warmup == 2000 && description.chains?.thin == 2000)
  }
}
