// Licensed under the Apache License, Version 2.0.

#include "CKernels.h"

// Each function is compiled for several instruction sets; the loader takes the widest there is.
#if defined(__x86_64__) && defined(__ELF__)
#define WIDEST __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDEST
#endif

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
