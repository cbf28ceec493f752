// Licensed under the Apache License, Version 2.0.

// Products of stored weights with 1 to 128 inputs, on one thread: see scripts/kernels.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "NetworkKernels.h"

enum { COLUMNS = 768, ROWS = 1536, MATRICES = 40, REPEATS = 5 };

static const struct {
  const char *name;
  size_t length, bytes;
} types[GENSAMPLE_TYPES] = {
    {"F32", 1, 4},       {"F16", 1, 2},       {"BF16", 1, 2},      {"Q8_0", 32, 34},
    {"Q4_0", 32, 18},    {"Q4_1", 32, 20},    {"Q5_0", 32, 22},    {"Q5_1", 32, 24},
    {"Q2_K", 256, 84},   {"Q3_K", 256, 110},  {"Q4_K", 256, 144},  {"Q5_K", 256, 176},
    {"Q6_K", 256, 210},
};

// Seconds of this thread, so that other programs on the machine disturb less.
static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int count, char **words) {
  static const size_t counts[] = {1, 4, 16, 64, 128};
  float *inputs = aligned_alloc(64, sizeof(float) * COLUMNS * 128);
  float *outputs = aligned_alloc(64, sizeof(float) * ROWS * 128);
  for (size_t i = 0; i < COLUMNS * 128; i++) inputs[i] = (float)rand() / (float)RAND_MAX - 0.5f;
  printf(
      "%d matrices of %d x %d, one thread, best of %d: GFLOP/s by number of inputs, and GB/s of "
      "weights for one\n", MATRICES, ROWS, COLUMNS, REPEATS);
  const struct gensample_network_kernels *kernels;
  for (size_t level = 0; (kernels = gensample_network_kernels(level)); level++) {
    printf("\n%-10s GB/s       1       4      16      64     128\n", kernels->name);
    for (int type = 0; type < GENSAMPLE_TYPES; type++) {
      if (count > 1 && strcmp(words[1], types[type].name) != 0) continue;
      size_t row_bytes = COLUMNS / types[type].length * types[type].bytes;
      size_t size = row_bytes * ROWS;
      uint8_t *weights = aligned_alloc(64, size * MATRICES);
      for (size_t i = 0; i < size * MATRICES; i += 2) {
        weights[i] = (uint8_t)rand();
        // As a half number, a scale, this is below 1; as the upper half of a float, normal.
        weights[i + 1] = type == GENSAMPLE_F32 || type == GENSAMPLE_BF16 ? 0x3E : rand() & 0x3B;
      }
      double best[5] = {1e9, 1e9, 1e9, 1e9, 1e9};
      for (int c = 0; c < 5; c++) {
        for (int repeat = 0; repeat < REPEATS; repeat++) {
          double began = seconds();
          for (size_t m = 0; m < MATRICES; m++) {
            struct gensample_product product = {
                type,   weights + m * size, row_bytes, ROWS,    COLUMNS,
                inputs, COLUMNS,            counts[c], outputs, ROWS};
            kernels->multiply(&product);
          }
          double taken = seconds() - began;
          best[c] = taken < best[c] ? taken : best[c];
        }
      }
      printf("%-10s %4.1f", types[type].name, 1e-9 * (double)(size * MATRICES) / best[0]);
      for (int c = 0; c < 5; c++) {
        double operations = 2.0 * ROWS * COLUMNS * MATRICES * (double)counts[c];
        printf(" %7.1f", 1e-9 * operations / best[c]);
      }
      printf("\n");
      fflush(stdout);
      free(weights);
    }
  }
  free(inputs);
  free(outputs);
}
