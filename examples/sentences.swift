// Licensed under the Apache License, Version 2.0.

// %%
import LM
import Sampling

let model = try BuiltInModel.english.load(layout: .fast)
let wanted = #"""
  include "night" "heart"
  length 5..10 words
  match /[A-Z][a-z, ]+\./
  """#
let target = try SentenceTarget(
  model: model, constraints: ConstraintFile.parse(wanted, path: "wanted"))
let plan = RunPlan(warmup: 10_000, thin: 5_000, extent: .draws(6), seed: 1)
let records = try runChains(of: plan, target: target, kernel: NGramMoves(for: target), threads: 2)
for draw in records.flatMap(\.draws) { print(model.vocabulary.text(of: draw.state)) }
//> It head battlefield between night with his heart.
//> The night, of an true, without being criminal his heart.
//> Was the night in your heart.
//> The night heart and asked to dinner.
//> The gaining last night, so heart that ended.
//> Review the heart of the blended into night.
