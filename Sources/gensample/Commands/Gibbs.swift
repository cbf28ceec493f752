// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

enum GibbsCommand: Command {
  static let name = "gibbs"
  static let summary = "Gibbs sampling: words drawn anew from their full conditionals"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Draws texts from rho(x) = p(x)^fluency x soft weights x hard constraints, like mh: a word at a
    time is drawn from all words in proportion to rho, given all others. --scan random takes one
    place a step, systematic all of them in order. --block N draws N neighbouring words together,
    half of the time. Words alone never change a text's length, so where the constraints allow
    several lengths, words are also inserted and deleted by Metropolis-Hastings, half of the time;
    --fixed-length leaves that out, and samples rho given each chain's own length. Blocks are
    rewritten now and then where constraints keep words from changing one by one.

    --masked MODEL takes a masked model instead, which knows both sides of a place: a word's
    probability there is in proportion to that by --model given the left, times that by MODEL, a model
    of reversed texts, given the right, over u(word), the unigram probability by --model, which both
    hold. Such conditionals belong to no common distribution. So rho(x) is declared: the product over
    places of the probability of the word there given all others (to the fluency; times constraints),
    among texts of one length, and words drawn so are taken by Metropolis-Hastings. --pseudo takes
    each of them (pseudo-Gibbs): what that settles at is no declared law and depends on the scan. A
    step takes about a millisecond, so that --warmup and --thin are
    \(PlanOptions.slowDefaults.warmup) with --masked where they are not given.

        gensample gibbs --model tang --match '.{5}，.{5}。' --include 春
        gensample gibbs --include sea --length 8 --scan systematic --warmup 20000 --thin 20000
        gensample train poems.txt -o sdrawkcab.gsm --tokens characters --reversed
        gensample gibbs --model poems.gsm --masked sdrawkcab.gsm --match '.{5}，.{5}。'
    """
  static let options =
    ChainCommand.options + [
      Option("scan", "ORDER", "random or systematic (default random)"),
      Option("block", "N", "also draw N neighbouring words together"),
      Option(flag: "fixed-length", "never insert or delete words"),
    ] + MaskedChains.options

  static func run(_ arguments: Arguments) throws {
    var masked: MaskedChains?
    let command = try ChainCommand(
      Self.self, arguments, isSlow: { $0.has("masked") }
    ) { arguments, model in
      masked = try MaskedChains(arguments, model)
      return [masked?.backward].compactMap { $0 }
    }
    if let masked { return try masked.run(command) }
    let arguments = command.arguments
    let scan = try arguments.choice("scan", as: ScanOrder.self) ?? .random
    let block = try arguments.integer("block", in: 2...64)
    let full = NGramFullTokens<TokenAutomaton>(command.model)
    let left = command.makeWords()
    let weights = command.model.unigramWeights
    try command { compiled in
      kernel(
        for: compiled.target, left: left, full: full, weights: weights, scan: scan, block: block,
        isFixedLength: arguments.has("fixed-length"))
    }
  }

  /// The steps.
  static func kernel(
    for target: SentenceTarget<NGramModel, TokenAutomaton>, left: NGramLeftTokens<TokenAutomaton>,
    full: NGramFullTokens<TokenAutomaton>,
    weights: [Double], scan: ScanOrder = .random, block: Int? = nil,
    isFixedLength: Bool = false
  ) -> some TransitionKernel<IncrementalScorer<NGramModel, TokenAutomaton>> {
    let hasOneLength = isFixedLength || target.constraint?.fixedLength != nil
    let tokens = Mixture {
      Weighted(1, Gibbs(full, for: target, scan: scan))
      if let block { Weighted(1, ReplaceBlock(left: left, full: full, length: block)) }
    }
    // Without constraints on words every text is reached one word at a time.
    let rewrite = isFixedLength ? nil : target.constraint
    return Mixture {
      Weighted(97, tokens)
      if !hasOneLength {
        Weighted(97, MetropolisHastings(InsertOrDeleteToken(full)))
      }
      if let rewrite {
        Weighted(
          hasOneLength ? 3 : 6,
          MetropolisHastings(
            RewriteBlock<NGramScorer>(
              automaton: rewrite, vocabulary: target.model.vocabulary, weights: weights)))
      }
    }
  }
}
