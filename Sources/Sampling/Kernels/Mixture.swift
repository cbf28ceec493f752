// Licensed under the Apache License, Version 2.0.

/// Takes one of several kernels or proposals at each step, drawn with fixed weights.
///
/// ```swift
/// let moves = Mixture {
///   Weighted(60, ReplaceToken(tokens))
///   Weighted(120, InsertOrDeleteToken(tokens))
///   if let rewrite { Weighted(4, rewrite) }
/// }
/// let kernel = MetropolisHastings(moves)
/// ```
///
/// **Keeps**, as a kernel, what all of its kernels keep, because the choice does not depend on the
/// state. As a proposal it makes a move of one of its proposals, with the probabilities given that
/// proposal. Each is reversible by itself, so Metropolis-Hastings still keeps its target.
public struct Mixture<List: WeightedList>: ChainComponent {
  /// The chain's working copy.
  public typealias Scorer = List.Scorer
  /// The memories of all components.
  public typealias Memory = List.Memory

  /// The components with their weights.
  public let list: List
  @usableFromInline let weight: Int

  /// Creates a mixture of the components that the closure lists.
  ///
  /// - Precondition: no weight is negative, and at least one is positive.
  public init(@MixtureBuilder _ list: () -> List) {
    self.list = list()
    weight = self.list.weight
    precondition(weight > 0, "a mixture has a component of positive weight")
  }

  /// The kinds of all components, in order.
  public var kinds: [String] { list.kinds }

  /// The memories of all components.
  @inlinable
  public func start(at scorer: List.Scorer) -> List.Memory { list.start(at: scorer) }
}

extension Mixture: TransitionKernel, KernelWithMemory where List: WeightedKernels {
  /// Draws a kernel and takes its step.
  @inlinable
  public func step(
    _ scorer: inout List.Scorer, memory: inout List.Memory, using choices: inout some ChoiceSource
  ) -> StepReport {
    list.step(&scorer, memory: &memory, at: choices.index(below: weight), using: &choices)
  }
}

extension Mixture: Proposal, ProposalWithMemory where List: WeightedProposals {
  /// Draws a proposal and asks it for a move.
  @inlinable
  public func propose(
    from scorer: List.Scorer, memory: inout List.Memory, using choices: inout some ChoiceSource
  ) -> Move<List.Scorer.State.Edit?> {
    list.propose(from: scorer, memory: &memory, at: choices.index(below: weight), using: &choices)
  }
}

/// A list of weighted components, from which a ``Mixture`` draws.
public protocol WeightedList<Scorer>: Sendable {
  /// The chain's working copy.
  associatedtype Scorer: Sampling.Scorer
  /// The memories of all components.
  associatedtype Memory

  /// The kinds of all components, in order.
  var kinds: [String] { get }
  /// The sum of the weights.
  var weight: Int { get }

  /// The memories of a new chain.
  func start(at scorer: Scorer) -> Memory
}

/// Kernels with their weights.
public protocol WeightedKernels<Scorer>: WeightedList {
  /// Takes a step of the kernel that a number in 0 ..< weight selects.
  func step(
    _ scorer: inout Scorer, memory: inout Memory, at mark: Int,
    using choices: inout some ChoiceSource
  ) -> StepReport
}

/// Proposals with their weights.
public protocol WeightedProposals<Scorer>: WeightedList {
  /// Makes a move of the proposal that a number in 0 ..< weight selects.
  func propose(
    from scorer: Scorer, memory: inout Memory, at mark: Int,
    using choices: inout some ChoiceSource
  ) -> Move<Scorer.State.Edit?>
}

/// One kernel or proposal with its weight.
public struct Weighted<Component: ChainComponent>: WeightedList {
  /// The kernel or proposal.
  public let component: Component
  /// How often it is drawn, relative to the others; not negative.
  public let weight: Int
  /// The names of its kinds of move or step.
  public let kinds: [String]

  /// Gives a component its weight.
  ///
  /// - Parameters:
  ///   - weight: how often it is drawn, relative to the others; not negative.
  ///   - component: the kernel or proposal.
  ///   - kinds: other names for its kinds, one for each; `nil` keeps its own.
  public init(_ weight: Int, _ component: Component, named kinds: [String]? = nil) {
    precondition(weight >= 0, "a weight is not negative")
    self.weight = weight
    self.component = component
    self.kinds = kinds ?? component.kinds
    precondition(self.kinds.count == component.kinds.count, "one name a kind")
  }

  /// The component's memory.
  @inlinable
  public func start(at scorer: Component.Scorer) -> Component.Memory {
    component.start(at: scorer)
  }
}

extension Weighted: WeightedKernels where Component: TransitionKernel {
  /// Takes the kernel's step.
  @inlinable
  public func step(
    _ scorer: inout Component.Scorer, memory: inout Component.Memory, at mark: Int,
    using choices: inout some ChoiceSource
  ) -> StepReport {
    component.step(&scorer, memory: &memory, using: &choices)
  }
}

extension Weighted: WeightedProposals where Component: Proposal {
  /// Makes the proposal's move.
  @inlinable
  public func propose(
    from scorer: Component.Scorer, memory: inout Component.Memory, at mark: Int,
    using choices: inout some ChoiceSource
  ) -> Move<Component.Scorer.State.Edit?> {
    component.propose(from: scorer, memory: &memory, using: &choices)
  }
}

/// Two lists of components, one after the other.
public struct WeightedPair<First: WeightedList, Second: WeightedList>: WeightedList
where First.Scorer == Second.Scorer {
  @usableFromInline let first: First
  @usableFromInline let second: Second
  @usableFromInline let firstWeight: Int
  @usableFromInline let firstKinds: Int
  /// The sum of the weights.
  public let weight: Int

  init(_ first: First, _ second: Second) {
    self.first = first
    self.second = second
    firstWeight = first.weight
    firstKinds = first.kinds.count
    weight = firstWeight + second.weight
  }

  /// The kinds of all components, in order.
  public var kinds: [String] { first.kinds + second.kinds }

  /// The memories of both lists.
  @inlinable
  public func start(at scorer: First.Scorer) -> (First.Memory, Second.Memory) {
    (first.start(at: scorer), second.start(at: scorer))
  }
}

extension WeightedPair: WeightedKernels where First: WeightedKernels, Second: WeightedKernels {
  /// Takes a step of the kernel that the number selects.
  @inlinable
  public func step(
    _ scorer: inout First.Scorer, memory: inout (First.Memory, Second.Memory), at mark: Int,
    using choices: inout some ChoiceSource
  ) -> StepReport {
    if mark < firstWeight {
      return first.step(&scorer, memory: &memory.0, at: mark, using: &choices)
    }
    var report = second.step(
      &scorer, memory: &memory.1, at: mark &- firstWeight, using: &choices)
    report.kind &+= firstKinds
    return report
  }
}

extension WeightedPair: WeightedProposals
where First: WeightedProposals, Second: WeightedProposals {
  /// Makes a move of the proposal that the number selects.
  @inlinable
  public func propose(
    from scorer: First.Scorer, memory: inout (First.Memory, Second.Memory), at mark: Int,
    using choices: inout some ChoiceSource
  ) -> Move<First.Scorer.State.Edit?> {
    if mark < firstWeight {
      return first.propose(from: scorer, memory: &memory.0, at: mark, using: &choices)
    }
    var move = second.propose(
      from: scorer, memory: &memory.1, at: mark &- firstWeight, using: &choices)
    move.kind &+= firstKinds
    return move
  }
}

/// A list of components that may be absent.
public struct WeightedOptional<List: WeightedList>: WeightedList {
  @usableFromInline let list: List?

  init(_ list: List?) { self.list = list }

  /// The kinds of the components; empty if they are absent.
  public var kinds: [String] { list?.kinds ?? [] }
  /// The sum of the weights.
  public var weight: Int { list?.weight ?? 0 }

  /// The memory of the components; `nil` if they are absent.
  @inlinable
  public func start(at scorer: List.Scorer) -> List.Memory? { list?.start(at: scorer) }
}

extension WeightedOptional: WeightedKernels where List: WeightedKernels {
  /// Takes a step; no number selects absent kernels.
  @inlinable
  public func step(
    _ scorer: inout List.Scorer, memory: inout List.Memory?, at mark: Int,
    using choices: inout some ChoiceSource
  ) -> StepReport {
    guard let list, var own = memory.take() else {
      preconditionFailure("a mark falls to a kernel")
    }
    defer { memory = own }
    return list.step(&scorer, memory: &own, at: mark, using: &choices)
  }
}

extension WeightedOptional: WeightedProposals where List: WeightedProposals {
  /// Makes a move; no number selects absent proposals.
  @inlinable
  public func propose(
    from scorer: List.Scorer, memory: inout List.Memory?, at mark: Int,
    using choices: inout some ChoiceSource
  ) -> Move<List.Scorer.State.Edit?> {
    guard let list, var own = memory.take() else {
      preconditionFailure("a mark falls to a proposal")
    }
    defer { memory = own }
    return list.propose(from: scorer, memory: &own, at: mark, using: &choices)
  }
}

/// Lists the components of a ``Mixture``.
@resultBuilder
public enum MixtureBuilder {
  /// Starts the list with its first component.
  public static func buildPartialBlock<List: WeightedList>(first: List) -> List { first }

  /// Appends a component to the list.
  public static func buildPartialBlock<First: WeightedList, Second: WeightedList>(
    accumulated: First, next: Second
  ) -> WeightedPair<First, Second> where First.Scorer == Second.Scorer {
    WeightedPair(accumulated, next)
  }

  /// Adds components that stand under a condition.
  public static func buildOptional<List: WeightedList>(_ list: List?) -> WeightedOptional<List> {
    WeightedOptional(list)
  }
}
