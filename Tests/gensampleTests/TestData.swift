// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// Files that tests need but the project does not hold, in the folder `GENSAMPLE_TEST_DATA`.
enum TestData {
  static let folder = ProcessInfo.processInfo.environment["GENSAMPLE_TEST_DATA"]

  /// Whether the slowest tests go through all their cases and not only a part of them.
  static let isDeep =
    folder != nil || ProcessInfo.processInfo.environment["GENSAMPLE_TEST_DEEP"] != nil

  /// The cases that are too slow for a first `swift test`.
  static func deep<Case>(_ cases: [Case]) -> [Case] { isDeep ? cases : [] }

  static func path(_ name: String) -> String { (folder ?? "") + "/" + name }

  /// Skips a test, saying why, where the folder is not given.
  static let isNeeded: any TestTrait = .enabled(
    if: folder != nil, "set GENSAMPLE_TEST_DATA to the folder with test data to run this")
}
