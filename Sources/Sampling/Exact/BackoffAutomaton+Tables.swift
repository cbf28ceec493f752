// Licensed under the Apache License, Version 2.0.

internal import CKernels

extension BackoffAutomaton {
  /// The tables for inner loops, read without counting references or checking bounds.
  @safe
  struct Tables: @unchecked Sendable {
    let slots: UnsafePointer<Slot>
    let tokens: UnsafePointer<UInt32>
    let weights: UnsafePointer<Double>
    let corrections: UnsafePointer<Double>
    let targets: UnsafePointer<UInt32>
    let targetSlots: UnsafePointer<UInt32>
    let lowerTargets: UnsafePointer<UInt32>

    /// Whether a context lists a token.
    func lists(_ token: UInt32, _ slot: Slot) -> Bool {
      ArcTable.place(of: token, in: slot.first..<slot.last) { unsafe tokens[$0] } >= 0
    }

    /// Prefetches the start of a context.
    func fetch(_ place: Int) { unsafe gensample_prefetch(slots + place) }
  }

  func withTables<Result>(_ body: (Tables) -> Result) -> Result {
    unsafe slots.withUnsafeBufferPointer { slots in
      unsafe tokens.withUnsafeBufferPointer { tokens in
        unsafe weights.withUnsafeBufferPointer { weights in
          unsafe corrections.withUnsafeBufferPointer { corrections in
            unsafe targets.withUnsafeBufferPointer { targets in
              unsafe targetSlots.withUnsafeBufferPointer { targetSlots in
                unsafe lowerTargets.withUnsafeBufferPointer { lowerTargets in
                  guard let slots = slots.baseAddress, let tokens = tokens.baseAddress,
                    let weights = weights.baseAddress, let corrections = corrections.baseAddress,
                    let targets = targets.baseAddress, let targetSlots = targetSlots.baseAddress,
                    let lowerTargets = lowerTargets.baseAddress
                  else { preconditionFailure("context 0 has arcs") }
                  return unsafe body(
                    Tables(
                      slots: slots, tokens: tokens, weights: weights, corrections: corrections,
                      targets: targets, targetSlots: targetSlots, lowerTargets: lowerTargets))
                }
              }
            }
          }
        }
      }
    }
  }
}
