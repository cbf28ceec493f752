// Licensed under the Apache License, Version 2.0.

import Foundation

/// Interpolated modified Kneser-Ney from dictionaries of counts, as the textbook has it: the slow
/// twin of `NGramTrainer`.
struct CountedKneserNey {
  /// What may be estimated wrongly, to see whether a comparison notices.
  enum Mistake { case rawCounts, prunedSums, countedBeginnings, oneDiscount }

  /// log10 of the probability and of the back-off weight.
  var values: [[String]: (probability: Double, backoff: Double)] = [:]
  var discounts: [(amounts: [Double], isFallback: Bool)] = []

  init(_ sentences: [[String]], order: Int, prune: [Int] = [], mistake: Mistake? = nil) {
    var raw: [[String]: Int] = [:]
    for sentence in sentences {
      let words = ["<s>"] + sentence + ["</s>"]
      for start in words.indices {
        for length in 1...order where start + length <= words.count {
          raw[Array(words[start..<start + length]), default: 0] += 1
        }
      }
    }
    var adjusted: [[String]: Int] = [:]
    for (gram, count) in raw {
      let keepsCount = gram.count == order || gram[0] == "<s>"
      if keepsCount || mistake == .rawCounts { adjusted[gram, default: 0] += count }
      let suffix = Array(gram.dropFirst())
      if gram.count > 1, suffix[0] != "<s>", mistake != .rawCounts {
        adjusted[suffix, default: 0] += 1
      }
    }
    // The start symbol is never predicted, the unknown word was never seen.
    if mistake != .countedBeginnings { adjusted[["<s>"]] = 0 }
    adjusted[["<unk>"], default: 0] += 0
    raw[["<unk>"], default: 0] += 0

    func isKept(_ gram: [String]) -> Bool {
      let threshold = prune.isEmpty ? 0 : prune[min(gram.count, prune.count) - 1]
      return gram.count == 1 || threshold == 0 || (raw[gram] ?? 0) > threshold
    }

    for length in 1...order {
      var n = [0, 0, 0, 0, 0]
      for (gram, count) in adjusted where gram.count == length && (1...4).contains(count) {
        n[count] += 1
      }
      discounts.append(Self.discounts(n))
      if mistake == .oneDiscount {
        let first = discounts[length - 1].amounts[0]
        discounts[length - 1].amounts = [first, first, first]
      }
    }
    func discount(_ gram: [String]) -> Double {
      let count = adjusted[gram] ?? 0
      return count == 0 ? 0 : discounts[gram.count - 1].amounts[min(count, 3) - 1]
    }

    var probabilities: [[String]: Double] = [:]
    var weights: [[String]: Double] = [:]
    for length in 1...order {
      let grams = adjusted.keys.filter { $0.count == length }
      for (context, siblings) in Dictionary(grouping: grams, by: { Array($0.dropLast()) }) {
        let counted = mistake == .prunedSums ? siblings.filter(isKept) : siblings
        let sum = Double(counted.reduce(0) { $0 + (adjusted[$1] ?? 0) })
        let removed = counted.reduce(0.0) {
          $0 + (isKept($1) ? discount($1) : Double(adjusted[$1] ?? 0))
        }
        let weight = sum == 0 ? 1 : removed / sum
        weights[context] = weight
        for gram in siblings {
          let own = sum == 0 ? 0 : (Double(adjusted[gram] ?? 0) - discount(gram)) / sum
          let lower =
            length == 1
            ? 1 / Double(siblings.count - 1) : probabilities[Array(gram.dropFirst())] ?? .nan
          probabilities[gram] = own + weight * lower
        }
      }
    }
    probabilities[["<s>"]] = 1
    for (gram, probability) in probabilities where isKept(gram) {
      values[gram] = (log10(probability), max(-99, log10(weights[gram] ?? 1)))
    }
  }

  /// The closed form from how many n-grams have counts of 1, 2, 3 and 4; .5, 1 and 1.5 without.
  private static func discounts(_ n: [Int]) -> (amounts: [Double], isFallback: Bool) {
    let fallback = (amounts: [0.5, 1, 1.5], isFallback: true)
    guard n[1] > 0, n[2] > 0, n[3] > 0 else { return fallback }
    let y = Double(n[1]) / Double(n[1] + 2 * n[2])
    let amounts = [
      1 - 2 * y * Double(n[2]) / Double(n[1]), 2 - 3 * y * Double(n[3]) / Double(n[2]),
      3 - 4 * y * Double(n[4]) / Double(n[3]),
    ]
    guard zip(amounts, [1.0, 2, 3]).allSatisfy({ $0 >= 0 && $0 <= $1 }) else { return fallback }
    return (amounts, false)
  }
}
