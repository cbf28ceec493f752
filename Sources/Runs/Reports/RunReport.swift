// Licensed under the Apache License, Version 2.0.

public import Foundation
import LM
package import Sampling

/// What a run did and how good its results are, computed once.
///
/// A run folder keeps it as `report.json`:
///
/// ```swift
/// let report = try RunReport.decoder.decode(RunReport.self, from: data)
/// print(report.texts.map(\.text), report.problems)
/// ```
public struct RunReport: Codable, Sendable {
  /// The version of the program that made it.
  public var version = programVersion
  /// The name of the command.
  public var command: String
  /// The name of the model.
  public var model: String
  /// The checksum of each model that the run used, in hexadecimal.
  public var modelChecksums: [String]
  /// The seed of all random numbers; 0 if nothing is drawn.
  public var seed: UInt64
  /// Whether the results depend on the seed.
  public var hasSeed = true
  /// The statements about texts.
  public var statements: [String]
  /// The line of `--each` that this is about; `nil` if there is one target only.
  public var target: Int?
  /// The time that the run took, earlier parts of a resumed run included.
  public var seconds = 0.0
  /// How much was done, in the unit of the sampler: for chains their steps, with the warm-up.
  public var steps = 0
  /// Whether the printed texts are draws from the target.
  public var areDraws = true
  /// The drawn texts in the order of drawing.
  ///
  /// In a run folder, `samples.jsonl` holds all of them, and `report.json` the first 10,000.
  public var texts: [SampledText] = []
  /// The most probable texts that were seen, if these were asked for.
  public var best: [SampledText] = []
  /// What the sampler did, and how good its results are.
  public var figures: RunFigures
  /// How many results are missing, and why; `nil` if none are.
  public var shortfall: Shortfall?
  /// The parts that are missing, and why.
  public var missing: [MissingPart] = []
  /// Whether the run was stopped early.
  public var isStopped = false
  /// Why the run failed after some results; `nil` if it did not.
  public var failure: RunError?
  /// What is wrong with the results, each a sentence.
  public var problems: [String] = []
  /// Remarks about the sampler.
  public var notes: [String] = []

  /// A report before the run has done anything.
  package init(
    command: String, model: String, checksums: [UInt64], seed: UInt64, statements: [Constraint],
    figures: RunFigures
  ) {
    self.command = command
    self.model = model
    modelChecksums = checksums.map { String($0, radix: 16) }
    self.seed = seed
    self.statements = statements.map(\.text)
    self.figures = figures
  }

  /// The number of texts that `report.json` holds at most.
  package static let mostKeptTexts = 10_000

  /// The figures of the chains; `nil` for samplers without chains.
  public var chains: ChainReport? {
    if case .chains(let chains) = figures { chains } else { nil }
  }

  /// The texts that the command prints once the sampler is done.
  package var printed: [SampledText] {
    switch figures {
    case .chains(let chains):
      if chains.choice.best != nil { return best }
      guard chains.choice.isUnique else { return texts }
      var seen: Set<[Int]> = []
      return texts.filter { seen.insert($0.tokens).inserted }
    case .annealing: return best
    case .rejection, .importance, .particles: return texts
    // These are printed while they are made, because there may be many.
    case .exact, .tuning, .decoding: return []
    }
  }

  /// Encodes a report: keys in snake case, and numbers that JSON lacks as strings.
  public static var encoder: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return encoder
  }

  /// Decodes what the encoder wrote.
  public static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return decoder
  }

  /// Reads the report in a run folder; `nil` if the folder has none, as those of earlier versions.
  ///
  /// - Throws: `LoadError` if the file cannot be read or is not a report.
  package init?(folder: String) throws {
    let path = folder + "/report.json"
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw LoadError(.cannotRead, path: path, "cannot be read")
    }
    do {
      self = try Self.decoder.decode(Self.self, from: data)
    } catch {
      throw LoadError(
        .badData, path: path,
        "found no report of a run; the file was changed or is damaged. Delete it: the folder is "
          + "then read as one of an earlier version")
    }
  }
}
