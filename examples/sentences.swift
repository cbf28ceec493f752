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
//> That same night sell of their own heart.
//> There had been unable to his heart at night.
//> An heart resistance to spent the night.
//> And in his heart to have spent the night.
//> The character heart of every night, eagerly sought to herself.
//> How beautiful much breeches fashionable at night my heart.
