// Licensed under the Apache License, Version 2.0.

/// The first tokens that hold a share of the probability, found without all digits of the others.
///
/// Tokens above a cut are weighed and ordered to all digits. What lies below, in single precision,
/// leaves the total within bounds. Where both bounds give the same set it is that of the exact total,
/// and of sorting; else nothing is said.
struct NucleusSelection: Sendable {
  /// The tokens found, in ascending order, at the beginning.
  private(set) var tokens: [UInt32]
  /// Their logits after division.
  private(set) var logits: [Double]
  /// Their weights, the largest of all tokens weighing 1.
  private(set) var weights: [Double]
  /// A bit a token: whether it stands above the cut.
  private var marks: [UInt64]
  private var buckets: [Double]
  private var places: [Int] = []
  /// The bucket of each token.
  private var bins: [UInt16]
  /// How many block maxima and how many other tokens of a sample fall into each bin by distance.
  private var maxima: [Double]
  private var others: [Double]
  /// The weight of a token in the middle of each bin.
  private let binWeights: [Double]

  private static let bucketCount = 1024
  /// How much of what a nucleus leaves out is looked for below the cut: enough that few tokens stand
  /// above it, and so little that a sample of a thousand tokens seldom says too much.
  private static let tailShare = 0.7
  /// How many tokens of one bucket are put in order by insertion.
  private static let mostInOrder = 256
  /// The farthest cut in nats: beyond it all weights together are nothing, and single precision
  /// still holds each.
  private static let farthest = 80.0
  /// How wide the bins of the sample are in nats: the cut need not be nearer than that.
  private static let binWidth = 0.25

  /// Room for a vocabulary.
  init(count: Int) {
    tokens = [UInt32](repeating: 0, count: count)
    logits = [Double](repeating: 0, count: count)
    weights = logits
    marks = [UInt64](repeating: 0, count: 2 * ((count + 127) / 128))
    buckets = [Double](repeating: 0, count: Self.bucketCount)
    bins = [UInt16](repeating: 0, count: count)
    binWeights = (0..<Int(Self.farthest / Self.binWidth)).map {
      LogSpace.exp(-(Double($0) + 0.5) * Self.binWidth)
    }
    maxima = [Double](repeating: 0, count: binWeights.count)
    others = maxima
    places.reserveCapacity(Self.mostInOrder)
  }

  /// Finds the tokens of the nucleus.
  ///
  /// - Parameters:
  ///   - mass: their share of the probability, positive and below 1.
  ///   - stored: a logit a token, each to be divided.
  ///   - highs: the largest stored logit of each block.
  ///   - high: the largest of all.
  ///   - divisor: by what.
  /// - Returns: how many they are; `nil` where the bounds leave it open, or the cut would leave half
  ///   of all tokens above it.
  mutating func find<Logit: StoredLogit>(
    reaching mass: Double, in stored: [Logit], highs: [Double], high: Double, divisor: Double
  ) -> Int? {
    guard
      let distance = distance(
        leaving: 1 - mass, in: stored, highs: highs, high: high, divisor: divisor)
    else { return nil }
    let cut = Float(-distance * log2OfE)
    let tail = Logit.tail(
      of: stored, minus: high, times: log2OfE / divisor, below: cut, marks: &marks)
    let count = collect(stored, divisor)
    let top = high / divisor
    let head = DenseNumbers.exponentials(of: logits, first: count, minus: top, into: &weights)
    let slack = Self.slack(ofTail: tail, count: stored.count, top: top) + head * 1e-13
    let (least, most) = (mass * (head + tail - slack), mass * (head + tail + slack))
    guard head >= most else { return nil }

    fillBuckets(count, top, Double(Self.bucketCount) / (distance * (1 + 0x1p-20)))
    // The bucket in which the sum reaches the goal.
    var sum = 0.0
    var last = 0
    while last < Self.bucketCount - 1, sum + buckets[last] < least {
      sum += buckets[last]
      last += 1
    }
    guard orderPlaces(of: last, count) else { return nil }
    for place in places {
      let before = sum
      sum += weights[place]
      if sum < least { continue }
      let limit = logits[place]
      // Below the cut might lie one of the same quotient, where it is as near as that.
      guard before < least, sum >= most,
        (limit - top) * log2OfE > Double(cut) + 0x1p-18 * (distance + 1) + 0x1p-48 * abs(top)
      else { return nil }
      return leave(through: place, count)
    }
    return nil
  }

  /// The total weight of all tokens, the largest weighing 1, and by how much it may be off.
  mutating func total<Logit: StoredLogit>(
    of stored: [Logit], high: Double, divisor: Double
  ) -> (weight: Double, slack: Double) {
    let weight = Logit.tail(
      of: stored, minus: high, times: log2OfE / divisor, below: .infinity, marks: &marks)
    return (weight, Self.slack(ofTail: weight, count: stored.count, top: high / divisor))
  }

  /// By how much a sum in single precision may be off, differences of logits being rounded too.
  private static func slack(ofTail tail: Double, count: Int, top: Double) -> Double {
    tail * (DenseNumbers.tailError.relative + 0x1p-50 * (abs(top) + 120))
      + Double(count) * DenseNumbers.tailError.absolute
  }

  /// How far below the largest logit those begin that together have but a part of the share left out;
  /// `nil` where half of the tokens or more stand above.
  private mutating func distance<Logit: StoredLogit>(
    leaving share: Double, in stored: [Logit], highs: [Double], high: Double, divisor: Double
  ) -> Double? {
    for bin in binWeights.indices {
      maxima[bin] = 0
      others[bin] = 0
    }
    let sampled = sample(stored, highs: highs, high: high, scale: 1 / (Self.binWidth * divisor))
    // The block maxima hold most of the mass; for the others stand a thousand of them.
    let each = Double(stored.count - highs.count) / max(1, sampled)
    var total = 0.0
    for bin in binWeights.indices { total += mass(of: bin, each) }
    var last = binWeights.count - 1
    var sum = 0.0
    while last > 0, sum + mass(of: last, each) <= Self.tailShare * share * total {
      sum += mass(of: last, each)
      last -= 1
    }
    let above = others[...last].reduce(0, +)
    return 2 * above <= sampled ? Double(last + 1) * Self.binWidth : nil
  }

  private func mass(of bin: Int, _ each: Double) -> Double {
    binWeights[bin] * (maxima[bin] + each * others[bin])
  }

  /// Counts block maxima, and about a thousand other tokens, by their distances from the largest.
  ///
  /// - Returns: how many other tokens were counted.
  private mutating func sample<Logit: StoredLogit>(
    _ stored: [Logit], highs: [Double], high: Double, scale: Double
  ) -> Double {
    let width = DenseNumbers.blockCount
    let drawn = min(width / 2, max(1, 1024 / highs.count))
    let farthest = Double(binWeights.count - 1)
    var sampled = 0.0
    // The smaller first: a removed token's distance is no whole number.
    func bin(_ logit: Double) -> Int { Int(min(farthest, (high - logit) * scale)) }
    unsafe others.withUnsafeMutableBufferPointer { others in
      unsafe stored.withUnsafeBufferPointer { stored in
        for block in highs.indices {
          let largest = highs[block]
          maxima[bin(largest)] += 1
          // A stretch that moves from block to block, so that no period of the vocabulary matters.
          let first = block * width + 29 * block % (width - drawn)
          var place = first
          while place < min(first + drawn, stored.count) {
            let logit = unsafe Double(stored[place])
            let isOther = logit < largest ? 1.0 : 0
            unsafe others[bin(logit)] += isOther
            sampled += isOther
            place += 1
          }
        }
      }
    }
    return sampled
  }

  /// Adds weights up by how far their logits lie below the top.
  private mutating func fillBuckets(_ count: Int, _ top: Double, _ scale: Double) {
    let last = Double(Self.bucketCount - 1)
    unsafe buckets.withUnsafeMutableBufferPointer { buckets in
      for i in buckets.indices { unsafe buckets[i] = 0 }
      unsafe bins.withUnsafeMutableBufferPointer { bins in
        unsafe logits.withUnsafeBufferPointer { logits in
          unsafe weights.withUnsafeBufferPointer { weights in
            for i in 0..<count {
              let bucket = unsafe Int(min(last, (top - logits[i]) * scale))
              unsafe bins[i] = UInt16(truncatingIfNeeded: bucket)
              unsafe buckets[bucket] += weights[i]
            }
          }
        }
      }
    }
  }

  /// Writes what is marked.
  private mutating func collect<Logit: StoredLogit>(_ stored: [Logit], _ divisor: Double) -> Int {
    var count = 0
    unsafe tokens.withUnsafeMutableBufferPointer { tokens in
      unsafe marks.withUnsafeBufferPointer { marks in
        for word in marks.indices {
          var bits = unsafe marks[word]
          while bits != 0 {
            unsafe tokens[count] = UInt32(
              truncatingIfNeeded: 64 &* word &+ bits.trailingZeroBitCount)
            count += 1
            bits &= bits &- 1
          }
        }
      }
    }
    unsafe tokens.withUnsafeBufferPointer { tokens in
      unsafe logits.withUnsafeMutableBufferPointer { logits in
        unsafe stored.withUnsafeBufferPointer { stored in
          for i in 0..<count { unsafe logits[i] = Double(stored[Int(tokens[i])]) / divisor }
        }
      }
    }
    return count
  }

  /// Puts the tokens of a bucket in their order; false where they are too many.
  private mutating func orderPlaces(of bucket: Int, _ count: Int) -> Bool {
    places.removeAll(keepingCapacity: true)
    let bucket = UInt16(truncatingIfNeeded: bucket)
    for i in 0..<count where bins[i] == bucket {
      guard places.count < Self.mostInOrder else { return false }
      places.append(i)
      var here = places.count - 1
      // Of equals the lower token stands first already.
      while here > 0, logits[places[here]] > logits[places[here - 1]] {
        places.swapAt(here, here - 1)
        here -= 1
      }
    }
    return true
  }

  /// Moves a token and those that come before it by logit to the beginning.
  private mutating func leave(through last: Int, _ count: Int) -> Int {
    let limit = logits[last]
    var kept = 0
    unsafe tokens.withUnsafeMutableBufferPointer { tokens in
      unsafe logits.withUnsafeMutableBufferPointer { logits in
        unsafe weights.withUnsafeMutableBufferPointer { weights in
          for i in 0..<count {
            let (token, logit) = unsafe (tokens[i], logits[i])
            unsafe tokens[kept] = token
            unsafe logits[kept] = logit
            unsafe weights[kept] = weights[i]
            kept += logit > limit || (logit == limit && i <= last) ? 1 : 0
          }
        }
      }
    }
    return kept
  }
}

/// The logarithm of e to base 2.
private let log2OfE = 1.442_695_040_888_963_4
