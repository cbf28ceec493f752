// Licensed under the Apache License, Version 2.0.

import LM
package import Sampling

/// `gibbs`: chains that redraw tokens from their full conditionals.
package struct GibbsSampler: ChainSampler {
  package static let name = "gibbs"

  package var options: ChainOptions
  /// In which order places are visited.
  package var scan = ScanOrder.random
  /// How many neighbouring tokens are also redrawn together; `nil` for none.
  package var block: Int?
  /// Whether tokens are never inserted or deleted.
  package var isFixedLength = false

  package init(_ options: ChainOptions) { self.options = options }

  package func runChains(_ work: ChainWork, folder: KeptRun?) throws -> ChainsDone {
    try run(work, work.target.model.chainModel, folder)
  }

  @specialized(where Model == NGramModel)
  private func run<Model: ChainModel>(
    _ work: ChainWork, _ model: Model, _ folder: KeptRun?
  ) throws -> ChainsDone {
    let target = work.target.sentences(of: model)
    return try work.run(
      model, target: target,
      kernel: GibbsMoves.kernel(
        for: target, left: work.target.leftTokens(of: model),
        full: work.target.fullTokens(of: model), weights: model.unigramWeights, scan: scan,
        block: block, isFixedLength: isFixedLength),
      folder: folder)
  }
}
