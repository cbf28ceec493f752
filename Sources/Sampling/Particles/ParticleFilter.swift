// Licensed under the Apache License, Version 2.0.

/// Sequential Monte Carlo: grows many texts in parallel, token by token, and resamples the good ones.
///
/// A particle is an unfinished text with a weight. It stands for the target of its tokens times the
/// mass expected behind them. Each step draws a token for every unfinished particle and multiplies
/// its weight. Where the weights have become too uneven, particles are resampled, and all weights
/// become their mean.
///
/// A step asks a model that needs batches for one batch, in which equal prefixes are read once.
///
/// **Keeps** rho in this sense: the mean over runs of the sum of the weights at particles whose text
/// is x is n x rho(x), for each x and any number n of particles. So the evidence is unbiased, and
/// weighted means are consistent as n grows. Texts that cannot be completed within the look-ahead's
/// bound are never drawn, and a particle that cannot go on has a weight of zero.
/// Reference: Del Moral, Doucet and Jasra 2006, "Sequential Monte Carlo samplers".
public struct ParticleFilter<Tokens: TokenProposal>: Sendable {
  /// The proposal that draws the tokens.
  public let tokens: Tokens
  /// How particles are resampled.
  public let resampling: Resampling
  /// Particles are resampled where the effective size falls below this share of their number.
  public let threshold: Double
  /// Makes copies differ; `nil` leaves them alike until their next tokens.
  public let rejuvenation: (any PrefixKernel<Tokens.Model, Tokens.Constraint>)?
  /// How many rejuvenation steps each unfinished text takes before each token.
  ///
  /// It takes them whether or not particles were resampled: steps that depended on how uneven the
  /// weights are would bias them.
  public let rejuvenationSteps: Int

  /// Creates a filter.
  ///
  /// - Parameters:
  ///   - tokens: draws the tokens.
  ///   - resampling: how particles are resampled.
  ///   - threshold: the share of the particles below which the effective size must fall; 0 for
  ///     never, 1 for always except with even weights.
  ///   - rejuvenation: makes copies differ; it keeps what prefixes of one length stand for under the
  ///     same tokens.
  ///   - rejuvenationSteps: how many of its steps each unfinished text takes before each token.
  public init(
    _ tokens: Tokens, resampling: Resampling = .systematic, threshold: Double = 0.5,
    rejuvenation: (any PrefixKernel<Tokens.Model, Tokens.Constraint>)? = nil,
    rejuvenationSteps: Int = 1
  ) {
    precondition(0 <= threshold && threshold <= 1, "a share lies in 0 ... 1")
    precondition(rejuvenationSteps >= 0, "steps are not negative")
    self.rejuvenation = rejuvenation
    self.rejuvenationSteps = rejuvenationSteps
    self.tokens = tokens
    self.resampling = resampling
    self.threshold = threshold
  }

  /// An unfinished text and its weight.
  public struct Particle: Sendable {
    /// The text written so far.
    public var prefix: Prefix<Tokens.Model, Tokens.Constraint>
    /// Natural log of its weight; minus infinity where it cannot go on.
    public var logWeight: Double
    /// Whether the text is complete.
    public var isFinished = false

    @inlinable
    init(prefix: Prefix<Tokens.Model, Tokens.Constraint>, logWeight: Double) {
      self.prefix = prefix
      self.logWeight = logWeight
    }
  }

  /// The outcome of a run.
  public struct Result: Sendable {
    /// Complete texts with their weights; the mean of all weights estimates the evidence.
    public var texts: WeightedTexts
    /// How often particles were resampled.
    public var resamplings = 0
    /// For each final particle, the index of the first particle that it descends from.
    public var ancestors: [Int] = []
    /// The largest Pareto k of the weights at a resampling or at the end; `nil` where there was none.
    ///
    /// Above .7, too few particles carried the weight: do not trust the evidence.
    public var largestShape: Double?
    /// Rejuvenation steps, and how many of them changed their text.
    public var rejuvenations = (tried: 0, made: 0)
    /// Whether the run was stopped before all texts were complete; unfinished texts are left out.
    public var isStopped = false

    @usableFromInline
    init(texts: WeightedTexts) { self.texts = texts }

    /// How many of the first particles have descendants among the final ones.
    public var ancestorCount: Int { Set(ancestors).count }
  }

  /// Grows texts until all are complete.
  ///
  /// - Parameters:
  ///   - count: the number of particles, positive.
  ///   - choices: the source of all random choices.
  /// - Returns: the texts, and figures about the run.
  /// - Throws: what the model throws.
  /// - Complexity: count x length draws of a token.
  @inlinable
  public func run(count: Int, using choices: inout some ChoiceSource) throws -> Result {
    try run(count: count, choices: &choices) { particles, choices in
      var made = 0
      if let rejuvenation {
        for i in particles.indices {
          made += try rejuvenate(&particles[i], rejuvenation, using: &choices)
        }
      }
      try prepare(&particles)
      for i in particles.indices { extend(&particles[i], using: &choices) }
      return made
    }
  }

  /// Grows texts on several threads; the result does not depend on their number.
  ///
  /// - Parameters:
  ///   - count: the number of particles, positive.
  ///   - random: the source of all random choices; each particle's place has its own stream.
  ///   - threads: how many work at once.
  ///   - monitor: counts tokens and can stop the run.
  /// - Returns: the texts, and figures about the run.
  /// - Throws: what the model throws.
  @inlinable
  public func run(
    count: Int, random: Philox, threads: Int, monitor: RunMonitor = RunMonitor()
  ) throws -> Result {
    var places = (0..<count).map { RandomChoices(random.stream(UInt64($0))) }
    var choices = RandomChoices(random.stream(UInt64(count)))
    return try run(count: count, choices: &choices) { particles, _ in
      var made: Int? = 0
      if let rejuvenation, !tokens.target.model.readsDirectly {
        made = try rejuvenateTogether(&particles, rejuvenation, &places)
      } else if let rejuvenation {
        made = try forEach(&particles, &places, threads: threads, monitor) { particle, choices in
          try rejuvenate(&particle, rejuvenation, using: &choices)
        }
      }
      guard made != nil, !monitor.isStopping else { return nil }
      try prepare(&particles)
      let isDone = try forEach(&particles, &places, threads: threads, monitor) {
        extend(&$0, using: &$1)
        return 0
      }
      guard isDone != nil else { return nil }
      monitor.add(particles.count { !$0.isFinished })
      return made
    }
  }

  /// Does something with each particle and its choices; the sum of what it returns, or `nil` where
  /// it was stopped.
  @inlinable
  func forEach(
    _ particles: inout [Particle], _ places: inout [RandomChoices], threads: Int,
    _ monitor: RunMonitor,
    _ act: @Sendable (inout Particle, inout RandomChoices) throws -> Int
  ) throws -> Int? {
    if monitor.isStopping { return nil }
    let count = particles.count
    var made = 0
    if threads == 1 {
      for i in particles.indices {
        if monitor.isStopping { return nil }
        made += try act(&particles[i], &places[i])
      }
      return made
    }
    // Enough pieces to spread the work evenly, each large enough to be worth a hand-over.
    let size = max(1, count / (threads * 4))
    let starts = Array(stride(from: 0, to: count, by: size))
    let before = (particles, places)
    let pieces = try concurrently(starts.count, threads: threads) { piece in
      try (starts[piece]..<min(count, starts[piece] + size)).map { i in
        var particle = before.0[i]
        var own = before.1[i]
        // A stopped run leaves this particle out.
        if monitor.isStopping { return (particle, own, 0) }
        let made = try act(&particle, &own)
        return (particle, own, made)
      }
    }
    if monitor.isStopping { return nil }
    for (i, moved) in pieces.joined().enumerated() {
      (particles[i], places[i]) = (moved.0, moved.1)
      made += moved.2
    }
    return made
  }

  @inlinable
  func run<Choices: ChoiceSource>(
    count: Int, choices: inout Choices,
    extendAll: (inout [Particle], inout Choices) throws -> Int?
  ) throws -> Result {
    precondition(count > 0, "a filter has particles")
    var result = Result(texts: WeightedTexts())
    guard tokens.lookAhead.isSatisfiable else {
      result.texts.zeroCount = count
      return result
    }
    let first = try tokens.makePrefix()
    var particles = [Particle](
      repeating: Particle(
        prefix: first, logWeight: tokens.logExpectation(after: first)),
      count: count)
    result.ancestors = Array(0..<count)
    while particles.contains(where: { !$0.isFinished }) {
      if rejuvenation != nil {
        result.rejuvenations.tried += rejuvenationSteps * particles.count { !$0.isFinished }
      }
      guard let made = try extendAll(&particles, &choices) else {
        result.isStopped = true
        break
      }
      result.rejuvenations.made += made
      if particles.contains(where: { !$0.isFinished }) {
        resample(&particles, &result, using: &choices)
      }
    }
    if !result.isStopped { note(particles.map(\.logWeight), &result) }
    for particle in particles {
      result.texts.append(
        particle.isFinished && particle.logWeight > -.infinity
          ? WeightedText(TokenSequence(particle.prefix.tokens), logWeight: particle.logWeight)
          : nil)
    }
    return result
  }

  /// Reads what all unfinished texts need, in one batch.
  @inlinable
  func prepare(_ particles: inout [Particle]) throws {
    if tokens.target.model.readsDirectly { return }
    let unfinished = particles.indices.filter { !particles[$0].isFinished }
    var prefixes = unfinished.map { particles[$0].prefix }
    try tokens.prepare(&prefixes)
    for (i, place) in unfinished.enumerated() { particles[place].prefix = prefixes[i] }
  }

  /// Rejuvenation steps of one particle; how many of them changed the text.
  @inlinable
  func rejuvenate(
    _ particle: inout Particle, _ kernel: any PrefixKernel<Tokens.Model, Tokens.Constraint>,
    using choices: inout some ChoiceSource
  ) throws -> Int {
    guard !particle.isFinished, particle.logWeight > -.infinity else { return 0 }
    var made = 0
    for _ in 0..<rejuvenationSteps
    where try kernel.step(&particle.prefix, using: &choices) { made += 1 }
    return made
  }

  /// Rejuvenation steps of all particles side by side; how many of them changed a text.
  @usableFromInline
  func rejuvenateTogether(
    _ particles: inout [Particle],
    _ kernel: any PrefixKernel<Tokens.Model, Tokens.Constraint>, _ places: inout [RandomChoices]
  ) throws -> Int {
    let live = particles.indices.filter {
      !particles[$0].isFinished && particles[$0].logWeight > -.infinity
    }
    var prefixes = live.map { particles[$0].prefix }
    var choices = live.map { places[$0] }
    var made = 0
    for _ in 0..<rejuvenationSteps {
      made += try kernel.step(&prefixes, usingEach: &choices).count { $0 }
    }
    for (i, place) in live.enumerated() {
      particles[place].prefix = prefixes[i]
      places[place] = choices[i]
    }
    return made
  }

  /// Extends a particle by one token.
  @inlinable
  func extend(_ particle: inout Particle, using choices: inout some ChoiceSource) {
    guard !particle.isFinished else { return }
    guard let next = tokens.draw(after: particle.prefix, using: &choices) else {
      particle.logWeight = -.infinity
      particle.isFinished = true
      return
    }
    particle.logWeight += next.logWeight
    if next.token == tokens.target.model.vocabulary.end {
      particle.isFinished = true
      particle.prefix.dropRow()
      if !tokens.target.isSpelled(particle.prefix.tokens) { particle.logWeight = -.infinity }
    } else {
      particle.prefix.append(next.token, tokens.target.model, tokens.lookAhead.constraint)
      if !tokens.target.mayBeSpelled(particle.prefix.tokens) {
        particle.logWeight = -.infinity
        particle.isFinished = true
      }
    }
  }

  @usableFromInline
  func note(_ logWeights: [Double], _ result: inout Result) {
    guard let shape = ParetoSmoothedWeights(logWeights).shape.value else { return }
    result.largestShape = max(shape, result.largestShape ?? shape)
  }

  @inlinable
  func resample(
    _ particles: inout [Particle], _ result: inout Result, using choices: inout some ChoiceSource
  ) {
    let logs = particles.map(\.logWeight)
    guard let most = logs.max(), most > -.infinity else { return }
    let weights = logs.map { LogSpace.exp($0 - most) }
    let sum = weights.reduce(0, +)
    let size = sum * sum / weights.reduce(0) { $0 + $1 * $1 }
    guard size < threshold * Double(particles.count) * (1 - 1e-12) else { return }
    note(logs, &result)
    let chosen = resampling.ancestors(of: weights, count: particles.count, using: &choices)
    let mean = most + LogSpace.log(sum / Double(particles.count))
    particles = chosen.map { i in
      var copy = particles[i]
      copy.logWeight = mean
      return copy
    }
    result.ancestors = chosen.map { result.ancestors[$0] }
    result.resamplings += 1
  }
}
