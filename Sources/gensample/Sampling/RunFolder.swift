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
  func write(_ description: RunDescription) throws(CommandFailure) {
    let stream = try stream("run.json")
    try stream.writeLine(description.object.text)
    try stream.finish()
  }

  /// What is said of a folder that lacks a file which its run writes at its end.
  static func unfinished(_ path: String, missing: String) -> String {
    "'\(path)' holds no \(missing): its run is still going on, or was killed before its end"
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
      #     num_samples = \(record.trace.count * plan.traceInterval)
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
