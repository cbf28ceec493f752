// Licensed under the Apache License, Version 2.0.

import Runs

enum Importance: Command {
  static let name = "importance"
  static let summary = "importance sampling: weighted texts, estimates, and the evidence"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Draws --particles texts from left to right, guided towards the constraints. Each text has the
    weight rho(x) / q(x), which corrects for how it was drawn. The command prints --samples texts
    that are drawn again by weight, or with --weighted all texts with their weights. The summary
    holds the log of the evidence Z with its error, the effective sample size, and k, the shape of
    the weights' tail. If k is above 0.7, do not trust the figures: use more particles, smc or mh.

    --anneal N (annealed importance sampling) draws each text from the model's bigrams under the
    same constraints and moves it to rho through N intermediate distributions, with one step of
    Metropolis-Hastings for each. Larger N give more even weights; the evidence is unbiased for
    any N. In expectation, the mean of the log weights is below the log evidence, and means of
    groups of texts are closer to it. With --look-ahead FILE, texts of a neural model are drawn
    from the n-grams of FILE under the same constraints, and moved from there. --upper M moves M
    exact draws from rho the other way, which gives an upper bound.

        gensample importance --include sea --include storm --length 6..14
        gensample importance --constraints examples/constraints/sea.txt --weighted --format jsonl
        gensample importance --include sea --length 6..14 --max-tokens 20 --anneal 500 --upper 100
    """
  static let options =
    TargetOptions.all + [
      ParticleOptions.samples, ParticleOptions.particles,
      Option("anneal", "N", "move texts to rho through N distributions (default: draw directly)"),
      Option("upper", "M", "upper bound of the evidence from M exact draws; needs --anneal"),
      ParticleOptions.weighted,
      ParticleOptions.withoutReplacement, ParticleOptions.lookAhead, ParticleOptions.memory,
      ParticleOptions.maxTokens, ParticleOptions.seed,
      ParticleOptions.threads,
    ] + FolderOptions.plain + OutputOptions.sampler

  static func run(_ given: Arguments) throws {
    let resumed = try ResumedRun(Self.self, given)
    let arguments = resumed?.arguments ?? given
    var sampler = ImportanceSampler()
    sampler.particles = try ParticleOptions.particles(arguments) ?? sampler.particles
    sampler.stages = try arguments.integer("anneal", in: 1...1_000_000_000)
    sampler.upper = try arguments.integer("upper", in: 2...100_000_000)
    guard sampler.upper == nil || sampler.stages != nil else {
      throw CommandFailure.usage("--upper needs --anneal")
    }
    sampler.choice = try ParticleOptions.choice(arguments)
    sampler.lookAhead = try ParticleOptions.lookAhead(arguments)
    sampler.memory = MemoryLimit(sampler.lookAhead.memory, given: arguments.text("memory"))
    let session = try SamplerSession(
      Self.self, arguments, resumed, seed: try ParticleOptions.seed(arguments))
    sampler.lookAhead.companion = try ParticleOptions.companion(arguments, of: session.model)
    try session.run(sampler)
  }
}
