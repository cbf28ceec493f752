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
//> At night into her heart.
//> In the heart was loose, while night.
//> To complete, for a night or callers into your heart.
//> My heart is frequent during the night.
//> With all my heart to start from that night.
//> I had a night to her heart.
