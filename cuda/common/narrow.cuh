// Numbers of eight and sixteen bits beside bf16: what quantized weights and their scales are.
#pragma once

#include "ptx.cuh"

namespace ll4::cuda {

struct f16 {
  uint16_t bits;
};

__device__ __forceinline__ float to_float(f16 x) { return f16_to_float(x.bits); }
__device__ __forceinline__ void store(f16 *to, float x) {
  to->bits = static_cast<uint16_t>(round_f16(x));
}

// An fp32 as e4m3fn, rounded to nearest even, saturating: there are no infinities, S.1111.111 is
// NaN, the largest is 448.
__device__ __forceinline__ uint32_t round_f8(float x) {
  const uint32_t sign = as_bits(x) >> 24 & 0x80u, bits = as_bits(x) & 0x7fffffffu;
  if (bits > 0x7f800000u) return sign | 0x7fu;
  if (bits >= 0x43e00000u) return sign | 0x7eu;  // 448
  // Below 2^-6 numbers are multiples of 2^-9, and so is the last place of 2^14.
  if (bits < 0x3c800000u) return sign | (as_bits(as_float(bits) + 16384.0f) - 0x46800000u);
  return sign | (((bits + 0x7ffffu + (bits >> 20 & 1u)) >> 20) - (120u << 3));
}

// ---- weights as pairs of bf16, which has every i4, i8 and e4m3 ----

// The eight i4 of a word. A nibble is put into the mantissa of 128, the upper one of a byte three
// places up, and the sum with its factor and its offset is exact.
__device__ __forceinline__ void i4_pairs(uint32_t word, uint32_t (&pairs)[4]) {
  const uint32_t shifted = word >> 1;
#pragma unroll
  for (uint32_t b = 0; b < 4; b++) {
    const uint32_t bytes = permute_bytes(word, shifted, b | (4 + b) << 8);
    const uint32_t numbers = (bytes & 0x0078000fu) | 0x43004300u;
    pairs[b] = fma_bf16x2(numbers, 0x3e003f80u, 0xc1c0c308u);  // 1/8 x - 24, x - 136
  }
}

// The four i8 of a word: 128 and the lower seven bits, less 128 or, with the sign, 256.
__device__ __forceinline__ void i8_pairs(uint32_t word, uint32_t (&pairs)[2]) {
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const uint32_t bytes = permute_bytes(word, 0, i == 0 ? 0x4140 : 0x4342);
    const uint32_t low = (bytes & 0x007f007fu) | 0x43004300u;
    const uint32_t sign = (bytes & 0x00800080u) | 0x43004300u;
    pairs[i] = fma_bf16x2(sign, 0xbf80bf80u, low);
  }
}

// The four e4m3 of a word: its bits as those of a bf16 are 2^-120 times the number. What is NaN
// would be 480, and no other number is infinite times 1.1 * 2^119.
__device__ __forceinline__ void f8_pairs(uint32_t word, uint32_t (&pairs)[2]) {
  const uint32_t high = (word >> 4 & 0x07070707u) | (word & 0x80808080u);
  const uint32_t low = word << 4 & 0xf0f0f0f0u;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const uint32_t bits = permute_bytes(low, high, i == 0 ? 0x5140 : 0x7362);
    const uint32_t numbers = fma_bf16x2(bits, 0x7b807b80u, 0x80008000u);
    const uint32_t large = fma_bf16x2(numbers, 0x7b0d7b0du, 0x80008000u);
    pairs[i] = fma_bf16x2(large, 0, numbers);
  }
}

// d += a b for a [16, 32] and b [32, 8] of e4m3, spread over the warp as the PTX manual says. As
// bf16 it is two products, whose fragments have the same rows and columns in the same lanes.
template <bool native = kMultipliesF8>
__device__ __forceinline__ void mma_f8(float (&d)[4], const uint32_t (&a)[4],
                                       const uint32_t (&b)[2]) {
  if constexpr (native) {
    mma_f8_native(d, a, b);
  } else {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      uint32_t upper[2], lower[2], columns[2];
      f8_pairs(a[2 * i], upper);
      f8_pairs(a[2 * i + 1], lower);
      f8_pairs(b[i], columns);
      const uint32_t rows[4] = {upper[0], lower[0], upper[1], lower[1]};
      mma_bf16(d, rows, columns);
    }
  }
}

// ---- the same as fp32 ----

// Bit for bit an fp32 of which the nibble is the end: 2^(23 - 4 i) more, and the 8 of i4.
__device__ __forceinline__ void to_floats_i4(uint32_t word, float (&out)[8]) {
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const int place = i % 5;
    const uint32_t from = i < 5 ? word : word >> 20;
    const uint32_t bits = (from & 0xfu << 4 * place) | (150u - 4 * place) << 23;
    out[i] = as_float(bits) - (static_cast<float>(1 << (23 - 4 * place)) + 8.0f);
  }
}
__device__ __forceinline__ void to_floats_i8(uint32_t word, float (&out)[4]) {
  const uint32_t bytes = word ^ 0x80808080u;
#pragma unroll
  for (uint32_t i = 0; i < 4; i++)
    out[i] = as_float(permute_bytes(bytes, 0x4b000000u, 0x7440 | i)) - 8388736.0f;
}
template <bool native = kMultipliesF8>
__device__ __forceinline__ void to_floats_f8(uint32_t word, float (&out)[4]) {
  if constexpr (native) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const uint32_t halves = f8_to_f16_native(i == 0 ? word : word >> 16);
      out[2 * i] = f16_to_float(halves & 0xffffu);
      out[2 * i + 1] = f16_to_float(halves >> 16);
    }
  } else {
    uint32_t pairs[2];
    f8_pairs(word, pairs);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      out[2 * i] = low_float(pairs[i]);
      out[2 * i + 1] = high_float(pairs[i]);
    }
  }
}

// A tensor of scales or offsets: f32, bf16 or f16.
enum class NumberType : int32_t { kF32, kBf16, kF16 };
struct Numbers {
  void *data;  // null where there is none
  NumberType type;

  __device__ __forceinline__ float load(int64_t i) const {
    if (type == NumberType::kF32) return static_cast<const float *>(data)[i];
    if (type == NumberType::kBf16) return to_float(static_cast<const bf16 *>(data)[i]);
    return to_float(static_cast<const f16 *>(data)[i]);
  }
  // Stores x as it is rounded, and returns that.
  __device__ __forceinline__ float round(int64_t i, float x) const {
    if (type == NumberType::kF32)
      static_cast<float *>(data)[i] = x;
    else if (type == NumberType::kBf16)
      store(static_cast<bf16 *>(data) + i, x);
    else
      store(static_cast<f16 *>(data) + i, x);
    return load(i);
  }
};

}  // namespace ll4::cuda
