// Licensed under the Apache License, Version 2.0.

/// Measures of how different texts are from each other and how repetitive each one is.
///
/// ```swift
/// let diversity = TextDiversity(draws.map { Array($0.state) })
/// print(diversity.distinct(2), diversity.selfBLEU(), diversity.repeated(3))
/// ```
public struct TextDiversity<Element: Hashable & Sendable>: Sendable {
  /// The texts, as sequences of tokens.
  public let texts: [[Element]]
  private let words: Grams

  /// Creates the measures for some texts.
  public init(_ texts: [[Element]]) {
    self.texts = texts
    var numbers: [Element: Int] = [:]
    let words = texts.map { text in
      text.map { token -> Int in
        let number = numbers[token] ?? numbers.count
        if number == numbers.count { numbers[token] = number }
        return number
      }
    }
    self.words = Grams(order: 1, texts: words, count: numbers.count)
  }

  private func grams(_ order: Int) -> Grams {
    precondition(order > 0, "an n-gram has at least one token")
    return (1..<order).reduce(words) { grams, _ in grams.longer(by: words) }
  }

  /// distinct-n: the number of different n-grams of all texts over the number of their n-grams.
  ///
  /// It falls with the number of texts, so compare equal numbers only. Reference: Li, Galley,
  /// Brockett, Gao and Dolan 2016, "A diversity-promoting objective function", section 5.
  ///
  /// - Parameter order: n, positive.
  /// - Returns: a share in 0 ... 1, or a reason if no text is long enough.
  public func distinct(_ order: Int) -> Estimate {
    let grams = grams(order)
    let total = grams.texts.reduce(0) { $0 + $1.count }
    guard total > 0 else { return .undefined("no text has \(order) tokens") }
    return .value(Double(grams.count) / Double(total))
  }

  /// The share of texts that are different from all earlier ones.
  public var distinctTexts: Estimate {
    texts.isEmpty
      ? .undefined("there are no texts") : .value(Double(Set(texts).count) / Double(texts.count))
  }

  /// The mean share of a text's n-grams that already occurred in it: 1 - different / all.
  ///
  /// Texts without an n-gram don't count. Reference: Welleck, Kulikov, Roller, Dinan, Cho and
  /// Weston 2020, "Neural text generation with unlikelihood training", section 6 (seq-rep-n).
  ///
  /// - Parameter order: n, positive.
  /// - Returns: a share in 0 ... 1, or a reason if no text is long enough.
  public func repeated(_ order: Int) -> Estimate {
    var shares: [Double] = []
    for all in grams(order).texts where !all.isEmpty {
      shares.append(1 - Double(Set(all).count) / Double(all.count))
    }
    guard !shares.isEmpty else { return .undefined("no text has \(order) tokens") }
    return .value(average(shares))
  }

  /// The mean BLEU of each text against all others; 1 if all texts are the same.
  ///
  /// BLEU is the geometric mean of the clipped precisions of n-grams from 1 to `order`, with equal
  /// weights, times the brevity penalty against the nearest length (the shorter of two). If nothing
  /// of an order matches, it counts as 0.1 matches, so that short texts still differ. An order that
  /// the text is too short for doesn't count.
  ///
  /// References: Papineni, Roukos, Ward and Zhu 2002, "BLEU"; Zhu, Lu, Zheng, Guo, Zhang, Wang and
  /// Yu 2018, "Texygen", section 3.1, for self-BLEU; Chen and Cherry 2014 for the smoothing (their
  /// method 1).
  ///
  /// - Parameter order: the longest n-grams, positive.
  /// - Returns: a number in 0 ... 1, or a reason if there are fewer than two texts.
  /// - Complexity: O(tokens x order); texts are not compared pairwise.
  public func selfBLEU(_ order: Int = 4) -> Estimate {
    guard texts.count > 1 else { return .undefined("there is only one text") }
    let written = texts.indices.filter { !texts[$0].isEmpty }
    guard !written.isEmpty else { return .undefined("all texts are empty") }
    var logs = [Double](repeating: 0, count: texts.count)
    var orders = [Int](repeating: 0, count: texts.count)
    var grams = words
    for n in 1...order {
      if n > 1 { grams = grams.longer(by: words) }
      // With the two largest counts over all texts, the largest in any other text is known.
      var most = [(first: Int, owner: Int, second: Int)](
        repeating: (0, -1, 0), count: grams.count)
      let counts = grams.texts.map { $0.reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 } }
      for (owner, table) in counts.enumerated() {
        for (gram, count) in table {
          let best = most[gram]
          most[gram] =
            count > best.first
            ? (count, owner, best.first) : (best.first, best.owner, max(best.second, count))
        }
      }
      for i in written where texts[i].count >= n {
        var matched = 0
        for (gram, count) in counts[i] {
          let best = most[gram]
          matched += min(count, best.owner == i ? best.second : best.first)
        }
        let whole = Double(texts[i].count - n + 1)
        logs[i] += LogSpace.log((matched == 0 ? 0.1 : Double(matched)) / whole)
        orders[i] += 1
      }
    }
    let lengths = texts.map(\.count).sorted()
    let scores = written.map { i -> Double in
      let own = texts[i].count
      let near = Double(nearestOther(to: own, in: lengths))
      let brevity = Double(own) >= near ? 0 : 1 - near / Double(own)
      return LogSpace.exp(brevity + logs[i] / Double(orders[i]))
    }
    return .value(average(scores))
  }

  /// The length among the other texts that is nearest to a text's own; the shorter of two.
  private func nearestOther(to length: Int, in sorted: [Int]) -> Int {
    var low = 0
    var high = sorted.count
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < length { low = middle + 1 } else { high = middle }
    }
    // The text's own length is at `low`; another text may have the same length.
    let before = low > 0 ? sorted[low - 1] : nil
    let after = low + 1 < sorted.count ? sorted[low + 1] : nil
    switch (before, after) {
    case (let before?, let after?): return length - before <= after - length ? before : after
    case (let before?, nil): return before
    case (nil, let after?): return after
    case (nil, nil): return length
    }
  }
}

/// The n-grams of all texts in order; equal n-grams have the same number, from 0.
private struct Grams {
  var order: Int
  var texts: [[Int]]
  /// The number of different n-grams.
  var count: Int

  private struct Pair: Hashable {
    var gram: Int
    var word: Int
  }

  /// The n-grams that are one token longer.
  func longer(by words: Grams) -> Grams {
    var numbers: [Pair: Int] = [:]
    let longer = texts.indices.map { t in
      texts[t].indices.dropLast().map { place -> Int in
        let pair = Pair(gram: texts[t][place], word: words.texts[t][place + order])
        let number = numbers[pair] ?? numbers.count
        if number == numbers.count { numbers[pair] = number }
        return number
      }
    }
    return Grams(order: order + 1, texts: longer, count: numbers.count)
  }
}
