// Licensed under the Apache License, Version 2.0.

/// Autocovariances of some chains, averaged over the chains, each about its own mean and divided
/// by the number of draws: the biased estimate, which is positive definite.
///
/// The first lags are sums of products; where more are asked for, all come from one Fourier
/// transform of each chain.
struct Autocovariance {
  /// Beyond so many lags, one transform costs less than the sums.
  static let directLags = 64

  private let chains: [[Double]]
  private var transformed: [Double] = []

  /// - Parameter chains: draws by chain, all of the same number.
  init(_ chains: [[Double]]) {
    self.chains = chains.map(centred)
  }

  /// The mean autocovariance at a lag in 0 ..< draws.
  subscript(lag: Int) -> Double {
    mutating get {
      if lag < Self.directLags { return direct(lag) }
      if transformed.isEmpty { transformed = byTransform() }
      return transformed[lag]
    }
  }

  /// The slow, obvious sum.
  func direct(_ lag: Int) -> Double {
    var sum = 0.0
    for chain in chains {
      var products = 0.0
      for i in 0..<chain.count - lag { products += chain[i] * chain[i + lag] }
      sum += products / Double(chain.count)
    }
    return sum / Double(chains.count)
  }

  /// All lags: the inverse transform of the squared moduli, with room so that nothing wraps round.
  func byTransform() -> [Double] {
    let draws = chains[0].count
    var size = 1
    while size < 2 * draws { size *= 2 }
    let turns = unitRoots(size)
    var power = [Double](repeating: 0, count: size)
    var real = power
    var imaginary = power
    for chain in chains {
      for i in 0..<size {
        real[i] = i < draws ? chain[i] : 0
        imaginary[i] = 0
      }
      transform(&real, &imaginary, turns)
      for i in 0..<size { power[i] += real[i] * real[i] + imaginary[i] * imaginary[i] }
    }
    real = power
    for i in 0..<size { imaginary[i] = 0 }
    transform(&real, &imaginary, turns)
    let scale = 1 / (Double(size) * Double(draws) * Double(chains.count))
    return (0..<draws).map { real[$0] * scale }
  }
}

/// The first half of the `size`-th roots of 1, a power of two of them, clockwise.
private func unitRoots(_ size: Int) -> (cosines: [Double], sines: [Double]) {
  var cosines = [1.0]
  var sines = [0.0]
  // Halving the angle from a half turn on; the form of the sine loses no digits.
  var halvings: [(Double, Double)] = []
  var cosine = -1.0
  var sine = 0.0
  var step = size / 2
  while step > 1 {
    let half = ((1 + cosine) / 2).squareRoot()
    sine = half == 0 ? 1 : sine / (2 * half)
    cosine = half
    halvings.append((cosine, sine))
    step /= 2
  }
  for (cosine, sine) in halvings.reversed() {
    for i in cosines.indices {
      let (c, s) = (cosines[i], sines[i])
      cosines.append(c * cosine - s * sine)
      sines.append(s * cosine + c * sine)
    }
  }
  return (cosines, sines)
}

/// The discrete Fourier transform in place (Cooley and Tukey 1965), of a power of two of values.
private func transform(
  _ real: inout [Double], _ imaginary: inout [Double],
  _ turns: (cosines: [Double], sines: [Double])
) {
  let size = real.count
  var reversed = 0
  for i in 1..<max(1, size) {
    var bit = size >> 1
    while reversed & bit != 0 {
      reversed ^= bit
      bit >>= 1
    }
    reversed |= bit
    if i < reversed {
      real.swapAt(i, reversed)
      imaginary.swapAt(i, reversed)
    }
  }
  var half = 1
  while half < size {
    let stride = size / (2 * half)
    for first in Swift.stride(from: 0, to: size, by: 2 * half) {
      for k in 0..<half {
        let (c, s) = (turns.cosines[k * stride], -turns.sines[k * stride])
        let (a, b) = (first + k, first + k + half)
        let (x, y) = (real[b] * c - imaginary[b] * s, real[b] * s + imaginary[b] * c)
        real[b] = real[a] - x
        imaginary[b] = imaginary[a] - y
        real[a] += x
        imaginary[a] += y
      }
    }
    half *= 2
  }
}
