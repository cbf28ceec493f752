// Licensed under the Apache License, Version 2.0.

// %% [markdown]
// # 藏头诗: a poem whose lines begin with given characters
//
// The poem has four lines of five characters in the manner of the Tang poets. Their first
// characters read 春江花月: spring, river, flowers, moon. Run this with `swift run -c release poem`; it
// prints the lines after `//>`.

// %%
import Foundation
import LM
import Sampling

// %% [markdown]
// ## Form and acrostic
//
// The built-in model `tang` gives each character a probability after the three before it. The form
// is a regular expression for the whole text, and the acrostic is four statements about places.
// Commas and full stops are at places 6, 12, 18 and 24, so the lines begin at 1, 7, 13 and 19. The
// fluency is above 1 and favours what the model finds likely.

// %%
let model = try BuiltInModel.tang.load(layout: .fast)
let form = #"match /(\p{Han}{5}，\p{Han}{5}。){2}/"#
let acrostic = zip([1, 7, 13, 19], "春江花月").map { place, character in
  "at character \(place) \"\(character)\""
}
let statements = ([form] + acrostic + ["fluency 1.2"]).joined(separator: "\n")
let target = try SentenceTarget(
  model: model, constraints: ConstraintFile.parse(statements, path: "poem"))
print(statements)
//> match /(\p{Han}{5}，\p{Han}{5}。){2}/
//> at character 1 "春"
//> at character 7 "江"
//> at character 13 "花"
//> at character 19 "月"
//> fluency 1.2

// %% [markdown]
// ## Sampling
//
// Every allowed text has 24 characters, so an insertion or deletion would always break the form.
// `NGramMoves` sees this in the target's automaton and proposes only what can be accepted: replaced
// characters, swaps of two, and rewritten blocks.

// %%
let kernel = NGramMoves(for: target)
let plan = RunPlan(
  warmup: 200_000, thin: 300_000, extent: .steps(600_000), traceEvery: 500, seed: 5)
let records = try runChains(
  of: plan, target: target, kernel: kernel,
  quantities: { scorer in
    // The number of distinct characters among the twenty.
    [scorer.logProbability, Double(Set(scorer.state).count - 2)]
  }, threads: 2)
for draw in records.flatMap(\.draws) { print(model.vocabulary.text(of: draw.state)) }
//> 春风吹渐落，江南江北天。花曙色分流，月中觅长生。
//> 春风叶动地，江月在中情。花园新雨后，月下楼兰灯。
//> 春来半月白，江燕不能传。花开花落处，月映自依依。
//> 春风情不暖，江上大罗天。花开千里外，月移得烟霞。
//> 春风一面疏，江东去相干。花微茫长沙，月明圣明君。
//> 春风来几日，江城日暮春。花下相逢曹，月中飞养神。
//> 春物翠羽翼，江云溪边云。花开花落尽，月照不得归。
//> 春风吹不尽，江南雏不得。花落中有路，月向此时看。

// %% [markdown]
// ## Which moves work

// %%
for (kind, name) in kernel.kinds.enumerated() {
  guard let rate = records.acceptanceRate(ofKind: kind) else { continue }
  print("\(name): \(String(format: "%.1f", rate * 100)) %")
}
//> replace: 21.7 %
//> replace-by-unigram: 3.0 %
//> swap: 1.6 %
//> rewrite: 27.6 %

// %% [markdown]
// Characters drawn from the left context (`replace`) are accepted seven times as often as
// characters drawn by frequency alone: 22 against 3 in a hundred. A swap of two characters seldom
// fits, once in sixty steps. The characters of the acrostic and the punctuation never change,
// because a move that changes them leaves the target and is rejected.
//
// ## What the draws show

// %%
for (i, name) in ["log of the target", "different characters"].enumerated() {
  let traces = records.traces(ofQuantity: i)
  print(
    String(
      format: "%@: mean %.2f ± %.2f, effective draws %.0f, R-hat %.3f", name,
      traces.mean.value ?? .nan, traces.meanError.value ?? .nan,
      traces.bulkEffectiveSize.value ?? .nan, traces.rHat.value ?? .nan))
}
//> log of the target: mean -110.73 ± 0.98, effective draws 157, R-hat 1.028
//> different characters: mean 18.77 ± 0.05, effective draws 324, R-hat 1.018

// %% [markdown]
// Of the twenty characters, 18.77 are distinct: a poem repeats one and a quarter on average, give
// or take .05, as in 花开花落. R-hat is 1.02 and 1.03, so the chains have not quite converged:
// beginnings such as 春风 hold a chain for long. `gensample exact` draws such poems independently.
