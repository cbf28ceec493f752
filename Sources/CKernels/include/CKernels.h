// Licensed under the Apache License, Version 2.0.

#ifndef CKERNELS_H
#define CKERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Bytes of the built-in models, which live as long as the program.
struct gensample_bytes {
  const void *_Nonnull base;
  size_t count;
};

/// The English n-gram model.
struct gensample_bytes gensample_model_english(void);

/// Its card, UTF-8.
struct gensample_bytes gensample_card_english(void);

/// The n-gram model of Tang poems.
struct gensample_bytes gensample_model_tang(void);

/// Its card, UTF-8.
struct gensample_bytes gensample_card_tang(void);

/// Philox4x32-10: the eight blocks of a key from `first` on, a multiple of 8, each as two words.
void gensample_philox(
    uint32_t key0, uint32_t key1, uint64_t first, uint64_t *_Nonnull words);

/// How many logits have a common maximum.
#define GENSAMPLE_BLOCK 128

/// What a pass over logits finds.
struct gensample_scan {
  /// The largest of them.
  double high;
  /// The least of them.
  double low;
  /// Whether one may be plus infinity or not a number, for then none of the above holds; a few huge
  /// ones look like it.
  bool may_be_bad;
};

/// Copies logits, if somewhere is given, and finds the maximum of each block of them.
struct gensample_scan gensample_scan_logits(
    const double *_Nonnull from, double *_Nullable to, size_t count, double *_Nonnull highs);

/// The same for single precision.
struct gensample_scan gensample_scan_singles(
    const float *_Nonnull from, float *_Nonnull to, size_t count, double *_Nonnull highs);

/// Writes exp(x - high), to 2 ulps and 0 below exp(-700), and returns the sum; no x exceeds high.
///
/// Reference: Cody and Waite 1980, "Software manual for the elementary functions", chapter 6, for
/// the reduction; the series to the degree at which the next term is below rounding.
double gensample_exponentials(
    const double *_Nonnull from, size_t count, double high, double *_Nonnull to);

/// The sum of weight x (number - high); no number exceeds high, and the weight of one that lies more
/// than 1e4 below is 0.
double gensample_distance(
    const double *_Nonnull from, const double *_Nonnull weights, size_t count, double high);

/// How many numbers lie above minus infinity, and sums over those.
struct gensample_moments {
  double count;
  /// Of their distances from the largest.
  double sum;
  /// Of the squares of these.
  double squares;
};

/// Finds them.
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

/// The sum of 2^((x - high) scale) over the numbers for which (x - high) scale, rounded to single
/// precision, lies below the cut; bits mark the others, 128 of them at a time.
///
/// The sum is off by less than 6e-6 of itself and 1e-16 for each number: the polynomial by 2.7e-6,
/// single precision in the exponent by 1.7e-6 down to 2^-40, below which values are nothing, and in
/// at most 8 additions by 5e-7. High is the largest number and the scale positive.
double gensample_tail(
    const double *_Nonnull from, size_t count, double high, double scale, float cut,
    uint64_t *_Nonnull above);

/// The same for single precision, off by less than 9e-6: the exponent is rounded three times.
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
  /// Its number among the contexts that others fail to, or -1.
  int32_t low_row;
  /// The same of the context that it fails to.
  int32_t shorter_row;
  /// That context, and its place in the order of passes.
  uint32_t shorter, shorter_place;
  /// The first of its sums for drawing, or -1.
  int32_t block_head;
  bool is_split;
  /// Whether a text can be in it before its end.
  bool is_open;
  double backoff;
};

/// How many arcs ahead rows are asked for: targets are followed by as many more.
#define GENSAMPLE_ARCS_AHEAD 24

/// What messages are made of.
struct gensample_messages {
  /// Numbers a row that is read, a multiple of 8.
  size_t stride;
  /// Numbers a row that is written.
  size_t out_stride;
  const double *_Nonnull weights;
  const double *_Nonnull corrections;
  const uint32_t *_Nonnull targets;
  const uint32_t *_Nonnull lower_targets;
  /// The messages of one more token.
  const double *_Nonnull rows;
  /// Their sums for drawing, over so many arcs each.
  double *_Nonnull blocks;
  int32_t block_size;
  /// The messages of contexts that others fail to.
  double *_Nonnull low;
  /// For each token its class.
  const uint32_t *_Nonnull classes;
  /// For each class whether each number written is made from the one in its column.
  const bool *_Nonnull is_straight;
  /// For each class and number written: from which column it is made, by which factor.
  const int32_t *_Nonnull columns;
  const double *_Nonnull factors;
  /// Room for a row.
  double *_Nonnull own;
  double *_Nonnull out;
};

/// Makes the messages of contexts in turn, up to the first that needs more than sums of rows: one
/// that is closed, fails to none, has a class that is not straight, or a sum of which too little is
/// left. Returns its place, or the end.
size_t gensample_sum_messages(
    const struct gensample_context *_Nonnull contexts, size_t first, size_t last,
    const struct gensample_messages *_Nonnull messages);

/// Asks for a line of memory that will be read soon.
static inline void gensample_prefetch(const void *_Nonnull address) {
  __builtin_prefetch(address);
}

#endif
