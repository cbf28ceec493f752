// Licensed under the Apache License, Version 2.0.

#ifndef GENSAMPLE_NETWORK_KERNELS_H
#define GENSAMPLE_NETWORK_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Kernels for neural networks in single precision.
//
// Within one instruction set, a result depends on its own row and input only: the same row and the
// same input give the same bits, whatever the batch, the place in it, or the split among threads.
// Instruction sets differ in rounding, so one process uses one set.

/// How the numbers of a tensor are stored, in the order of the cases of `TensorType`.
enum gensample_type {
  GENSAMPLE_F32,
  GENSAMPLE_F16,
  GENSAMPLE_BF16,
  GENSAMPLE_Q8_0,
  GENSAMPLE_Q4_0,
  GENSAMPLE_Q4_1,
  GENSAMPLE_Q5_0,
  GENSAMPLE_Q5_1,
  GENSAMPLE_Q2_K,
  GENSAMPLE_Q3_K,
  GENSAMPLE_Q4_K,
  GENSAMPLE_Q5_K,
  GENSAMPLE_Q6_K,
  GENSAMPLE_TYPES
};

/// A product of rows of weights with rows of inputs.
struct gensample_product {
  int type;
  /// The first row.
  const void *_Nonnull weights;
  size_t row_bytes;
  size_t rows;
  /// The length of a row, a whole number of blocks.
  size_t columns;
  const float *_Nonnull inputs;
  size_t input_stride;
  size_t count;
  /// The product of row r and input i is written to i * output_stride + r.
  float *_Nonnull outputs;
  size_t output_stride;
};

/// The number of positions in a block of keys and values.
#define GENSAMPLE_POSITIONS 16

/// Attention of queries that share a head of keys and values.
struct gensample_attention {
  /// One query after another.
  const float *_Nonnull queries;
  size_t group;
  size_t head_size;
  /// Block b holds positions 16 b ..< 16 b + 16. Keys lie by component, [head_size][16], and values
  /// by position, [16][head_size].
  const float *_Nonnull const *_Nonnull blocks;
  size_t key_offset;
  size_t value_offset;
  /// The positions that are read, first ..< last; others may hold anything.
  size_t first, last;
  float scale;
  float *_Nonnull outputs;
};

enum gensample_activation {
  GENSAMPLE_GELU,
  GENSAMPLE_GELU_TANH,
  GENSAMPLE_SILU,
  GENSAMPLE_RELU
};

/// The largest of some logits, and the sum of exp(logit - largest).
struct gensample_logit_sum {
  float high;
  double sum;
};

/// The kernels for one instruction set.
struct gensample_network_kernels {
  const char *_Nonnull name;
  /// Writes a row as single precision.
  void (*_Nonnull unpack)(
      int type, const void *_Nonnull row, size_t columns, float *_Nonnull to);
  void (*_Nonnull multiply)(const struct gensample_product *_Nonnull product);
  /// The dot product of two rows.
  float (*_Nonnull dot)(const float *_Nonnull a, const float *_Nonnull b, size_t count);
  /// Adds `factor` times a row to another.
  void (*_Nonnull add)(
      float factor, const float *_Nonnull from, float *_Nonnull to, size_t count);
  /// `count` is not zero; input and output may be the same.
  void (*_Nonnull rms_norm)(
      const float *_Nonnull input, size_t count, const float *_Nonnull weight, float epsilon,
      float *_Nonnull output);
  void (*_Nonnull layer_norm)(
      const float *_Nonnull input, size_t count, const float *_Nonnull weight,
      const float *_Nullable bias, float epsilon, float *_Nonnull output);
  /// Replaces numbers by their activation, times the factor at the same place if there are any.
  void (*_Nonnull activate)(
      int activation, float *_Nonnull numbers, const float *_Nullable factors, size_t count);
  /// Replaces numbers by their exponential: 2 ulps, 0 below -87.3 and infinity above 88.7.
  void (*_Nonnull exponentials)(float *_Nonnull numbers, size_t count);
  /// NaN in both if one of the logits is NaN.
  struct gensample_logit_sum (*_Nonnull sum_logits)(
      const float *_Nonnull logits, size_t count);
  void (*_Nonnull attend)(const struct gensample_attention *_Nonnull attention);
};

/// The kernels for the widest instruction set that this machine has (0), the next one (1), and so
/// on to the one that all machines have; null behind it.
const struct gensample_network_kernels *_Nullable gensample_network_kernels(size_t index);

#endif
