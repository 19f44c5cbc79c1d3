// Loops that make and take apart numbers of few bits. They are plain: the compiler makes vector
// instructions of them, of the set that the file which includes this is compiled for.
#pragma once

#include <algorithm>
#include <limits>

#include "kernels.h"
#include "small_floats.h"

// Unnamed: each instruction set has its own copy, which the linker must not merge.
namespace ll4::cpu {
namespace {

// Magnitudes order as their bits do, and a NaN's is the largest.
inline float max_abs(const float *x, int64_t n) {
  int32_t most = 0;
  for (int64_t i = 0; i < n; i++)
    most = std::max(most, static_cast<int32_t>(float_bits(x[i]) & 0x7fffffffu));
  return bits_float(static_cast<uint32_t>(most));
}

inline int16_t max_abs_bf16(const uint16_t *x, int64_t n) {
  int16_t most = 0;
  for (int64_t i = 0; i < n; i++) most = std::max(most, static_cast<int16_t>(x[i] & 0x7fff));
  return most;
}

inline void raise_max_abs_bf16(const uint16_t *x, int16_t *most, int64_t n) {
  for (int64_t i = 0; i < n; i++) most[i] = std::max(most[i], static_cast<int16_t>(x[i] & 0x7fff));
}

inline void round_f8(const float *x, float scale, float *out, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = f8_to_f32(f32_to_f8(x[i] / scale));
}

inline void make_i8(const float *x, int8_t *q, float *scale, int64_t n) {
  for (int64_t i = 0; i < n; i += kI8Block) {
    const int64_t m = std::min(kI8Block, n - i);
    const float s = max_abs(x + i, m) / 127;
    const bool finite = s <= std::numeric_limits<float>::max();
    scale[i / kI8Block] = finite ? s : std::numeric_limits<float>::quiet_NaN();
    // What is not finite is left to the scale. In a block of zeros, or nearly so, all are zero.
    const float divisor = finite && s > 0 ? s : std::numeric_limits<float>::infinity();
    for (int64_t j = i; j < i + m; j++) {
      const float bounded = std::min(127.0f, std::max(-127.0f, x[j] / divisor));
      q[j] = static_cast<int8_t>(round_to_int(bounded));
    }
  }
}

inline void quantize_f8(const uint16_t *w, float scale, uint8_t *out, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = f32_to_f8(bf16_to_f32(w[i]) / scale);
}

// A value as it is stored, in -8 .. 7 and 8 more.
inline uint32_t nibble(uint16_t w, float scale) {
  const float x = bf16_to_f32(w) / scale;
  // The order of the operands makes something of a NaN.
  const float bounded = std::min(7.0f, std::max(-8.0f, x));
  return static_cast<uint32_t>(round_to_int(bounded) + 8);
}

inline void quantize_i4(const uint16_t *w, float scale, uint8_t *out, int64_t n) {
  for (int64_t i = 0; i < n / 2; i++)
    out[i] = static_cast<uint8_t>(nibble(w[2 * i], scale) | nibble(w[2 * i + 1], scale) << 4);
  if (n % 2) out[n / 2] = static_cast<uint8_t>(nibble(w[n - 1], scale));
}

inline void dequantize_f8(const uint8_t *q, float scale, float, float *out, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = scale * f8_to_f32(q[i]);
}

inline void dequantize_i8(const uint8_t *q, float scale, float offset, float *out, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    out[i] = scale * static_cast<float>(static_cast<int8_t>(q[i])) + offset;
}

inline void dequantize_i4(const uint8_t *q, float scale, float offset, float *out, int64_t n) {
  const auto value = [&](int32_t v) { return scale * static_cast<float>(v - 8) + offset; };
  for (int64_t i = 0; i < n / 2; i++) {
    out[2 * i] = value(q[i] & 15);
    out[2 * i + 1] = value(q[i] >> 4);
  }
  if (n % 2) out[n - 1] = value(q[n / 2] & 15);
}

}  // namespace
}  // namespace ll4::cpu
