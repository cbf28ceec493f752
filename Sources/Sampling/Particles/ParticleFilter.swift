// Licensed under the Apache License, Version 2.0.

/// Sequential Monte Carlo: many texts written side by side, token by token, those that promise
/// nothing making room for copies of those that do.
///
/// A particle stands for its text's target so far times what is expected to follow. Each step draws
/// a token for every unfinished particle and multiplies its weight; where the weights have become
/// too uneven, particles are resampled and all weights set to their mean.
///
/// **Keeps** rho in this sense: the mean over runs of the sum of the weights at the particles whose
/// text is x is n x rho(x), for each x and any number of particles. So the evidence is unbiased, and
/// weighted means are consistent as the number grows. Texts that cannot be completed within the
/// look-ahead's length are never drawn, and a particle that ended nowhere has a weight of zero.
/// Reference: Del Moral, Doucet and Jasra 2006, "Sequential Monte Carlo samplers".
public struct ParticleFilter<Tokens: TokenProposal>: Sendable {
  /// Draws the tokens.
  public let tokens: Tokens
  /// How particles are resampled.
  public let resampling: Resampling
  /// Resampling takes place where the effective size falls below this share of the particles.
  public let threshold: Double
  /// What parts copies; `nil` leaves them alike until their next tokens.
  public let rejuvenation: (any PrefixKernel<Tokens.Model>)?
  /// How many of its steps each unfinished text takes before each token.
  ///
  /// It takes them whether particles were resampled or not: steps that depended on how uneven
  /// weights are would bias them.
  public let rejuvenationSteps: Int

  /// A filter.
  ///
  /// - Parameters:
  ///   - tokens: draws the tokens.
  ///   - resampling: how particles are resampled.
  ///   - threshold: the share of the particles below which the effective size must fall for that;
  ///     0 for never, 1 for always but with even weights.
  ///   - rejuvenation: what parts copies; it keeps what prefixes of one length stand for under the
  ///     same tokens.
  ///   - rejuvenationSteps: how many of its steps each unfinished text takes before each token.
  public init(
    _ tokens: Tokens, resampling: Resampling = .systematic, threshold: Double = 0.5,
    rejuvenation: (any PrefixKernel<Tokens.Model>)? = nil, rejuvenationSteps: Int = 1
  ) {
    precondition(0 <= threshold && threshold <= 1, "a share lies in 0 ... 1")
    precondition(rejuvenationSteps >= 0, "steps are not negative")
    self.rejuvenation = rejuvenation
    self.rejuvenationSteps = rejuvenationSteps
    self.tokens = tokens
    self.resampling = resampling
    self.threshold = threshold
  }

  /// A text in the making.
  public struct Particle: Sendable {
    /// The text so far.
    public var prefix: Prefix<Tokens.Model>
    /// Natural log of its weight; minus infinity where it went nowhere.
    public var logWeight: Double
    /// Whether the text is complete.
    public var isFinished = false

    @inlinable
    init(prefix: Prefix<Tokens.Model>, logWeight: Double) {
      self.prefix = prefix
      self.logWeight = logWeight
    }
  }

  /// What a run came to.
  public struct Result: Sendable {
    /// Complete texts with their weights; the mean of all weights estimates the evidence.
    public var texts: WeightedTexts
    /// How often particles were resampled.
    public var resamplings = 0
    /// For each final particle, from which of the first ones it descends.
    public var ancestors: [Int] = []
    /// The largest Pareto k of the weights at a resampling or at the end; `nil` where there was none.
    ///
    /// Above .7 too few particles carried the weight for evidences to be trusted.
    public var largestShape: Double?
    /// Steps of rejuvenation, and how many changed their text.
    public var rejuvenations = (tried: 0, made: 0)
    /// Whether it was stopped before all texts were complete; these are then left out.
    public var isStopped = false

    @usableFromInline
    init(texts: WeightedTexts) { self.texts = texts }

    /// From how many of the first particles the final ones descend.
    public var ancestorCount: Int { Set(ancestors).count }
  }

  /// Writes texts until all are complete.
  ///
  /// - Parameters:
  ///   - count: the number of particles, positive.
  ///   - choices: what draws.
  /// - Returns: the texts and what is known of the run.
  /// - Complexity: count x length draws of a token.
  @inlinable
  public func run(count: Int, using choices: inout some ChoiceSource) -> Result {
    run(count: count, choices: &choices) { particles, choices in
      var made = 0
      for i in particles.indices { made += extend(&particles[i], using: &choices) }
      return made
    }
  }

  /// Writes texts on several threads; what comes out does not depend on their number.
  ///
  /// - Parameters:
  ///   - count: the number of particles, positive.
  ///   - random: what everything is drawn from; each particle's place has a stream of its own.
  ///   - threads: how many work at once.
  ///   - monitor: counts tokens and asks to stop.
  /// - Returns: the texts and what is known of the run.
  @inlinable
  public func run(
    count: Int, random: Philox, threads: Int, monitor: RunMonitor = RunMonitor()
  ) -> Result {
    var places = (0..<count).map { RandomChoices(random.stream(UInt64($0))) }
    var choices = RandomChoices(random.stream(UInt64(count)))
    // Enough pieces for even work, large enough to be worth a hand-over.
    let size = max(1, count / (threads * 4))
    return run(count: count, choices: &choices) { particles, _ in
      if monitor.isStopping { return nil }
      if threads == 1 {
        var made = 0
        for i in particles.indices {
          if monitor.isStopping { return nil }
          made += extend(&particles[i], using: &places[i])
        }
        monitor.add(particles.count { !$0.isFinished })
        return made
      }
      let starts = Array(stride(from: 0, to: count, by: size))
      let before = (particles, places)
      // Nothing in it throws.
      let pieces = try? concurrently(starts.count, threads: threads) { piece in
        (starts[piece]..<min(count, starts[piece] + size)).map { i in
          var particle = before.0[i]
          var own = before.1[i]
          // What comes of it then is left out.
          if monitor.isStopping { return (particle, own, 0) }
          let made = extend(&particle, using: &own)
          return (particle, own, made)
        }
      }
      if monitor.isStopping { return nil }
      var made = 0
      for (i, moved) in (pieces ?? []).joined().enumerated() {
        (particles[i], places[i]) = (moved.0, moved.1)
        made += moved.2
      }
      monitor.add(particles.count { !$0.isFinished })
      return made
    }
  }

  @inlinable
  func run<Choices: ChoiceSource>(
    count: Int, choices: inout Choices,
    extendAll: (inout [Particle], inout Choices) -> Int?
  ) -> Result {
    precondition(count > 0, "a filter has particles")
    let lookAhead = tokens.lookAhead
    var result = Result(texts: WeightedTexts())
    guard lookAhead.isSatisfiable else {
      result.texts.zeroCount = count
      return result
    }
    let first = Prefix(tokens.target.model, lookAhead)
    var particles = [Particle](
      repeating: Particle(
        prefix: first, logWeight: tokens.logExpectation(after: first)),
      count: count)
    result.ancestors = Array(0..<count)
    while particles.contains(where: { !$0.isFinished }) {
      if rejuvenation != nil {
        result.rejuvenations.tried += rejuvenationSteps * particles.count { !$0.isFinished }
      }
      guard let made = extendAll(&particles, &choices) else {
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

  /// One more token; how many steps of rejuvenation changed the text before it.
  @inlinable
  func extend(
    _ particle: inout Particle, using choices: inout some ChoiceSource
  ) -> Int {
    guard !particle.isFinished else { return 0 }
    var made = 0
    if let rejuvenation, particle.logWeight > -.infinity {
      for _ in 0..<rejuvenationSteps
      where rejuvenation.step(&particle.prefix, using: &choices) { made += 1 }
    }
    guard let next = tokens.draw(after: particle.prefix, using: &choices) else {
      particle.logWeight = -.infinity
      particle.isFinished = true
      return made
    }
    particle.logWeight += next.logWeight
    if next.token == tokens.target.model.vocabulary.end {
      particle.isFinished = true
    } else {
      particle.prefix.append(next.token, tokens.target.model, tokens.lookAhead.automaton)
    }
    return made
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
