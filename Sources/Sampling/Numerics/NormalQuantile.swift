// Licensed under the Apache License, Version 2.0.

/// The quantile function of the standard normal distribution, for 0 < p < 1.
///
/// **Accuracy.** About 1 part in 10^16. **Edge cases.** 0 and 1 give the infinities.
/// Reference: Wichura 1988, algorithm AS 241 (PPND16).
public func normalQuantile(_ p: Double) -> Double {
  precondition(p >= 0 && p <= 1, "a probability lies in 0 ... 1, got \(p)")
  let q = p - 0.5
  if abs(q) <= 0.425 { return q * centre.value(0.180625 - q * q) }
  let tail = min(p, 1 - p)
  guard tail > 0 else { return q < 0 ? -.infinity : .infinity }
  let r = (-LogSpace.log(tail)).squareRoot()
  let x = r <= 5 ? near.value(r - 1.6) : far.value(r - 5)
  return q < 0 ? -x : x
}

/// A ratio of two polynomials of degree 7, with coefficients from the constant term on.
private struct Ratio {
  var above: SIMD8<Double>
  var below: SIMD8<Double>

  /// The value by Horner's rule for both polynomials.
  func value(_ x: Double) -> Double {
    var a = 0.0
    var b = 0.0
    for i in (0..<8).reversed() {
      a = a * x + above[i]
      b = b * x + below[i]
    }
    return a / b
  }
}

/// For probabilities within 0.425 of the middle.
private let centre = Ratio(
  above: [
    3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427,
    13731.693765509461125, 45921.953931549871457, 67265.770927008700853,
    33430.575583588128105, 2509.0809287301226727,
  ],
  below: [
    1, 42.313330701600911252, 687.18700749205790830,
    5394.1960214247511077, 21213.794301586595867, 39307.895800092710610,
    28729.085735721942674, 5226.4952788528545610,
  ])

/// For tails down to exp(-25).
private let near = Ratio(
  above: [
    1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550,
    3.64784832476320460504, 1.27045825245236838258, 0.241780725177450611770,
    0.0227238449892691845833, 7.74545014278341407640e-4,
  ],
  below: [
    1, 2.05319162663775882187, 1.67638483018380384940,
    0.689767334985100004550, 0.148103976427480074590, 0.0151986665636164571966,
    5.47593808499534494600e-4, 1.05075007164441684324e-9,
  ])

/// For tails beyond exp(-25).
private let far = Ratio(
  above: [
    6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580,
    0.296560571828504891230, 0.0265321895265761230930, 0.00124266094738807843860,
    2.71155556874348757815e-5, 2.01033439929228813265e-7,
  ],
  below: [
    1, 0.599832206555887937690, 0.136929880922735805310,
    0.0148753612908506148525, 7.86869131145613259100e-4, 1.84631831751005468180e-5,
    1.42151175831644588870e-7, 2.04426310338993978564e-15,
  ])
