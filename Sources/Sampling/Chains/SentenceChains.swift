// Licensed under the Apache License, Version 2.0.

extension SentenceTarget {
  /// The texts of a model under some statements.
  ///
  /// ```swift
  /// let statements = try ConstraintFile.parse("include \"sea\"\nlength 6..14 words", path: "sea")
  /// let target = try SentenceTarget(model: model, constraints: statements)
  /// ```
  /// - Parameters:
  ///   - model: whose texts.
  ///   - constraints: what is said of them; all hold together.
  ///   - tree: the model's vocabulary, where it was made already.
  /// - Throws: `CompiledConstraints.Fault`, with a smallest set of statements that contradict each
  ///   other.
  /// - Complexity: O(bytes of the vocabulary) where the tree is not given, and the size of the
  ///   automaton.
  public init(
    model: Model, constraints: [Constraint], tree: VocabularyTree? = nil
  ) throws(CompiledConstraints.Fault) {
    let compiled = try CompiledConstraints(
      constraints, for: tree ?? VocabularyTree(model.vocabulary))
    self.init(model: model, automaton: compiled.automaton, fluency: compiled.fluency)
  }
}

/// Why a chain has no text to begin with.
public struct NoStart: Error, Hashable, Sendable, CustomStringConvertible {
  /// The error.
  public init() {}

  /// A sentence.
  public var description: String {
    "the model gives no allowed text a positive probability"
  }
}

/// Runs chains of a plan side by side, each from an allowed text on a random path of its own.
///
/// ```swift
/// let records = try runChains(
///   of: RunPlan(seed: 1), target: target, kernel: NGramMoves(for: target), threads: 2)
/// ```
/// - Parameters:
///   - plan: how long they run and what they keep.
///   - target: what is sampled.
///   - kernel: the steps.
///   - quantities: a row of the trace for a chain's working copy.
///   - threads: how many run at once; the results do not depend on it.
///   - monitor: counts steps and asks to stop.
/// - Returns: what each chain kept, in order.
/// - Throws: ``NoStart`` where no allowed text was found.
@inlinable
public func runChains<Model: LanguageModel, Kernel: TransitionKernel>(
  of plan: RunPlan, target: SentenceTarget<Model>, kernel: Kernel,
  quantities: @Sendable (SentenceScorer<Model>) -> [Double] = { [$0.logProbability] },
  threads: Int, monitor: RunMonitor = RunMonitor()
) throws -> [ChainRecord<TokenSequence>] where Kernel.Scorer == SentenceScorer<Model> {
  try runChains(
    of: plan, target: target, kernel: kernel, quantities: quantities, threads: threads,
    monitor: monitor
  ) { choices in
    guard let text = target.randomStart(using: &choices) else { throw NoStart() }
    return text
  }
}

extension Collection {
  /// What share of the proposed steps of a kind the chains accepted; `nil` where none was proposed.
  public func acceptanceRate<State>(ofKind kind: Int) -> Double?
  where Element == ChainRecord<State> {
    let proposed = reduce(0) { $0 + $1.proposed[kind] }
    return proposed > 0 ? Double(reduce(0) { $0 + $1.accepted[kind] }) / Double(proposed) : nil
  }

  /// One of the traced quantities along all chains.
  public func traces<State>(ofQuantity index: Int) -> ChainTraces
  where Element == ChainRecord<State> {
    ChainTraces(map { $0.trace.map { $0[index] } })
  }
}
