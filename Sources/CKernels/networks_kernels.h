// Licensed under the Apache License, Version 2.0.

// The kernels of networks, included once for each instruction set. The including file defines
//   NAME(name)   the name of a function for this instruction set
//   LABEL        what people call the instruction set
//   LANES        the numbers in a vector: 4, 8 or 16
//   HAS_FMA      whether products and sums are fused
//   HAS_HALVES   whether there are instructions for half precision
//   TILE_ROWS, TILE_INPUTS   the size of a tile of products whose sums stay in registers
//
// Order of sums, the same in every kernel for products: lane l of one vector adds the columns
// l, l + LANES, l + 2 LANES, ... in this order; then the upper half of the lanes is added to the lower
// half until one is left. So a product has the same bits in a tile of any size.

#include <stdlib.h>
#include <string.h>

// Fused products are written out, so that the compiler's choice doesn't change results.
#pragma clang fp contract(off)

// Passing wide vectors depends on the instruction set, but only functions that are always inlined do.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

typedef float vec __attribute__((ext_vector_type(LANES)));
typedef double wide_vec __attribute__((ext_vector_type(LANES)));
typedef int32_t ints __attribute__((ext_vector_type(LANES)));
typedef uint8_t few_bytes __attribute__((ext_vector_type(LANES)));
typedef int8_t few_signed __attribute__((ext_vector_type(LANES)));
typedef uint16_t few_words __attribute__((ext_vector_type(LANES)));
typedef uint8_t bytes __attribute__((ext_vector_type(32)));
typedef float quad __attribute__((ext_vector_type(4)));

// Vectors in 32 columns, and in 16.
#define PARTS (32 / LANES)
#define HALF_PARTS (16 / LANES)

#if HAS_FMA
#define FMA(a, b, c) __builtin_elementwise_fma((a), (b), (c))
#else
#define FMA(a, b, c) ((a) * (b) + (c))
#endif

INLINE vec splat(float x) { return (vec)x; }

INLINE vec load(const void *_Nonnull from) {
  vec v;
  memcpy(&v, from, sizeof v);
  return v;
}

INLINE void store(float *_Nonnull to, vec v) { memcpy(to, &v, sizeof v); }

// The first numbers, and zeros behind them.
INLINE vec load_some(const float *_Nonnull from, size_t count) {
  float numbers[LANES] = {0};
  for (size_t i = 0; i < count; i++) memcpy(&numbers[i], from + i, 4);
  return load(numbers);
}

INLINE void store_some(float *_Nonnull to, vec v, size_t count) {
  float numbers[LANES];
  store(numbers, v);
  for (size_t i = 0; i < count; i++) to[i] = numbers[i];
}

// 0, 1, 2, ...
#if LANES == 16
#define LANE_NUMBERS ((ints){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
#elif LANES == 8
#define LANE_NUMBERS ((ints){0, 1, 2, 3, 4, 5, 6, 7})
#else
#define LANE_NUMBERS ((ints){0, 1, 2, 3})
#endif

#define FLOATS(v) __builtin_convertvector((v), vec)
#define INTS(v) __builtin_convertvector((v), ints)
#define BITS_OF(v) (*(ints *)&(v))
INLINE vec from_bits(ints bits) {
  vec v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

// MARK: Sums of lanes

INLINE float total(vec a) {
#if LANES == 16
  typedef float eight __attribute__((ext_vector_type(8)));
  eight b = a.lo + a.hi;
  quad c = b.lo + b.hi;
#elif LANES == 8
  quad c = a.lo + a.hi;
#else
  quad c = a;
#endif
  return (c[0] + c[2]) + (c[1] + c[3]);
}

// The totals of four vectors, by the same sums.
INLINE quad totals(vec a, vec b, vec c, vec d) {
#if LANES == 16
  vec ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
      + __builtin_shufflevector(
             a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  vec cd = __builtin_shufflevector(c, d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
      + __builtin_shufflevector(
             c, d, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  vec all = __builtin_shufflevector(
                ab, cd, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
      + __builtin_shufflevector(
                ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  all += __builtin_shufflevector(all, all, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  all += __builtin_shufflevector(all, all, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  return __builtin_shufflevector(all, all, 0, 4, 8, 12);
#elif LANES == 8
  vec ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
      + __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
  vec cd = __builtin_shufflevector(c, d, 0, 1, 2, 3, 8, 9, 10, 11)
      + __builtin_shufflevector(c, d, 4, 5, 6, 7, 12, 13, 14, 15);
  // a0 a1 c0 c1, b0 b1 d0 d1
  vec all = __builtin_shufflevector(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13)
      + __builtin_shufflevector(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
  all += __builtin_shufflevector(all, all, 1, 0, 3, 2, 5, 4, 7, 6);
  return __builtin_shufflevector(all, all, 0, 4, 2, 6);
#else
  vec ab = __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
  vec cd = __builtin_shufflevector(c, d, 0, 1, 4, 5) + __builtin_shufflevector(c, d, 2, 3, 6, 7);
  return __builtin_shufflevector(ab, cd, 0, 2, 4, 6) + __builtin_shufflevector(ab, cd, 1, 3, 5, 7);
#endif
}

// MARK: Stored numbers

// Exact, also for subnormal numbers and infinities.
INLINE float half_to_float(uint16_t half) {
#if HAS_HALVES
  _Float16 value;
  memcpy(&value, &half, sizeof value);
  return (float)value;
#else
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = half & 0x7FFF, bits;
  if (magnitude < 0x400) {
    float small = (float)magnitude * 0x1p-24f;
    memcpy(&bits, &small, sizeof bits);
  } else {
    bits = (magnitude << 13) + (magnitude < 0x7C00 ? 0x38000000 : 0x70000000);
  }
  bits |= sign;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
#endif
}

INLINE vec load_halves(const void *_Nonnull from) {
#if HAS_HALVES
  typedef _Float16 halves __attribute__((ext_vector_type(LANES)));
  halves h;
  memcpy(&h, from, sizeof h);
  return FLOATS(h);
#else
  vec v;
  for (int i = 0; i < LANES; i++) {
    uint16_t half;
    memcpy(&half, (const uint8_t *)from + 2 * i, 2);
    v[i] = half_to_float(half);
  }
  return v;
#endif
}

INLINE vec load_brain_halves(const void *_Nonnull from) {
  few_words words;
  memcpy(&words, from, sizeof words);
  return from_bits(INTS(words) << 16);
}

INLINE ints load_ints(const uint8_t *_Nonnull from) {
  few_bytes b;
  memcpy(&b, from, sizeof b);
  return INTS(b);
}

// Turns 32 bytes into vectors of numbers.
INLINE void spread(bytes b, vec *_Nonnull to) {
#if LANES == 16
  few_bytes parts[] = {b.lo, b.hi};
#elif LANES == 8
  few_bytes parts[] = {b.lo.lo, b.lo.hi, b.hi.lo, b.hi.hi};
#else
  few_bytes parts[] = {b.lo.lo.lo, b.lo.lo.hi, b.lo.hi.lo, b.lo.hi.hi,
                       b.hi.lo.lo, b.hi.lo.hi, b.hi.hi.lo, b.hi.hi.hi};
#endif
  UNROLL for (int i = 0; i < PARTS; i++) to[i] = FLOATS(INTS(parts[i]));
}

INLINE bytes load_bytes(const uint8_t *_Nonnull from) {
  bytes b;
  memcpy(&b, from, sizeof b);
  return b;
}

// Scales are read in one pass over some blocks, because turning one at a time into single
// precision and into all lanes would cost more than the weights themselves.
#define BLOCKS_AT_ONCE 64

// Reads the `halves` (1 or 2) half-precision numbers at the start of each block. A block has at least
// 8 bytes.
INLINE void read_halves(
    const uint8_t *_Nonnull row, size_t block_bytes, const int halves, size_t blocks,
    float *_Nonnull to) {
#pragma clang loop vectorize(disable)
  for (size_t b = 0; b < blocks; b++, row += block_bytes, to += halves) {
#if HAS_HALVES
    typedef _Float16 four __attribute__((ext_vector_type(4)));
    four raw;
    memcpy(&raw, row, sizeof raw);
    quad numbers = __builtin_convertvector(raw, quad);
    memcpy(to, &numbers, 4 * (size_t)halves);
#else
    for (int i = 0; i < halves; i++) {
      uint16_t raw;
      memcpy(&raw, row + 2 * i, 2);
      to[i] = half_to_float(raw);
    }
#endif
  }
}

// Each type of blocks has, below:
//   _BYTES, _LENGTH   bytes and numbers of a block
//   _SCALES           single-precision numbers that `_scales` writes for a block
//   _scales           reads the scales of blocks
//   _part             turns numbers 32 sub ..< 32 sub + 32 of a block into single precision
// All products below are exact, so a number has the same bits with and without fused products.

#define Q8_0_BYTES 34
#define Q8_0_LENGTH 32
#define Q8_0_SCALES 1
INLINE void Q8_0_scales(const uint8_t *_Nonnull row, size_t blocks, float *_Nonnull to) {
  read_halves(row, Q8_0_BYTES, 1, blocks, to);
}
INLINE void Q8_0_part(
    const uint8_t *_Nonnull block, const int sub, const float *_Nonnull s, vec *_Nonnull w) {
  vec a = splat(s[0]);
  UNROLL for (int i = 0; i < PARTS; i++) {
    few_signed q;
    memcpy(&q, block + 2 + i * LANES, sizeof q);
    w[i] = FLOATS(INTS(q)) * a;
  }
}

#if LANES == 16
#define STEPS FLOATS(LANE_NUMBERS)
// The value at the index in the lowest four bits of each lane, or the lowest five.
INLINE vec look_up(ints index, vec values) {
  return (vec)_mm512_permutexvar_ps((__m512i)index, (__m512)values);
}
INLINE vec look_up_two(ints index, vec values, vec more) {
  return (vec)_mm512_permutex2var_ps((__m512)values, (__m512i)index, (__m512)more);
}
#endif

// Four bits each: w = a q + b.
INLINE void nibbles(const uint8_t *_Nonnull from, float a, float b, vec *_Nonnull w) {
#if LANES == 16
  // All 16 values of the block, then a look-up.
  vec values = FMA(STEPS, splat(a), splat(b));
  ints q = load_ints(from);
  w[0] = look_up(q, values);
  w[1] = look_up(q >> 4, values);
#else
  UNROLL for (int i = 0; i < HALF_PARTS; i++) {
    ints q = load_ints(from + i * LANES);
    w[i] = FMA(FLOATS(q & 15), splat(a), splat(b));
    w[i + HALF_PARTS] = FMA(FLOATS(q >> 4), splat(a), splat(b));
  }
#endif
}

#define Q4_0_BYTES 18
#define Q4_0_LENGTH 32
#define Q4_0_SCALES 1
INLINE void Q4_0_scales(const uint8_t *_Nonnull row, size_t blocks, float *_Nonnull to) {
  read_halves(row, Q4_0_BYTES, 1, blocks, to);
}
INLINE void Q4_0_part(
    const uint8_t *_Nonnull block, const int sub, const float *_Nonnull s, vec *_Nonnull w) {
  nibbles(block + 2, s[0], -8 * s[0], w);
}

#define Q4_1_BYTES 20
#define Q4_1_LENGTH 32
#define Q4_1_SCALES 2
INLINE void Q4_1_scales(const uint8_t *_Nonnull row, size_t blocks, float *_Nonnull to) {
  read_halves(row, Q4_1_BYTES, 2, blocks, to);
}
INLINE void Q4_1_part(
    const uint8_t *_Nonnull block, const int sub, const float *_Nonnull s, vec *_Nonnull w) {
  nibbles(block + 4, s[0], s[1], w);
}

// Four bits and a fifth one elsewhere: w = a q + b.
INLINE void five_bits(
    const uint8_t *_Nonnull high, const uint8_t *_Nonnull low, float a, float b,
    vec *_Nonnull w) {
  typedef uint32_t words __attribute__((ext_vector_type(LANES)));
  uint32_t fifth;
  memcpy(&fifth, high, sizeof fifth);
  words bits = (words)fifth;
#if LANES == 16
  // Rotations bring the fifth bit of lane l from bit l or 16 + l to bit 4.
  const words first = {4, 3, 2, 1, 0, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21};
  const words second = {20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5};
  vec values = FMA(STEPS, splat(a), splat(b));
  vec more = FMA(STEPS + splat(16), splat(a), splat(b));
  ints q = load_ints(low);
  ints i = (q & 15) | ((ints)_mm512_rolv_epi32((__m512i)bits, (__m512i)first) & 16);
  ints j = (q >> 4) | ((ints)_mm512_rolv_epi32((__m512i)bits, (__m512i)second) & 16);
  w[0] = look_up_two(i, values, more);
  w[1] = look_up_two(j, values, more);
#else
  words lane = (words)LANE_NUMBERS;
  UNROLL for (int i = 0; i < HALF_PARTS; i++) {
    ints q = load_ints(low + i * LANES);
    ints first = (ints)((bits >> (lane + (uint32_t)(i * LANES))) << 4) & 16;
    ints second = (ints)(bits >> (lane + (uint32_t)(i * LANES + 12))) & 16;
    w[i] = FMA(FLOATS((q & 15) | first), splat(a), splat(b));
    w[i + HALF_PARTS] = FMA(FLOATS((q >> 4) | second), splat(a), splat(b));
  }
#endif
}

#define Q5_0_BYTES 22
#define Q5_0_LENGTH 32
#define Q5_0_SCALES 1
INLINE void Q5_0_scales(const uint8_t *_Nonnull row, size_t blocks, float *_Nonnull to) {
  read_halves(row, Q5_0_BYTES, 1, blocks, to);
}
INLINE void Q5_0_part(
    const uint8_t *_Nonnull block, const int sub, const float *_Nonnull s, vec *_Nonnull w) {
  five_bits(block + 2, block + 6, s[0], -16 * s[0], w);
}

#define Q5_1_BYTES 24
#define Q5_1_LENGTH 32
#define Q5_1_SCALES 2
INLINE void Q5_1_scales(const uint8_t *_Nonnull row, size_t blocks, float *_Nonnull to) {
  read_halves(row, Q5_1_BYTES, 2, blocks, to);
}
INLINE void Q5_1_part(
    const uint8_t *_Nonnull block, const int sub, const float *_Nonnull s, vec *_Nonnull w) {
  five_bits(block + 4, block + 8, s[0], s[1], w);
}

// 16 signed bytes plus an offset, times a factor.
INLINE void scale_bytes(
    const int8_t *_Nonnull from, int offset, float factor, float *_Nonnull to) {
  UNROLL for (int i = 0; i < HALF_PARTS; i++) {
    few_signed q;
    memcpy(&q, from + i * LANES, sizeof q);
    store(to + i * LANES, FLOATS(INTS(q) + offset) * splat(factor));
  }
}

INLINE void read_half_pair(const uint8_t *_Nonnull from, float *_Nonnull a, float *_Nonnull b) {
  uint16_t raw[2];
  memcpy(raw, from, sizeof raw);
  *a = half_to_float(raw[0]);
  *b = half_to_float(raw[1]);
}

// w = a q + b in halves of 16 numbers.
INLINE void scale_halves(
    bytes q, const float *_Nonnull a, const float *_Nonnull b, vec *_Nonnull w) {
  vec values[PARTS];
  spread(q, values);
  UNROLL for (int i = 0; i < PARTS; i++) {
    w[i] = FMA(values[i], splat(a[i / HALF_PARTS]), splat(b[i / HALF_PARTS]));
  }
}

#define Q2_K_BYTES 84
#define Q2_K_LENGTH 256
#define Q2_K_SCALES 32
INLINE void Q2_K_scales(const uint8_t *_Nonnull row, size_t blocks, float *_Nonnull to) {
  for (size_t b = 0; b < blocks; b++) {
    const uint8_t *block = row + b * Q2_K_BYTES;
    float d, m;
    read_half_pair(block + 80, &d, &m);
    uint64_t x[2], y[2];
    memcpy(x, block, sizeof x);
    int8_t scales[16], minima[16];
    for (int i = 0; i < 2; i++) {
      y[i] = x[i] >> 4 & 0x0F0F0F0F0F0F0F0F;
      x[i] &= 0x0F0F0F0F0F0F0F0F;
    }
    memcpy(scales, x, sizeof scales);
    memcpy(minima, y, sizeof minima);
    scale_bytes(scales, 0, d, to + b * Q2_K_SCALES);
    scale_bytes(minima, 0, -m, to + b * Q2_K_SCALES + 16);
  }
}
INLINE void Q2_K_part(
    const uint8_t *_Nonnull block, const int sub, const float *_Nonnull s, vec *_Nonnull w) {
  bytes q = (load_bytes(block + 16 + sub / 4 * 32) >> (uint8_t)(sub % 4 * 2)) & 3;
  scale_halves(q, s + 2 * sub, s + 16 + 2 * sub, w);
}

#define Q3_K_BYTES 110
#define Q3_K_LENGTH 256
#define Q3_K_SCALES 32
INLINE void Q3_K_scales(const uint8_t *_Nonnull row, size_t blocks, float *_Nonnull to) {
  for (size_t b = 0; b < blocks; b++) {
    const uint8_t *packed = row + b * Q3_K_BYTES + 96;
    uint16_t raw;
    memcpy(&raw, packed + 12, 2);
    float d = half_to_float(raw);
    // The low four bits of 16 scales lie in 8 bytes, the high two in the next 4.
    uint32_t x[3], y[4];
    memcpy(x, packed, sizeof x);
    y[0] = (x[0] & 0x0F0F0F0F) | (x[2] & 0x03030303) << 4;
    y[1] = (x[1] & 0x0F0F0F0F) | (x[2] >> 2 & 0x03030303) << 4;
    y[2] = (x[0] >> 4 & 0x0F0F0F0F) | (x[2] >> 4 & 0x03030303) << 4;
    y[3] = (x[1] >> 4 & 0x0F0F0F0F) | (x[2] >> 6 & 0x03030303) << 4;
    int8_t scales[16];
    memcpy(scales, y, sizeof scales);
    scale_bytes(scales, -32, d, to + b * Q3_K_SCALES);
    scale_bytes(scales, -32, -4 * d, to + b * Q3_K_SCALES + 16);
  }
}
INLINE void Q3_K_part(
    const uint8_t *_Nonnull block, const int sub, const float *_Nonnull s, vec *_Nonnull w) {
  bytes q = (load_bytes(block + 32 + sub / 4 * 32) >> (uint8_t)(sub % 4 * 2)) & 3;
  q |= ((load_bytes(block) >> (uint8_t)sub) & 1) << 2;
  scale_halves(q, s + 2 * sub, s + 16 + 2 * sub, w);
}

// Eight scales and eight minima of six bits each in 12 bytes, as 16 bytes.
INLINE void read_six_bits(const uint8_t *_Nonnull from, int8_t *_Nonnull to) {
  uint32_t x[3], y[4];
  memcpy(x, from, sizeof x);
  y[0] = x[0] & 0x3F3F3F3F;
  y[1] = (x[2] & 0x0F0F0F0F) | ((x[0] >> 6 & 0x03030303) << 4);
  y[2] = x[1] & 0x3F3F3F3F;
  y[3] = (x[2] >> 4 & 0x0F0F0F0F) | ((x[1] >> 6 & 0x03030303) << 4);
  memcpy(to, y, sizeof y);
}

INLINE void read_scales_and_minima(
    const uint8_t *_Nonnull row, size_t block_bytes, size_t blocks, float *_Nonnull to) {
  for (size_t b = 0; b < blocks; b++) {
    const uint8_t *block = row + b * block_bytes;
    float d, m, factors[16];
    read_half_pair(block, &d, &m);
    int8_t packed[16];
    read_six_bits(block + 4, packed);
    scale_bytes(packed, 0, 1, factors);
    for (int i = 0; i < 8; i++) {
      to[b * 16 + (size_t)i] = factors[i] * d;
      to[b * 16 + 8 + (size_t)i] = factors[8 + i] * -m;
    }
  }
}

// w = a q + b.
INLINE void scale_all(bytes q, float a, float b, vec *_Nonnull w) {
  vec values[PARTS];
  spread(q, values);
  UNROLL for (int i = 0; i < PARTS; i++) w[i] = FMA(values[i], splat(a), splat(b));
}

#define Q4_K_BYTES 144
#define Q4_K_LENGTH 256
#define Q4_K_SCALES 16
INLINE void Q4_K_scales(const uint8_t *_Nonnull row, size_t blocks, float *_Nonnull to) {
  read_scales_and_minima(row, Q4_K_BYTES, blocks, to);
}
INLINE void Q4_K_part(
    const uint8_t *_Nonnull block, const int sub, const float *_Nonnull s, vec *_Nonnull w) {
#if LANES == 16
  vec values = FMA(STEPS, splat(s[sub]), splat(s[8 + sub]));
  UNROLL for (int i = 0; i < 2; i++) {
    ints q = load_ints(block + 16 + sub / 2 * 32 + 16 * i);
    w[i] = look_up(sub % 2 == 0 ? q : q >> 4, values);
  }
#else
  bytes q = load_bytes(block + 16 + sub / 2 * 32);
  q = sub % 2 == 0 ? q & 15 : q >> 4;
  scale_all(q, s[sub], s[8 + sub], w);
#endif
}

#define Q5_K_BYTES 176
#define Q5_K_LENGTH 256
#define Q5_K_SCALES 16
INLINE void Q5_K_scales(const uint8_t *_Nonnull row, size_t blocks, float *_Nonnull to) {
  read_scales_and_minima(row, Q5_K_BYTES, blocks, to);
}
INLINE void Q5_K_part(
    const uint8_t *_Nonnull block, const int sub, const float *_Nonnull s, vec *_Nonnull w) {
  bytes q = load_bytes(block + 48 + sub / 2 * 32);
  q = sub % 2 == 0 ? q & 15 : q >> 4;
  q |= ((load_bytes(block + 16) >> (uint8_t)sub) & 1) << 4;
  scale_all(q, s[sub], s[8 + sub], w);
}

#define Q6_K_BYTES 210
#define Q6_K_LENGTH 256
#define Q6_K_SCALES 32
INLINE void Q6_K_scales(const uint8_t *_Nonnull row, size_t blocks, float *_Nonnull to) {
  for (size_t b = 0; b < blocks; b++) {
    const uint8_t *block = row + b * Q6_K_BYTES;
    uint16_t raw;
    memcpy(&raw, block + 208, 2);
    float d = half_to_float(raw);
    int8_t scales[16];
    memcpy(scales, block + 192, sizeof scales);
    scale_bytes(scales, 0, d, to + b * Q6_K_SCALES);
    scale_bytes(scales, 0, -32 * d, to + b * Q6_K_SCALES + 16);
  }
}
INLINE void Q6_K_part(
    const uint8_t *_Nonnull block, const int sub, const float *_Nonnull s, vec *_Nonnull w) {
  bytes q = load_bytes(block + sub / 4 * 64 + sub % 2 * 32);
  q = sub % 4 < 2 ? q & 15 : q >> 4;
  q |= ((load_bytes(block + 128 + sub / 4 * 32) >> (uint8_t)(sub % 4 * 2)) & 3) << 4;
  scale_halves(q, s + 2 * sub, s + 16 + 2 * sub, w);
}

// MARK: Rows of blocks

// Four rows are read together, which hardware doesn't prefetch well if they are short: then the
// rows about 8 kB further on are prefetched, else the rest of the same rows.
INLINE size_t bytes_ahead(size_t row_bytes) {
  size_t step = 4 * row_bytes;
  return step == 0 || step > 8192 ? 1024 : 8192 / step * step;
}

// For each type of blocks: a row as single precision, and the products of some rows with a few inputs,
// which turn weights into single precision in registers.
#define BLOCKS(TYPE)                                                                             \
  static void NAME(unpack_##TYPE)(                                                               \
      const uint8_t *_Nonnull row, size_t columns, float *_Nonnull to) {                         \
    float scales[BLOCKS_AT_ONCE * TYPE##_SCALES + LANES];                                        \
    size_t blocks = columns / TYPE##_LENGTH;                                                     \
    for (size_t first = 0; first < blocks; first += BLOCKS_AT_ONCE) {                            \
      size_t some = blocks - first < BLOCKS_AT_ONCE ? blocks - first : BLOCKS_AT_ONCE;           \
      TYPE##_scales(row, some, scales);                                                          \
      for (size_t b = 0; b < some; b++, row += TYPE##_BYTES) {                                   \
        UNROLL for (int sub = 0; sub < TYPE##_LENGTH / 32; sub++, to += 32) {                    \
          vec w[PARTS];                                                                          \
          TYPE##_part(row, sub, scales + b * TYPE##_SCALES, w);                                  \
          UNROLL for (int i = 0; i < PARTS; i++) store(to + i * LANES, w[i]);                    \
        }                                                                                        \
      }                                                                                          \
    }                                                                                            \
  }                                                                                              \
  INLINE void dots_##TYPE(                                                                       \
      const int ROWS, const int INPUTS, const uint8_t *_Nonnull weights, size_t row_bytes,       \
      size_t columns,                                                                            \
      size_t ahead, const float *_Nonnull x, size_t x_stride, vec *_Nonnull sums) {              \
    float scales[ROWS][BLOCKS_AT_ONCE * TYPE##_SCALES + LANES];                                  \
    size_t blocks = columns / TYPE##_LENGTH;                                                     \
    for (size_t first = 0; first < blocks; first += BLOCKS_AT_ONCE) {                            \
      size_t some = blocks - first < BLOCKS_AT_ONCE ? blocks - first : BLOCKS_AT_ONCE;           \
      UNROLL for (int r = 0; r < ROWS; r++) {                                                    \
        TYPE##_scales(weights + (size_t)r * row_bytes, some, scales[r]);                         \
      }                                                                                          \
      for (size_t b = 0; b < some; b++, weights += TYPE##_BYTES) {                               \
        UNROLL for (int sub = 0; sub < TYPE##_LENGTH / 32; sub++, x += 32) {                     \
          vec inputs[INPUTS][PARTS];                                                             \
          UNROLL for (int n = 0; n < INPUTS; n++) {                                              \
            UNROLL for (int i = 0; i < PARTS; i++) {                                             \
              inputs[n][i] = load(x + (size_t)n * x_stride + i * LANES);                         \
            }                                                                                    \
          }                                                                                      \
          UNROLL for (int r = 0; r < ROWS; r++) {                                                \
            const uint8_t *block = weights + (size_t)r * row_bytes;                              \
            if (ROWS > 1 && sub % 2 == 0) {                                                      \
              __builtin_prefetch(block + ahead + sub * (32 * TYPE##_BYTES / TYPE##_LENGTH));     \
            }                                                                                    \
            vec w[PARTS];                                                                        \
            TYPE##_part(block, sub, scales[r] + b * TYPE##_SCALES, w);                           \
            UNROLL for (int i = 0; i < PARTS; i++) {                                             \
              UNROLL for (int n = 0; n < INPUTS; n++) {                                          \
                sums[n * ROWS + r] = FMA(w[i], inputs[n][i], sums[n * ROWS + r]);                \
              }                                                                                  \
            }                                                                                    \
          }                                                                                      \
        }                                                                                        \
      }                                                                                          \
    }                                                                                            \
  }                                                                                              \
  SINGLE(TYPE)

// The products of all rows with a few inputs.
#define FEW(TYPE, INPUTS)                                                                        \
  static void NAME(few_##TYPE##_##INPUTS)(                                                       \
      const uint8_t *_Nonnull weights, size_t row_bytes, size_t rows, size_t columns,            \
      const float *_Nonnull x, size_t x_stride, float *_Nonnull to, size_t to_stride) {          \
    size_t r = 0, ahead = bytes_ahead(row_bytes);                                                \
    for (; r + 4 <= rows; r += 4) {                                                              \
      vec sums[4 * INPUTS] = {0};                                                                \
      dots_##TYPE(                                                                               \
          4, INPUTS, weights + r * row_bytes, row_bytes, columns, ahead, x, x_stride, sums);     \
      UNROLL for (int n = 0; n < INPUTS; n++) {                                                  \
        quad all = totals(sums[4 * n], sums[4 * n + 1], sums[4 * n + 2], sums[4 * n + 3]);       \
        memcpy(to + (size_t)n * to_stride + r, &all, sizeof all);                                \
      }                                                                                          \
    }                                                                                            \
    for (; r < rows; r++) {                                                                      \
      vec sums[INPUTS] = {0};                                                                    \
      dots_##TYPE(                                                                               \
          1, INPUTS, weights + r * row_bytes, row_bytes, columns, ahead, x, x_stride, sums);     \
      UNROLL for (int n = 0; n < INPUTS; n++) to[(size_t)n * to_stride + r] = total(sums[n]);    \
    }                                                                                            \
  }

// More inputs than these are worth a panel of unpacked weights.
#if LANES == 16
#define FEW_INPUTS 4
#define SINGLE(TYPE) FEW(TYPE, 1) FEW(TYPE, 2) FEW(TYPE, 3) FEW(TYPE, 4)
#else
#define FEW_INPUTS 2
#define SINGLE(TYPE) FEW(TYPE, 1) FEW(TYPE, 2)
#endif

BLOCKS(Q8_0)
BLOCKS(Q4_0)
BLOCKS(Q4_1)
BLOCKS(Q5_0)
BLOCKS(Q5_1)
BLOCKS(Q2_K)
BLOCKS(Q3_K)
BLOCKS(Q4_K)
BLOCKS(Q5_K)
BLOCKS(Q6_K)

// Plain numbers of some bytes each.
#define NUMBERS(TYPE, BYTES, LOAD)                                                               \
  INLINE vec some_##TYPE(const uint8_t *_Nonnull from, size_t count) {                           \
    uint8_t few[BYTES * LANES] = {0};                                                            \
    memcpy(few, from, BYTES * count);                                                            \
    return LOAD(few);                                                                            \
  }                                                                                              \
  static void NAME(unpack_##TYPE)(                                                               \
      const uint8_t *_Nonnull row, size_t columns, float *_Nonnull to) {                         \
    size_t c = 0;                                                                                \
    for (; c + LANES <= columns; c += LANES) store(to + c, LOAD(row + BYTES * c));               \
    store_some(to + c, some_##TYPE(row + BYTES * c, columns - c), columns - c);                  \
  }                                                                                              \
  INLINE void dots_##TYPE(                                                                       \
      const int ROWS, const int INPUTS, const uint8_t *_Nonnull weights, size_t row_bytes,       \
      size_t columns,                                                                            \
      size_t ahead, const float *_Nonnull x, size_t x_stride, vec *_Nonnull sums) {              \
    size_t c = 0;                                                                                \
    for (; c + LANES <= columns; c += LANES) {                                                   \
      vec inputs[INPUTS];                                                                        \
      UNROLL for (int n = 0; n < INPUTS; n++) inputs[n] = load(x + (size_t)n * x_stride + c);    \
      UNROLL for (int r = 0; r < ROWS; r++) {                                                    \
        const uint8_t *numbers = weights + (size_t)r * row_bytes + BYTES * c;                    \
        if (ROWS > 1) __builtin_prefetch(numbers + ahead);                                       \
        vec w = LOAD(numbers);                                                                   \
        UNROLL for (int n = 0; n < INPUTS; n++) {                                                \
          sums[n * ROWS + r] = FMA(w, inputs[n], sums[n * ROWS + r]);                            \
        }                                                                                        \
      }                                                                                          \
    }                                                                                            \
    if (c == columns) return;                                                                    \
    UNROLL for (int r = 0; r < ROWS; r++) {                                                      \
      const uint8_t *last = weights + (size_t)r * row_bytes + BYTES * c;                         \
      vec w = some_##TYPE(last, columns - c);                                                    \
      UNROLL for (int n = 0; n < INPUTS; n++) {                                                  \
        vec input = load_some(x + (size_t)n * x_stride + c, columns - c);                        \
        sums[n * ROWS + r] = FMA(w, input, sums[n * ROWS + r]);                                  \
      }                                                                                          \
    }                                                                                            \
  }                                                                                              \
  SINGLE(TYPE)

NUMBERS(F32, 4, load)
NUMBERS(F16, 2, load_halves)
NUMBERS(BF16, 2, load_brain_halves)

typedef void row_unpacking(const uint8_t *_Nonnull row, size_t columns, float *_Nonnull to);
typedef void few_products(
    const uint8_t *_Nonnull weights, size_t row_bytes, size_t rows, size_t columns,
    const float *_Nonnull x, size_t x_stride, float *_Nonnull to, size_t to_stride);

#define TYPES(START, END)                                                                        \
  {                                                                                              \
    [GENSAMPLE_F32] = NAME(START##F32##END), [GENSAMPLE_F16] = NAME(START##F16##END),            \
    [GENSAMPLE_BF16] = NAME(START##BF16##END), [GENSAMPLE_Q8_0] = NAME(START##Q8_0##END),        \
    [GENSAMPLE_Q4_0] = NAME(START##Q4_0##END), [GENSAMPLE_Q4_1] = NAME(START##Q4_1##END),        \
    [GENSAMPLE_Q5_0] = NAME(START##Q5_0##END), [GENSAMPLE_Q5_1] = NAME(START##Q5_1##END),        \
    [GENSAMPLE_Q2_K] = NAME(START##Q2_K##END), [GENSAMPLE_Q3_K] = NAME(START##Q3_K##END),        \
    [GENSAMPLE_Q4_K] = NAME(START##Q4_K##END), [GENSAMPLE_Q5_K] = NAME(START##Q5_K##END),        \
    [GENSAMPLE_Q6_K] = NAME(START##Q6_K##END)                                                    \
  }

static row_unpacking *_Nonnull const NAME(unpackings)[GENSAMPLE_TYPES] = TYPES(unpack_, );
static few_products *_Nonnull const NAME(few)[FEW_INPUTS][GENSAMPLE_TYPES] = {
    TYPES(few_, _1), TYPES(few_, _2),
#if FEW_INPUTS == 4
    TYPES(few_, _3), TYPES(few_, _4),
#endif
};

static void NAME(unpack)(
    int type, const void *_Nonnull row, size_t columns, float *_Nonnull to) {
  NAME(unpackings)[type](row, columns, to);
}

// MARK: Products of single precision

// The products of some rows with some inputs; sums stay in registers.
INLINE void tile(
    const int ROWS, const int INPUTS, const float *_Nonnull weights, size_t stride,
    const float *_Nonnull x, size_t x_stride, size_t columns, float *_Nonnull to,
    size_t to_stride) {
  vec sums[INPUTS][ROWS];
  UNROLL for (int i = 0; i < INPUTS; i++) {
    UNROLL for (int r = 0; r < ROWS; r++) sums[i][r] = splat(0);
  }
  size_t c = 0;
#pragma clang loop unroll(disable)
  for (; c + LANES <= columns; c += LANES) {
    vec inputs[INPUTS];
    UNROLL for (int i = 0; i < INPUTS; i++) inputs[i] = load(x + (size_t)i * x_stride + c);
    UNROLL for (int r = 0; r < ROWS; r++) {
      vec w = load(weights + (size_t)r * stride + c);
      UNROLL for (int i = 0; i < INPUTS; i++) sums[i][r] = FMA(w, inputs[i], sums[i][r]);
    }
  }
  if (c < columns) {
    UNROLL for (int r = 0; r < ROWS; r++) {
      vec w = load_some(weights + (size_t)r * stride + c, columns - c);
      UNROLL for (int i = 0; i < INPUTS; i++) {
        sums[i][r] = FMA(w, load_some(x + (size_t)i * x_stride + c, columns - c), sums[i][r]);
      }
    }
  }
  UNROLL for (int i = 0; i < INPUTS; i++) {
    if (ROWS == 4) {
      quad all = totals(sums[i][0], sums[i][1 % ROWS], sums[i][2 % ROWS], sums[i][3 % ROWS]);
      memcpy(to + (size_t)i * to_stride, &all, sizeof all);
    } else {
      UNROLL for (int r = 0; r < ROWS; r++) to[(size_t)i * to_stride + (size_t)r] = total(sums[i][r]);
    }
  }
}

// The products of rows with up to TILE_INPUTS inputs.
#define STRIP(INPUTS)                                                                            \
  static void NAME(strip_##INPUTS)(                                                              \
      const float *_Nonnull weights, size_t stride, size_t rows, const float *_Nonnull x,        \
      size_t x_stride, size_t columns, float *_Nonnull to, size_t to_stride) {                   \
    size_t r = 0;                                                                                \
    for (; r + 4 <= rows; r += 4) {                                                              \
      tile(4, INPUTS, weights + r * stride, stride, x, x_stride, columns, to + r, to_stride);    \
    }                                                                                            \
    for (; r < rows; r++) {                                                                      \
      tile(1, INPUTS, weights + r * stride, stride, x, x_stride, columns, to + r, to_stride);    \
    }                                                                                            \
  }

STRIP(1)
STRIP(2)
#if TILE_INPUTS > 2
STRIP(3)
#endif
#if TILE_INPUTS > 3
STRIP(4)
STRIP(5)
#endif
#if TILE_INPUTS > 5
STRIP(6)
#endif

typedef void strip(
    const float *_Nonnull weights, size_t stride, size_t rows, const float *_Nonnull x,
    size_t x_stride, size_t columns, float *_Nonnull to, size_t to_stride);

static strip *_Nonnull const NAME(strips)[TILE_INPUTS] = {
    NAME(strip_1), NAME(strip_2),
#if TILE_INPUTS > 2
    NAME(strip_3),
#endif
#if TILE_INPUTS > 3
    NAME(strip_4), NAME(strip_5),
#endif
#if TILE_INPUTS > 5
    NAME(strip_6),
#endif
};

// Rows that are unpacked at a time: the four of a tile, which then stay in the first-level cache, or,
// where that cache would be too small for tiles of many inputs, what the second level holds well.
INLINE size_t panel_rows_of(size_t stride, size_t count) {
  if (stride <= 1024 || (count <= 16 && stride <= 2048)) return 4;
  size_t rows = 131072 / 4 / stride / 4 * 4;
  return rows < 4 ? 4 : rows;
}

static void NAME(multiply_panel)(
    const struct gensample_product *_Nonnull p, const float *_Nonnull weights, size_t stride,
    size_t first, size_t rows) {
  size_t strips = (p->count + TILE_INPUTS - 1) / TILE_INPUTS;
  for (size_t i = 0; strips > 0; strips--) {
    size_t some = (p->count - i + strips - 1) / strips;
    NAME(strips)[some - 1](
        weights, stride, rows, p->inputs + i * p->input_stride, p->input_stride, p->columns,
        p->outputs + i * p->output_stride + first, p->output_stride);
    i += some;
  }
}

static void NAME(multiply)(const struct gensample_product *_Nonnull p) {
  const uint8_t *weights = p->weights;
  // Rows start at addresses that are multiples of a cache line.
  size_t stride = (p->columns + 15) / 16 * 16;
  size_t panel_rows = panel_rows_of(stride, p->count);
  if (panel_rows > p->rows) panel_rows = p->rows;
  bool is_plain = p->type == GENSAMPLE_F32;
  float *panel = 0;
  if (p->count > FEW_INPUTS && !is_plain && panel_rows > 0) {
    panel = aligned_alloc(64, panel_rows * stride * 4);
  }
  if (panel == 0 && !(is_plain && p->count > FEW_INPUTS)) {
    for (size_t i = 0, some; i < p->count; i += some) {
      some = p->count - i < FEW_INPUTS ? p->count - i : FEW_INPUTS;
      NAME(few)[some - 1][p->type](
          weights, p->row_bytes, p->rows, p->columns, p->inputs + i * p->input_stride,
          p->input_stride, p->outputs + i * p->output_stride, p->output_stride);
    }
    return;
  }
  for (size_t first = 0; first < p->rows; first += panel_rows) {
    size_t rows = p->rows - first < panel_rows ? p->rows - first : panel_rows;
    // Small panels leave the hardware no time to prefetch; bursts for large ones would be in the way.
    size_t size = panel_rows * p->row_bytes;
    if (size < 8192) {
      const uint8_t *next = weights + first * p->row_bytes + 8192 / (size + 1) * size;
      for (size_t i = 0; i < size; i += 64) __builtin_prefetch(next + i, 0, 2);
    }
    if (is_plain) {
      NAME(multiply_panel)(
          p, (const float *)(const void *)(weights + first * p->row_bytes), p->row_bytes / 4, first,
          rows);
    } else {
      for (size_t r = 0; r < rows; r++) {
        NAME(unpackings)[p->type](
            weights + (first + r) * p->row_bytes, p->columns, panel + r * stride);
      }
      NAME(multiply_panel)(p, panel, stride, first, rows);
    }
  }
  free(panel);
}

// MARK: Rows of numbers

static float NAME(dot)(const float *_Nonnull a, const float *_Nonnull b, size_t count) {
  float product;
  NAME(few_F32_1)((const uint8_t *)a, 4 * count, 1, count, b, count, &product, 1);
  return product;
}

static void NAME(add)(
    float factor, const float *_Nonnull from, float *_Nonnull to, size_t count) {
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    store(to + i, FMA(splat(factor), load(from + i), load(to + i)));
  }
  size_t rest = count - i;
  if (rest == 0) return;
  vec sum = FMA(splat(factor), load_some(from + i, rest), load_some(to + i, rest));
  store_some(to + i, sum, rest);
}

INLINE double wide_total(wide_vec a) {
  double lanes[LANES];
  memcpy(lanes, &a, sizeof a);
  UNROLL for (int half = LANES / 2; half > 0; half /= 2) {
    UNROLL for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

#define WIDE(v) __builtin_convertvector((v), wide_vec)

static void NAME(rms_norm)(
    const float *_Nonnull input, size_t count, const float *_Nonnull weight, float epsilon,
    float *_Nonnull output) {
  wide_vec squares = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    wide_vec x = WIDE(load(input + i));
    squares += x * x;
  }
  if (i < count) {
    wide_vec x = WIDE(load_some(input + i, count - i));
    squares += x * x;
  }
  vec factor = splat(
      (float)(1 / __builtin_elementwise_sqrt(wide_total(squares) / (double)count + (double)epsilon)));
  for (i = 0; i + LANES <= count; i += LANES) {
    store(output + i, load(input + i) * factor * load(weight + i));
  }
  if (i < count) {
    vec y = load_some(input + i, count - i) * factor * load_some(weight + i, count - i);
    store_some(output + i, y, count - i);
  }
}

static void NAME(layer_norm)(
    const float *_Nonnull input, size_t count, const float *_Nonnull weight,
    const float *_Nullable bias, float epsilon, float *_Nonnull output) {
  wide_vec sum = {0}, squares = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) sum += WIDE(load(input + i));
  if (i < count) sum += WIDE(load_some(input + i, count - i));
  double mean = wide_total(sum) / (double)count;
  for (i = 0; i + LANES <= count; i += LANES) {
    wide_vec x = WIDE(load(input + i)) - mean;
    squares += x * x;
  }
  for (; i < count; i++) {
    double x = (double)input[i] - mean;
    squares[0] += x * x;
  }
  double factor = 1 / __builtin_elementwise_sqrt(wide_total(squares) / (double)count + (double)epsilon);
  for (i = 0; i < count; i += LANES) {
    size_t rest = count - i;
    bool is_whole = rest >= LANES;
    vec x = is_whole ? load(input + i) : load_some(input + i, rest);
    vec w = is_whole ? load(weight + i) : load_some(weight + i, rest);
    vec y = FLOATS((WIDE(x) - mean) * factor) * w;
    if (bias) y += is_whole ? load(bias + i) : load_some(bias + i, rest);
    if (is_whole) store(output + i, y);
    else store_some(output + i, y, rest);
  }
}

// exp(x): 2 ulps, 0 below -87.3, infinity above 88.7.
//
// Reference: Cody and Waite 1980, "Software manual for the elementary functions", chapter 6, for the
// reduction; the series ends where the next term is below a tenth of rounding.
INLINE vec exponential(vec x) {
  const vec least = splat(-87.3f), most = splat(88.72f);
  vec bounded = x < least ? least : x;
  bounded = bounded > most ? most : bounded;
  // Adding 1.5 x 2^23 rounds to a whole number, which is then in the lowest bits.
  vec shifted = FMA(bounded, splat(1.44269504f), splat(0x1.8p23f));
  vec n = shifted - splat(0x1.8p23f);
  // 355/512 has so few bits that its product with n is exact.
  vec r = FMA(n, splat(-0.693359375f), bounded);
  r = FMA(n, splat(2.12194440e-4f), r);
  vec p = FMA(r, splat(1.0f / 5040), splat(1.0f / 720));
  p = FMA(p, r, splat(1.0f / 120));
  p = FMA(p, r, splat(1.0f / 24));
  p = FMA(p, r, splat(1.0f / 6));
  p = FMA(p, r, splat(0.5f));
  p = FMA(p, r, splat(1));
  p = FMA(p, r, splat(1));
  // Half of the power at a time: the largest one is no number of single precision.
  ints power = BITS_OF(shifted) - 0x4B400000;
  ints half = power >> 1;
  p *= from_bits((half + 127) << 23);
  p *= from_bits((power - half + 127) << 23);
  p = x > most ? splat(__builtin_inff()) : p;
  return x < least ? splat(0) : p;
}

static void NAME(exponentials)(float *_Nonnull numbers, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    if (count - i >= LANES) {
      store(numbers + i, exponential(load(numbers + i)));
    } else {
      store_some(numbers + i, exponential(load_some(numbers + i, count - i)), count - i);
    }
  }
}

// x times the distribution function of a normal variable. The error is below 3e-7 |x|.
//
// Reference: Press and others 1992, "Numerical recipes in C", 2nd edition, section 6.2, for the
// complementary error function (1.2e-7 of itself). Neither sign of x subtracts nearby numbers.
INLINE vec gelu(vec x) {
  vec z = (x < splat(0) ? -x : x) * splat(0.70710678f);
  vec t = splat(1) / FMA(splat(0.5f), z, splat(1));
  vec p = FMA(t, splat(0.17087277f), splat(-0.82215223f));
  p = FMA(p, t, splat(1.48851587f));
  p = FMA(p, t, splat(-1.13520398f));
  p = FMA(p, t, splat(0.27886807f));
  p = FMA(p, t, splat(-0.18628806f));
  p = FMA(p, t, splat(0.09678418f));
  p = FMA(p, t, splat(0.37409196f));
  p = FMA(p, t, splat(1.00002368f));
  p = FMA(p, t, splat(-1.26551223f));
  vec tail = splat(0.5f) * x * (t * exponential(FMA(-z, z, p)));
  return x < splat(0) ? tail : x - tail;
}

INLINE vec silu(vec x) { return x / (splat(1) + exponential(-x)); }

// tanh(u) = 2 / (1 + exp(-2u)) - 1 turns the usual formula into one without a difference.
INLINE vec gelu_tanh(vec x) {
  vec u = x * FMA(x * x, splat(0.044715f), splat(1));
  return x / (splat(1) + exponential(splat(-1.59576912f) * u));
}

INLINE vec relu(vec x) { return x < splat(0) ? splat(0) : x; }

#define ACTIVATE(FUNCTION)                                                                       \
  for (size_t i = 0; i < count; i += LANES) {                                                    \
    size_t rest = count - i;                                                                     \
    bool is_whole = rest >= LANES;                                                               \
    vec y = FUNCTION(is_whole ? load(numbers + i) : load_some(numbers + i, rest));               \
    if (factors) y *= is_whole ? load(factors + i) : load_some(factors + i, rest);               \
    if (is_whole) store(numbers + i, y);                                                         \
    else store_some(numbers + i, y, rest);                                                       \
  }

static void NAME(activate)(
    int activation, float *_Nonnull numbers, const float *_Nullable factors, size_t count) {
  switch (activation) {
    case GENSAMPLE_GELU: ACTIVATE(gelu) break;
    case GENSAMPLE_GELU_TANH: ACTIVATE(gelu_tanh) break;
    case GENSAMPLE_SILU: ACTIVATE(silu) break;
    default: ACTIVATE(relu) break;
  }
}

#define LARGER(a, b) ((a) > (b) ? (a) : (b))

INLINE float largest(vec a) {
#if LANES == 16
  typedef float eight __attribute__((ext_vector_type(8)));
  eight b = LARGER(a.lo, a.hi);
  quad c = LARGER(b.lo, b.hi);
#elif LANES == 8
  quad c = LARGER(a.lo, a.hi);
#else
  quad c = a;
#endif
  float x = LARGER(c[0], c[2]), y = LARGER(c[1], c[3]);
  return LARGER(x, y);
}

static struct gensample_logit_sum NAME(sum_logits)(const float *_Nonnull logits, size_t count) {
  const vec bottom = splat(-__builtin_inff());
  vec high = bottom, check = splat(0);
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    vec x = load(logits + i);
    high = x > high ? x : high;
    check = x != x ? x : check;
  }
  for (; i < count; i++) {
    float x = logits[i];
    high[0] = x > high[0] ? x : high[0];
    check[0] = x != x ? x : check[0];
  }
  float top = largest(high);
  float bad = total(check);
  if (bad != bad) return (struct gensample_logit_sum){bad, (double)bad};
  // All are minus infinity, or one is plus infinity: differences would not be numbers.
  if (top - top != 0) return (struct gensample_logit_sum){top, top > 0 ? 1 : 0};
  wide_vec sum = {0};
  for (i = 0; i + LANES <= count; i += LANES) {
    sum += WIDE(exponential(load(logits + i) - splat(top)));
  }
  if (i < count) {
    vec x = exponential(load_some(logits + i, count - i) - splat(top));
    float few[LANES];
    store(few, x);
    for (size_t lane = 0; i + lane < count; lane++) sum[lane] += (double)few[lane];
  }
  return (struct gensample_logit_sum){top, wide_total(sum)};
}

// MARK: Attention

// Queries that are computed together, as far as registers go; each has the sums that it has alone.
#if LANES == 16
#define QUERIES_AT_ONCE 4
#else
#define QUERIES_AT_ONCE 1
#endif

// Each block of positions updates the mean in turn, so nothing depends on how the blocks came about.
// The sum over components has four parts, because one would wait for each addition.
INLINE void attend_block(
    const int QUERIES, const float *_Nonnull queries, size_t head_size, const float *_Nonnull keys,
    const float *_Nonnull values, int first, int last, float scale, float *_Nonnull high,
    float *_Nonnull sum, float *_Nonnull to) {
  const vec bottom = splat(-__builtin_inff());
  vec scores[QUERIES][HALF_PARTS][4];
  UNROLL for (int q = 0; q < QUERIES; q++) {
    UNROLL for (int i = 0; i < HALF_PARTS; i++) {
      UNROLL for (int k = 0; k < 4; k++) scores[q][i][k] = splat(0);
    }
  }
  size_t d = 0;
  for (; d + 4 <= head_size; d += 4) {
    UNROLL for (int k = 0; k < 4; k++) {
      UNROLL for (int i = 0; i < HALF_PARTS; i++) {
        vec key = load(keys + (d + (size_t)k) * GENSAMPLE_POSITIONS + i * LANES);
        UNROLL for (int q = 0; q < QUERIES; q++) {
          vec component = splat(queries[(size_t)q * head_size + d + (size_t)k]);
          scores[q][i][k] = FMA(component, key, scores[q][i][k]);
        }
      }
    }
  }
  for (; d < head_size; d++) {
    UNROLL for (int i = 0; i < HALF_PARTS; i++) {
      vec key = load(keys + d * GENSAMPLE_POSITIONS + i * LANES);
      UNROLL for (int q = 0; q < QUERIES; q++) {
        scores[q][i][0] = FMA(splat(queries[(size_t)q * head_size + d]), key, scores[q][i][0]);
      }
    }
  }
  float weights[QUERIES][GENSAMPLE_POSITIONS];
  UNROLL for (int q = 0; q < QUERIES; q++) {
    vec all[HALF_PARTS];
    vec top = bottom;
    UNROLL for (int i = 0; i < HALF_PARTS; i++) {
      all[i] = (scores[q][i][0] + scores[q][i][1]) + (scores[q][i][2] + scores[q][i][3]);
      all[i] *= splat(scale);
      if (first > 0 || last < GENSAMPLE_POSITIONS) {
        ints slot = LANE_NUMBERS + i * LANES;
        all[i] = ((slot >= first) & (slot < last)) != 0 ? all[i] : bottom;
      }
      top = LARGER(all[i], top);
    }
    float block_high = largest(top);
    if (block_high > high[q]) {
      float factor = exponential(splat(high[q] - block_high))[0];
      float *row = to + (size_t)q * head_size;
      sum[q] *= factor;
      size_t i = 0;
      for (; i + LANES <= head_size; i += LANES) store(row + i, load(row + i) * splat(factor));
      for (; i < head_size; i++) row[i] *= factor;
      high[q] = block_high;
    }
    vec part = splat(0);
    UNROLL for (int i = 0; i < HALF_PARTS; i++) {
      vec weight = exponential(all[i] - splat(high[q]));
      store(weights[q] + i * LANES, weight);
      part += weight;
    }
    sum[q] += total(part);
  }
  size_t i = 0;
  for (; i + 4 * LANES <= head_size; i += 4 * LANES) {
    vec mean[QUERIES][4];
    UNROLL for (int q = 0; q < QUERIES; q++) {
      UNROLL for (int k = 0; k < 4; k++) {
        mean[q][k] = load(to + (size_t)q * head_size + i + (size_t)k * LANES);
      }
    }
    for (int slot = first; slot < last; slot++) {
      UNROLL for (int k = 0; k < 4; k++) {
        vec value = load(values + (size_t)slot * head_size + i + (size_t)k * LANES);
        UNROLL for (int q = 0; q < QUERIES; q++) {
          mean[q][k] = FMA(splat(weights[q][slot]), value, mean[q][k]);
        }
      }
    }
    UNROLL for (int q = 0; q < QUERIES; q++) {
      UNROLL for (int k = 0; k < 4; k++) {
        store(to + (size_t)q * head_size + i + (size_t)k * LANES, mean[q][k]);
      }
    }
  }
  for (; i < head_size; i += LANES) {
    size_t rest = head_size - i < LANES ? head_size - i : LANES;
    UNROLL for (int q = 0; q < QUERIES; q++) {
      float *row = to + (size_t)q * head_size + i;
      vec mean = load_some(row, rest);
      for (int slot = first; slot < last; slot++) {
        vec value = load_some(values + (size_t)slot * head_size + i, rest);
        mean = FMA(splat(weights[q][slot]), value, mean);
      }
      store_some(row, mean, rest);
    }
  }
}

INLINE void attend_queries(
    const int QUERIES, const struct gensample_attention *_Nonnull a, size_t query) {
  const float *queries = a->queries + query * a->head_size;
  float *to = a->outputs + query * a->head_size;
  float high[QUERIES], sum[QUERIES];
  UNROLL for (int q = 0; q < QUERIES; q++) {
    high[q] = -__builtin_inff();
    sum[q] = 0;
  }
  for (size_t i = 0; i < (size_t)QUERIES * a->head_size; i++) to[i] = 0;
  for (size_t position = a->first; position < a->last;) {
    size_t block = position / GENSAMPLE_POSITIONS, start = block * GENSAMPLE_POSITIONS;
    size_t end = a->last - start < GENSAMPLE_POSITIONS ? a->last - start : GENSAMPLE_POSITIONS;
    attend_block(
        QUERIES, queries, a->head_size, a->blocks[block] + a->key_offset,
        a->blocks[block] + a->value_offset, (int)(position - start), (int)end, a->scale, high, sum,
        to);
    position = start + GENSAMPLE_POSITIONS;
  }
  UNROLL for (int q = 0; q < QUERIES; q++) {
    for (size_t i = 0; i < a->head_size; i++) to[(size_t)q * a->head_size + i] /= sum[q];
  }
}

static void NAME(attend)(const struct gensample_attention *_Nonnull a) {
  size_t q = 0;
#if QUERIES_AT_ONCE == 4
  for (; q + 4 <= a->group; q += 4) attend_queries(4, a, q);
  if (q + 3 == a->group) {
    attend_queries(3, a, q);
    return;
  }
  if (q + 2 == a->group) {
    attend_queries(2, a, q);
    return;
  }
#endif
  for (; q < a->group; q++) attend_queries(1, a, q);
}

static const struct gensample_network_kernels NAME(kernels) = {
    .name = LABEL,
    .unpack = NAME(unpack),
    .multiply = NAME(multiply),
    .dot = NAME(dot),
    .add = NAME(add),
    .rms_norm = NAME(rms_norm),
    .layer_norm = NAME(layer_norm),
    .activate = NAME(activate),
    .exponentials = NAME(exponentials),
    .sum_logits = NAME(sum_logits),
    .attend = NAME(attend),
};
