// Licensed under the Apache License, Version 2.0.

// %% [markdown]
// # Write your own kernel and let the laws judge it
//
// A chain that is slightly wrong still prints plausible texts. On a space small enough to list, its
// mistakes show up as numbers. `swift run -c release kernel` prints the lines after `//>`.

// %%
import Foundation
import Sampling
import SamplingLaws

// %% [markdown]
// ## A language to check by hand
//
// `^` begins and `$` ends a text. From ^: a .6, b .3, $ .1. From a: a .2, b .5, $ .3. From b: a .4,
// b .1, $ .5. The target is this language on the 30 texts of one to four letters.

// %%
let toy = BigramTable.toy
let lengths = TokenAutomaton(toy, lengths: 1...4)
let target = SentenceTarget(model: toy, constraint: lengths)
let space = EnumeratedTarget(target, among: toy.texts(ofLengths: 1...4))
let law = space.probabilities
print(law.count, "texts")
for text in ["a", "b", "ab", "ba"] {
  print(text, String(format: "%.6f", law[toy.text(text)] ?? 0))
}
//> 30 texts
//> a 0.230974
//> b 0.192478
//> ab 0.192478
//> ba 0.046195

// %% [markdown]
// By hand: p(a) = .6 x .3 = .18, and the 30 texts have .77931 together, so a has .230974.
//
// ## The kernel
//
// It chooses a place uniformly, draws a new letter by fixed weights, and accepts it with
// probability min(1, rho(new) w(old) / rho(old) w(new)). The second factor is the Hastings ratio.
// Two mistakes of published samplers can be switched on.

// %%
typealias Chain = IncrementalScorer<BigramTable, TokenAutomaton>
struct ReplaceLetter: TransitionKernel {
  enum Mistake { case none, noHastingsRatio, currentAmongCandidates }
  var weights: [Double]
  var mistake = Mistake.none
  var kinds: [String] { ["replace"] }

  func step(_ scorer: inout Chain, using choices: inout some ChoiceSource) -> StepReport {
    let place = choices.index(below: scorer.count)
    let old = scorer.token(at: place).index - 2
    let new = choices.index(weights: weights)
    let edit = TokenSequence.Edit.replace(place, Token(new + 2))
    let change = scorer.change(under: edit)
    let isAccepted =
      switch mistake {
      case .none: choices.accepts { _ in change + log(weights[old] / weights[new]) }
      case .noHastingsRatio: choices.accepts { _ in change }
      // Chooses between the drawn and the current candidate, in proportion to the target.
      case .currentAmongCandidates: choices.chance(1 / (1 + exp(-change)))
      }
    if isAccepted { scorer.commit(edit) }
    return StepReport(isAccepted: isAccepted, kind: 0)
  }
}

// %% [markdown]
// ## The laws
//
// `TransitionMatrix` plays every branch of a step from every text. Invariance: one step turns the
// target's law into itself. Irreducibility: every text can be reached from every other text.

// %%
func judge(_ name: String, _ kernel: some TransitionKernel<Chain>) {
  let matrix = TransitionMatrix(of: kernel, on: space)
  let defect = matrix.invarianceDefect(of: law)
  let shown = defect < 1e-14 ? "none" : String(format: "%.4f", defect)
  print("\(name): defect \(shown), out of reach \(matrix.unreachableCount)")
}
let replace = ReplaceLetter(weights: [0.75, 0.25])
let edit = MetropolisHastings(
  InsertOrDeleteToken(UnigramTokens(for: target, weights: [0, 0, 0.75, 0.25])))
let kernel = Mixture {
  Weighted(1, replace)
  Weighted(1, edit)
}
judge("replace", replace)
judge("replace or insert or delete", kernel)
//> replace: defect none, out of reach 30
//> replace or insert or delete: defect none, out of reach 0

// %% [markdown]
// Both keep the law: the defects of about 1e-16 are rounding. But the first never changes a length,
// so each of the 30 texts is out of reach from some other one. Invariance is not enough.
//
// ## Mistakes

// %%
let lopsided = [0.75, 0.25]
judge("no ratio, 3 to 1", ReplaceLetter(weights: lopsided, mistake: .noHastingsRatio))
judge("no ratio, 1 to 1", ReplaceLetter(weights: [0.5, 0.5], mistake: .noHastingsRatio))
judge("current, 3 to 1", ReplaceLetter(weights: lopsided, mistake: .currentAmongCandidates))
//> no ratio, 3 to 1: defect 0.1423, out of reach 30
//> no ratio, 1 to 1: defect none, out of reach 30
//> current, 3 to 1: defect 0.0824, out of reach 30

// %% [markdown]
// Without the Hastings ratio, a step moves .14 of the probability to wrong texts. Choosing between
// candidates that always include the current letter moves .08. If letters are drawn uniformly, the
// ratio is 1 and hides the first mistake, so judge a kernel with uneven proposals.
//
// ## A rejected step that is not recorded
//
// The kernel is right, but recording only accepted steps samples another law, in proportion to
// each text's probability times the probability that a step from it is accepted.

// %%
var recorded: [TokenSequence: Double] = [:]
for text in space.states {
  let accepted = outcomes { choices in
    var scorer = target.makeScorer(at: text)
    return kernel.step(&scorer, using: &choices).isAccepted
  }
  recorded[text] = (law[text] ?? 0) * (accepted[true] ?? 0)
}
let total = space.states.reduce(0) { $0 + (recorded[$1] ?? 0) }
for text in space.states { recorded[text, default: 0] /= total }
print(String(format: "accepted %.4f, distance %.4f", total, totalVariation(law, recorded)))
//> accepted 0.5736, distance 0.0929

// %%
let a = toy.text("a")
let plan = RunPlan(warmup: 1_000, thin: 100_000, extent: .steps(100_000), traceEvery: 10, seed: 1)
let records = try runChains(
  of: plan, target: target, kernel: kernel, quantities: { [$0.state == a ? 1 : 0] }, threads: 2)
let share = records.traces(ofQuantity: 0)
print(
  String(
    format: "share of a: exact %.4f, run %.4f ± %.4f, accepted steps alone %.4f", law[a] ?? 0,
    share.mean.value ?? .nan, share.meanError.value ?? .nan, recorded[a] ?? 0))
//> share of a: exact 0.2310, run 0.2324 ± 0.0025, accepted steps alone 0.2441

// %% [markdown]
// The run agrees with the exact .2310 within its error of .0025. Accepted steps alone would give
// .2441, which is five errors off, and misplace .09 of the probability in all.
