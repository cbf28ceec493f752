// Licensed under the Apache License, Version 2.0.

public import Sampling

/// The largest defect of a model's conditionals over the contexts of some texts.
///
/// Vectors sum to one, single calls agree with vectors, scoring while advancing agrees with both,
/// and a context that was advanced equals one that was rebuilt.
public func modelDefect<Model: FiniteContextModel>(
  of model: Model, after texts: [TokenSequence]
) -> Double {
  var worst = 0.0
  let vocabulary = model.vocabulary
  for text in texts {
    var context = model.makeContext()
    for token in text { model.advance(&context, by: token) }
    var scored = model.makeContext()
    for token in text { _ = model.advance(&scored, scoring: token) }
    if context != scored { return .infinity }
    var logs = [Double](repeating: .nan, count: vocabulary.count)
    var span = logs.mutableSpan
    model.logProbabilities(in: context, into: &span)
    if logs[vocabulary.start.index] != -.infinity { return .infinity }
    worst = max(worst, abs(logs.reduce(0) { $0 + LogSpace.exp($1) } - 1))
    for i in logs.indices where Token(i) != vocabulary.start {
      let single = model.logProbability(of: Token(i), in: context)
      if single != logs[i] { worst = max(worst, abs(single - logs[i])) }
      guard Token(i) != vocabulary.end else { continue }
      var further = context
      let both = model.advance(&further, scoring: Token(i))
      if both != single { worst = max(worst, abs(both - single)) }
    }
  }
  return worst
}
