// Licensed under the Apache License, Version 2.0.

internal import CKernels

/// The C kernels of networks for one instruction set.
///
/// Within one instruction set, a result depends on its own row and input only: batches, places in
/// them and splits among threads do not change a bit. Instruction sets round differently, so
/// everything in a process uses ``widest``; tests and benchmarks name the others.
@safe package struct NetworkKernels: @unchecked Sendable {
  let table: UnsafePointer<gensample_network_kernels>

  /// Those that this machine can run, the widest first.
  package static let all: [NetworkKernels] = {
    var found: [NetworkKernels] = []
    while let table = unsafe gensample_network_kernels(found.count) {
      found.append(unsafe NetworkKernels(table: table))
    }
    return found
  }()

  package static let widest = all[0]

  /// What the instruction set is called, such as "AVX2".
  package var name: String { unsafe String(cString: table.pointee.name) }
}

extension TensorType {
  var kernelType: Int32 {
    let type =
      switch self {
      case .f32: GENSAMPLE_F32
      case .f16: GENSAMPLE_F16
      case .bf16: GENSAMPLE_BF16
      case .q8_0: GENSAMPLE_Q8_0
      case .q4_0: GENSAMPLE_Q4_0
      case .q4_1: GENSAMPLE_Q4_1
      case .q5_0: GENSAMPLE_Q5_0
      case .q5_1: GENSAMPLE_Q5_1
      case .q2_K: GENSAMPLE_Q2_K
      case .q3_K: GENSAMPLE_Q3_K
      case .q4_K: GENSAMPLE_Q4_K
      case .q5_K: GENSAMPLE_Q5_K
      case .q6_K: GENSAMPLE_Q6_K
      }
    return Int32(type.rawValue)
  }
}
