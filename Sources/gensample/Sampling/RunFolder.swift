// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// A folder that keeps a whole run: `run.json`, `samples.jsonl` and a trace of each chain.
struct RunFolder {
  let path: String

  /// Makes the folder, or takes an empty one.
  init(_ path: String) throws(CommandFailure) {
    self.path = path
    let manager = FileManager.default
    if let entries = try? manager.contentsOfDirectory(atPath: path), !entries.isEmpty {
      throw .usage(
        "'\(path)' is not empty; a run takes a folder of its own, so that nothing is overwritten")
    }
    do {
      try manager.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw CommandFailure(.unwritable, "cannot make the folder '\(path)': \(systemErrorText())")
    }
  }

  func stream(_ name: String) throws(CommandFailure) -> ResultStream {
    try ResultStream(path: path + "/" + name)
  }

  /// Writes what the run is, before it begins.
  func write(
    plan: RunPlan, chains: ClosedRange<Int>, command: String, model: String,
    constraints: [Constraint], start: String?
  ) throws(CommandFailure) {
    var object = JSONObject()
    object.add("type", .string("run"))
    object.add("format", .integer(1))
    object.add("version", .string(programVersion))
    object.add("command", .string(command))
    object.add("model", .string(model))
    object.add("constraints", .strings(constraints.map(\.text)))
    object.add("chains", .integer(plan.chains))
    object.add("chain_range", .integers([chains.lowerBound, chains.upperBound]))
    if let start { object.add("start", .string(start)) }
    object.add("warmup", .integer(plan.warmup))
    object.add("thin", .integer(plan.thin))
    switch plan.extent {
    case .draws(let count): object.add("samples", .integer(count))
    case .steps(let count): object.add("steps", .integer(count))
    }
    object.add("trace_every", .integer(plan.traceInterval))
    object.add("seed", .unsigned(plan.seed))
    let stream = try stream("run.json")
    try stream.writeLine(object.text)
    try stream.finish()
  }

  /// Writes a chain's trace in the layout of Stan's sample files.
  func write(
    trace record: ChainRecord<TokenSequence>, plan: RunPlan, model: String,
    quantities: [ChainResults.Quantity]
  ) throws(CommandFailure) {
    let stream = try stream("trace-\(record.chain).csv")
    try stream.writeLine(
      """
      # model = \(model)
      # method = sample
      #   sample
      #     num_samples = \(record.trace.count)
      #     num_warmup = \(plan.warmup)
      #     save_warmup = 0
      #     thin = \(plan.traceInterval)
      # id = \(record.chain)
      # random
      #   seed = \(plan.seed)
      """)
    for (i, quantity) in quantities.enumerated() where quantity.part != nil {
      try stream.writeLine("# \(Self.column(i)) = \(quantity.name)")
    }
    try stream.writeLine(
      quantities.indices.map { Self.column($0) }.joined(separator: ","))
    for row in record.trace {
      try stream.writeLine(row.map { "\($0)" }.joined(separator: ","))
    }
    try stream.finish()
  }

  /// Statements hold commas and quotes, which headers cannot.
  private static func column(_ i: Int) -> String {
    switch i {
    case 0: "lp__"
    case 1: "length"
    default: "constraint_\(i - 1)"
    }
  }
}
