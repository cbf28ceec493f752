// Licensed under the Apache License, Version 2.0.

#include "NetworkKernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)

#define NAME(name) name##_avx512
#define HAS_FMA 1
#define HAS_HALVES 1
#define LABEL "AVX-512"
#define LANES 16
#define TILE_ROWS 4
#define TILE_INPUTS 6
#include "networks_kernels.h"

#pragma clang attribute pop

const struct gensample_network_kernels *_Nonnull gensample_network_kernels_avx512(void) {
  return &NAME(kernels);
}

#endif
