// Licensed under the Apache License, Version 2.0.

#ifndef CKERNELS_H
#define CKERNELS_H

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

/// Asks for a line of memory that will be read soon.
static inline void gensample_prefetch(const void *_Nonnull address) {
  __builtin_prefetch(address);
}

#endif
