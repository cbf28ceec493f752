// Licensed under the Apache License, Version 2.0.

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Elementary functions and sums in log space; the only file that imports libm.
public enum LogSpace {
  /// The natural logarithm; minus infinity at 0.
  @inlinable
  public static func log(_ x: Double) -> Double { naturalLogarithm(x) }

  /// The natural exponential; 0 at minus infinity.
  @inlinable
  public static func exp(_ x: Double) -> Double { naturalExponential(x) }

  /// log(exp(a) + exp(b)) without overflow.
  @inlinable
  public static func sum(_ a: Double, _ b: Double) -> Double {
    let high = max(a, b)
    guard high > -.infinity, high < .infinity else { return high }
    return high + log(1 + exp(min(a, b) - high))
  }

  /// The log of a sum of exponentials; minus infinity if there are no terms.
  ///
  /// **Accuracy.** Within n ulps for n terms, relative to the largest term.
  public static func sum(_ terms: some Collection<Double>) -> Double {
    guard let high = terms.max(), high > -.infinity, high < .infinity else {
      return terms.max() ?? -.infinity
    }
    var total = 0.0
    for term in terms { total += exp(term - high) }
    return high + log(total)
  }

  /// log(1 - exp(x)) for x <= 0, accurate at both ends.
  public static func complement(_ x: Double) -> Double {
    // Mächler 2012: switching at -log 2 keeps the error within a few ulps.
    x > -0.693_147_180_559_945_3 ? log(-expm1(x)) : log1p(-exp(x))
  }

  /// The log of the gamma function for positive numbers.
  public static func logGamma(_ x: Double) -> Double {
    precondition(x > 0, "log-gamma needs a positive number, got \(x)")
    #if canImport(Glibc)
      return Glibc.lgamma(x).0
    #elseif canImport(Musl)
      return Musl.lgamma(x)
    #else
      return Darwin.lgamma(x).0
    #endif
  }

  @usableFromInline
  static func naturalLogarithm(_ x: Double) -> Double {
    #if canImport(Glibc)
      Glibc.log(x)
    #elseif canImport(Musl)
      Musl.log(x)
    #else
      Darwin.log(x)
    #endif
  }

  @usableFromInline
  static func naturalExponential(_ x: Double) -> Double {
    #if canImport(Glibc)
      Glibc.exp(x)
    #elseif canImport(Musl)
      Musl.exp(x)
    #else
      Darwin.exp(x)
    #endif
  }
}
