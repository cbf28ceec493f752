// Licensed under the Apache License, Version 2.0.

#include "CKernels.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

_Alignas(64) static const unsigned char english[] = {
#embed "models/english.gsm"
};

static const unsigned char english_card[] = {
#embed "models/english.md"
};

_Alignas(64) static const unsigned char tang[] = {
#embed "models/tang.gsm"
};

static const unsigned char tang_card[] = {
#embed "models/tang.md"
};

_Alignas(64) static const unsigned char english_llama[] = {
#embed "models/english-llama.gguf"
};

static const unsigned char english_llama_card[] = {
#embed "models/english-llama.md"
};

_Alignas(64) static const unsigned char tang_gpt[] = {
#embed "models/tang-gpt.gguf"
};

static const unsigned char tang_gpt_card[] = {
#embed "models/tang-gpt.md"
};

struct gensample_bytes gensample_model_english(void) {
  return (struct gensample_bytes){english, sizeof english};
}

struct gensample_bytes gensample_card_english(void) {
  return (struct gensample_bytes){english_card, sizeof english_card};
}

struct gensample_bytes gensample_model_tang(void) {
  return (struct gensample_bytes){tang, sizeof tang};
}

struct gensample_bytes gensample_card_tang(void) {
  return (struct gensample_bytes){tang_card, sizeof tang_card};
}

struct gensample_bytes gensample_model_english_llama(void) {
  return (struct gensample_bytes){english_llama, sizeof english_llama};
}

struct gensample_bytes gensample_card_english_llama(void) {
  return (struct gensample_bytes){english_llama_card, sizeof english_llama_card};
}

struct gensample_bytes gensample_model_tang_gpt(void) {
  return (struct gensample_bytes){tang_gpt, sizeof tang_gpt};
}

struct gensample_bytes gensample_card_tang_gpt(void) {
  return (struct gensample_bytes){tang_gpt_card, sizeof tang_gpt_card};
}
