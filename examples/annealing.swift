// Licensed under the Apache License, Version 2.0.

// %% [markdown]
// # From a transition matrix to annealing
//
// A step of a chain is a matrix. On a space small enough to list, we can write the matrix down.
// Here we check its balance, multiply it and cool it, without a random number until the end.
// `swift run -c release annealing` prints the lines after `//>`.

// %%
import Foundation
import Sampling
import SamplingLaws

// %% [markdown]
// ## A target and a step
//
// The texts have two to four letters of a toy language, and each bb makes a text e^3 times as
// likely. A Metropolis-Hastings step replaces, inserts or deletes a letter, or stays.

// %%
let toy = BigramTable.toy
func weight(_ text: TokenSequence) -> Double {
  3 * Double(zip(text, text.dropFirst()).count { TokenSequence([$0, $1]) == toy.text("bb") })
}
let target = SentenceTarget(
  model: toy, constraint: TokenAutomaton(toy, lengths: 2...4, weight: weight))
let space = EnumeratedTarget(target, among: toy.texts(ofLengths: 2...4))
let words = UnigramTokens(for: target, weights: [0, 0, 0.5, 0.5])
let kernel = Mixture {
  Weighted(1, MetropolisHastings(ReplaceToken(words)))
  Weighted(1, MetropolisHastings(InsertOrDeleteToken(words)))
}
typealias Law = [TokenSequence: Double]
func name(_ text: TokenSequence) -> String { toy.vocabulary.text(of: text) }
func share(_ law: Law, _ text: TokenSequence) -> Double { law[text] ?? 0 }
print(space.states.count, "texts, of which the likeliest:")
func isLikelier(_ a: TokenSequence, _ b: TokenSequence) -> Bool {
  share(space.probabilities, a) > share(space.probabilities, b)
}
for text in space.states.sorted(by: isLikelier).prefix(3) {
  print(name(text), String(format: "%.4f", share(space.probabilities, text)))
}
//> 28 texts, of which the likeliest:
//> bbbb 0.3107
//> abbb 0.1547
//> bbb 0.1547

// %% [markdown]
// ## Detailed balance, in numbers
//
// Every branch of a step is played, so P is exact, and pi(x) P(x, y) = pi(y) P(y, x).

// %%
let matrix = TransitionMatrix(of: kernel, on: space)
func flow(_ x: TokenSequence, _ y: TokenSequence) -> Double {
  share(space.probabilities, x) * share(matrix.rows[x] ?? [:], y)
}
print("x     y     P(x, y)  P(y, x)  flow there  flow back")
for (x, y) in [("ab", "bb"), ("bb", "bbb"), ("bbb", "bbbb"), ("ab", "aab")] {
  let (x, y) = (toy.text(x), toy.text(y))
  print(
    name(x).padding(toLength: 6, withPad: " ", startingAt: 0)
      + name(y).padding(toLength: 6, withPad: " ", startingAt: 0)
      + String(
        format: "%.4f   %.4f   %.6f    %.6f", share(matrix.rows[x] ?? [:], y),
        share(matrix.rows[y] ?? [:], x), flow(x, y), flow(y, x)))
}
print("balanced everywhere:", matrix.reversibilityDefect(of: space.probabilities) < 1e-12)
//> x     y     P(x, y)  P(y, x)  flow there  flow back
//> ab    bb    0.1250   0.0622   0.004793    0.004793
//> bb    bbb   0.1250   0.0622   0.009626    0.009626
//> bbb   bbbb  0.1250   0.0622   0.019335    0.019335
//> ab    aab   0.0333   0.1667   0.001278    0.001278
//> balanced everywhere: true

// %% [markdown]
// ## Powers of the matrix
//
// A chain that starts at aa has the law of row aa of P after one step, and of P^2 after two. Its
// distance from pi falls with every step. This is what a warm-up does.

// %%
func next(_ law: Law, _ matrix: TransitionMatrix<TokenSequence>) -> Law {
  var next: Law = [:]
  for (x, probability) in law {
    for (y, chance) in matrix.rows[x] ?? [:] { next[y, default: 0] += probability * chance }
  }
  return next
}
var law: Law = [toy.text("aa"): 1]
for step in 1...256 {
  law = next(law, matrix)
  if [1, 4, 16, 64, 256].contains(step) {
    print(
      "\(step) steps: distance", String(format: "%.6f", totalVariation(law, space.probabilities)))
  }
}
//> 1 steps: distance 0.922705
//> 4 steps: distance 0.683379
//> 16 steps: distance 0.238493
//> 64 steps: distance 0.002294
//> 256 steps: distance 0.000000

// %% [markdown]
// ## Cooling
//
// Each power of rho has its own matrix. An annealing run is their product, so the law of its last
// text is known. Slow cooling is safer; a cold start does well if there is no valley to cross.

// %%
let best = space.states.min(by: isLikelier) ?? []
func cooled(_ powers: [Double]) -> Law {
  var law: Law = [toy.text("aa"): 1]
  var made: [Double: TransitionMatrix<TokenSequence>] = [:]
  for power in powers {
    let hot = EnumeratedTarget(target.tempered(power), among: space.states)
    let matrix = made[power] ?? TransitionMatrix(of: kernel, on: hot)
    made[power] = matrix
    law = next(law, matrix)
  }
  return law
}
print("at \(name(best)):")
print(
  "cold from the beginning, 60 steps",
  String(format: "%.4f", share(cooled(.init(repeating: 8, count: 60)), best)))
for steps in [20, 60, 180] {
  let powers = (0..<steps).map { 0.25 * exp(log(32) * Double($0 * 10 / steps) / 9) }
  print("cooled over \(steps) steps", String(format: "%.4f", share(cooled(powers), best)))
}
//> at bbbb:
//> cold from the beginning, 60 steps 0.9688
//> cooled over 20 steps 0.3174
//> cooled over 60 steps 0.8272
//> cooled over 180 steps 0.9789

// %% [markdown]
// ## The same, drawn
// `Annealing` does this for texts that cannot be listed, and keeps the best text it has seen.

// %%
var choices = RandomChoices(seed: 1)
let annealing = Annealing(target, bounds: 0.25...8, stages: 10)
let ends = try (0..<200).map { _ in
  try annealing.run(from: toy.text("aa"), steps: 180, kernel: { _ in kernel }, using: &choices).best
}
print("best text found in", ends.count { $0 == best }, "of", ends.count, "runs")
//> best text found in 200 of 200 runs
