// Licensed under the Apache License, Version 2.0.

import Foundation
import Sampling

/// Writes a message as a line to standard error.
func report(_ message: String) { writeToStandardError(message + "\n") }

/// Writes text to standard error, as far as possible.
///
/// `FileHandle` would trap if standard error is closed or the disk is full.
func writeToStandardError(_ text: String) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = unsafe bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return 0 }
      return unsafe write(STDERR_FILENO, base, buffer.count)
    }
    if count > 0 {
      bytes = bytes.dropFirst(count)
    } else if errno != EINTR {
      return
    }
  }
}

/// Reports an error on standard error.
func tell(_ error: any Error) {
  Progress.leaveLine()
  // The name of a transform is its option without the hyphens.
  let isTransform = (error as? DecodingError)?.transform != nil
  report("gensample: \(isTransform ? "--" : "")\(error)")
}
