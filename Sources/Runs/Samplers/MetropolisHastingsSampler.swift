// Licensed under the Apache License, Version 2.0.

package import LM
package import Sampling

/// `mh`: chains that edit a text step by step.
package struct MetropolisHastingsSampler: ChainSampler {
  package static let name = "mh"

  package var options: ChainOptions
  /// The kinds of move that take a quarter of the steps; `nil` for none.
  package var moves: [FurtherMoves.Kind]?
  /// How informed moves weigh tokens.
  package var balancing = InformedBalancing.squareRoot
  /// The surrogate model over the same tokens that screens moves; `nil` for none.
  package var screen: LoadedModel?
  /// How moves that draw ends of texts look ahead.
  package var lookAhead = LookAheadOptions()

  package init(_ options: ChainOptions) { self.options = options }

  package var furtherModels: [FurtherModel] {
    // The lower orders of the model itself are no further model.
    guard let screen, let grams = screen.chainModel as? NGramModel, grams.ownerOfTokens != nil
    else { return [] }
    return [FurtherModel(option: "screen", name: screen.name, checksum: screen.checksum)]
  }

  package func runChains(_ work: ChainWork, folder: KeptRun?) throws -> ChainsDone {
    let model = work.target.model.chainModel
    if let screen { return try run(work, model, screenedBy: screen.chainModel, screen, folder) }
    if let moves { return try run(work, model, moves, folder) }
    return try run(work, model, folder)
  }

  @specialized(where Model == NGramModel)
  private func run<Model: ChainModel>(
    _ work: ChainWork, _ model: Model, _ folder: KeptRun?
  ) throws -> ChainsDone {
    let target = work.target.sentences(of: model)
    return try work.run(
      model, target: target,
      kernel: MetropolisHastings(
        StandardMoves(
          for: target, left: work.target.leftTokens(of: model), weights: model.unigramWeights)),
      folder: folder)
  }

  @specialized(where Model == NGramModel)
  private func run<Model: ChainModel>(
    _ work: ChainWork, _ model: Model, _ moves: [FurtherMoves.Kind], _ folder: KeptRun?
  ) throws -> ChainsDone {
    let target = work.target.sentences(of: model)
    return try work.run(
      model, target: target,
      kernel: FurtherMoves.kernel(
        for: target, moves, left: work.target.leftTokens(of: model),
        full: work.target.fullTokens(of: model), weights: model.unigramWeights,
        balancing: balancing,
        suffix: moves.contains(.suffix)
          ? try LeftToRight<Model>(target, of: work.target.model, lookAhead, work.monitor)
            .guided.tokens
          : nil),
      folder: folder)
  }

  @specialized(where Model == NGramModel, Surrogate == NGramModel)
  private func run<Model: ChainModel, Surrogate: ChainModel>(
    _ work: ChainWork, _ model: Model, screenedBy surrogate: Surrogate, _ loaded: LoadedModel,
    _ folder: KeptRun?
  ) throws -> ChainsDone {
    let target = work.target.sentences(of: model)
    let screen = surrogate.makeTarget(
      constraint: target.constraint ?? TokenAutomaton(every: model.vocabulary),
      fluency: target.fluency)
    return try work.run(
      model, target: ScreenedTarget(target, screenedBy: screen),
      kernel: ScreenedMoves<Surrogate.Left, Model.Target.Scorer>(
        for: screen, left: loaded.once { surrogate.makeLeftTokens() },
        weights: surrogate.unigramWeights),
      folder: folder)
  }
}
