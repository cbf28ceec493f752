// Licensed under the Apache License, Version 2.0.

/// What sums may take, as `--memory` says it.
package struct MemoryLimit: Sendable {
  private let given: String?
  private let all: Int
  private let parts: Int

  /// A number of bytes.
  ///
  /// - Parameters:
  ///   - bytes: how many in all.
  ///   - given: how the user wrote it; `nil` for a default.
  ///   - parts: how many sums share it.
  package init(_ bytes: Int, given: String? = nil, parts: Int = 1) {
    all = bytes
    self.given = given
    self.parts = parts
  }

  /// Bytes for one of the sums.
  package var share: Int { all / parts }

  /// Why sums that need so many bytes are not made, and what would do.
  package func refusal(_ bytes: Int) -> String {
    "--memory \(given ?? size(ofAtLeast: all) + ", where none is given,") is too little: "
      + (parts > 1 ? "\(parts) sums of \(bytes) bytes are needed" : "\(bytes) bytes are needed")
      + "; give --memory \(size(ofAtLeast: parts * bytes)), shorten the texts or say fewer things "
      + "of them"
  }
}
