// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling
import Testing

@testable import gensample

/// `gensample exact` from the outside.
@Suite struct ExactGoldenTests {
  private static func exact(_ options: String...) -> [String] {
    ["exact", "--model", SmallModel.path, "--seed", "1", "--quiet"] + options
  }

  /// The seconds differ from run to run; nothing else may.
  private func withoutTimes(_ line: String) -> String {
    line.replacing(#/"seconds":[^,]*,|"samples_per_second":[^,]*,/#, with: "")
  }

  /// What the program says of texts of up to three tokens, beside each text scored by itself.
  @Test func sumsAreThoseOverAllTexts() throws {
    let model = try NGramModel(path: SmallModel.path)
    let vocabulary = model.vocabulary
    let words = (0..<vocabulary.count).map { Token($0) }.filter(vocabulary.isDrawable)
    let sea = try #require(words.first { vocabulary.text(of: TokenSequence([$0])) == "sea" })
    var texts: [[Token]] = [[]]
    var layer = texts
    for _ in 0..<3 {
      layer = layer.flatMap { text in words.map { text + [$0] } }
      texts += layer
    }
    func probability(_ text: [Token]) -> Double {
      LogSpace.exp(model.logProbability(of: TokenSequence(text)))
    }
    let sum = texts.reduce(0) { $0 + probability($1) }
    let objects = try Program.run(
      Self.exact(
        "--constraints", "-", "--samples", "7", "--marginals", "1", "--probability",
        #"include "sea""#, "--format", "jsonl"),
      input: "length 0..3 tokens\n"
    ).objects()
    #expect(objects.count == 7 + 3 + 1)
    for object in objects.prefix(7) {
      #expect(object["type"] as? String == "sample")
      #expect(object["satisfied"] as? Bool == true)
      let tokens = try #require(object["tokens"] as? [Int])
      let logProbability = try #require(object["log_probability"] as? Double)
      #expect(abs(logProbability - LogSpace.log(probability(tokens.map { Token($0) }))) < 1e-12)
    }
    for (place, object) in objects.dropFirst(7).prefix(3).enumerated() {
      #expect(object["type"] as? String == "marginal")
      #expect(object["place"] as? Int == place + 1)
      let shares = words.map { word in
        texts.reduce(0) {
          $0 + ($1.count > place && $1[place] == word ? probability($1) / sum : 0)
        }
      }
      let likeliest = try #require((object["tokens"] as? [[String: Any]])?.first)
      #expect(
        abs(try #require(likeliest["probability"] as? Double) - (shares.max() ?? 0)) < 1e-12)
    }
    let summary = try #require(objects.last)
    #expect(summary["samples"] as? Int == 7)
    #expect(summary["draws"] as? Bool == true)
    #expect(
      abs(try #require(summary["log_evidence"] as? Double) - LogSpace.log(sum)) < 1e-12)
    #expect(summary["log_evidence_error"] as? Double == 0)
    let share = texts.reduce(0) { $0 + ($1.contains(sea) ? probability($1) / sum : 0) }
    let probabilities = try #require(summary["probabilities"] as? [String: Double])
    #expect(abs(try #require(probabilities[#"include "sea""#]) - share) < 1e-12)
    let length = texts.reduce(0) { $0 + Double($1.count) * probability($1) / sum }
    #expect(abs(try #require(summary["expected_length"] as? Double) - length) < 1e-12)
  }

  @Test(arguments: ["text", "jsonl"])
  func threadsChangeNothing(format: String) throws {
    let options = Self.exact(
      "--match", ".{1,30}", "--samples", "3000", "--marginals", "2", "--format", format)
    let one = try Program.run(options + ["--threads", "1"])
    let three = try Program.run(options + ["--threads", "3"])
    #expect(one.code == 0 && one.errors == "")
    #expect(one.lines.count > 3000)
    #expect(one.lines.map(withoutTimes) == three.lines.map(withoutTimes))
  }

  /// A text's random numbers are its own.
  @Test func firstOfManyAreTheFew() throws {
    let many = try Program.run(Self.exact("--match", ".{1,30}", "--samples", "40")).lines
    let few = try Program.run(Self.exact("--match", ".{1,30}", "--samples", "4")).lines
    #expect(few == Array(many.prefix(4)))
    let unique = try Program.run(
      Self.exact("--match", ".{1,30}", "--samples", "40", "--unique")
    ).lines
    var seen: Set<String> = []
    #expect(unique == many.filter { seen.insert($0).inserted })
  }

  @Test func bestAreTheMostProbableOfAll() throws {
    let options = Self.exact("--match", ".{1,9}", "--format", "jsonl")
    func texts(_ more: String...) throws -> [(text: String, logProbability: Double)] {
      try Program.run(options + more).objects().dropLast().compactMap { object in
        guard let text = object["text"] as? String,
          let logProbability = object["log_probability"] as? Double
        else { return nil }
        return (text, logProbability)
      }
    }
    let drawn = try texts("--samples", "3000", "--unique").sorted {
      $0.logProbability > $1.logProbability
    }
    let best = try texts("--best", "4")
    // The likeliest of so few texts are among so many draws.
    #expect(best.map(\.logProbability) == drawn.prefix(4).map(\.logProbability))
    #expect(Set(best.map(\.text)).count == 4)
    let both = try Program.run(options + ["--best", "4", "--samples", "2"])
    #expect(both.code == 64)
  }

  /// Without optimisation, chains take half a minute and replicas take minutes.
  @Test(
    arguments: [.importance] + TestData.deep([ComparedSampler.rejection, .smc, .mh, .gibbs]))
  func samplersComeNearTheTruth(sampler: ComparedSampler) throws {
    let name = sampler.rawValue
    let outcome = try Program.run(
      Self.exact(
        "--match", ".{1,20}", "--compare", name, "--probability", #"include "sea""#,
        "--samples", "0", "--format", "jsonl"))
    #expect(outcome.code == 0)
    let summary = try #require(try outcome.objects().last)
    let comparison = try #require(summary["compare"] as? [String: Any])
    #expect(comparison["sampler"] as? String == name)
    // The last places are rare: of some too few draws tell.
    #expect(comparison["left_out_places"] as? Int ?? 0 > 0)
    #expect(
      comparison["notes"] as? [String] == (sampler == .rejection ? ["model proposals"] : nil))
    var quantities = try #require(comparison["quantities"] as? [String: [String: Any]])
    let evidence = comparison["log_evidence"] as? [String: Any]
    // Chains have none.
    #expect((evidence == nil) == ["mh", "gibbs", "temper"].contains(name))
    quantities["log evidence"] = evidence
    var names = ["length", #"include "sea""#, #"place 1 "the""#, #"place 2 "sea""#]
    if evidence != nil { names.append("log evidence") }
    for name in names {
      // Some thirty estimates, each normal but for those by few runs: beyond 6 standard errors they
      // lie once in 10^7 runs, by Student's law of 15 degrees once in 10^4.
      let distance = try #require(quantities[name]?["standard_errors"] as? Double, "\(name)")
      #expect(abs(distance) < 6, "\(name)")
    }
  }

  @Test func samplersThatHaveNoDrawsAreRefused() throws {
    let refused = try Program.run(Self.exact("--compare", "anneal"))
    #expect(refused.code == 64)
    #expect(
      refused.errors
        == "gensample: --compare takes one of mh, gibbs, temper, rejection, importance, smc, "
        + "got 'anneal'\n")
  }

  /// A word that no text has is told of beside its probability.
  @Test func unknownWordsOfStatementsAreNamed() throws {
    let outcome = try Program.run([
      "exact", "--model", SmallModel.path, "--match", ".{1,9}", "--samples", "0",
      "--probability", #"include "sez""#,
    ])
    #expect(outcome.code == 0)
    #expect(outcome.lines == [#"probability of include "sez": 0.0"#])
    #expect(
      outcome.errors.contains(
        #"--probability:1: include "sez": 'sez' is outside the model's vocabulary"#))
  }

  /// Longer and longer texts come nearer to the sum over all, and the bound is kept.
  @Test func textsOfAnyLengthAreSummed() throws {
    func summary(_ options: [String], _ statements: String) throws -> [String: Any] {
      let outcome = try Program.run(
        ["exact", "--model", SmallModel.path, "--seed", "1", "--quiet", "--constraints", "-"]
          + ["--samples", "2", "--format", "jsonl"] + options, input: statements)
      #expect(outcome.code == 0 && outcome.errors == "")
      return try #require(try outcome.objects().last)
    }
    let long = try #require(
      try summary([], "include \"sea\"\nlength ..300 tokens")["log_evidence"] as? Double)
    for tolerance in ["0.1", "1e-4", "1e-12"] {
      let all = try summary(["--tolerance", tolerance], "include \"sea\"")
      let error = try #require(all["log_evidence_error"] as? Double)
      let found = try #require(all["log_evidence"] as? Double)
      #expect(error > 0 && error <= (Double(tolerance) ?? 0))
      // Texts of more than 300 tokens are rarer than 1e-12.
      #expect(found <= long + 1e-12 && long <= found + error + 1e-12)
    }
    let words = try summary(["--probability", #"length 5 words"#], "length 3..5 words")
    #expect(words["log_evidence_error"] as? Double != nil)
    let best = try Program.run(Self.exact("--include", "sea", "--best", "3"))
    #expect(best.code == 0)
    let bounded = try Program.run(
      Self.exact("--constraints", "-", "--best", "3"),
      input: "include \"sea\"\nlength ..40 tokens")
    #expect(best.lines.prefix(3) == bounded.lines.prefix(3))
  }

  @Test(arguments: ["fluency 0.5", #"prefer "sea" 9"#])
  func sumsWithoutLimitAreRefused(statement: String) throws {
    let outcome = try Program.run(Self.exact("--constraints", "-"), input: statement)
    #expect(outcome.code == 65 && outcome.output == "")
    #expect(
      outcome.errors
        == "gensample: standard input:1: \(statement): the sum over all lengths diverges; give the most "
        + "tokens that a text may have: add a statement to a constraint file, for example "
        + "'length ..30 tokens'\n")
  }

  @Test func eachLineIsItsOwnTarget() throws {
    let folder = try Folder()
    let path = try folder.write("sets.txt", "sea\nmoon wind\nfrob\n")
    let outcome = try Program.run(
      Self.exact("--each", path, "--match", ".{1,30}", "--samples", "2", "--format", "jsonl"))
    #expect(outcome.code == 65)
    let objects = try outcome.objects()
    #expect(objects.compactMap { $0["target"] as? Int } == [1, 1, 1, 2, 2, 2, 3])
    #expect(objects.last?["failed_targets"] as? Int == 1)
  }

  @Test(
    arguments: [
      (["--samples", "-1"], 64, "--samples takes a whole number from 0 to 1000000000, got '-1'"),
      (["--tolerance", "0"], 64, "--tolerance takes a share from 1e-14 to 0.5, got '0'"),
      (["--tolerance", "nan"], 64, "--tolerance takes a share from 1e-14 to 0.5, got 'nan'"),
      (
        ["--probability", ""], 64,
        "--probability is given no statement, expected one such as 'include \"love\"'"
      ),
      (
        ["--probability", "fluency 2"], 64,
        "--probability fluency 2: every text has that; a statement that texts meet or not is "
          + "expected, such as 'include \"love\"'"
      ),
      (
        ["--match", ".{1,9}", "--memory", "1K"], 65,
        "--memory 1K is too little: 6016 bytes are needed; give --memory 6016, shorten the texts or "
          + "say fewer things of them"
      ),
      (
        ["--match", ".{1,9}", "--memory", "11K", "--best", "2"], 65,
        "--memory 11K is too little: 2 sums of 6016 bytes are needed; give --memory 12K, shorten the "
          + "texts or say fewer things of them"
      ),
    ] as [([String], Int32, String)])
  func badInputIsNamed(options: [String], code: Int32, message: String) throws {
    let outcome = try Program.run(["exact", "--model", SmallModel.path, "--quiet"] + options)
    #expect(outcome.code == code)
    #expect(outcome.output == "")
    #expect(outcome.errors == "gensample: \(message)\n")
  }

  /// What a refusal asks for is enough.
  @Test(arguments: [["--memory", "6016"], ["--memory", "12K", "--best", "2"]])
  func memoryThatWasAskedForIsEnough(options: [String]) throws {
    let outcome = try Program.run(
      ["exact", "--model", SmallModel.path, "--quiet", "--match", ".{1,9}"] + options)
    #expect(outcome.code == 0, "\(outcome.errors)")
  }

  @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
  func signalsKeepWhatWasDrawn(signal: Int32, code: Int32) throws {
    let outcome = try Program.run(
      Self.exact("--match", ".{1,9}", "--samples", "1000000000", "--format", "jsonl"),
      interrupt: (signal, { !$0.isEmpty }))
    #expect(outcome.code == code)
    #expect(outcome.errors == "gensample: stopped; what was drawn so far is printed\n")
    let last = try #require(outcome.lines.last)
    let summary = try #require(
      try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
    #expect(summary["stopped"] as? Bool == true)
    #expect(summary["samples"] as? Int == outcome.lines.count - 1)
  }
}
