// Licensed under the Apache License, Version 2.0.

internal import CKernels

extension BackoffAutomaton {
  /// What loops read, without counting references or checking bounds.
  @safe
  struct Tables: @unchecked Sendable {
    let slots: UnsafePointer<Slot>
    let slotOf: UnsafePointer<UInt32>
    let lowSlots: UnsafePointer<UInt32>
    let tokens: UnsafePointer<UInt32>
    let weights: UnsafePointer<Double>
    let corrections: UnsafePointer<Double>
    let targets: UnsafePointer<UInt32>
    let lowerTargets: UnsafePointer<UInt32>

    /// Asks for what is read of a context first.
    func fetch(_ place: Int) { unsafe gensample_prefetch(slots + place) }
  }

  func withTables<Result>(_ body: (Tables) -> Result) -> Result {
    unsafe slots.withUnsafeBufferPointer { slots in
      unsafe slotOf.withUnsafeBufferPointer { slotOf in
        unsafe lowSlots.withUnsafeBufferPointer { lowSlots in
          unsafe tokens.withUnsafeBufferPointer { tokens in
            unsafe weights.withUnsafeBufferPointer { weights in
              unsafe corrections.withUnsafeBufferPointer { corrections in
                unsafe targets.withUnsafeBufferPointer { targets in
                  unsafe lowerTargets.withUnsafeBufferPointer { lowerTargets in
                    guard let slots = slots.baseAddress, let slotOf = slotOf.baseAddress,
                      let lowSlots = lowSlots.baseAddress, let tokens = tokens.baseAddress,
                      let weights = weights.baseAddress,
                      let corrections = corrections.baseAddress,
                      let targets = targets.baseAddress,
                      let lowerTargets = lowerTargets.baseAddress
                    else { preconditionFailure("context 0 has arcs") }
                    return unsafe body(
                      Tables(
                        slots: slots, slotOf: slotOf, lowSlots: lowSlots, tokens: tokens,
                        weights: weights, corrections: corrections, targets: targets,
                        lowerTargets: lowerTargets))
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}
