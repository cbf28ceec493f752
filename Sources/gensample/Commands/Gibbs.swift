// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

enum GibbsCommand: Command {
  static let name = "gibbs"
  static let summary = "Gibbs sampling: redraws tokens from their full conditionals"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Draws texts from rho(x) = p(x)^fluency x soft weights x hard constraints, as mh does. A step
    redraws one token from all tokens of the vocabulary, in proportion to rho given the rest of the
    text. --scan random picks a random place at each step, --scan systematic takes the places in
    order. --block N makes half of the steps redraw N neighbouring tokens together. Redrawing never
    changes the length of a text. Where the constraints allow several lengths, the other half of the
    steps therefore insert and delete tokens by Metropolis-Hastings. --fixed-length turns that off
    and samples rho given the length that each chain starts with. Where constraints keep tokens from
    changing one by one, some steps rewrite a block.

    --masked MODEL uses both sides of a place. The probability of a token there is in proportion to
    its probability by --model given the left side, times its probability by MODEL, a model of
    reversed texts, given the right side, divided by its unigram probability by --model. Such
    conditionals do not belong to one joint distribution. So rho(x) is defined as the product over
    all places of the probability of the token there given all others, to the power of the fluency
    and times the constraints, among texts of one length. Metropolis-Hastings accepts or rejects the
    tokens drawn in this way. --pseudo accepts all of them (pseudo-Gibbs): the chain then settles at
    an unknown law that depends on the scan. A step takes about a millisecond, so with --masked the
    defaults of --warmup and --thin are \(PlanOptions.slowDefaults.warmup).

        gensample gibbs --model tang --match '.{5}，.{5}。' --include 春
        gensample gibbs --include sea --length 8 --scan systematic --warmup 20000 --thin 20000
        gensample train poems.txt -o sdrawkcab.gsm --tokens characters --reversed
        gensample gibbs --model poems.gsm --masked sdrawkcab.gsm --match '.{5}，.{5}。'
    """
  static let options =
    ChainCommand.options + [
      Option("scan", "ORDER", "random or systematic (default random)"),
      Option("block", "N", "redraw N neighbouring tokens together in half of the steps"),
      Option(flag: "fixed-length", "never insert or delete tokens"),
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
      GibbsMoves.kernel(
        for: compiled.target, left: left, full: full, weights: weights, scan: scan, block: block,
        isFixedLength: arguments.has("fixed-length"))
    }
  }
}
