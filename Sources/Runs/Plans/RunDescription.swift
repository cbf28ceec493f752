// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
package import Sampling

/// What a run is, as `run.json` keeps it: everything that decides what is drawn.
package struct RunDescription: Decodable, Equatable {
  /// The version of the folder's layout that this program writes and reads.
  package static let currentFormat = 1

  /// How long which chains run.
  package struct Chains: Decodable, Equatable {
    package var chains: Int
    package var chain_range: [Int]
    package var start: String?
    package var warmup: Int
    package var thin: Int
    package var samples: Int?
    package var steps: Int?
    package var trace_every: Int

    /// Whether some run has it.
    fileprivate var isSound: Bool {
      (1...RunPlan.mostChains).contains(chains) && thin > 0 && warmup >= 0 && trace_every > 0
        && chain_range.count == 2
        && 0 <= chain_range[0] && chain_range[0] <= chain_range[1] && chain_range[1] < chains
        && (samples == nil) != (steps == nil) && (samples ?? steps ?? 0) >= 0
        && plan(seed: 0).totalSteps(copies: RunPlan.mostCopies) != nil
    }

    package func plan(seed: UInt64) -> RunPlan {
      RunPlan(
        chains: chains, warmup: warmup, thin: thin,
        extent: samples.map { .draws($0) } ?? .steps(steps ?? 0), traceEvery: trace_every,
        seed: seed)
    }
  }

  /// The samplers that run chains.
  package static let commandsWithChains: Set = ["mh", "gibbs", "temper"]

  package private(set) var type = "run"
  package private(set) var format = currentFormat
  package private(set) var version = programVersion
  package let command: String
  package let model: String
  /// What tells the model from others, in hexadecimal, and further models behind it.
  package let model_checksum: String
  package let constraints: [String]
  /// The other options that decide what is drawn, as words of a command line.
  package let options: [String]
  package let seed: UInt64
  /// `nil` for samplers without chains.
  package let chains: Chains?

  private enum Key: String, CodingKey {
    case type, format, version, command, model, model_checksum, constraints, options, seed, chains
  }

  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    type = try fields.decode(String.self, forKey: .type)
    format = try fields.decode(Int.self, forKey: .format)
    version = try fields.decode(String.self, forKey: .version)
    let command = try fields.decode(String.self, forKey: .command)
    self.command = command
    model = try fields.decode(String.self, forKey: .model)
    model_checksum = try fields.decode(String.self, forKey: .model_checksum)
    constraints = try fields.decode([String].self, forKey: .constraints)
    options = try fields.decode([String].self, forKey: .options)
    seed = try fields.decode(UInt64.self, forKey: .seed)
    chains = Self.commandsWithChains.contains(command) ? try Chains(from: decoder) : nil
  }

  /// A run of a sampler without chains.
  package init(
    command: String, model: String, checksums: [UInt64], constraints: [Constraint],
    options: [String], seed: UInt64, chains: Chains? = nil
  ) {
    self.command = command
    self.model = model
    model_checksum = checksums.map { String($0, radix: 16) }.joined(separator: "+")
    self.constraints = constraints.map(\.text)
    self.options = options
    self.seed = seed
    self.chains = chains
  }

  /// A run of chains.
  package init(
    command: String, model: String, checksums: [UInt64], constraints: [Constraint],
    options: [String], plan: RunPlan, chains: ClosedRange<Int>, start: String?
  ) {
    var own = Chains(
      chains: plan.chains, chain_range: [chains.lowerBound, chains.upperBound], start: start,
      warmup: plan.warmup, thin: plan.thin, trace_every: plan.traceInterval)
    switch plan.extent {
    case .draws(let count): own.samples = count
    case .steps(let count): own.steps = count
    }
    self.init(
      command: command, model: model, checksums: checksums, constraints: constraints,
      options: options, seed: plan.seed, chains: own)
  }

  /// Reads the `run.json` of a folder.
  package init(folder: String) throws {
    let path = folder + "/run.json"
    guard FileManager.default.fileExists(atPath: path) else {
      throw RunError(
        .data, "'\(folder)' holds no run.json; a folder that --run made is expected")
    }
    let text = try TextInput.text(path)
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(text.utf8))
    } catch {
      throw LoadError(
        .badData, path: path,
        "is no description of a run\(Self.fault(error)); it is damaged, or not from --run")
    }
    guard type == "run", format == Self.currentFormat else {
      throw LoadError(
        .badData, path: path,
        "has the layout \(format) of version \(version); this program, \(programVersion), reads "
          + "\(Self.currentFormat)")
    }
    guard chains?.isSound ?? true else {
      throw LoadError(
        .badData, path: path, "describes a plan that no run has; it was changed or is damaged")
    }
  }

  private static func fault(_ error: any Error) -> String {
    switch error as? Swift.DecodingError {
    case .keyNotFound(let key, _): ": it lacks '\(key.stringValue)'"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      ": '\(context.codingPath.last?.stringValue ?? "")' is of another kind"
    default: ""
    }
  }

  /// The plan of all chains; without chains there is none.
  package var plan: RunPlan? { chains.map { $0.plan(seed: seed) } }

  /// Which of them this folder holds.
  package var chainNumbers: [Int] {
    chains.map { Array($0.chain_range[0]...$0.chain_range[1]) } ?? []
  }

  /// Those of `--model` and of further models.
  package var checksums: [String] { model_checksum.split(separator: "+").map(String.init) }

  /// The fields in order.
  private var fields: [(name: String, value: JSONObject.Value)] {
    var fields: [(name: String, value: JSONObject.Value)] = [
      ("type", .string(type)), ("format", .integer(format)), ("version", .string(version)),
      ("command", .string(command)), ("model", .string(model)),
      ("model_checksum", .string(model_checksum)), ("constraints", .strings(constraints)),
    ]
    if let chains {
      fields.append(("chains", .integer(chains.chains)))
      fields.append(("chain_range", .integers(chains.chain_range)))
      if let start = chains.start { fields.append(("start", .string(start))) }
      fields.append(("warmup", .integer(chains.warmup)))
      fields.append(("thin", .integer(chains.thin)))
      if let samples = chains.samples { fields.append(("samples", .integer(samples))) }
      if let steps = chains.steps { fields.append(("steps", .integer(steps))) }
      fields.append(("trace_every", .integer(chains.trace_every)))
    }
    fields.append(("seed", .unsigned(seed)))
    // Last: what has a field of its own is named by that where two runs differ.
    fields.append(("options", .strings(options)))
    return fields
  }

  /// As it is written.
  package var object: JSONObject {
    var object = JSONObject()
    for (name, value) in fields { object.add(name, value) }
    return object
  }

  /// What a checkpoint knows it by.
  package var checksum: UInt64 { LM.checksum(of: Array(object.text.utf8)) }

  /// How another part of a run betrays that it is of another run; `nil` where only the chains that
  /// it holds may differ.
  package func difference(from other: RunDescription) -> String? {
    let mine = Dictionary(
      uniqueKeysWithValues: fields.map { ($0.name, JSONObject.text(of: $0.value)) })
    let theirs = Dictionary(
      uniqueKeysWithValues: other.fields.map { ($0.name, JSONObject.text(of: $0.value)) })
    let names = fields.map(\.name) + other.fields.map(\.name)
    // The same model may lie elsewhere on another machine.
    for name in names where name != "chain_range" && name != "model" && mine[name] != theirs[name] {
      return
        "its \(name) is \(theirs[name] ?? "not given"), there it is \(mine[name] ?? "not given")"
    }
    return nil
  }
}
