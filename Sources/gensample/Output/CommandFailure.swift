// Licensed under the Apache License, Version 2.0.

import Runs

/// The reason why a command fails.
typealias CommandFailure = RunError

extension RunError.Kind {
  /// The exit code that users may rely on.
  var exitCode: Int32 {
    switch self {
    case .failed: 1
    case .usage: 64
    case .data: 65
    case .unreadable: 66
    case .unreachable: 69
    case .unwritable: 73
    case .interrupted: 130
    case .terminated: 143
    }
  }
}

/// Thrown when the results are already there, so there is nothing to do; the exit code is 0.
struct NothingToDo: Error {
  var message: String
}
