// Licensed under the Apache License, Version 2.0.

// %% [markdown]
// # Five samplers, one answer
//
// Samplers differ in what they cost and in how they fail, but they sample the same target. Here
// exact draws, rejection, importance weights, particles and a Markov chain answer the same
// questions. `swift run -c release agreement` prints the lines after `//>`.

// %%
import Foundation
import Sampling
import SamplingLaws

// %% [markdown]
// ## The target
//
// The language has the letters a and b. From ^: a .6, b .3, the end .1. From a: a .2, b .5, end .3.
// From b: a .4, b .1, end .5. The target has the texts of at most six letters that contain aa, and
// each bb makes a text e times as likely. These texts are few enough to list.

// %%
let toy = BigramTable.toy
func weight(_ text: TokenSequence) -> Double {
  let pairs = zip(text, text.dropFirst()).map { TokenSequence([$0, $1]) }
  guard pairs.contains(toy.text("aa")) else { return -.infinity }
  return Double(pairs.count { $0 == toy.text("bb") })
}
let automaton = TokenAutomaton(toy, lengths: 0...6, weight: weight)
let target = SentenceTarget(model: toy, constraint: automaton)
let space = EnumeratedTarget(target, among: toy.texts(ofLengths: 0...6))
print(space.states.count, "texts, log evidence", String(format: "%.4f", log(evidence(of: space))))
//> 74 texts, log evidence -1.7100

// %% [markdown]
// ## The questions
//
// How long is a text, how likely does it begin with b, and what is the sum Z of rho over all texts?
// The mean of n independent draws has the error s / root(n).

// %%
func length(_ text: TokenSequence) -> Double { Double(text.count) }
func beginsWithB(_ text: TokenSequence) -> Double { text.first == toy.text("b")[0] ? 1 : 0 }

func tell(
  _ name: String, _ length: (Double, Double), _ first: (Double, Double), _ z: (Double, Double)?
) {
  var line = name.padding(toLength: 11, withPad: " ", startingAt: 0)
  line += String(format: "%.3f ± %.3f  %.4f ± %.4f", length.0, length.1, first.0, first.1)
  if let z { line += String(format: "  %.3f ± %.3f", z.0, z.1) }
  print(line)
}
func plain(_ texts: [TokenSequence], _ quantity: (TokenSequence) -> Double) -> (Double, Double) {
  let mean = WeightedTexts(texts.map { WeightedText($0, logWeight: 0) }, zeroCount: 0)
    .mean(quantity)
  return mean.map { ($0.value, $0.error) } ?? (.nan, .nan)
}

// %% [markdown]
// ## The answers
//
// **Exact** comes from the list. **Rejection** takes texts of the model, gives up those that can no
// longer contain aa, and keeps the others by their soft weight, which is at most e^3.
// **Importance** and **particles** write texts from left to right, guided by the automaton's
// predictions. The **chain** starts from a text and edits it.

// %%
let n = 2_000
let table = AliasTable(weights: space.states.map { space.probabilities[$0] ?? 0 })
var choices = RandomChoices(seed: 1)
let exact = (0..<n).map { _ in space.states[table.draw(using: &choices)] }
let known = space.probabilities.reduce((0, 0)) {
  ($0.0 + length($1.key) * $1.value, $0.1 + beginsWithB($1.key) * $1.value)
}
tell("list", (known.0, 0), (known.1, 0), (log(evidence(of: space)), 0))
tell("exact", plain(exact, length), plain(exact, beginsWithB), nil)
//> list       3.843 ± 0.000  0.1802 ± 0.0000  -1.710 ± 0.000
//> exact      3.853 ± 0.030  0.1970 ± 0.0089

// %%
let lookAhead = AutomatonLookAhead(
  automaton, mostTokens: 6, weights: [0, 0.3, 0.4, 0.3], vocabulary: toy.vocabulary)
let rejection = Rejection(
  ModelTexts(target, lookAhead, source: VectorTokens(toy)), logBound: 3)
var kept: [TokenSequence] = []
var proposals = 0
while kept.count < n {
  proposals += 1
  if let text = try rejection.attempt(using: &choices) { kept.append(text) }
}
let share = Double(n) / Double(proposals)
tell(
  "rejection", plain(kept, length), plain(kept, beginsWithB),
  (3 + log(share), ((1 - share) / Double(n)).squareRoot()))
//> rejection  3.852 ± 0.030  0.1865 ± 0.0087  -1.702 ± 0.022

// %%
let tokens = GuidedTokens(target, lookAhead)
let texts = GuidedTexts(tokens)
var weighted = WeightedTexts()
for _ in 0..<n { weighted.append(try texts.draw(using: &choices)) }
func mean(_ texts: WeightedTexts, _ quantity: (TokenSequence) -> Double) -> (Double, Double) {
  texts.mean(quantity).map { ($0.value, $0.error) } ?? (.nan, .nan)
}
tell(
  "importance", mean(weighted, length), mean(weighted, beginsWithB),
  (weighted.logEvidence, weighted.logEvidenceError.value ?? .nan))
//> importance 3.807 ± 0.035  0.1792 ± 0.0081  -1.699 ± 0.010

// %%
let runs = try (0..<40).map { _ in
  try ParticleFilter(tokens, threshold: 0.9).run(count: 50, using: &choices).texts
}
let evidences = WeightedTexts(
  runs.map { WeightedText([], logWeight: $0.logEvidence) }, zeroCount: 0)
// The particles of one run depend on each other, but whole runs, weighted by evidence, do not.
func mean(_ runs: [WeightedTexts], _ quantity: (TokenSequence) -> Double) -> (Double, Double) {
  let means = runs.map { $0.mean(quantity)?.value ?? .nan }
  let weights = evidences.relativeWeights
  let sum = weights.reduce(0, +)
  let all = zip(weights, means).reduce(0) { $0 + $1.0 * $1.1 } / sum
  let squares = zip(weights, means).reduce(0) { $0 + $1.0 * $1.0 * ($1.1 - all) * ($1.1 - all) }
  return (all, squares.squareRoot() / sum)
}
tell(
  "particles", mean(runs, length), mean(runs, beginsWithB),
  (evidences.logEvidence, evidences.logEvidenceError.value ?? .nan))
//> particles  3.798 ± 0.032  0.1684 ± 0.0075  -1.692 ± 0.008

// %%
let words = UnigramTokens(for: target, weights: [0, 0, 0.5, 0.5])
let kernel = Mixture {
  Weighted(1, MetropolisHastings(ReplaceToken(words)))
  Weighted(1, MetropolisHastings(InsertOrDeleteToken(words)))
}
let records = try runChains(
  of: RunPlan(warmup: 1_000, thin: 40_000, extent: .steps(40_000), traceEvery: 10, seed: 1),
  target: target, kernel: kernel,
  quantities: { [length($0.state), beginsWithB($0.state)] }, threads: 2)
let traces = [records.traces(ofQuantity: 0), records.traces(ofQuantity: 1)]
  .map { ($0.mean.value ?? .nan, $0.meanError.value ?? .nan) }
tell("chain", traces[0], traces[1], nil)
//> chain      3.815 ± 0.021  0.1763 ± 0.0040

// %% [markdown]
// All agree with the list within three of their errors. Only the chain gives no evidence, because
// it never sees Z; its errors come from its own traces. Which one to take depends on the target:
// rejection if much is allowed, importance and particles if the next tokens show what is promising,
// and a chain if they do not.
