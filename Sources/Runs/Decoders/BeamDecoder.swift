// Licensed under the Apache License, Version 2.0.

import LM
package import Sampling

/// `beam`: the best texts that a beam of fixed width finds.
package struct BeamDecoder: TextDecoder {
  package static let name = "beam"

  package let rules: DecodingRules
  package let search: BeamSearch
  /// The most texts to print.
  package var best = 1
  /// The place of the best text whose other tokens are shown, and how many of them; `nil` for none.
  package var alternatives: (count: Int, place: Int)?

  package init(_ rules: DecodingRules, _ search: BeamSearch) {
    self.rules = rules
    self.search = search
  }

  package var unit: String { "tokens" }
  package var work: Int { rules.maxTokens }
  package var showsGrowth: Bool { false }

  package func run(_ recorder: DecodingRecorder) throws {
    let model = recorder.model.chainModel
    if let (count, place) = alternatives {
      do {
        let all = try search.alternatives(count, at: place, in: model, after: recorder.prompt)
        recorder.endProgress()
        for one in all {
          try recorder.write(one.result.decoded, beam: one.result, alternative: one)
        }
      } catch let error as DecodingError where error.kind == .badArgument {
        throw RunError.usage("--\(error)")
      }
      recorder.shortfall = Shortfall(
        of: recorder.report.count, asked: count,
        rules.isTimeUp() ? "time was up" : "no other tokens are possible at this place")
      return
    }
    let monitor = recorder.monitor
    let found = try search.decode(model, after: recorder.prompt) { monitor.add($0 - monitor.steps) }
    recorder.endProgress()
    for result in found.prefix(best) { try recorder.write(result.decoded, beam: result) }
    recorder.shortfall = Shortfall(
      of: found.count, asked: best,
      rules.isTimeUp()
        ? "time was up"
        : search.groups > 1 && search.diversity == 0
          ? "without --diversity all groups find the same texts"
          : search.patience != nil
            ? "--patience ended the search"
            : "a beam of --width \(search.width) finds no more texts")
  }
}
