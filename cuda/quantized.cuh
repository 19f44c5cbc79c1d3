// Weights of fewer bits as products take them: what their numbers are on the tensor cores, and what
// belongs to each. quantized_tile.cuh and quantized_few.cuh have the products.
//
// A format says how many bits a number of W and one of x has, and after how much of the depth the
// fp32 sums so far are multiplied by a scale and promoted to the results: kPromote, of which groups
// of values that share a scale are multiples.
#pragma once

#include "common/divisor.cuh"
#include "common/narrow.cuh"

namespace ll4::cuda {

enum class WeightType : int32_t { kI4, kI8, kF8 };

struct QuantizedWeight {
  const uint8_t *data;    // rows of row_bytes
  Numbers scale, offset;  // [rows, groups]
  int64_t row_bytes;
  int64_t group;   // values that share a scale
  int64_t groups;  // of a row
  Divisor divide;  // by the group, or by the depth where that is less
  WeightType type;
};

// x, quantized before the product: a row of the product is a row of q.
struct F8Rows {
  uint8_t *q;      // [rows, depth]; null: x is bf16
  float *scale;    // [rows, groups]
  int64_t groups;  // 1: a scale a row; else as many as the weights have
};

// ---- numbers, as fp32 and as pairs of bf16 ----

struct Int4 {
  static constexpr WeightType kType = WeightType::kI4;
  static constexpr int kBits = 4, kActivationBits = 16;
  static constexpr bool kOffsets = true;
  static __device__ __forceinline__ void floats(uint32_t word, float (&out)[8]) {
    to_floats_i4(word, out);
  }
};
struct Int8 {
  static constexpr WeightType kType = WeightType::kI8;
  static constexpr int kBits = 8, kActivationBits = 16;
  static constexpr bool kOffsets = true;
  static __device__ __forceinline__ void floats(uint32_t word, float (&out)[4]) {
    to_floats_i8(word, out);
  }
  static __device__ __forceinline__ void pairs(uint32_t word, uint32_t (&out)[2]) {
    i8_pairs(word, out);
  }
};
template <int activation_bits>
struct E4m3 {
  static constexpr WeightType kType = WeightType::kF8;
  static constexpr int kBits = 8, kActivationBits = activation_bits;
  static constexpr bool kOffsets = false;
  static __device__ __forceinline__ void floats(uint32_t word, float (&out)[4]) {
    to_floats_f8(word, out);
  }
};
// With x as it is, and with x of f8.
struct Float8Plain : E4m3<16> {
  static __device__ __forceinline__ void pairs(uint32_t word, uint32_t (&out)[2]) {
    f8_pairs(word, out);
  }
};
struct Float8 : E4m3<8> {};

}  // namespace ll4::cuda
