// Licensed under the Apache License, Version 2.0.

/// One of several kernels, or proposals, at each step, drawn in proportion to fixed weights.
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
/// **Keeps**, as a kernel, what all of its kernels keep: which of them takes a step does not depend
/// on the state. As a proposal it proposes what one of its proposals does, and its moves state the
/// probabilities given that one; each is reversible by itself, so that Metropolis-Hastings keeps its
/// target all the same.
public struct Mixture<List: WeightedList>: ChainComponent {
  /// A chain's working copy.
  public typealias Scorer = List.Scorer
  /// What all components remember.
  public typealias Memory = List.Memory

  /// The components with their weights.
  public let list: List
  @usableFromInline let weight: Int

  /// A mixture of what the closure lists.
  ///
  /// - Precondition: the weights are not negative, and one is positive.
  public init(@MixtureBuilder _ list: () -> List) {
    self.list = list()
    weight = self.list.weight
    precondition(weight > 0, "a mixture has a component of positive weight")
  }

  /// The kinds of all components, in their order.
  public var kinds: [String] { list.kinds }

  /// What all components remember.
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

/// Some components with their weights: what a ``Mixture`` draws from.
public protocol WeightedList<Scorer>: Sendable {
  /// A chain's working copy.
  associatedtype Scorer: Sampling.Scorer
  /// What all components remember.
  associatedtype Memory

  /// The kinds of all components, in their order.
  var kinds: [String] { get }
  /// The sum of the weights.
  var weight: Int { get }

  /// The memories of a chain that begins.
  func start(at scorer: Scorer) -> Memory
}

/// Kernels with their weights.
public protocol WeightedKernels<Scorer>: WeightedList {
  /// A step of the kernel that a mark in 0 ..< weight falls to.
  func step(
    _ scorer: inout Scorer, memory: inout Memory, at mark: Int,
    using choices: inout some ChoiceSource
  ) -> StepReport
}

/// Proposals with their weights.
public protocol WeightedProposals<Scorer>: WeightedList {
  /// A move of the proposal that a mark in 0 ..< weight falls to.
  func propose(
    from scorer: Scorer, memory: inout Memory, at mark: Int,
    using choices: inout some ChoiceSource
  ) -> Move<Scorer.State.Edit?>
}

/// One kernel or proposal with its weight.
public struct Weighted<Component: ChainComponent>: WeightedList {
  /// The kernel or proposal.
  public let component: Component
  /// How often it is drawn, relative to the others.
  public let weight: Int
  /// What its kinds are called.
  public let kinds: [String]

  /// A component with its weight.
  ///
  /// - Parameters:
  ///   - weight: how often it is drawn, relative to the others; not negative.
  ///   - component: the kernel or proposal.
  ///   - kinds: other names for its kinds, one a kind; `nil` keeps its own.
  public init(_ weight: Int, _ component: Component, named kinds: [String]? = nil) {
    precondition(weight >= 0, "a weight is not negative")
    self.weight = weight
    self.component = component
    self.kinds = kinds ?? component.kinds
    precondition(self.kinds.count == component.kinds.count, "one name a kind")
  }

  /// What the component remembers.
  @inlinable
  public func start(at scorer: Component.Scorer) -> Component.Memory {
    component.start(at: scorer)
  }
}

extension Weighted: WeightedKernels where Component: TransitionKernel {
  /// The kernel's step.
  @inlinable
  public func step(
    _ scorer: inout Component.Scorer, memory: inout Component.Memory, at mark: Int,
    using choices: inout some ChoiceSource
  ) -> StepReport {
    component.step(&scorer, memory: &memory, using: &choices)
  }
}

extension Weighted: WeightedProposals where Component: Proposal {
  /// The proposal's move.
  @inlinable
  public func propose(
    from scorer: Component.Scorer, memory: inout Component.Memory, at mark: Int,
    using choices: inout some ChoiceSource
  ) -> Move<Component.Scorer.State.Edit?> {
    component.propose(from: scorer, memory: &memory, using: &choices)
  }
}

/// Some components and some more.
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

  /// The kinds of all components, in their order.
  public var kinds: [String] { first.kinds + second.kinds }

  /// The memories of both.
  @inlinable
  public func start(at scorer: First.Scorer) -> (First.Memory, Second.Memory) {
    (first.start(at: scorer), second.start(at: scorer))
  }
}

extension WeightedPair: WeightedKernels where First: WeightedKernels, Second: WeightedKernels {
  /// A step of the kernel that the mark falls to.
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
  /// A move of the proposal that the mark falls to.
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

/// Components that may not be there.
public struct WeightedOptional<List: WeightedList>: WeightedList {
  @usableFromInline let list: List?

  init(_ list: List?) { self.list = list }

  /// The kinds of the components, none where there are none.
  public var kinds: [String] { list?.kinds ?? [] }
  /// The sum of the weights.
  public var weight: Int { list?.weight ?? 0 }

  /// Their memory, if they are there.
  @inlinable
  public func start(at scorer: List.Scorer) -> List.Memory? { list?.start(at: scorer) }
}

extension WeightedOptional: WeightedKernels where List: WeightedKernels {
  /// Their step; no mark falls to kernels that are not there.
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
  /// Their move; no mark falls to proposals that are not there.
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
  /// The first components.
  public static func buildPartialBlock<List: WeightedList>(first: List) -> List { first }

  /// More components.
  public static func buildPartialBlock<First: WeightedList, Second: WeightedList>(
    accumulated: First, next: Second
  ) -> WeightedPair<First, Second> where First.Scorer == Second.Scorer {
    WeightedPair(accumulated, next)
  }

  /// Components under a condition.
  public static func buildOptional<List: WeightedList>(_ list: List?) -> WeightedOptional<List> {
    WeightedOptional(list)
  }
}
