// The inner loops that depend on the instruction set, one table of them a set. Everything else of
// the CPU backend is compiled once, for the baseline.
#pragma once

#include <cstdint>

namespace ll4::cpu {

// A block of a matrix product. Leading dimensions are in elements.
struct Block {
  const void *x;  // [rows, depth]
  int64_t ldx;
  const void *w;  // dot: [columns, depth]; outer: [depth, columns]
  int64_t ldw;
  float *out;  // [rows, columns]
  int64_t ldo;
  int64_t rows;
  int64_t columns;
  int64_t depth;
};

// What the products of a block multiply: x by W.
enum Operands { kF32xF32, kF32xBf16, kBf16xBf16, kOperandsCount };

struct Kernels {
  const char *isa;
  bool bf16_dot;  // has kBf16xBf16

  // out = x W^T. Each output is one chain over depth, the same for any block around it.
  void (*dot[kOperandsCount])(const Block &);
  // out += x W. Likewise.
  void (*outer[kOperandsCount])(const Block &);

  void (*widen)(const uint16_t *x, float *out, int64_t n);   // bf16 to fp32
  void (*narrow)(const float *x, uint16_t *out, int64_t n);  // fp32 to bf16, to nearest even
  void (*add)(const float *x, float *out, int64_t n);        // out += x
  void (*scale)(const float *x, float s, float *out, int64_t n);
  void (*scale_by)(const float *x, float s, const float *w, float *out, int64_t n);  // (x s) w
  float (*sum_squares)(const float *x, int64_t n);
  float (*max)(const float *x, int64_t n);  // n > 0
  // out = exp(x - shift), exactly 0 below the smallest normal number; returns the sum of out.
  float (*exp_sum)(const float *x, float shift, float *out, int64_t n);
  void (*swiglu)(const float *gate, const float *up, float *out, int64_t n);
  void (*gelu)(const float *x, float *out, int64_t n);  // x (1 + erf(x / sqrt(2))) / 2
  // out = (x - mean) / sqrt(variance + eps) * w + b
  void (*layer_norm)(const float *x, float eps, const float *w, const float *b, float *out,
                     int64_t n);
};

// The table of the instruction set called `isa`, or of the best that this machine has for NULL.
// Throws LL4_UNSUPPORTED for one that it lacks.
const Kernels &select_kernels(const char *isa);

// One a source file, each compiled for its own instruction set; null where not compiled in.
const Kernels *baseline_kernels();
const Kernels *avx2_kernels();
const Kernels *avx512_kernels();
const Kernels *avx512bf16_kernels();
const Kernels *neon_kernels();

}  // namespace ll4::cpu
