// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

extension CompiledTarget {
  /// What is sampled from.
  var target: SentenceTarget<NGramModel, TokenAutomaton> {
    guard let model = model.chainModel as? NGramModel else { preconditionFailure("n-grams") }
    return sentences(of: model)
  }
}
