// Licensed under the Apache License, Version 2.0.

/// A ladder of inverse temperatures that starts at 1 and falls.
public struct Ladder: Hashable, Sendable {
  /// The inverse temperatures, from 1 downwards.
  public let inverseTemperatures: [Double]

  /// Creates a geometric ladder from 1 down to the hottest rung.
  ///
  /// - Parameters:
  ///   - count: the number of rungs, positive.
  ///   - hottest: the last inverse temperature, in 0 < hottest <= 1.
  public init(count: Int, hottest: Double) {
    precondition(count > 0 && hottest > 0 && hottest <= 1, "a ladder goes down from 1")
    inverseTemperatures = (0..<count).map { i in
      count == 1 ? 1 : LogSpace.exp(LogSpace.log(hottest) * Double(i) / Double(count - 1))
    }
  }

  /// Creates a ladder from given rungs, from 1 downwards.
  public init(_ inverseTemperatures: [Double]) {
    precondition(inverseTemperatures.first == 1, "the first rung is the target")
    self.inverseTemperatures = inverseTemperatures
  }

  /// The ladder with its rungs moved so that all neighbours refuse equally often.
  ///
  /// The refusals of neighbours add up to the ladder's communication barrier. Rungs are placed at
  /// equal parts of it, interpolated linearly between the old ones.
  /// Reference: Syed, Bouchard-Côté, Deligiannidis and Doucet 2022, "Non-reversible parallel
  /// tempering", algorithm 2.
  ///
  /// - Parameter refusals: the share of refused exchanges for each pair of neighbours.
  /// - Returns: as many rungs between the same ends.
  public func tuned(refusals: [Double]) -> Ladder {
    precondition(refusals.count == inverseTemperatures.count - 1, "one share a pair")
    let total = refusals.reduce(0, +)
    guard total > 0 else { return self }
    var rungs = [1.0]
    var pair = 0
    var passed = 0.0
    for i in 1..<refusals.count {
      let goal = total * Double(i) / Double(refusals.count)
      while pair < refusals.count - 1, passed + refusals[pair] < goal {
        passed += refusals[pair]
        pair += 1
      }
      let share = refusals[pair] > 0 ? min(1, (goal - passed) / refusals[pair]) : 1
      let (warm, cold) = (inverseTemperatures[pair + 1], inverseTemperatures[pair])
      rungs.append(cold + share * (warm - cold))
    }
    return Ladder(rungs + [inverseTemperatures[inverseTemperatures.count - 1]])
  }
}

/// Replica exchange (parallel tempering): chains at several temperatures that exchange their texts.
///
/// A text that a hot chain finds can so reach the target.
///
/// Each round takes some steps of every replica with the kernel of its rung. Then every second pair
/// of neighbours, even and odd pairs in turn, may exchange texts, with probability min(1, exp((b -
/// b') (log rho(x') - log rho(x)))).
///
/// **Keeps** the product of the tempered targets if each kernel keeps its own; so the first rung
/// keeps the target. Reference: Swendsen and Wang 1986; Okabe et al. 2001 for even and odd rounds.
public struct ReplicaExchange<Target: TextTarget, Kernel: TransitionKernel>: Sendable
where Kernel.Scorer == Target.Scorer {
  /// The replicas' targets; the first is the target itself.
  public let targets: [Target]
  /// The inverse temperatures of the replicas.
  public let ladder: Ladder
  /// The kernel of each replica.
  public let kernels: [Kernel]

  /// Creates replicas of a target.
  ///
  /// - Parameters:
  ///   - target: the distribution to sample.
  ///   - ladder: the inverse temperatures.
  ///   - kernel: makes the kernel that keeps a given target.
  public init(
    _ target: Target, ladder: Ladder,
    kernel: (Target) -> Kernel
  ) {
    let targets = ladder.inverseTemperatures.map { $0 == 1 ? target : target.tempered($0) }
    self.targets = targets
    self.ladder = ladder
    kernels = targets.map(kernel)
  }

  /// The replicas of one run, and the counts of their exchanges.
  public struct State {
    /// The first error of a working copy; see ``Scorer/failure``.
    public var failure: (any Error)? { scorers.lazy.compactMap(\.failure).first }

    /// The working copies, by rung.
    public var scorers: [Target.Scorer]
    /// The kernels' memories, by rung.
    var memories: [Kernel.Memory]
    /// For each rung, the number of the starting text that is there now.
    public var labels: [Int]
    /// The number of exchanges tried, for each pair of neighbours.
    public var tried: [Int]
    /// The number of exchanges refused, for each pair of neighbours.
    public var refused: [Int]
    /// The number of journeys of a text from the first rung to the last and back.
    public var roundTrips = 0
    /// For each text, 1 after the last rung, 0 after the first, -1 before either.
    var headings: [Int]
    var isOdd = false
  }

  /// The data that a run of replicas needs to resume, without working copies.
  public struct Memory: Hashable, Sendable {
    /// The texts, by rung.
    public var texts: [TokenSequence]
    /// The value of ``State/labels``.
    public var labels: [Int]
    /// The value of ``State/tried``.
    public var tried: [Int]
    /// The value of ``State/refused``.
    public var refused: [Int]
    /// The value of ``State/roundTrips``.
    public var roundTrips: Int
    /// For each text, 1 after the last rung, 0 after the first, -1 before either.
    public var headings: [Int]
    /// Whether odd pairs are next.
    public var isOdd: Bool

    /// Creates a memory from its parts.
    public init(
      texts: [TokenSequence], labels: [Int], tried: [Int], refused: [Int], roundTrips: Int,
      headings: [Int], isOdd: Bool
    ) {
      self.texts = texts
      self.labels = labels
      self.tried = tried
      self.refused = refused
      self.roundTrips = roundTrips
      self.headings = headings
      self.isOdd = isOdd
    }

    /// Whether the memory belongs to this number of replicas.
    public func fits(_ count: Int) -> Bool {
      texts.count == count && labels.sorted() == Array(0..<count)
        && tried.count == max(0, count - 1) && refused.count == tried.count
        && zip(refused, tried).allSatisfy { 0 <= $0 && $0 <= $1 } && roundTrips >= 0
        && headings.count == count && headings.allSatisfy { (-1...1).contains($0) }
    }
  }

  /// The data that the replicas need to resume.
  public func memory(of state: State) -> Memory {
    Memory(
      texts: state.scorers.map(\.state), labels: state.labels, tried: state.tried,
      refused: state.refused, roundTrips: state.roundTrips, headings: state.headings,
      isOdd: state.isOdd)
  }

  /// Creates replicas that resume from a memory.
  ///
  /// - Precondition: the memory fits this number of replicas, and its texts are allowed.
  public func start(from memory: Memory) -> State {
    precondition(memory.fits(targets.count), "a memory of these replicas")
    var state = start(at: memory.texts)
    state.labels = memory.labels
    state.tried = memory.tried
    state.refused = memory.refused
    state.roundTrips = memory.roundTrips
    state.headings = memory.headings
    state.isOdd = memory.isOdd
    return state
  }

  /// Creates replicas at given texts, one per rung, all allowed.
  public func start(at texts: [TokenSequence]) -> State {
    precondition(texts.count == targets.count, "one text a rung")
    let scorers = zip(targets, texts).map { $0.makeScorer(at: $1) }
    return State(
      scorers: scorers, memories: zip(kernels, scorers).map { $0.start(at: $1) },
      labels: Array(texts.indices),
      tried: [Int](repeating: 0, count: max(0, texts.count - 1)),
      refused: [Int](repeating: 0, count: max(0, texts.count - 1)),
      headings: [Int](repeating: -1, count: texts.count))
  }

  /// Takes some steps of every replica by its own choices, then tries the exchanges.
  ///
  /// - Parameters:
  ///   - state: the replicas.
  ///   - steps: the number of steps of each replica.
  ///   - choices: the source of random choices.
  /// - Returns: the numbers of steps that the first rung proposed and accepted, by kind.
  @discardableResult
  public func round(
    _ state: inout State, steps: Int, using choices: inout some ChoiceSource
  ) -> [(proposed: Int, accepted: Int)] {
    var counts = kernels[0].kinds.map { _ in (proposed: 0, accepted: 0) }
    for rung in kernels.indices {
      for _ in 0..<steps {
        let report = kernels[rung].step(
          &state.scorers[rung], memory: &state.memories[rung], using: &choices)
        if rung == 0 {
          counts[report.kind].proposed += 1
          if report.isAccepted { counts[report.kind].accepted += 1 }
        }
      }
    }
    exchange(&state, using: &choices)
    return counts
  }

  /// Tries to exchange every second pair of neighbours, even and odd pairs in turn.
  public func exchange(_ state: inout State, using choices: inout some ChoiceSource) {
    for pair in stride(from: state.isOdd ? 1 : 0, to: targets.count - 1, by: 2) {
      let (cold, hot) = (state.scorers[pair].state, state.scorers[pair + 1].state)
      let difference = ladder.inverseTemperatures[pair] - ladder.inverseTemperatures[pair + 1]
      // The first target's log is finite at both texts: all rungs have the same hard constraints.
      let logs = (
        state.scorers[pair].logProbability / ladder.inverseTemperatures[pair],
        state.scorers[pair + 1].logProbability / ladder.inverseTemperatures[pair + 1]
      )
      state.tried[pair] += 1
      guard state.failure == nil, choices.accepts({ _ in difference * (logs.1 - logs.0) }) else {
        state.refused[pair] += 1
        continue
      }
      state.scorers[pair] = targets[pair].makeScorer(at: hot)
      state.scorers[pair + 1] = targets[pair + 1].makeScorer(at: cold)
      state.labels.swapAt(pair, pair + 1)
    }
    state.isOdd.toggle()
    let (first, last) = (state.labels[0], state.labels[state.labels.count - 1])
    if state.labels.count > 1 {
      if state.headings[first] == 1 { state.roundTrips += 1 }
      state.headings[first] = 0
      if state.headings[last] == 0 { state.headings[last] = 1 }
    }
  }
}
