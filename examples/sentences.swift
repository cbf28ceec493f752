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
//> A pretext knowledge reforms heart mind that night, leaning escape.
//> As to the heart that night.
//> He was carried out night sewn from her heart.
//> The night, and with his heart.
//> Just heart, you must night.
//> The night and to break her heart, a or person.
