// Licensed under the Apache License, Version 2.0.

// %% [markdown]
// # A tour: samplers of one target
//
// This shows how to call each sampler on one target of the English model, as in the guides.
// `swift run -c release tour` prints the lines after `//>`. `Guides` describes when to use each
// sampler and how it fails. Rejection, importance and particles are in `agreement`.

// %%
import Foundation
import LM
import Sampling

let model = try BuiltInModel.english.load(layout: .fast)
let wanted = #"""
  include "night"
  length ..6 tokens
  match /[A-Z][a-z ]+\./
  """#
let target = try SentenceTarget(
  model: model, constraints: ConstraintFile.parse(wanted, path: "wanted"))
var choices = RandomChoices(seed: 1)
func say(_ texts: [TokenSequence]) {
  for text in texts { print(model.vocabulary.text(of: text)) }
}

// %% [markdown]
// ## Exact

// %%
let exact = try NGramInference(target: target)
say((0..<2).map { _ in exact.draw(using: &choices) })
say(try exact.best(1))
print(String(format: "log evidence %.4f", exact.logEvidence))
//> Yet he of the night.
//> Two in sobbing night.
//> The night.
//> log evidence -8.0795

// %% [markdown]
// ## Chains

// %%
let plan = RunPlan(warmup: 20_000, thin: 20_000, extent: .steps(40_000), traceEvery: 50, seed: 1)
let chains = try runChains(of: plan, target: target, kernel: NGramMoves(for: target), threads: 2)
say(chains.compactMap(\.draws.last?.state))
print("R-hat", chains.traces(ofQuantity: 0).rHat)
//> The night was also.
//> Last night.
//> But the night.
//> You have spent the night.
//> R-hat value(1.0069151942842178)

// %% [markdown]
// ## Gibbs
//
// Tokens are redrawn from their full conditionals, and some steps insert or delete a token.

// %%
let words = NGramFullTokens<TokenAutomaton>(model)
let gibbs = Mixture {
  Weighted(1, Gibbs(words, for: target, scan: .random))
  Weighted(1, MetropolisHastings(InsertOrDeleteToken(words)))
}
say(
  try runChains(of: plan, target: target, kernel: gibbs, threads: 2).compactMap(\.draws.last?.state)
)
//> That amused good night.
//> At last night.
//> Then at night.
//> Pierre looked at night.

// %% [markdown]
// ## Annealing and tempering

// %%
guard let start = try target.randomStart(using: &choices) else { fatalError("nothing is allowed") }
let annealed = try Annealing(target, schedule: .geometric, bounds: 0.3...20).run(
  from: start, steps: 40_000, kernel: { NGramMoves(for: $0) }, using: &choices)
say([annealed.best])
let exchange = ReplicaExchange(target, ladder: Ladder(count: 4, hottest: 0.5)) {
  NGramMoves(for: $0)
}
var replicas = exchange.start(at: [start, start, start, start])
for _ in 0..<400 { exchange.round(&replicas, steps: 100, using: &choices) }
say([replicas.scorers[0].state])
print("round trips", replicas.roundTrips)
//> The night.
//> What was the one night.
//> round trips 17

// %% [markdown]
// ## Decoding
//
// Decoding works from left to right and does not follow rho.

// %%
let rules = try DecodingRules(transforms: [Temperature(0.8), Nucleus(0.9, keepsEnd: true)])
let drawn = try AncestralSampler(rules).draw(from: model, using: &choices)
print(model.vocabulary.text(of: drawn.text))
print(String(format: "log p %.2f, drawn with %.2f", drawn.logModel, drawn.logDrawn))
say([try GreedyDecoder().decode(model).text])
//> Pierre was pleased to see the portrait.
//> log p -24.23, drawn with -21.22
//> The old prince, of the French, and the whole of the French, and the whole of the French, and the whole of the French, and the whole of the French, and the whole of the French, and the whole of the French, and the whole of the French, and the whole of the French,
