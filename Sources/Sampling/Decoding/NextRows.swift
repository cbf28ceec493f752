// Licensed under the Apache License, Version 2.0.

/// The rows of log-probabilities that a decoder reads from a model, many texts in one batch.
///
/// A decoder adds the texts that go on, then calls ``read()`` once. A model that answers about a
/// single context as cheaply (``LanguageModel/readsDirectly``) is asked for a row only when the row
/// is needed, and nothing is copied.
struct NextRows<Model: LanguageModel> {
  /// Where a row stands in the last batch.
  struct Place {
    let run: Int
    var index: Int
  }

  let model: Model
  private var runs: [TokenRun<Model.Context>] = []
  private var scored = ScoredRuns<Model.Context>()

  init(_ model: Model) { self.model = model }

  /// Adds a run to the next batch and returns its number.
  mutating func add(
    _ context: Model.Context, _ tokens: [Token], rows: TokenRun<Model.Context>.Rows = .last
  ) -> Int {
    runs.append(TokenRun(context, tokens, rows: rows))
    return runs.count - 1
  }

  /// Reads what was added as one batch, which replaces the last one.
  mutating func read() throws {
    guard !runs.isEmpty else { return }
    defer { runs.removeAll(keepingCapacity: true) }
    try model.score(runs, into: &scored)
  }

  /// The context behind so many tokens of a run, at least one.
  func context(ofRun run: Int, behind count: Int) -> Model.Context {
    scored.context(ofRun: run, behind: count)
  }

  /// The log-probability of all tokens of a run.
  func logProbability(ofRun run: Int) -> Double {
    scored.logProbabilities(ofRun: run).reduce(0, +)
  }

  func row(at place: Place) -> ArraySlice<Double> { scored.row(place.index, ofRun: place.run) }
}
