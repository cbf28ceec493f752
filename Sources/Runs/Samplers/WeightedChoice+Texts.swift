// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

extension WeightedChoice {
  /// The texts that are printed: all, or some that are drawn again by weight.
  func chosen(_ drawn: WeightedTexts, using choices: inout some ChoiceSource) -> [WeightedText] {
    if isWeighted || drawn.draws.isEmpty { return isWeighted ? drawn.draws : [] }
    guard isWithoutReplacement else {
      let table = AliasTable(weights: drawn.relativeWeights)
      return (0..<samples).map { _ in drawn.draws[table.draw(using: &choices)] }
    }
    // Equal texts are one, with their weights together.
    var places: [TokenSequence: Int] = [:]
    var texts: [WeightedText] = []
    for draw in drawn.draws {
      if let place = places[draw.text] {
        texts[place].logWeight = LogSpace.sum(texts[place].logWeight, draw.logWeight)
      } else {
        places[draw.text] = texts.count
        texts.append(draw)
      }
    }
    let weights = WeightedTexts(texts, zeroCount: 0).relativeWeights
    return drawWithoutReplacement(weights, count: samples, using: &choices).map { texts[$0] }
  }

  /// Chooses texts for a report.
  ///
  /// - Parameters:
  ///   - drawn: all texts.
  ///   - texts: how they were drawn.
  ///   - task: the target, and the report to begin with.
  ///   - choices: the source of random choices.
  /// - Returns: the report, without its figures.
  func report<Model: ChainModel>(
    _ drawn: WeightedTexts, _ texts: LeftToRight<Model>, _ task: SamplingTask,
    using choices: inout some ChoiceSource
  ) -> RunReport {
    var report = task.report
    report.isStopped = task.monitor.isStopping
    if drawn.draws.isEmpty && !report.isStopped {
      report.failure = RunError(
        .failed,
        "all \(drawn.count) weights are zero: the model gives none of the texts that were begun "
          + "a positive probability; take more --particles")
    }
    let chosen = chosen(drawn, using: &choices)
    report.texts = chosen.enumerated().map { number, draw in
      texts.result(
        draw.text, task.target, number: number, logWeight: isWeighted ? draw.logWeight : nil)
    }
    if report.isStopped, !isWeighted {
      report.shortfall = Shortfall(of: chosen.count, asked: samples, stoppedReason)
    }
    if isWithoutReplacement, !report.isStopped {
      report.shortfall = Shortfall(
        of: chosen.count, asked: samples, "there are no more different texts among those drawn")
    }
    return report
  }
}
