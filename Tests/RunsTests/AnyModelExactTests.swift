// Licensed under the Apache License, Version 2.0.

import Foundation
public import LM
import Runs
public import Sampling
public import SamplingLaws
import Testing

extension RememberingModel: ChainModel {
  /// The same weight for each letter.
  public var unigramWeights: [Double] {
    (0..<vocabulary.count).map { vocabulary.isDrawable(Token($0)) ? 0.5 : 0 }
  }

  /// Makes a target that is scored by runs over changed suffixes.
  public func makeTarget(
    constraint: TokenAutomaton?, fluency: Double
  ) -> PrefixTarget<RememberingModel, TokenAutomaton> {
    PrefixTarget(model: self, constraint: constraint, fluency: fluency)
  }

  /// Makes a source that draws from the rows that a scorer keeps.
  public func makeLeftTokens()
    -> LeftConditionalTokens<PrefixScorer<RememberingModel, TokenAutomaton>>
  { LeftConditionalTokens() }

  /// Makes a source that scores the whole vocabulary.
  public func makeFullTokens()
    -> FullConditionalTokens<PrefixScorer<RememberingModel, TokenAutomaton>>
  { FullConditionalTokens() }
}

/// Samplers and decoders on a model that offers no more than every model must.
@Suite struct AnyModelExactTests {
  private static let model = LoadedModel(RememberingModel(), name: "remembering", checksum: 7)

  private static func target() throws -> CompiledTarget {
    try CompiledTarget(
      ConstraintFile.parse("length 1..3 tokens\nprefer /a/ 0.5", path: "test"), for: model)
  }

  /// Keeps what a sampler or a decoder prints while it runs.
  private final class Kept: TextOutput, DecodingOutput {
    var texts: [DecodedTextReport] = []
    var isClosed: Bool { false }
    func write(_ text: SampledText, of line: Int?) {}
    func expect(
      _ forecast: RejectionReport.Forecast, samples: Int, threads: Int, of line: Int?
    ) {}
    func begin() {}
    func show(_ token: Token) {}
    func endProgress() {}
    func write(_ text: DecodedTextReport, _ decoded: DecodedText) { texts.append(text) }
  }

  private static func run(_ sampler: some Sampler) throws -> RunReport {
    for (capability, what) in sampler.needs { try model.require(capability, for: what) }
    var report = RunReport(
      command: type(of: sampler).name, model: model.name, checksums: [model.checksum], seed: 3,
      statements: [], figures: sampler.figures)
    report.areDraws = sampler.areDraws
    report = try sampler.run(
      SamplingTask(
        try target(), report: report, threads: 2, monitor: RunMonitor(), output: Kept()))
    report.findProblems()
    return report
  }

  /// One sampler of each kind, with the options that run other code.
  private static func samplers() -> [any Sampler] {
    let chains = ChainOptions(
      RunPlan(chains: 2, warmup: 20, thin: 10, extent: .draws(6), seed: 1))
    let standard = MetropolisHastingsSampler(chains)
    var further = standard
    further.moves = FurtherMoves.Kind.allCases
    var screened = standard
    screened.screen = LoadedModel(RememberingModel(seed: 2), name: "screen", checksum: 8)
    var blocks = GibbsSampler(chains)
    blocks.block = 2
    var tempering = Tempering()
    tempering.replicas = 3
    tempering.every = 5
    var annealing = AnnealingSampler()
    (annealing.restarts, annealing.steps, annealing.stages) = (2, 40, 4)
    var guided = RejectionSampler()
    guided.proposal = .guided
    var importance = ImportanceSampler()
    importance.particles = 30
    var particles = ParticleSampler()
    (particles.particles, particles.runs, particles.pilot) = (20, 2, 20)
    particles.redraw = 2
    particles.steps = 5
    return [
      standard, further, screened, GibbsSampler(chains), blocks,
      TemperingSampler(chains, tempering), annealing, RejectionSampler(), guided, importance,
      particles,
    ]
  }

  /// Each text is allowed, and the report is read back as it was written.
  @Test(arguments: 0..<11)
  func samplersRunOnAnyModel(number: Int) throws {
    let all = Self.samplers()
    #expect(all.count == 11)
    let report = try Self.run(all[number])
    let texts = report.printed
    // Restarts may end at the same text.
    #expect(!texts.isEmpty)
    #expect(report.failure == nil && report.shortfall == nil && !report.isStopped)
    for text in texts {
      #expect((1...3).contains(text.tokens.count) && text.isSatisfied)
      #expect(text.logProbability.isFinite && text.logModel < 0)
    }
    let data = try RunReport.encoder.encode(report)
    let read = try RunReport.decoder.decode(RunReport.self, from: data)
    #expect(try RunReport.encoder.encode(read) == data)
  }

  /// Samplers that need more say what is missing, and of which model.
  @Test func samplersThatNeedMoreAreRefused() throws {
    func message(_ sampler: some Sampler) -> String? {
      do {
        _ = try Self.run(sampler)
        return nil
      } catch {
        return "\(error)"
      }
    }
    #expect(
      message(ExactSampler()) == "exact needs exact sums, which remembering does not allow")
    var particles = ParticleSampler()
    particles.tokens = .rejection
    #expect(
      message(particles)
        == "--tokens rejection needs contexts of few tokens, which remembering does not allow")
    var importance = ImportanceSampler()
    importance.stages = 2
    #expect(
      message(importance)
        == "--anneal needs lower orders to begin with, which remembering does not allow")
    importance.stages = nil
    importance.lookAhead.kind = .bigrams
    #expect(
      message(importance)
        == "--look-ahead bigrams needs lower orders to begin with, which remembering does not allow"
    )
  }

  private static func decode(_ decoder: some TextDecoder) throws -> (DecodingReport, Kept) {
    let kept = Kept()
    let recorder = DecodingRecorder(model, prompt: [Token(2)], decoder.rules, output: kept)
    try decoder.run(recorder)
    return (recorder.report, kept)
  }

  /// Decoders hand out the texts that they count.
  @Test func decodersRunOnAnyModel() throws {
    let rules = try DecodingRules(maxTokens: 4)
    var sample = AncestralDecoder(rules, seed: 5)
    sample.samples = 3
    var best = sample
    best.best = try BestOfScores(4, by: ["mean-log-probability"], Self.model)
    let distinct = try DistinctDecoder(
      rules, count: 3, of: "samples", option: "without-replacement", seed: 5)
    let greedy = try GreedyTextDecoder(rules)
    let contrastive = try GreedyTextDecoder(
      rules, contrastive: ContrastiveSearch(candidates: 2, rules))
    var beam = BeamDecoder(rules, try BeamSearch(width: 3, rules))
    beam.best = 2
    let decoders: [(any TextDecoder, count: Int)] = [
      (sample, 3), (best, 3), (distinct, 3), (greedy, 1), (contrastive, 1), (beam, 2),
    ]
    for (decoder, count) in decoders {
      let (report, kept) = try Self.decode(decoder)
      #expect(report.count == count && kept.texts == report.texts)
      #expect(kept.texts.allSatisfy { $0.tokens.first == 2 && $0.logModel < 0 })
    }
  }
}
