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
    ChainArguments.options + [
      Option("scan", "ORDER", "random or systematic (default random)"),
      Option("block", "N", "redraw N neighbouring tokens together in half of the steps"),
      Option(flag: "fixed-length", "never insert or delete tokens"),
      Option(
        "masked", "MODEL",
        "draw words by both sides: this one is a model of reversed texts (train --reversed)"),
      Option(flag: "pseudo", "with --masked: take every word drawn, which keeps no declared rho"),
    ]

  static func run(_ given: Arguments) throws {
    let resumed = try ResumedRun(Self.self, given)
    let arguments = resumed?.arguments ?? given
    let masked = arguments.text("masked")
    let scan = try arguments.choice("scan", as: ScanOrder.self) ?? .random
    let block = try arguments.integer("block", in: 2...64)
    try check(arguments, scan)
    let chains = try ChainArguments(arguments, isSlow: masked != nil)
    let session = try SamplerSession(Self.self, arguments, resumed, seed: chains.plan.seed)
    let options = try chains.options(session.model)
    let isFixedLength = arguments.has("fixed-length")
    if let masked {
      return try session.run(
        MaskedGibbsSampler(
          options, session.model,
          reversed: openModel(masked, arguments, isReversed: true).laidOutForChains(),
          isPseudo: arguments.has("pseudo"), scan: scan, isFixedLength: isFixedLength))
    }
    var sampler = GibbsSampler(options)
    sampler.scan = scan
    sampler.block = block
    sampler.isFixedLength = isFixedLength
    try session.run(sampler)
  }

  /// Refuses options that do not go together.
  private static func check(_ arguments: Arguments, _ scan: ScanOrder) throws(CommandFailure) {
    let isPseudo = arguments.has("pseudo")
    guard arguments.has("masked") else {
      guard !isPseudo else {
        throw .usage(
          "--pseudo is about the words of a masked model; give --masked MODEL with it")
      }
      return
    }
    guard !arguments.has("block") else {
      throw .usage(
        "--block draws words by an n-gram model's own conditionals; leave it out with --masked")
    }
    guard scan == .random || isPseudo else {
      throw .usage(
        "--masked visits places at random; --scan systematic is for --pseudo")
    }
  }
}
