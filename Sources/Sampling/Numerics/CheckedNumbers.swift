// Licensed under the Apache License, Version 2.0.

/// Sums and products of numbers that users and files choose.
///
/// Arithmetic on `Int` ends the program where a result is too large. Everything that comes from
/// outside goes through here instead: whoever needs the number tells the user that it is too large,
/// and whoever only shows it takes the largest one.
///
/// ```swift
/// let steps = CheckedNumbers.product(restarts, stepsEach)  // nil where that is too large
/// ```
public enum CheckedNumbers {
  /// The sum; `nil` where it is too large.
  public static func sum(_ terms: Int...) -> Int? { sum(of: terms) }

  /// The sum; `nil` where it is too large.
  public static func sum(of terms: some Sequence<Int>) -> Int? {
    var sum = 0
    for term in terms {
      let (next, isTooLarge) = sum.addingReportingOverflow(term)
      if isTooLarge { return nil }
      sum = next
    }
    return sum
  }

  /// The product; `nil` where it is too large.
  public static func product(_ factors: Int...) -> Int? {
    var product = 1
    for factor in factors {
      let (next, isTooLarge) = product.multipliedReportingOverflow(by: factor)
      if isTooLarge { return nil }
      product = next
    }
    return product
  }

  /// The whole number nearest to a number, or the largest or smallest one.
  public static func whole(_ number: Double) -> Int {
    guard !number.isNaN else { return 0 }
    let rounded = number.rounded()
    return Int(exactly: rounded) ?? (rounded < 0 ? .min : .max)
  }
}
