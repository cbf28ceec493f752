// Licensed under the Apache License, Version 2.0.

import Runs
import Sampling

enum SMC: Command {
  static let name = ParticleSampler.TokenDrawing.command
  static let summary = "sequential Monte Carlo: grows texts in parallel, resamples the good ones"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Grows --particles texts in parallel, token by token. The weight of a particle is the target so
    far, times what the constraints' automaton predicts for the rest. When the weights become too
    uneven, particles are resampled: copies of good ones replace bad ones. The predictions are
    learnt from --pilot texts, which does not change the law. The evidence is unbiased for any
    number of particles. Texts resampled by weight follow rho as that number grows.

    --tokens rejection draws tokens without reading the whole vocabulary and looks ahead by words.
    --redraw makes copies differ: before each token it redraws up to N last tokens, and
    Metropolis-Hastings accepts or rejects them. --rejuvenate runs mh for some steps from each final
    text. --runs repeats the run to estimate the error of the evidence. The summary says if runs
    disagree or too few particles carry the weight.

        gensample smc --include sea --include storm --length 6..14
        gensample smc --model tang --match '.{5}，.{5}。' --particles 2000 --resampling residual
    """
  static let options =
    TargetOptions.all.filter { $0.name != ModelOptions.tokens.name } + [
      ParticleOptions.samples, ParticleOptions.particles,
      Option(
        "runs", "N",
        "independent runs; their spread is the error (default \(ParticleSampler().runs))"),
      Option(
        "resampling", "KIND",
        Resampling.allCases.map(\.rawValue).joined(separator: ", ") + " (default systematic)"),
      Option("threshold", "SHARE", "resample if ESS / particles is below this (default 0.5)"),
      Option(
        "tokens", "KIND", isRepeatable: true,
        "guided or rejection: how tokens are drawn (default guided); characters: the words of the "
          + "ARPA file are single characters"),
      Option(
        "pilot", "N",
        "texts to learn predictions from, before the runs (default \(ParticleSampler().pilot))"),
      Option("redraw", "N", "redraw up to N last tokens before each token (default 0)"),
      Option("rejuvenate", "STEPS", "steps of mh from each final text (default 0)"),
      ParticleOptions.weighted, ParticleOptions.withoutReplacement, ParticleOptions.lookAhead,
      ParticleOptions.memory,
      ParticleOptions.maxTokens,
      ParticleOptions.seed, ParticleOptions.threads,
    ] + FolderOptions.plain + OutputOptions.sampler

  static func run(_ given: Arguments) throws {
    let resumed = try ResumedRun(Self.self, given)
    let arguments = resumed?.arguments ?? given
    var sampler = ParticleSampler()
    sampler.particles = try ParticleOptions.particles(arguments) ?? sampler.particles
    sampler.runs = try arguments.integer("runs", in: 1...10_000) ?? sampler.runs
    sampler.resampling =
      try arguments.choice("resampling", as: Resampling.self) ?? sampler.resampling
    sampler.threshold =
      try arguments.number("threshold", in: 0...1, expected: "a share from 0 to 1")
      ?? sampler.threshold
    // Other values say what the model's words are, and are judged with the model.
    sampler.tokens =
      arguments.texts("tokens").compactMap { ParticleSampler.TokenDrawing(rawValue: $0) }.last
      ?? sampler.tokens
    sampler.steps = try arguments.integer("rejuvenate", in: 0...1 << 40) ?? sampler.steps
    sampler.redraw = try arguments.integer("redraw", in: 0...1_000_000) ?? sampler.redraw
    guard sampler.redraw == 0 || sampler.tokens == .guided else {
      throw CommandFailure.usage(
        "--redraw needs --tokens guided, whose weights do not depend on the token drawn")
    }
    sampler.pilot = try arguments.integer("pilot", in: 0...10_000_000) ?? sampler.pilot
    sampler.choice = try ParticleOptions.choice(arguments)
    sampler.lookAhead = try ParticleOptions.lookAhead(arguments)
    let session = try SamplerSession(
      Self.self, arguments, resumed, seed: try ParticleOptions.seed(arguments))
    sampler.lookAhead.companion = try ParticleOptions.companion(arguments, of: session.model)
    try session.run(sampler)
  }
}
