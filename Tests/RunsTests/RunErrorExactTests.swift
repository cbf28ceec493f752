// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Testing

/// What is said where a run cannot begin.
@Suite struct RunErrorExactTests {
  /// One message names what is missing and the model that lacks it.
  @Test func aMissingCapabilityIsNamed() throws {
    let model = try LoadedModel(opening: "tang")
    #expect(throws: LoadError.self) { try model.require(.embedding, for: "similar") }
    do {
      try model.require(.embedding, for: "similar")
    } catch {
      #expect("\(error)" == "similar needs sentence embeddings, which tang does not allow")
    }
    try model.require(.exact, for: "tune")
  }
}
