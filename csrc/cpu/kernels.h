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

// A block of a product with a quantized W. x is packed for its operands.
struct QuantizedBlock {
  const char *x;
  int64_t ldx;           // bytes
  const float *x_scale;  // f8: [rows, x_scales], for all of a row or its groups; null: 1
  int64_t x_scales;
  const uint8_t *w;
  int64_t ldw;        // bytes
  const char *scale;  // [columns, groups]
  int32_t scale_dtype;
  int64_t group;
  int64_t groups;
  float *out;  // [rows, columns]
  int64_t ldo;
  int64_t rows;
  int64_t columns;
  int64_t depth;
};

// What meets in such a block. kI8xI8Blocks is i8 with groups of whole blocks of x.
enum QuantizedOperands { kI8xI4, kI8xI8, kI8xI8Blocks, kF32xF8, kBf16xF8, kQuantizedOperandsCount };

// Values of x that share a scale where x is i8, and half of that.
constexpr int64_t kI8Block = 32;
constexpr int64_t kI8Unit = 16;

struct QuantizedKernel {
  // out = x W^T, each output a chain over depth that no block around it changes. W's offsets are
  // left to be added.
  void (*dot)(const QuantizedBlock &);  // null: this instruction set has others for it
  int64_t group;                        // groups are multiples of this, or one is the whole row
  int64_t packed;                       // bytes of 128 packed values
  // Packs n values of x, a multiple of 128: q and their scales for i8, else fp32.
  void (*pack_i8)(const int8_t *q, const float *scale, int64_t n, char *out);
  void (*pack_f32)(const float *x, int64_t n, char *out);
};
constexpr int64_t kPackedValues = 128;

struct Kernels {
  const char *isa;
  bool bf16_dot;  // has kBf16xBf16 and kBf16xF8

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

  // Numbers of few bits: see kernels_quantize.h.
  float (*max_abs)(const float *x, int64_t n);            // NaN if one is
  int16_t (*max_abs_bf16)(const uint16_t *x, int64_t n);  // as bits
  // most[i] = max(most[i], |x[i]|), as bits.
  void (*raise_max_abs_bf16)(const uint16_t *x, int16_t *most, int64_t n);
  void (*round_f8)(const float *x, float scale, float *out, int64_t n);  // e4m3(x / scale)
  void (*quantize_f8)(const uint16_t *w, float scale, uint8_t *out, int64_t n);
  void (*quantize_i4)(const uint16_t *w, float scale, uint8_t *out, int64_t n);
  // out = scale q + offset, for q that begin at a byte.
  void (*dequantize_f8)(const uint8_t *q, float scale, float offset, float *out, int64_t n);
  void (*dequantize_i8)(const uint8_t *q, float scale, float offset, float *out, int64_t n);
  void (*dequantize_i4)(const uint8_t *q, float scale, float offset, float *out, int64_t n);

  QuantizedKernel quantized[kQuantizedOperandsCount];
  // Each kI8Block of x as whole multiples of a 127th of the largest.
  void (*make_i8)(const float *x, int8_t *q, float *scale, int64_t n);
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
