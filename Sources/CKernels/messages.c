// Licensed under the Apache License, Version 2.0.

#include "CKernels.h"

#include "widest.h"

#define WIDTH 8
/// How many contexts ahead a row is prefetched for writing.
#define CONTEXTS_AHEAD 12

typedef double numbers __attribute__((ext_vector_type(WIDTH)));

// Sums and products stay separate, so that all instruction sets round in the same way.
#pragma clang fp contract(off)

#define INLINE static inline __attribute__((always_inline))

// Vectors are passed by address, because passing them by value depends on the instruction set.
INLINE void load(numbers *_Nonnull to, const double *_Nonnull from) {
  __builtin_memcpy(to, from, sizeof *to);
}

INLINE void store(const numbers *_Nonnull from, double *_Nonnull to) {
  __builtin_memcpy(to, from, sizeof *from);
}

/// Adds the weighted rows of some arcs to a sum.
INLINE void add(
    numbers *_Nonnull sum, int32_t first, int32_t last, const double *_Nonnull rows, size_t stride,
    const uint32_t *_Nonnull targets, const double *_Nonnull weights) {
  for (int32_t arc = first; arc < last; arc++) {
    // This also prefetches for later contexts, because arcs lie in the order of passes.
    __builtin_prefetch(rows + targets[arc + GENSAMPLE_ARCS_AHEAD] * stride);
    numbers row;
    load(&row, rows + targets[arc] * stride);
    *sum += row * weights[arc];
  }
}

/// Adds the weighted rows of many arcs, and stores the sums of blocks of arcs and of blocks of
/// blocks.
INLINE void add_by_blocks(
    numbers *_Nonnull sum, int32_t first, int32_t last, const double *_Nonnull rows, size_t stride,
    const uint32_t *_Nonnull targets, const double *_Nonnull weights, double *_Nonnull sums,
    int32_t size) {
  int32_t count = 0;
  for (int32_t low = first; low < last; low += size, count++) {
    int32_t high = last - low < size ? last : low + size;
    numbers part = 0;
    add(&part, low, high, rows, stride, targets, weights);
    store(&part, sums + (size_t)count * stride);
    *sum += part;
  }
  if (count <= 2 * size) return;
  for (int32_t i = 0; i * size < count; i++) {
    numbers part = 0;
    for (int32_t j = i * size; j < count && j < (i + 1) * size; j++) {
      numbers row;
      load(&row, sums + (size_t)j * stride);
      part += row;
    }
    store(&part, sums + (size_t)(count + i) * stride);
  }
}

WIDEST size_t gensample_sum_messages(
    const struct gensample_context *_Nonnull contexts, size_t first, size_t last,
    const struct gensample_messages *_Nonnull m) {
  const size_t stride = m->stride;
  for (size_t place = first; place < last; place++) {
    const struct gensample_context *here = contexts + place;
    if (!here->is_open || here->shorter_row < 0) return place;
    const size_t row = m->classes[here->token] * m->out_stride;
    const bool is_straight = m->is_straight[m->classes[here->token]];
    double *out = m->out + here->context * m->out_stride;
    double *value = here->low_row < 0 ? m->own : m->low + (size_t)here->low_row * stride;
    const double *weights = here->is_split ? m->weights : m->corrections;
    const size_t later = place + CONTEXTS_AHEAD < last ? place + CONTEXTS_AHEAD : last - 1;
    for (size_t column = 0; column < stride; column += WIDTH) {
      // Rows are written in random order.
      __builtin_prefetch(m->out + contexts[later].context * m->out_stride + column, 1);
      const double *rows = m->rows + column;
      numbers sum = 0, failed;
      if (here->block_head < 0) {
        add(&sum, here->first, here->last, rows, stride, m->targets, weights);
      } else {
        add_by_blocks(
            &sum, here->first, here->last, rows, stride, m->targets, weights,
            m->blocks + (size_t)here->block_head * stride + column, m->block_size);
      }
      load(&failed, m->low + (size_t)here->shorter_row * stride + column);
      failed *= here->backoff;
      numbers rest = failed;
      if (here->is_split) {
        add(&rest, here->first, here->last, rows, stride, m->lower_targets, m->corrections);
      }
      sum += rest;
      if (here->is_split) {
        // After such a subtraction only rounding errors remain.
        bool is_lost = false;
        for (int lane = 0; lane < WIDTH; lane++) is_lost |= sum[lane] < failed[lane] * (1.0 / 64);
        if (is_lost) return place;
      }
      if (here->low_row >= 0 || !is_straight) store(&sum, value + column);
      if (!is_straight) continue;
      numbers factors;
      load(&factors, m->factors + row + column);
      sum *= factors;
      store(&sum, out + column);
    }
    if (is_straight) continue;
    for (size_t column = 0; column < m->out_stride; column++) {
      out[column] = value[m->columns[row + column]] * m->factors[row + column];
    }
  }
  return last;
}
