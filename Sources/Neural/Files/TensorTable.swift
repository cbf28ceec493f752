// Licensed under the Apache License, Version 2.0.

/// The tensors of a file, or of several, by name.
package struct TensorTable: Sendable {
  /// A tensor that the file names, whether or not its type is supported.
  package struct Entry: Sendable {
    package let name: String
    package let shape: [Int]
    /// The type as the file's format spells it.
    package let typeName: String
    /// Bytes in the file; nil if the type, and so its size, is unknown.
    package let byteCount: Int?
    /// Nil if the type is not supported.
    package let tensor: Tensor?
  }

  package private(set) var entries: [Entry] = []
  private var places: [String: Int] = [:]

  package init() {}

  package mutating func add(_ entry: Entry) throws(NeuralError) {
    guard places.updateValue(entries.count, forKey: entry.name) == nil else {
      throw NeuralError("the tensor '\(entry.name)' stands twice in the file")
    }
    entries.append(entry)
  }

  package subscript(name: String) -> Entry? {
    places[name].map { entries[$0] }
  }

  package func contains(_ name: String) -> Bool { places[name] != nil }

  /// A tensor that must be there and be usable.
  package func tensor(_ name: String) throws(NeuralError) -> Tensor {
    guard let entry = self[name] else {
      throw NeuralError(
        "the tensor '\(name)' is missing (found \(entries.count) tensors\(similar(to: name)))")
    }
    guard let tensor = entry.tensor else {
      throw NeuralError(
        "the tensor '\(name)' has the type \(entry.typeName), which is not supported "
          + "(expected one of \(TensorType.supportedNames))")
    }
    return tensor
  }

  private func similar(to name: String) -> String {
    let last = name.split(separator: ".").suffix(2).joined(separator: ".")
    guard let other = entries.first(where: { $0.name.hasSuffix(last) }) else { return "" }
    return ", among them '\(other.name)'"
  }
}

extension TensorType {
  package static let supportedNames = allCases.map(\.rawValue).joined(separator: ", ")

  /// Bytes of a tensor; nil if a row has no whole number of blocks, or the product overflows.
  package func byteCount(shape: [Int]) -> Int? {
    guard (shape.last ?? 1) % blockLength == 0 else { return nil }
    var blocks = 1
    for (i, size) in shape.enumerated() {
      let factor = i == shape.count - 1 ? size / blockLength : size
      let (product, overflow) = blocks.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      blocks = product
    }
    let (bytes, overflow) = blocks.multipliedReportingOverflow(by: blockBytes)
    return overflow ? nil : bytes
  }
}
