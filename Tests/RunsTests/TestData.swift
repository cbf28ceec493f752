// Licensed under the Apache License, Version 2.0.

import Foundation

/// How far the tests go.
enum TestData {
  /// Whether the slowest tests go through all their cases and not only a part of them.
  static let isDeep = ["GENSAMPLE_TEST_DATA", "GENSAMPLE_TEST_DEEP"].contains {
    ProcessInfo.processInfo.environment[$0] != nil
  }

  /// The cases that are too slow for a first `swift test`.
  static func deep<Case>(_ cases: [Case]) -> [Case] { isDeep ? cases : [] }
}
