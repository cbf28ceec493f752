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

  /// Pairs of a case of each list: all of them, or by default `count` for each case of the first.
  static func pairs<A, B>(_ first: [A], _ second: [B], each count: Int) -> [(A, B)] {
    first.enumerated().flatMap { number, one in
      second.indices.filter { isDeep || ($0 + number) % second.count < count }
        .map { (one, second[$0]) }
    }
  }

  static func path(_ name: String) -> String { (folder ?? "") + "/" + name }

  /// Skips a test, saying why, where the folder is not given.
  static let isNeeded: any TestTrait = .enabled(
    if: folder != nil, "set GENSAMPLE_TEST_DATA to the folder with test data to run this")
}
