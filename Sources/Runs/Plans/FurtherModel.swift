// Licensed under the Apache License, Version 2.0.

/// A model that a run depends on beside that of `--model`.
package struct FurtherModel: Sendable {
  /// The option that names it.
  package let option: String
  package let name: String
  package let checksum: UInt64

  package init(option: String, name: String, checksum: UInt64) {
    self.option = option
    self.name = name
    self.checksum = checksum
  }
}
