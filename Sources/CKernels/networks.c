// Licensed under the Apache License, Version 2.0.

#include "NetworkKernels.h"

const struct gensample_network_kernels *_Nonnull gensample_network_kernels_baseline(void);
#if defined(__x86_64__)
const struct gensample_network_kernels *_Nonnull gensample_network_kernels_avx2(void);
const struct gensample_network_kernels *_Nonnull gensample_network_kernels_avx512(void);
#endif

const struct gensample_network_kernels *_Nullable gensample_network_kernels(size_t index) {
#if defined(__x86_64__) && !defined(GENSAMPLE_BASELINE)
  bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
      && __builtin_cpu_supports("f16c");
  bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f")
      && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
      && __builtin_cpu_supports("avx512dq");
  if (has_avx512 && index-- == 0) return gensample_network_kernels_avx512();
  if (has_avx2 && index-- == 0) return gensample_network_kernels_avx2();
#endif
  return index == 0 ? gensample_network_kernels_baseline() : 0;
}
