// Licensed under the Apache License, Version 2.0.

/// The probability that a chi-square variable exceeds `x`.
///
/// **Accuracy.** About 1 part in 10^13 where the result is above 1e-300.
/// Reference: the series and the continued fraction of the incomplete gamma function, DLMF 8.11.4
/// and 8.9.2.
///
/// - Parameters:
///   - x: 0 or more.
///   - degrees: degrees of freedom, positive.
/// - Returns: a probability.
public func chiSquareTail(_ x: Double, degrees: Double) -> Double {
  precondition(x >= 0 && degrees > 0, "a chi-square variable is 0 or more, got \(x)")
  guard x > 0 else { return 1 }
  guard x < .infinity else { return 0 }
  let (a, z) = (degrees / 2, x / 2)
  let front = LogSpace.exp(a * LogSpace.log(z) - z - LogSpace.logGamma(a))
  if z < a + 1 {
    var term = 1 / a
    var sum = term
    var n = a
    // Each term is at most z / n of the one before, so far fewer than a million are needed.
    while term > sum * 0x1p-54 {
      n += 1
      term *= z / n
      sum += term
    }
    return max(0, 1 - front * sum)
  }
  return front
    * continuedFraction { i in
      i == 0 ? (1, z + 1 - a) : (-Double(i) * (Double(i) - a), z + 1 - a + 2 * Double(i))
    }
}

/// The probability that a beta variable is at most `x`.
///
/// **Accuracy.** About 1 part in 10^13. Reference: the continued fraction DLMF 8.17.22.
///
/// - Parameters:
///   - x: in 0 ... 1.
///   - a: positive.
///   - b: positive.
/// - Returns: a probability.
public func betaProbability(_ x: Double, _ a: Double, _ b: Double) -> Double {
  precondition(x >= 0 && x <= 1 && a > 0 && b > 0, "a beta variable lies in 0 ... 1, got \(x)")
  if x == 0 || x == 1 { return x }
  // The fraction converges fast on this side of the mean.
  if x > (a + 1) / (a + b + 2) { return 1 - betaProbability(1 - x, b, a) }
  let front = LogSpace.exp(
    a * LogSpace.log(x) + b * LogSpace.log(1 - x) + LogSpace.logGamma(a + b)
      - LogSpace.logGamma(a) - LogSpace.logGamma(b))
  return front / a
    * continuedFraction { i in
      if i == 0 { return (1, 1) }
      let m = Double(i / 2)
      let numerator =
        i % 2 == 0
        ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
      return (numerator, 1)
    }
}

/// The value that a beta variable stays below with a given probability.
///
/// Bisects ``betaProbability(_:_:_:)`` down to neighbouring floating-point numbers.
public func betaQuantile(_ probability: Double, _ a: Double, _ b: Double) -> Double {
  precondition(probability >= 0 && probability <= 1, "a probability lies in 0 ... 1")
  var low = 0.0
  var high = 1.0
  while true {
    let middle = low + (high - low) / 2
    if middle <= low || middle >= high { return middle }
    if betaProbability(middle, a, b) < probability { low = middle } else { high = middle }
  }
}

/// The quantile function of Student's t distribution, for 0 < p < 1.
///
/// It follows from the quantile of the beta variable n / (n + t^2) with n degrees of freedom.
///
/// - Parameters:
///   - probability: the probability of smaller values; 0 and 1 give the infinities.
///   - degrees: degrees of freedom, positive.
/// - Returns: the value.
public func studentQuantile(_ probability: Double, degrees: Double) -> Double {
  precondition(probability >= 0 && probability <= 1, "a probability lies in 0 ... 1")
  precondition(degrees > 0, "degrees of freedom are positive")
  let tail = min(probability, 1 - probability)
  guard tail > 0 else { return probability < 0.5 ? -.infinity : .infinity }
  let share = betaQuantile(2 * tail, degrees / 2, 0.5)
  let t = (degrees * (1 - share) / share).squareRoot()
  return probability < 0.5 ? -t : t
}

/// The value of a1 / (b1 + a2 / (b2 + ...)) by the modified Lentz method.
///
/// Reference: Thompson and Barnett 1986, "Coulomb and Bessel functions of complex arguments and
/// order", appendix III.
private func continuedFraction(_ term: (Int) -> (a: Double, b: Double)) -> Double {
  let tiny = 1e-300
  var value = tiny
  var c = tiny
  var d = 0.0
  var i = 0
  while true {
    let (a, b) = term(i)
    d = b + a * d
    if d == 0 { d = tiny }
    c = b + a / c
    if c == 0 { c = tiny }
    d = 1 / d
    let factor = c * d
    value *= factor
    i += 1
    // Both fractions converge within a few square roots of their arguments. Rounding may keep the
    // factor a few ulps away from 1; more steps would not add digits.
    if abs(factor - 1) < 0x1p-51 || i > 1_000_000 { return value }
  }
}
