// Licensed under the Apache License, Version 2.0.

import LM
package import Sampling

/// `sample`: draws one token after another.
package struct AncestralDecoder: TextDecoder {
  package static let name = "sample"

  package let rules: DecodingRules
  package var samples = 5
  /// Chooses each text among several; `nil` for every text that is drawn.
  package var best: BestOfScores?
  /// Drafts tokens; `nil` for none.
  package var draft: DraftModel?
  private let ownSeed: UInt64

  package init(_ rules: DecodingRules, seed: UInt64) {
    self.rules = rules
    ownSeed = seed
  }

  package var unit: String { "texts" }
  package var work: Int { samples }
  package var seed: UInt64? { ownSeed }
  package var showsGrowth: Bool { true }

  package func run(_ recorder: DecodingRecorder) throws {
    let model = recorder.model.chainModel
    let sampler = AncestralSampler(rules)
    let random = Philox(seed: ownSeed)
    var tally = SpeculativeDecoder.Tally()
    for number in 0..<samples {
      if recorder.isAtEnd { break }
      // One stream per text: the first texts do not depend on how many are drawn.
      var choices = RandomChoices(random.stream(UInt64(number)))
      if let best {
        let (text, score) = try best.choice(of: sampler).draw(
          from: model, after: recorder.prompt, using: &choices)
        try recorder.write(text, best: BestOfScores.Chosen(score: score, by: best))
      } else {
        recorder.begin()
        let text =
          if let draft {
            try draft.decoder.draw(
              from: model, draft: draft.model, after: recorder.prompt, using: &choices,
              tally: &tally
            ) { recorder.show($0) }
          } else {
            try sampler.draw(from: model, after: recorder.prompt, using: &choices) {
              recorder.show($0)
            }
          }
        try recorder.write(text)
      }
      recorder.monitor.add(1)
    }
    recorder.endProgress()
    recorder.finish(draft: draft == nil ? nil : tally)
  }
}
