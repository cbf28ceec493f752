// Licensed under the Apache License, Version 2.0.

// For SSE2, NEON, and machines without vectors.

#include "NetworkKernels.h"

#define LANES 4
#if defined(__aarch64__)
#define NAME(name) name##_neon
#define LABEL "NEON"
#define HAS_FMA 1
#define HAS_HALVES 1
#define TILE_ROWS 4
#define TILE_INPUTS 5
#else
#define NAME(name) name##_plain
#define LABEL "baseline"
#define HAS_FMA 0
#define HAS_HALVES 0
#define TILE_ROWS 4
#define TILE_INPUTS 2
#endif
#include "networks_kernels.h"

const struct gensample_network_kernels *_Nonnull gensample_network_kernels_baseline(void) {
  return &NAME(kernels);
}
