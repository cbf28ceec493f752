// Licensed under the Apache License, Version 2.0.

// %% [markdown]
// # Does it end?
//
// If a decoder looks only at the context, an n-gram model under it is a Markov chain over contexts.
// The probability that it never ends can then be computed instead of guessed from long texts.
// `swift run -c release termination` prints the lines after `//>`.

// %%
import Foundation
import LM
import Sampling

let limit = 64
func prompts(of model: NGramModel) -> [TokenSequence] {
  (0..<model.vocabulary.count).map { Token($0) }.filter(model.vocabulary.isDrawable)
    .map { TokenSequence([$0]) }
}

/// A 99.99 % confidence interval for the share of texts after random prompts that are unfinished
/// after 64 tokens.
func simulated(
  _ model: NGramModel, count: Int,
  _ decode: @Sendable (TokenSequence, inout RandomChoices) throws -> DecodedText?
) throws -> ClosedRange<Double> {
  let prompts = prompts(of: model)
  let cut = try concurrently(count, threads: 2) { number in
    var choices = RandomChoices(Philox(seed: 1).stream(UInt64(number)))
    let prompt = prompts[choices.index(below: prompts.count)]
    return try decode(prompt, &choices)?.isFinished == true ? 0 : 1
  }
  return binomialInterval(cut.reduce(0, +), of: count, confidence: 0.9999)
}
func show(_ cells: [String], _ range: ClosedRange<Double>) {
  let widths = [24, 10, 9, 10, 8]
  let row = zip(cells, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
  print(row.joined() + String(format: "%.3f ... %.3f", range.lowerBound, range.upperBound))
}

// %% [markdown]
// ## Computed, and simulated
//
// In the tables below, **begin** is the probability that a text never ends. **prompts** is the
// number of one-token prompts that may lead into a loop. If all prompts are equally likely,
// **share** is the share of texts that never end, and **64** the share unfinished after 64 tokens.
// One chain and one solution serve all prompts. The interval comes from texts that the decoder
// itself makes; the program stops if it does not contain the computed share. Greedy decoding is
// top-k 1, and keep-end, which never removes the end, makes a truncation consistent.

// %%
func compute(_ model: NGramModel) throws {
  let truncations = try [false, true].flatMap { keepsEnd -> [any Truncation] in
    try [1, 2, 4].map { try TopK($0, keepsEnd: keepsEnd) }
      + [0.2, 0.4].map { try Nucleus($0, keepsEnd: keepsEnd) }
  }
  let automaton = model.makeBackoffAutomaton()
  let roots = [automaton.start] + prompts(of: model).map { automaton.context(after: $0) }
  let all = 1..<roots.count
  let rows = try concurrently(truncations.count, threads: 2) { number in
    let analysis = TerminationAnalysis(
      try ContextChain(automaton, .sampled, transforms: [truncations[number]], roots: roots))
    let share = analysis.survival(ofRoots: all, limit: limit)[limit]
    let sampler = AncestralSampler(
      try DecodingRules(transforms: [truncations[number]], maxTokens: limit))
    let range = try simulated(model, count: 200) {
      try sampler.draw(from: model, after: $0, using: &$1)
    }
    precondition(range.contains(share) && analysis.chain.isComplete && analysis.error < 1e-9)
    let never = [0..<1, all].map { String(format: "%.3g", analysis.neverEnds(ofRoots: $0)) }
    let looping = all.count { analysis.neverEnds[analysis.chain.roots[$0]] > 0 }
    let cells = [never[0], "\(looping)", never[1], String(format: "%.4f", share)]
    return ([truncations[number].name] + cells, range)
  }
  for (cells, range) in rows { show(cells, range) }
}

// %% [markdown]
// ## Simulated only
//
// The choices of wrappers and beams depend on the step and on scores. The wrappers are proven to
// end; **prompts** is the token from which their epsilon makes the end more likely than not.

// %%
func simulate(_ model: NGramModel) throws {
  for wrapper: any NextTokenTransform in [
    try SelfTerminating(0.01), try NonMonotoneTermination(0.01), try SelfTerminating(1e-5),
  ] {
    let greedy = try GreedyDecoder(DecodingRules(transforms: [wrapper], maxTokens: limit))
    let range = try simulated(model, count: 60) { prompt, _ in
      try greedy.decode(model, after: prompt)
    }
    let epsilon = wrapper.name.hasSuffix("0.01") ? 0.01 : 1e-5
    show([wrapper.name, "0", "\(SelfTerminating.stepBeyondHalf(epsilon) ?? 0)", "0", ""], range)
  }
  for width in [2, 4] {
    let beam = try BeamSearch(width: width, DecodingRules(maxTokens: limit))
    let range = try simulated(model, count: 60) { prompt, _ in
      try beam.decode(model, after: prompt).first?.decoded
    }
    show(["beam \(width)", "", "", "", ""], range)
  }
}

// %%
for name in [BuiltInModel.english, .tang] {
  print(name.rawValue.padding(toLength: 24, withPad: " ", startingAt: 0), terminator: "")
  print("begin     prompts  share     64      simulated")
  let model = try name.load(layout: .fast)
  try compute(model)
  try simulate(model)
}
//> english                 begin     prompts  share     64      simulated
//> top-k 1                 0         13889    0.54      0.5397  0.387 ... 0.661
//> top-k 2                 0         0        0         0.0056  0.000 ... 0.071
//> top-k 4                 0         0        0         0.0048  0.000 ... 0.081
//> top-p 0.2               0         23       0.000335  0.0021  0.000 ... 0.048
//> top-p 0.4               8.52e-06  25626    8.94e-05  0.0023  0.000 ... 0.061
//> top-k 1 keep-end        0         0        0         0.5394  0.387 ... 0.661
//> top-k 2 keep-end        0         0        0         0.0056  0.000 ... 0.071
//> top-k 4 keep-end        0         0        0         0.0048  0.000 ... 0.081
//> top-p 0.2 keep-end      0         0        0         0.0021  0.000 ... 0.048
//> top-p 0.4 keep-end      0         0        0         0.0023  0.000 ... 0.061
//> self-terminating 0.01   0         69       0                 0.000 ... 0.152
//> non-monotone 0.01       0         69       0                 0.000 ... 0.152
//> self-terminating 1e-05  0         69315    0                 0.286 ... 0.769
//> beam 2                                                       0.000 ... 0.152
//> beam 4                                                       0.000 ... 0.152
//> tang                    begin     prompts  share     64      simulated
//> top-k 1                 1         1940     0.363     0.3625  0.210 ... 0.468
//> top-k 2                 0         0        0         0.0002  0.000 ... 0.048
//> top-k 4                 0         0        0         0.0001  0.000 ... 0.048
//> top-p 0.2               4.18e-06  4988     0.00719   0.0072  0.000 ... 0.071
//> top-p 0.4               0         5        0.000852  0.0013  0.000 ... 0.061
//> top-k 1 keep-end        0         0        0         0.3618  0.205 ... 0.463
//> top-k 2 keep-end        0         0        0         0.0002  0.000 ... 0.048
//> top-k 4 keep-end        0         0        0         0.0001  0.000 ... 0.048
//> top-p 0.2 keep-end      0         0        0         0.0072  0.000 ... 0.071
//> top-p 0.4 keep-end      0         0        0         0.0013  0.000 ... 0.061
//> self-terminating 0.01   0         69       0                 0.000 ... 0.152
//> non-monotone 0.01       0         69       0                 0.000 ... 0.152
//> self-terminating 1e-05  0         69315    0                 0.143 ... 0.607
//> beam 2                                                       0.022 ... 0.368
//> beam 4                                                       0.000 ... 0.190

// %% [markdown]
// From the start, greedy decoding of the Chinese model never ends, and after more than half of the
// English tokens it does not either. Small nuclei get stuck at words that were only seen repeated.
// Keeping the end cures that and changes little else. An epsilon of 1e-5 is no cure in practice.
