// Licensed under the Apache License, Version 2.0.

#include "CKernels.h"

#include "widest.h"

typedef uint64_t lanes __attribute__((vector_size(32)));

WIDEST void gensample_philox(uint32_t key0, uint32_t key1, uint64_t first, uint64_t *_Nonnull words) {
  const lanes low = {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF};
  // Counters go along the lanes, each in the low half of 64 bits; high halves may hold anything
  // until the end, for products take the low ones only.
  lanes a[2], b[2], c[2], d[2];
  for (int i = 0; i < 2; i++) {
    uint64_t counter = (first & 0xFFFFFFFF) + 4 * (uint64_t)i;
    uint64_t above = first >> 32;
    a[i] = (lanes){counter, counter + 1, counter + 2, counter + 3};
    b[i] = (lanes){above, above, above, above};
    c[i] = d[i] = (lanes){0, 0, 0, 0};
  }
#pragma clang loop unroll(full)
  for (int round = 0; round < 10; round++) {
    const lanes k0 = {key0, key0, key0, key0};
    const lanes k1 = {key1, key1, key1, key1};
    for (int i = 0; i < 2; i++) {
      lanes p = (a[i] & low) * 0xD2511F53u;
      lanes q = (c[i] & low) * 0xCD9E8D57u;
      a[i] = (q >> 32) ^ b[i] ^ k0;
      b[i] = q;
      c[i] = (p >> 32) ^ d[i] ^ k1;
      d[i] = p;
    }
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  for (int i = 0; i < 2; i++) {
    lanes even = (a[i] & low) | (b[i] << 32);
    lanes odd = (c[i] & low) | (d[i] << 32);
    lanes near = __builtin_shufflevector(even, odd, 0, 4, 1, 5);
    lanes far = __builtin_shufflevector(even, odd, 2, 6, 3, 7);
    __builtin_memcpy(words + 8 * i, &near, sizeof near);
    __builtin_memcpy(words + 8 * i + 4, &far, sizeof far);
  }
}

typedef double numbers __attribute__((ext_vector_type(8)));
typedef int64_t masks __attribute__((ext_vector_type(8)));
typedef float halves __attribute__((ext_vector_type(16)));
typedef int32_t half_masks __attribute__((ext_vector_type(16)));
typedef bool marks __attribute__((ext_vector_type(16)));

// Sums and products stay apart, so that all instruction sets round alike.
#pragma clang fp contract(off)

WIDEST struct gensample_scan gensample_scan_logits(
    const double *_Nonnull from, double *_Nullable to, size_t count, double *_Nonnull highs) {
  const numbers top = __builtin_inf(), bottom = -__builtin_inf();
  numbers high = bottom, low = top;
  masks good = -1;
  for (size_t first = 0; first < count; first += GENSAMPLE_BLOCK) {
    numbers block = bottom;
    size_t end = first + GENSAMPLE_BLOCK;
    if (end > count) end = count;
    size_t i = first;
    for (; i + 16 <= end; i += 16) {
      numbers x, y;
      __builtin_memcpy(&x, from + i, sizeof x);
      __builtin_memcpy(&y, from + i + 8, sizeof y);
      if (to) {
        __builtin_memcpy(to + i, &x, sizeof x);
        __builtin_memcpy(to + i + 8, &y, sizeof y);
      }
      block = x > block ? x : block;
      low = x < low ? x : low;
      // A sum is below infinity only if both are; where two large ones overflow, who asks looks.
      good &= x + y < top;
      block = y > block ? y : block;
      low = y < low ? y : low;
    }
    for (; i < end; i++) {
      double x = from[i];
      if (to) to[i] = x;
      block[0] = x > block[0] ? x : block[0];
      low[0] = x < low[0] ? x : low[0];
      good[0] &= x < top[0] ? -1 : 0;
    }
    double largest = block[0];
    for (int lane = 1; lane < 8; lane++) {
      largest = block[lane] > largest ? block[lane] : largest;
    }
    highs[first / GENSAMPLE_BLOCK] = largest;
    high[0] = largest > high[0] ? largest : high[0];
  }
  struct gensample_scan scan = {high[0], low[0], false};
  for (int lane = 0; lane < 8; lane++) {
    scan.low = low[lane] < scan.low ? low[lane] : scan.low;
    scan.may_be_bad = scan.may_be_bad || good[lane] == 0;
  }
  return scan;
}

WIDEST struct gensample_scan gensample_scan_singles(
    const float *_Nonnull from, float *_Nonnull to, size_t count, double *_Nonnull highs) {
  const halves top = __builtin_inff(), bottom = -__builtin_inff();
  float high = -__builtin_inff();
  halves low = top;
  half_masks good = -1;
  for (size_t first = 0; first < count; first += GENSAMPLE_BLOCK) {
    halves block = bottom;
    size_t end = first + GENSAMPLE_BLOCK;
    if (end > count) end = count;
    size_t i = first;
    for (; i + 32 <= end; i += 32) {
      halves x, y;
      __builtin_memcpy(&x, from + i, sizeof x);
      __builtin_memcpy(&y, from + i + 16, sizeof y);
      __builtin_memcpy(to + i, &x, sizeof x);
      __builtin_memcpy(to + i + 16, &y, sizeof y);
      block = x > block ? x : block;
      low = x < low ? x : low;
      good &= x + y < top;
      block = y > block ? y : block;
      low = y < low ? y : low;
    }
    for (; i < end; i++) {
      float x = from[i];
      to[i] = x;
      block[0] = x > block[0] ? x : block[0];
      low[0] = x < low[0] ? x : low[0];
      good[0] &= x < top[0] ? -1 : 0;
    }
    float largest = block[0];
    for (int lane = 1; lane < 16; lane++) {
      largest = block[lane] > largest ? block[lane] : largest;
    }
    highs[first / GENSAMPLE_BLOCK] = largest;
    high = largest > high ? largest : high;
  }
  struct gensample_scan scan = {high, low[0], false};
  for (int lane = 0; lane < 16; lane++) {
    scan.low = low[lane] < scan.low ? low[lane] : scan.low;
    scan.may_be_bad = scan.may_be_bad || good[lane] == 0;
  }
  return scan;
}

WIDEST double gensample_exponentials(
    const double *_Nonnull from, size_t count, double high, double *_Nonnull to) {
  numbers sum = 0;
  for (size_t i = 0; i < count; i += 8) {
    numbers x = -__builtin_inf();
    size_t rest = count - i;
    if (rest >= 8) {
      __builtin_memcpy(&x, from + i, sizeof x);
    } else {
      for (size_t lane = 0; lane < rest; lane++) x[lane] = from[i + lane];
    }
    x -= high;
    const numbers least = -700;
    numbers bounded = x > least ? x : least;
    // Adding 1.5 x 2^52 rounds to a whole number, which then stands in the lowest bits.
    numbers shifted = bounded * 1.4426950408889634 + 0x1.8p52;
    numbers n = shifted - 0x1.8p52;
    numbers r = (bounded - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33;
    numbers p = r * (1.0 / 6227020800) + 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1;
    p = p * r + 1;
    masks bits, power;
    __builtin_memcpy(&bits, &shifted, sizeof bits);
    power = (bits + 1023) << 52;
    numbers scale;
    __builtin_memcpy(&scale, &power, sizeof scale);
    numbers value = x > least ? p * scale : 0;
    sum += value;
    if (rest >= 8) {
      __builtin_memcpy(to + i, &value, sizeof value);
    } else {
      for (size_t lane = 0; lane < rest; lane++) to[i + lane] = value[lane];
    }
  }
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

WIDEST double gensample_sum(const double *_Nonnull from, size_t count) {
  numbers sum = 0;
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    numbers x;
    __builtin_memcpy(&x, from + i, sizeof x);
    sum += x;
  }
  for (size_t lane = 0; i + lane < count; lane++) sum[lane] += from[i + lane];
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

WIDEST double gensample_distance(
    const double *_Nonnull from, const double *_Nonnull weights, size_t count, double high) {
  numbers sum = 0;
  // Weights that far below are 0, and so their products.
  const numbers least = -1e4;
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    numbers x, w;
    __builtin_memcpy(&x, from + i, sizeof x);
    __builtin_memcpy(&w, weights + i, sizeof w);
    x -= high;
    x = x > least ? x : least;
    sum += w * x;
  }
  for (; i < count; i++) {
    double x = from[i] - high;
    sum[0] += weights[i] * (x > -1e4 ? x : -1e4);
  }
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

WIDEST void gensample_mask(
    const uint64_t *_Nonnull allowed, double *_Nonnull logits, size_t count) {
  // A bit for each half of a number: not all processors compare 64-bit integers.
  const half_masks single = {1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64, 128, 128};
  const numbers bottom = -__builtin_inf();
  half_masks low;
  __builtin_memcpy(&low, &bottom, sizeof low);
  size_t first = 0;
  for (; first + 64 <= count; first += 64) {
    uint64_t word = allowed[first / 64];
    if (word == UINT64_MAX) continue;
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 64; i += 8) {
      half_masks bits = (int32_t)(uint32_t)(word >> i);
      half_masks x;
      __builtin_memcpy(&x, logits + first + i, sizeof x);
      x = (bits & single) != 0 ? x : low;
      __builtin_memcpy(logits + first + i, &x, sizeof x);
    }
  }
  for (; first < count; first++) {
    if ((allowed[first / 64] >> (first % 64) & 1) == 0) logits[first] = bottom[0];
  }
}

WIDEST void gensample_mask_singles(
    const uint64_t *_Nonnull allowed, float *_Nonnull logits, size_t count) {
  const half_masks single = {1,   2,   4,    8,    16,   32,   64,    128,
                             256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
  const halves bottom = -__builtin_inff();
  size_t first = 0;
  for (; first + 64 <= count; first += 64) {
    uint64_t word = allowed[first / 64];
    if (word == UINT64_MAX) continue;
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 64; i += 16) {
      half_masks bits = (int32_t)(uint32_t)(word >> i);
      halves x;
      __builtin_memcpy(&x, logits + first + i, sizeof x);
      x = (bits & single) != 0 ? x : bottom;
      __builtin_memcpy(logits + first + i, &x, sizeof x);
    }
  }
  for (; first < count; first++) {
    if ((allowed[first / 64] >> (first % 64) & 1) == 0) logits[first] = bottom[0];
  }
}

WIDEST struct gensample_moments gensample_moments_above(
    const double *_Nonnull from, size_t count, double high) {
  numbers number = 0, sum = 0, squares = 0;
  for (size_t i = 0; i < count; i += 8) {
    numbers x = -__builtin_inf();
    if (i + 8 <= count) {
      __builtin_memcpy(&x, from + i, sizeof x);
    } else {
      for (size_t lane = 0; i + lane < count; lane++) x[lane] = from[i + lane];
    }
    masks is_left = x > -__builtin_inf();
    numbers distance = is_left ? x - high : 0;
    number += is_left ? 1.0 : 0.0;
    sum += distance;
    squares += distance * distance;
  }
  struct gensample_moments moments = {0, 0, 0};
  for (int lane = 0; lane < 8; lane++) {
    moments.count += number[lane];
    moments.sum += sum[lane];
    moments.squares += squares[lane];
  }
  return moments;
}

#pragma clang fp contract(fast)

// Adds 2^x, and 0 where x reaches the cut, which is marked; x lies above -120. Vectors go by address,
// for what they are passed in differs between instruction sets.
static inline __attribute__((always_inline)) void add_powers(
    const halves *_Nonnull exponents, float cut, uint16_t *_Nonnull found, halves *_Nonnull sum) {
  halves x = *exponents;
  // Adding 1.5 x 2^23 rounds to a whole number, which then stands in the lowest bits.
  halves shifted = x + 0x1.8p23f;
  halves f = x - (shifted - 0x1.8p23f);
  halves p = f * 0x1.3997d6p-7f + 0x1.ca1440p-5f;
  p = p * f + 0x1.ec06dap-3f;
  p = p * f + 0x1.62e0dcp-1f;
  p = p * f + 0x1.ffffe8p-1f;
  half_masks bits, power;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  __builtin_memcpy(&power, &p, sizeof power);
  power += bits << 23;
  half_masks is_above = x >= cut;
  power &= ~is_above;
  halves value;
  __builtin_memcpy(&value, &power, sizeof value);
  *sum += value;
  marks mark = __builtin_convertvector(is_above, marks);
  __builtin_memcpy(found, &mark, sizeof *found);
}

WIDEST double gensample_tail(
    const double *_Nonnull from, size_t count, double high, double scale, float cut,
    uint64_t *_Nonnull above) {
  numbers total = 0;
  const halves least = -120;
  for (size_t first = 0; first < count; first += 128) {
    halves sum = 0;
    uint16_t found[8] = {0};
    for (size_t group = 0; group < 8; group++) {
      size_t i = first + 16 * group;
      if (i >= count) break;
      numbers a = -__builtin_inf(), b = -__builtin_inf();
      if (i + 16 <= count) {
        __builtin_memcpy(&a, from + i, sizeof a);
        __builtin_memcpy(&b, from + i + 8, sizeof b);
      } else {
        for (size_t lane = 0; lane < 8; lane++) {
          if (i + lane < count) a[lane] = from[i + lane];
          if (i + 8 + lane < count) b[lane] = from[i + 8 + lane];
        }
      }
      typedef float quarter __attribute__((ext_vector_type(8)));
      quarter c = __builtin_convertvector((a - high) * scale, quarter);
      quarter d = __builtin_convertvector((b - high) * scale, quarter);
      halves x = __builtin_shufflevector(
          c, d, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
      x = x > least ? x : least;
      add_powers(&x, cut, &found[group], &sum);
    }
    __builtin_memcpy(above + first / 64, found, sizeof found);
    for (int lane = 0; lane < 8; lane++) {
      total[lane] += (double)sum[lane] + (double)sum[8 + lane];
    }
  }
  return ((total[0] + total[1]) + (total[2] + total[3]))
      + ((total[4] + total[5]) + (total[6] + total[7]));
}

WIDEST double gensample_tail_singles(
    const float *_Nonnull from, size_t count, float high, float scale, float cut,
    uint64_t *_Nonnull above) {
  numbers total = 0;
  const halves least = -120;
  for (size_t first = 0; first < count; first += 128) {
    halves sum = 0;
    uint16_t found[8] = {0};
    for (size_t group = 0; group < 8; group++) {
      size_t i = first + 16 * group;
      if (i >= count) break;
      halves x = -__builtin_inff();
      if (i + 16 <= count) {
        __builtin_memcpy(&x, from + i, sizeof x);
      } else {
        for (size_t lane = 0; i + lane < count; lane++) x[lane] = from[i + lane];
      }
      x = (x - high) * scale;
      x = x > least ? x : least;
      add_powers(&x, cut, &found[group], &sum);
    }
    __builtin_memcpy(above + first / 64, found, sizeof found);
    for (int lane = 0; lane < 8; lane++) {
      total[lane] += (double)sum[lane] + (double)sum[8 + lane];
    }
  }
  return ((total[0] + total[1]) + (total[2] + total[3]))
      + ((total[4] + total[5]) + (total[6] + total[7]));
}
