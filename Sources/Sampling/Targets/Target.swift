// Licensed under the Apache License, Version 2.0.

/// An unnormalised distribution over states, immutable and shared by all chains.
public protocol Target<State>: Sendable {
  /// The kind of state that is sampled, such as a text.
  associatedtype State: Editable
  /// A chain's working copy of a state.
  associatedtype Scorer: Sampling.Scorer = RescoringScorer<Self> where Scorer.State == State

  /// Natural log of the unnormalised probability; minus infinity if it is 0.
  func logProbability(of state: State) -> Double

  /// Creates a chain's working copy of a state.
  func makeScorer(at state: State) -> Scorer
}

/// One chain's working copy of a state, with the caches that make looking at edits fast.
///
/// A kernel looks at an edit, decides, then commits; a rejected edit leaves nothing to undo.
public protocol Scorer<State> {
  /// The kind of state that is sampled, such as a text.
  associatedtype State: Editable

  /// The current state.
  var state: State { get }

  /// Natural log of the target at the current state, up to the target's constant.
  var logProbability: Double { get }

  /// What the edit would add to ``logProbability``.
  ///
  /// - Parameters:
  ///   - edit: a change that is possible in the current state.
  ///   - bound: if the answer lies below it, any value below it may be returned.
  /// - Returns: nats; minus infinity if the target forbids the edited state.
  mutating func change(under edit: State.Edit, atLeast bound: Double) -> Double

  /// What each of the edits would add to ``logProbability``, exactly, in one batch.
  ///
  /// - Parameters:
  ///   - edits: changes that are possible in the current state, each by itself.
  ///   - changes: overwritten with one number per edit.
  mutating func changes(under edits: [State.Edit], into changes: inout [Double])

  /// Makes an edit that the target allows. It costs nothing if it was the last one looked at.
  mutating func commit(_ edit: State.Edit)

  /// The error that keeps the scorer from looking, such as a model that ran out of memory.
  ///
  /// From then on every look answers minus infinity, so that no step is accepted. The code that
  /// runs the chain checks it before it keeps a state, and throws it.
  var failure: (any Error)? { get }
}

extension Scorer {
  /// What the edit would add to ``logProbability``, exactly.
  @inlinable
  public mutating func change(under edit: State.Edit) -> Double {
    change(under: edit, atLeast: -.infinity)
  }

  /// Looks at one edit after another.
  @inlinable
  public mutating func changes(under edits: [State.Edit], into changes: inout [Double]) {
    changes.removeAll(keepingCapacity: true)
    for edit in edits { changes.append(change(under: edit)) }
  }

  /// Returns `nil`: most scorers cannot fail.
  @inlinable
  public var failure: (any Error)? { nil }
}

/// The slow, obviously correct scorer of any target: the oracle of every fast one.
///
/// - Complexity: a look costs one whole evaluation of the target.
public struct RescoringScorer<Target: Sampling.Target>: Scorer {
  /// The current state.
  public private(set) var state: Target.State
  /// Natural log of the target at the current state.
  public private(set) var logProbability: Double
  private let target: Target

  /// Creates a scorer that evaluates the target anew at each look.
  public init(_ target: Target, at state: Target.State) {
    self.target = target
    self.state = state
    logProbability = target.logProbability(of: state)
  }

  /// Evaluates the target at the edited state and subtracts.
  public mutating func change(under edit: Target.State.Edit, atLeast bound: Double) -> Double {
    var edited = state
    edited.apply(edit)
    return target.logProbability(of: edited) - logProbability
  }

  /// Makes the edit and evaluates the target anew.
  public mutating func commit(_ edit: Target.State.Edit) {
    state.apply(edit)
    logProbability = target.logProbability(of: state)
  }
}

extension Target where Scorer == RescoringScorer<Self> {
  /// Creates the rescoring scorer.
  public func makeScorer(at state: State) -> RescoringScorer<Self> {
    RescoringScorer(self, at: state)
  }
}
