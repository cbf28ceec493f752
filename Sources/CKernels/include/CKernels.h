// Licensed under the Apache License, Version 2.0.

#ifndef CKERNELS_H
#define CKERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "NetworkKernels.h"

/// The bytes of a built-in model, which live as long as the program.
struct gensample_bytes {
  const void *_Nonnull base;
  size_t count;
};

/// The English n-gram model.
struct gensample_bytes gensample_model_english(void);

/// The card of the English model, UTF-8.
struct gensample_bytes gensample_card_english(void);

/// The n-gram model of Tang poems.
struct gensample_bytes gensample_model_tang(void);

/// The card of the Tang model, UTF-8.
struct gensample_bytes gensample_card_tang(void);
struct gensample_bytes gensample_model_english_llama(void);
struct gensample_bytes gensample_card_english_llama(void);
struct gensample_bytes gensample_model_tang_gpt(void);
struct gensample_bytes gensample_card_tang_gpt(void);

/// Philox4x32-10: eight blocks of a key from `first` on, a multiple of 8, each as two words.
void gensample_philox(
    uint32_t key0, uint32_t key1, uint64_t first, uint64_t *_Nonnull words);

/// The number of logits that share a maximum.
#define GENSAMPLE_BLOCK 128

/// The result of a pass over logits.
struct gensample_scan {
  /// The largest logit.
  double high;
  /// The smallest logit.
  double low;
  /// Whether a logit may be plus infinity or NaN; if so, `high` and `low` are meaningless. A few
  /// huge logits can also set this.
  bool may_be_bad;
};

/// Copies logits, if there is a destination, and finds the maximum of each block.
struct gensample_scan gensample_scan_logits(
    const double *_Nonnull from, double *_Nullable to, size_t count, double *_Nonnull highs);

/// The same for logits of single precision.
struct gensample_scan gensample_scan_singles(
    const float *_Nonnull from, float *_Nonnull to, size_t count, double *_Nonnull highs);

/// Writes exp(x - high) for x <= high and returns the sum; 2 ulps, and 0 below exp(-700).
///
/// Reference: Cody and Waite 1980, "Software manual for the elementary functions", chapter 6, for
/// the reduction; the series ends where the next term is below rounding.
double gensample_exponentials(
    const double *_Nonnull from, size_t count, double high, double *_Nonnull to);

/// The sum of weight x (number - high) for numbers <= high; a number more than 1e4 below high has
/// weight 0.
double gensample_distance(
    const double *_Nonnull from, const double *_Nonnull weights, size_t count, double high);

/// The count of the numbers above minus infinity, and sums over them.
struct gensample_moments {
  double count;
  /// The sum of the distances from the largest.
  double sum;
  /// The sum of the squared distances.
  double squares;
};

/// Computes these moments.
struct gensample_moments gensample_moments_above(
    const double *_Nonnull from, size_t count, double high);

/// Sets each logit whose bit is 0 to minus infinity and leaves the others as they are. The lowest bit
/// of a word comes first; the bits behind the last logit are ignored.
void gensample_mask(
    const uint64_t *_Nonnull allowed, double *_Nonnull logits, size_t count);

/// The same for single precision.
void gensample_mask_singles(
    const uint64_t *_Nonnull allowed, float *_Nonnull logits, size_t count);

/// The sum of some numbers.
double gensample_sum(const double *_Nonnull from, size_t count);

/// The sum of 2^((x - high) scale) over the numbers whose exponent is below the cut. The exponent
/// is rounded to single precision. Bits mark the other numbers, 128 of them at a time.
///
/// The error of the sum is below 6e-6 of itself plus 1e-16 for each number: 2.7e-6 from the
/// polynomial, 1.7e-6 from single precision in the exponent down to 2^-40 (smaller values do not
/// matter), and 5e-7 from at most 8 additions. High is the largest number, and the scale is
/// positive.
double gensample_tail(
    const double *_Nonnull from, size_t count, double high, double scale, float cut,
    uint64_t *_Nonnull above);

/// The same for single precision, with an error below 9e-6, because the exponent is rounded three
/// times.
double gensample_tail_singles(
    const float *_Nonnull from, size_t count, float high, float scale, float cut,
    uint64_t *_Nonnull above);

/// What a pass of exact inference reads of a context.
struct gensample_context {
  /// Its arcs.
  int32_t first, last;
  uint32_t context;
  /// The token that all arcs to it carry.
  uint32_t token;
  /// Its index among the contexts that others back off to, or -1.
  int32_t low_row;
  /// The same index of the context that it backs off to.
  int32_t shorter_row;
  /// The context that it backs off to, and its place in the order of passes.
  uint32_t shorter, shorter_place;
  /// The index of its first sum for drawing, or -1.
  int32_t block_head;
  bool is_split;
  /// Whether a text can be in this context before its end.
  bool is_open;
  double backoff;
};

/// How many arcs ahead rows are prefetched; the array of targets has as many extra entries.
#define GENSAMPLE_ARCS_AHEAD 24

/// The data from which messages are computed.
struct gensample_messages {
  /// The length of a row that is read, a multiple of 8.
  size_t stride;
  /// The length of a row that is written.
  size_t out_stride;
  const double *_Nonnull weights;
  const double *_Nonnull corrections;
  const uint32_t *_Nonnull targets;
  const uint32_t *_Nonnull lower_targets;
  /// The messages for one more token.
  const double *_Nonnull rows;
  /// The sums for drawing of those messages, each over a block of arcs.
  double *_Nonnull blocks;
  int32_t block_size;
  /// The messages of the contexts that others back off to.
  double *_Nonnull low;
  /// The class of each token.
  const uint32_t *_Nonnull classes;
  /// For each class, whether every number written comes from its own column.
  const bool *_Nonnull is_straight;
  /// For each class and number written, the column that it comes from and its factor.
  const int32_t *_Nonnull columns;
  const double *_Nonnull factors;
  /// Scratch memory for a row.
  double *_Nonnull own;
  double *_Nonnull out;
};

/// Computes the messages of contexts in turn, up to the first one that needs more than sums of
/// rows: it is closed, backs off to none, has a class that is not straight, or a sum with too
/// little left. Returns its place, or the end.
size_t gensample_sum_messages(
    const struct gensample_context *_Nonnull contexts, size_t first, size_t last,
    const struct gensample_messages *_Nonnull messages);

/// Prefetches a cache line that will be read soon.
static inline void gensample_prefetch(const void *_Nonnull address) {
  __builtin_prefetch(address);
}

/// Tells the processor that this thread waits in a loop.
static inline void gensample_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
