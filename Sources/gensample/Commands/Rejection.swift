// Licensed under the Apache License, Version 2.0.

import Runs

enum RejectionCommand: Command {
  static let name = "rejection"
  static let summary = "rejection sampling: proposes whole texts and keeps independent draws"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Draws independent texts from rho(x) = p(x)^fluency x soft weights x hard constraints. It
    proposes texts and keeps each with probability weight / M. By default the model itself proposes
    the texts: impossible texts are not proposed a second time, and M follows from the constraints.
    The share that will be kept is estimated at the start. --proposal guided guides the texts
    towards the constraints, for targets that the model's own texts hardly ever meet; M is then
    --bound, or else an estimate. The run stops with an error as soon as a text's weight exceeds M.

        gensample rejection --include sea --include storm --length 6..14
        gensample rejection --proposal guided --include war --include river --include album \\
          --length ..20
    """
  static let options =
    TargetOptions.all + [
      ParticleOptions.samples,
      Option("proposal", "KIND", "model or guided: what proposes the texts (default model)"),
      Option("bound", "NATS", "log M, an upper bound of the log weight of every text"),
      ParticleOptions.lookAhead, ParticleOptions.memory,
      ParticleOptions.maxTokens, ParticleOptions.seed, ParticleOptions.threads,
    ] + FolderOptions.plain + OutputOptions.sampler

  static func run(_ given: Arguments) throws {
    let resumed = try ResumedRun(Self.self, given)
    let arguments = resumed?.arguments ?? given
    var sampler = RejectionSampler()
    sampler.samples = try ParticleOptions.samples(arguments) ?? sampler.samples
    sampler.proposal =
      try arguments.choice("proposal", as: RejectionReport.ProposalKind.self) ?? sampler.proposal
    sampler.bound = try arguments.number(
      "bound", in: -1e6...1e6, expected: "a number of nats from -1e6 to 1e6")
    sampler.lookAhead = try ParticleOptions.lookAhead(arguments)
    let session = try SamplerSession(
      Self.self, arguments, resumed, seed: try ParticleOptions.seed(arguments))
    sampler.lookAhead.companion = try ParticleOptions.companion(arguments, of: session.model)
    try session.run(sampler)
  }
}
