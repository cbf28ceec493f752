// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

/// Chains of a masked model that is made of a model of texts and one of reversed texts.
struct MaskedChains {
  static let options = [
    Option(
      "masked", "MODEL",
      "draw words by both sides: this one is a model of reversed texts (train --reversed)"),
    Option(flag: "pseudo", "with --masked: take every word drawn, which keeps no declared rho"),
  ]

  private typealias Model = BidirectionalModel<NGramModel, RespelledModel<NGramModel>>
  private typealias Scorer = ScreenedScorer<
    MaskedScorer<Model>, IncrementalScorer<NGramModel, TokenAutomaton>
  >

  private let model: Model
  private let name: String
  private let isPseudo: Bool
  private let scan: ScanOrder

  /// What the options ask for; `nil` for no masked model.
  init?(_ arguments: Arguments, _ forward: NGramModel) throws {
    isPseudo = arguments.has("pseudo")
    scan = try arguments.choice("scan", as: ScanOrder.self) ?? .random
    guard let name = arguments.text("masked") else {
      guard !isPseudo else {
        throw CommandFailure.usage(
          "--pseudo is about the words of a masked model; give --masked MODEL with it")
      }
      return nil
    }
    guard !arguments.has("block") else {
      throw CommandFailure.usage(
        "--block draws words by an n-gram model's own conditionals; leave it out with --masked")
    }
    guard scan == .random || isPseudo else {
      throw CommandFailure.usage(
        "--masked visits places at random; --scan systematic is for --pseudo")
    }
    self.name = name
    let backward = try openModel(name, arguments, isReversed: true).laidOutForChains()
      .ngrams(.masked, for: "--masked")
    guard !forward.readsBackward else {
      throw CommandFailure(
        .data, "--model is one of reversed texts; it belongs to --masked, and a model of texts here"
      )
    }
    // What other programs made does not say which way it reads.
    guard backward.readsBackward || !backward.saysHowItReads else {
      throw CommandFailure(
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
      throw CommandFailure(
        .data,
        "'\(forward.vocabulary.text(of: [word]))' is a word that one of --model and --masked '\(name)' "
          + "gives no probability; train both on the same texts")
    }
    model = BidirectionalModel(forward: forward, backward: respelled, weights: weights)
  }

  /// Its second model.
  var backward: FurtherModel {
    FurtherModel(option: "masked", name: name, checksum: model.backward.base.checksum)
  }

  /// Runs the chains of a command.
  func run(_ command: ChainCommand) throws {
    if isPseudo {
      try command.run(
        of: { try energy($0, command.arguments) }, areDraws: false,
        notes: [
          "pseudo-Gibbs: these texts are draws from no declared rho, and their law depends on --scan"
        ],
        by: { _ in PseudoGibbs<Model, MaskedScorer<Model>>(model, scan: scan) })
    } else {
      let words = command.makeWords()
      try command.run(
        of: { compiled in
          ScreenedTarget(
            try energy(compiled, command.arguments),
            screenedBy: compiled.target.screen(by: model.forward))
        },
        by: { compiled in
          Mixture {
            Weighted(1, MetropolisHastings(ReplaceMaskedToken<Model, Scorer>(model)))
            Weighted(
              1,
              ScreenedMoves<NGramLeftTokens<TokenAutomaton>, MaskedScorer<Model>>(
                for: compiled.target.screen(by: model.forward), left: words,
                weights: model.forward.unigramWeights, hasOneLength: true))
          }
        })
    }
  }

  /// What is sampled from, if it can be.
  private func energy(
    _ compiled: CompiledTarget, _ arguments: Arguments
  ) throws(CommandFailure) -> MaskedEnergy<Model> {
    let target = compiled.target
    guard arguments.has("fixed-length") || target.constraint?.fixedLength != nil else {
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
