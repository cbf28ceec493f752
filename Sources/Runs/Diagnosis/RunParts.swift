// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
package import Sampling

/// The folders or files that together hold the chains of one run.
package struct RunParts {
  /// The diagnosis of a sampler without chains; `nil` for a run of chains.
  package private(set) var independent: SamplerDiagnosis?
  private var title = ""
  private var description: RunDescription?
  private typealias ChainFile = (chain: Int, file: StanFile, path: String)
  private var files: [ChainFile] = []
  private var moves: [MoveReport] = []
  private var texts: [(chain: Int, step: Int, tokens: [Int])] = []
  private var problems: [String] = []
  /// The names of quantities that differ from the names of their columns.
  private var columnNames: [String: String] = [:]

  /// Reads run folders, or files in Stan's format.
  ///
  /// - Parameters:
  ///   - paths: folders or files, but not both.
  ///   - threads: how many files to read at once.
  ///   - counted: receives the number of files read.
  /// - Throws: if a file or folder is invalid, or the parts belong to different runs.
  package init(_ paths: [String], threads: Int, counted: RunMonitor) throws {
    let manager = FileManager.default
    var isFolder: ObjCBool = false
    var kinds: Set<Bool> = []
    for path in paths {
      let exists = unsafe manager.fileExists(atPath: path, isDirectory: &isFolder)
      guard path == "-" || exists else {
        throw RunError(.unreadable, "\(path): cannot be read: \(systemErrorText(ENOENT))")
      }
      kinds.insert(path != "-" && isFolder.boolValue)
    }
    guard kinds.count == 1, let areFolders = kinds.first else {
      throw RunError.usage(
        "diagnose takes run folders or Stan sample files, but not both")
    }
    if areFolders {
      try read(folders: paths, threads: threads, counted: counted)
      if independent != nil { return }
    } else {
      try read(files: paths, threads: threads, counted: counted)
    }
    files.sort { $0.chain < $1.chain }
    let names = files[0].file.names
    for other in files.dropFirst() where other.file.names != names {
      throw RunError(
        .data,
        "\(other.path): its columns are \(Self.listed(other.file.names)), but those of "
          + "\(files[0].path) are \(Self.listed(names)); chains of one run have the same columns")
    }
  }

  private static func listed(_ names: [String]) -> String {
    names.prefix(8).joined(separator: ",") + (names.count > 8 ? ",..." : "")
  }

  private mutating func read(files paths: [String], threads: Int, counted: RunMonitor) throws {
    try TextInput.checkOnce(paths)
    let read = try concurrently(paths.count, threads: threads) { i in
      defer { counted.add(1) }
      return try StanFile(paths[i])
    }
    // Use the numbers in the files, unless some are missing or repeated, as when runs are merged.
    let ids = read.compactMap(\.id)
    let areNumbered = ids.count == read.count && Set(ids).count == ids.count
    files = read.indices.map { i in
      (areNumbered ? ids[i] : i, read[i], TextInput.shown(paths[i]))
    }
    title = "\(read.count) Stan file\(read.count == 1 ? "" : "s")"
    if let model = read[0].settings["model"] { title += ", model \(model)" }
  }

  private mutating func read(folders paths: [String], threads: Int, counted: RunMonitor) throws {
    var descriptions: [RunDescription] = []
    for path in paths { descriptions.append(try RunDescription(folder: path)) }
    let first = descriptions[0]
    if let i = descriptions.firstIndex(where: { $0.chains == nil }) {
      guard paths.count == 1 else {
        throw RunError.usage(
          "'\(paths[i])' is a run of '\(descriptions[i].command)', which cannot be merged with "
            + "others; diagnose one such folder at a time")
      }
      independent = try Self.orDamaged { try SamplerDiagnosis(first, folder: paths[0]) }
      return counted.add(1)
    }
    var owners: [Int: String] = [:]
    for (path, description) in zip(paths, descriptions) {
      if let difference = first.difference(from: description) {
        throw RunError(
          .data,
          "'\(path)' is not a part of the run in '\(paths[0])': \(difference); "
            + "only runs that differ in nothing but --chain-range can be merged")
      }
      for chain in description.chainNumbers {
        if let owner = owners[chain] {
          throw RunError(
            .data, "chain \(chain) is in both '\(owner)' and '\(path)'; give each chain once")
        }
        owners[chain] = path
      }
    }
    description = first
    let places = owners.map { ($0.key, "\($0.value)/trace-\($0.key).csv") }
    let folderOf = owners
    let read = try concurrently(places.count, threads: threads) { i in
      defer { counted.add(1) }
      let (chain, path) = places[i]
      guard FileManager.default.fileExists(atPath: path) else {
        throw RunError(
          .data, RunFolder.unfinished(folderOf[chain] ?? "", missing: "trace-\(chain).csv"))
      }
      return try Self.orDamaged { try StanFile(path) }
    }
    files = read.indices.map { (places[$0].0, read[$0], places[$0].1) }
    for path in paths { try Self.orDamaged { try readSamples(path) } }
    guard let plan = first.plan else { return }
    // Sort, so that rounding in sums does not depend on how the run was split.
    texts.sort { ($0.chain, $0.step) < ($1.chain, $1.step) }
    let missing = (0..<plan.chains).filter { owners[$0] == nil && plan.steps(ofChain: $0) > 0 }
    if !missing.isEmpty {
      problems.append(
        "the run has \(plan.chains) chains, but \(missing.count) of them are missing (the first "
          + "is chain \(missing[0])); also give the folders of the other --chain-range")
    }
    for (i, statement) in (read.first.map(\.settings) ?? [:]) where i.hasPrefix("constraint_") {
      columnNames[i] = statement
    }
    columnNames["lp__"] = "log_probability"
    title =
      "\(first.command), model \(first.model), seed \(first.seed), \(owners.count) of "
      + "\(plan.chains) chain\(plan.chains == 1 ? "" : "s"), warm-up \(plan.warmup), "
      + "a row every \(plan.traceInterval) steps"
  }

  /// Adds to the fault of a damaged file how to get the file again.
  private static func orDamaged<Value>(_ read: () throws -> Value) throws -> Value {
    do {
      return try read()
    } catch let error as LoadError
      where error.kind == .badData && error.path?.hasSuffix("/report.json") != true
    {
      throw LoadError(
        error.kind, path: error.path, place: error.place,
        error.reason + "; delete it, then run the run's command again with --resume")
    }
  }

  private mutating func readSamples(_ folder: String) throws {
    let results = try RunResults(folder: folder)
    texts += results.texts
    let report = try RunReport(folder: folder)
    if report?.isStopped ?? results.isStopped {
      problems.append("the run in '\(folder)' was stopped early")
    }
    add(moves: report?.chains?.moves ?? results.moves)
  }

  private mutating func add(moves found: [MoveReport]) {
    for move in found.sorted(by: { $0.kind < $1.kind }) {
      if let i = moves.firstIndex(where: { $0.kind == move.kind }) {
        moves[i].proposed = CheckedNumbers.sum(of: [moves[i].proposed, move.proposed]) ?? .max
        moves[i].accepted = CheckedNumbers.sum(of: [moves[i].accepted, move.accepted]) ?? .max
      } else {
        moves.append(move)
      }
    }
  }

  /// The chains that have rows (or all, if none have), and the problems of the others.
  private static func begun(_ files: [ChainFile]) -> (files: [ChainFile], problems: [String]) {
    let begun = files.filter { !$0.file.columns[0].isEmpty }
    guard let rows = begun.map({ $0.file.columns[0].count }).min() else {
      return (files, ["no chain has rows yet; continue the run (--resume)"])
    }
    var problems: [String] = []
    let others = files.filter { $0.file.columns[0].isEmpty }.map { "\($0.chain)" }
    if !others.isEmpty {
      problems.append(
        "\(others.count) of \(files.count) chains have no rows yet ("
          + others.prefix(8).joined(separator: ", ")
          + "\(others.count > 8 ? ", ..." : "")) and are left out; continue the run (--resume)")
    }
    if rows < QuantitySummary.fewestRows {
      problems.append(
        "\(counted(rows, "row")) per chain is too few: figures need at least "
          + "\(QuantitySummary.fewestRows), better hundreds; run longer, or trace more often "
          + "(--trace-every)")
    }
    return (begun, problems)
  }

  /// The problem that two chains have the same numbers, so they agree without having converged.
  private var sameChains: String? {
    var seen: [[Double]: Int] = [:]
    for (i, (chain, file, _)) in files.enumerated()
    where file.columns.contains(where: { column in column.contains { $0 != column[0] } }) {
      guard let other = seen.updateValue(i, forKey: file.columns[0]),
        files[other].file.columns == file.columns
      else { continue }
      return
        "chains \(files[other].chain) and \(chain) have the same numbers in every row, so their "
        + "agreement proves nothing; give each file once, and use a different seed for each chain"
    }
    return nil
  }

  /// Computes the figures and collects the problems.
  package func diagnosis(superchain: Int?, threads: Int) throws -> Diagnosis {
    var problems = problems
    let (files, unbegun) = Self.begun(files)
    problems += unbegun
    if description?.options.contains("--pseudo") == true {
      problems.append(
        "this is pseudo-Gibbs: it settles at an unknown distribution, whatever the figures say; "
          + "use gibbs --masked without --pseudo for a defined one")
    }
    let lengths = files.map { $0.file.columns[0].count }
    let rows = lengths.min() ?? 0
    // Chains that share the samples may differ by one, and then one can have twice as many rows.
    let longest = lengths.max() ?? 0
    if longest > 2 * rows, let i = lengths.firstIndex(of: rows) {
      problems.append(
        "the chains have different lengths, up to \(longest) rows; chain \(files[i].chain) has "
          + "\(rows), and only as many are compared; leave it out, or continue it (--resume)")
    }
    if files.count < 2 {
      problems.append(
        "there is only one chain, so R-hat cannot compare chains, only its two halves; run several "
          + "(--chains)")
    }
    if let problem = sameChains { problems.append(problem) }
    if let superchain, files.count % superchain != 0 || files.count == superchain {
      throw RunError.usage(
        "--superchain \(superchain) does not divide \(counted(files.count, "chain")) into two or "
          + "more superchains")
    }
    // Stan's columns that end in __ describe its sampler, not the draws.
    let names = files[0].file.names
    let shown = names.indices.filter { !names[$0].hasSuffix("__") || names[$0] == "lp__" }
    let numbers = files.map(\.chain)
    let columnNames = columnNames
    let summaries = try concurrently(shown.count, threads: threads) { i in
      let name = names[shown[i]]
      return QuantitySummary(
        columnNames[name] ?? name,
        ChainTraces(files.map { Array($0.file.columns[shown[i]].prefix(rows)) }),
        chainNumbers: numbers, isWhole: true, superchain: superchain)
    }
    return Diagnosis(
      title: title
        + ", \(longest > rows ? "the first " : "")\(rows) row\(rows == 1 ? "" : "s") a chain",
      chainNumbers: numbers,
      rows: rows, summaries: summaries, moves: moves,
      texts: description == nil ? nil : TextFigures(texts.map(\.tokens)), runProblems: problems,
      description: description)
  }
}
