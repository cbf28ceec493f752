// Licensed under the Apache License, Version 2.0.

internal import CKernels

/// Attention of one position over blocks of keys and values.
@safe package enum AttentionKernel {
  /// Positions in a block.
  package static let blockLength = Int(GENSAMPLE_POSITIONS)

  /// Writes the weighted mean of values for `group` queries that share a head of keys and values.
  ///
  /// `blocks[b]` holds positions `16 b ..< 16 b + 16`. Its keys start `keyOffset` numbers in and lie by
  /// component, `[headSize][16]`; its values start `valueOffset` numbers in and lie by position,
  /// `[16][headSize]`. Only positions in `visible` are read: others may hold anything. A block at
  /// a time changes the mean, from the first to the last, whatever was computed when.
  ///
  /// **Reference.** Milakov and Gimelshein 2018, "Online normalizer calculation for softmax".
  package static func run(
    queries: UnsafePointer<Float>, group: Int, headSize: Int,
    blocks: UnsafePointer<UnsafePointer<Float>>, keyOffset: Int, valueOffset: Int,
    visible: Range<Int>, scale: Float, outputs: UnsafeMutablePointer<Float>,
    kernels: NetworkKernels = .widest
  ) {
    var attention = unsafe gensample_attention(
      queries: queries, group: group, head_size: headSize, blocks: blocks,
      key_offset: keyOffset, value_offset: valueOffset, first: visible.lowerBound,
      last: visible.upperBound, scale: scale, outputs: outputs)
    unsafe kernels.table.pointee.attend(&attention)
  }
}
