// Licensed under the Apache License, Version 2.0.

package import LM
package import Sampling

/// `gibbs --masked`: chains of a masked model that is made of an n-gram model of texts and one of
/// reversed texts.
package struct MaskedGibbsSampler: ChainSampler {
  package static let name = "gibbs"

  private typealias Model = BidirectionalModel<NGramModel, RespelledModel<NGramModel>>
  private typealias Scorer = ScreenedScorer<
    MaskedScorer<Model>, IncrementalScorer<NGramModel, TokenAutomaton>
  >

  package var options: ChainOptions
  /// Whether every token drawn is taken, which keeps no declared distribution.
  private let isPseudo: Bool
  private let scan: ScanOrder
  private let isFixedLength: Bool
  private let model: Model
  private let name: String

  /// Joins a model of texts and one of reversed texts.
  ///
  /// - Throws: if the two cannot be joined.
  package init(
    _ options: ChainOptions, _ loaded: LoadedModel, reversed: LoadedModel, isPseudo: Bool,
    scan: ScanOrder, isFixedLength: Bool
  ) throws {
    self.options = options
    self.isPseudo = isPseudo
    self.scan = scan
    self.isFixedLength = isFixedLength
    name = reversed.name
    let forward = try loaded.ngrams(.masked, for: "--masked")
    let backward = try reversed.ngrams(.masked, for: "--masked")
    guard !forward.readsBackward else {
      throw RunError(
        .data, "--model is one of reversed texts; it belongs to --masked, and a model of texts here"
      )
    }
    // What other programs made does not say which way it reads.
    guard backward.readsBackward || !backward.saysHowItReads else {
      throw RunError(
        .data,
        "'\(name)' is a model of texts as they are read; --masked needs one of reversed texts, which "
          + "'gensample train --reversed' makes")
    }
    let respelled = RespelledModel(backward, in: forward.vocabulary)
    let words = (0..<forward.vocabulary.count).map { Token($0) }
      .filter(forward.vocabulary.isDrawable)
    let weights = forward.unigramWeights
    let context = respelled.makeContext()
    if let word = words.first(where: {
      weights[$0.index] == 0 || respelled.logProbability(of: $0, in: context) == -.infinity
    }) {
      throw RunError(
        .data,
        "'\(forward.vocabulary.text(of: [word]))' is a word that one of --model and --masked '\(name)' "
          + "gives no probability; train both on the same texts")
    }
    model = BidirectionalModel(forward: forward, backward: respelled, weights: weights)
  }

  package var furtherModels: [FurtherModel] {
    [FurtherModel(option: "masked", name: name, checksum: model.backward.base.checksum)]
  }

  package var keepsTarget: Bool { !isPseudo }

  package var notes: [String] {
    isPseudo
      ? [
        "pseudo-Gibbs: these texts are draws from no declared rho, and their law depends on --scan"
      ]
      : []
  }

  package var mayHaveExactSums: Bool { false }

  package func runChains(_ work: ChainWork, folder: KeptRun?) throws -> ChainsDone {
    let target = work.target.sentences(of: model.forward)
    let energy = try energy(work.target, target)
    guard !isPseudo else {
      return try work.run(
        model.forward, target: energy,
        kernel: PseudoGibbs<Model, MaskedScorer<Model>>(model, scan: scan), folder: folder)
    }
    let screen = model.forward.makeTarget(
      constraint: target.constraint ?? TokenAutomaton(every: model.forward.vocabulary),
      fluency: target.fluency)
    return try work.run(
      model.forward, target: ScreenedTarget(energy, screenedBy: screen),
      kernel: Mixture {
        Weighted(1, MetropolisHastings(ReplaceMaskedToken<Model, Scorer>(model)))
        Weighted(
          1,
          ScreenedMoves<NGramLeftTokens<TokenAutomaton>, MaskedScorer<Model>>(
            for: screen, left: work.target.leftTokens(of: model.forward),
            weights: model.forward.unigramWeights, hasOneLength: true))
      },
      folder: folder)
  }

  /// What is sampled from, if it can be.
  private func energy(
    _ compiled: CompiledTarget, _ target: SentenceTarget<NGramModel, TokenAutomaton>
  ) throws(RunError) -> MaskedEnergy<Model> {
    guard isFixedLength || target.constraint?.fixedLength != nil else {
      throw .usage(
        "a masked model says nothing of where a text ends, and the constraints allow several numbers "
          + "of tokens; give --fixed-length to keep each chain's own, or one 'length N tokens'")
    }
    let soft = compiled.compiled.parts.first { $0.constraint.isSoft }
    guard !isPseudo || soft == nil && target.fluency == 1 else {
      throw .usage(
        "--pseudo takes words as the model draws them, so that "
          + (soft.map { "\(CompiledTarget.place($0.constraint))" } ?? "'fluency'")
          + " would weigh nothing; leave one of them out")
    }
    return MaskedEnergy(model: model, automaton: target.constraint, fluency: target.fluency)
  }
}

extension NGramModel {
  /// Whether the model's description says which way it reads.
  fileprivate var saysHowItReads: Bool { description.contains { $0.key == "tokens" } }
}
