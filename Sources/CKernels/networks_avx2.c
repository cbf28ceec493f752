// Licensed under the Apache License, Version 2.0.

#include "NetworkKernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#define NAME(name) name##_avx2
#define HAS_FMA 1
#define HAS_HALVES 1
#define LABEL "AVX2"
#define LANES 8
#define TILE_ROWS 4
#define TILE_INPUTS 3
#include "networks_kernels.h"

#pragma clang attribute pop

const struct gensample_network_kernels *_Nonnull gensample_network_kernels_avx2(void) {
  return &NAME(kernels);
}

#endif
