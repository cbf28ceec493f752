// Licensed under the Apache License, Version 2.0.

import Runs

extension ParticleSampler.TokenDrawing {
  /// The command that has this kind among the values of `--tokens`, which else say what the tokens of
  /// a model are.
  static var command: String { ParticleSampler.name }
}
