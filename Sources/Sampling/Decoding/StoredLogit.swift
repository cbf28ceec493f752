// Licensed under the Apache License, Version 2.0.

/// A precision in which logits are kept until they are needed to all digits.
protocol StoredLogit: BinaryFloatingPoint {
  /// As ``DenseNumbers/tail(of:minus:times:below:marks:)``.
  static func tail(
    of numbers: [Self], minus high: Double, times scale: Double, below cut: Float,
    marks: inout [UInt64]
  ) -> Double
}

extension Double: StoredLogit {
  static func tail(
    of numbers: [Double], minus high: Double, times scale: Double, below cut: Float,
    marks: inout [UInt64]
  ) -> Double {
    DenseNumbers.tail(of: numbers, minus: high, times: scale, below: cut, marks: &marks)
  }
}

extension Float: StoredLogit {
  static func tail(
    of numbers: [Float], minus high: Double, times scale: Double, below cut: Float,
    marks: inout [UInt64]
  ) -> Double {
    DenseNumbers.tail(of: numbers, minus: high, times: scale, below: cut, marks: &marks)
  }
}
