// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// Files that tests need but the project does not hold, in the folder `GENSAMPLE_TEST_DATA`.
enum TestData {
  static let folder = ProcessInfo.processInfo.environment["GENSAMPLE_TEST_DATA"]

  static func path(_ name: String) -> String { (folder ?? "") + "/" + name }

  /// Skips a test, saying why, where the folder is not given.
  static let isNeeded: any TestTrait = .enabled(
    if: folder != nil, "set GENSAMPLE_TEST_DATA to the folder with test data to run this")
}

/// Real models, in the folder `GENSAMPLE_TEST_MODELS`.
enum TestModels {
  static let folder = ProcessInfo.processInfo.environment["GENSAMPLE_TEST_MODELS"]

  static func path(_ name: String) -> String { (folder ?? "") + "/" + name }

  /// Skips a test, saying why, where one of the folders is not given.
  static let areNeeded: any TestTrait = .enabled(
    if: folder != nil && TestData.folder != nil,
    "set GENSAMPLE_TEST_MODELS to the folder with real models, and GENSAMPLE_TEST_DATA, to run this"
  )
}
