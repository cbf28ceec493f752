// Licensed under the Apache License, Version 2.0.

#ifndef GENSAMPLE_WIDEST_H
#define GENSAMPLE_WIDEST_H

// Each function is compiled for several instruction sets; the loader takes the widest there is.
// -DGENSAMPLE_BASELINE leaves the one that all processors have, to measure it.
#if defined(__x86_64__) && defined(__ELF__) && !defined(GENSAMPLE_BASELINE)
#define WIDEST __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDEST
#endif

#endif
