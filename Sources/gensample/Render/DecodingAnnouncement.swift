// Licensed under the Apache License, Version 2.0.

import Runs
import Sampling

extension DecodingRules {
  /// Prints the transforms with `--verbose`, and warns of a wrapper that may not end texts in time.
  func announce(isVerbose: Bool, isQuiet: Bool) {
    let transforms = self.transforms.transforms
    if isVerbose {
      report(
        "transforms: "
          + (transforms.isEmpty ? "none" : transforms.map(\.name).joined(separator: ", ")))
    }
    for transform in transforms {
      guard let step = Self.stepBeyondHalf(transform) else { continue }
      let isLate = step > maxTokens
      guard isVerbose || (isLate && !isQuiet) else { continue }
      report(
        "\(transform.name): its epsilon alone makes the end more likely than not from token "
          + "\(step) on"
          + (isLate ? ", which is after --max-tokens \(maxTokens)" : ""))
    }
  }

  private static func stepBeyondHalf(_ transform: any NextTokenTransform) -> Int? {
    switch transform {
    case let wrapper as SelfTerminating: SelfTerminating.stepBeyondHalf(wrapper.epsilon)
    case let wrapper as NonMonotoneTermination: SelfTerminating.stepBeyondHalf(wrapper.epsilon)
    default: nil
    }
  }
}
