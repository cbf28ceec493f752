// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

extension TerminationAudit {
  /// The smallest changes that make the decoder end with probability 1.
  static func cures<Context>(
    _ decoder: AuditedDecoder, _ looping: TerminationAnalysis<Context>, _ prompt: TokenSequence,
    _ explore: Explorer<Context>
  ) throws -> [AuditReport.Cure] {
    let rules = decoder.rules
    // With this epsilon, half of the texts have ended when --max-tokens cuts them.
    let least = 1 - LogSpace.exp(LogSpace.log(0.5) / Double(rules.maxTokens))
    // The value is printed with nine digits, which must not round it down.
    let epsilon = min(1, least * (1 + 1e-8))
    let wrapper = AuditReport.Cure(
      option: "non-monotone", value: epsilon,
      says: "any EPS above 0 always ends; this one ends most texts within --max-tokens")
    let transforms = rules.transforms.transforms
    // At temperature 0 only one token is left, so no truncation matters.
    let isCold = transforms.contains { ($0 as? Temperature)?.temperature == 0 }
    // Nor does it matter where the end is kept but has almost no probability.
    let isHardlyLeft = looping.loops.contains { $0.logLeaving > -.infinity }
    guard decoder.strategy == .sample, !isCold, !isHardlyLeft else { return [wrapper] }
    var cures: [AuditReport.Cure] = []
    for place in transforms.indices {
      if let cure = try cure(at: place, decoder, looping, prompt, explore) { cures.append(cure) }
    }
    if let kept = decoder.transformsKeepingEnds, try ends(decoder, kept, prompt) != false {
      cures.append(
        AuditReport.Cure(option: "keep-end", value: nil, says: "no truncation removes the end"))
    }
    return cures + [wrapper]
  }

  /// Whether a text that begins with the prompt always ends under other transforms; `nil` if
  /// unknown.
  ///
  /// Those transforms may need another explorer than the decoder's own.
  private static func ends(
    _ decoder: AuditedDecoder, _ transforms: [any NextTokenTransform], _ prompt: TokenSequence
  ) throws -> Bool? {
    func ends<Context>(_ explore: Explorer<Context>) throws -> Bool? {
      let analysis = try analyse(decoder, transforms, Exploration(isPromptAlone: true), explore)
      guard analysis.loops.isEmpty else { return false }
      return analysis.chain.isComplete ? true : nil
    }
    return decoder.readsLeadingTokens(transforms)
      ? try ends(leadingExplorer(decoder, [prompt])) : try ends(vectorExplorer(decoder, [prompt]))
  }

  /// The smallest change of one transform that makes the decoder always end while the others stay
  /// as they are; `nil` if there is none or it is unknown.
  private static func cure<Context>(
    at place: Int, _ decoder: AuditedDecoder, _ looping: TerminationAnalysis<Context>,
    _ prompt: TokenSequence, _ explore: Explorer<Context>
  ) throws -> AuditReport.Cure? {
    var transforms = decoder.rules.transforms.transforms
    guard
      transforms[place] is TopK || transforms[place] is Nucleus
        || transforms[place] is EpsilonCutoff
    else { return nil }
    let here = Exploration(isPromptAlone: true, cut: place)
    if transforms.count(where: { $0 is any Truncation }) > 1 {
      // If the decoder loops without this transform, changing the transform cannot help.
      var others = transforms
      others.remove(at: place)
      guard try ends(decoder, others, prompt) == true else { return nil }
    }
    var analysis = looping
    if !(transforms[place] is TopK), transforms.count > 1 {
      analysis = try analyse(decoder, transforms, here, explore)
    }
    while true {
      let cure: AuditReport.Cure
      switch transforms[place] {
      case let top as TopK:
        guard top.k < decoder.model.vocabulary.count else { return nil }
        transforms[place] = try TopK(top.k + 1, keepsEnd: top.keepsEnd)
        cure = AuditReport.Cure(
          option: "top-k", value: Double(top.k + 1), says: "the smallest value above yours")
      case let nucleus as Nucleus:
        // A nucleus stops at the token that reaches its mass, so only a larger mass adds a token.
        let mass = max(nucleus.mass, analysis.largestMassThatLoops ?? 0) + massStep
        guard mass < 1 else { return nil }
        transforms[place] = try Nucleus(mass, keepsEnd: nucleus.keepsEnd)
        cure = AuditReport.Cure(
          option: "top-p", value: mass, says: "the smallest value above yours, to 1e-9")
      case let cutoff as EpsilonCutoff:
        let floor = min(cutoff.epsilon, analysis.smallestFloorThatLoops ?? 0) - massStep
        guard floor > 0 else { return nil }
        transforms[place] = try EpsilonCutoff(floor, keepsEnd: cutoff.keepsEnd)
        cure = AuditReport.Cure(
          option: "epsilon", value: floor, says: "the largest value below yours, to 1e-9")
      default: return nil
      }
      analysis = try analyse(decoder, transforms, here, explore)
      // An unknown result is no cure, and neither is an end with almost no probability.
      guard analysis.chain.isComplete, !analysis.loops.contains(where: { $0.logEnd > -.infinity })
      else { return nil }
      if analysis.loops.isEmpty { return cure }
    }
  }

  /// Probabilities in one context that differ by less than this count as equal.
  private static let massStep = 1e-9
}
