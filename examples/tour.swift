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
//> Here all night.
//> The night is simple.
//> The last night.
//> log evidence -7.7674

// %% [markdown]
// ## Chains

// %%
let plan = RunPlan(warmup: 20_000, thin: 20_000, extent: .steps(40_000), traceEvery: 50, seed: 1)
let chains = try runChains(of: plan, target: target, kernel: NGramMoves(for: target), threads: 2)
say(chains.compactMap(\.draws.last?.state))
print("R-hat", chains.traces(ofQuantity: 0).rHat)
//> In the last night.
//> A still standing before night.
//> His dance that night.
//> That night.
//> R-hat value(1.015325788806077)

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
//> At night he set out.
//> Natasha smiled at night.
//> These last night.
//> It was a night before.

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
//> The last night.
//> At night ever beheld.
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
//> But if you will look in my rooms, and they had to do it, but I am afraid of the dead man was to blame.
//> log p -76.37, drawn with -66.40
//> I am not a man, and he was not a soul in the drawing room.
