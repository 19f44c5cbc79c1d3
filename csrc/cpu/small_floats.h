// Conversions of e4m3 and fp16, one number at a time and without branches, so that loops over them
// become vector instructions.
//
// e4m3 is S.EEEE.MMM with a bias of 7: no infinities, S.1111.111 is NaN, the largest is 448.
#pragma once

#include <cstdint>

// Unnamed: each instruction set has its own copy, which the linker must not merge.
namespace ll4::cpu {
namespace {

inline uint32_t float_bits(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

inline float bits_float(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

// A number with its exponent where fp32 has it, in the smallest of which numbers are multiples of
// the same, is off by the difference of the biases.
inline float f8_to_f32(uint8_t q) {
  const uint32_t magnitude = q & 0x7fu, sign = (q & 0x80u) << 24;
  const float number = bits_float(magnitude << 20) * 0x1p120f;
  const uint32_t nan = magnitude == 0x7f ? 0x7fc00000u : 0;
  return bits_float(float_bits(number) | nan | sign);
}

// To the nearest, ties to even; what is larger becomes 448, a NaN stays one.
inline uint8_t f32_to_f8(float x) {
  const uint32_t bits = float_bits(x), sign = bits >> 24 & 0x80u, magnitude = bits & 0x7fffffffu;
  const uint32_t most = 0x43e00000;  // 448
  const uint32_t a = magnitude < most ? magnitude : most;
  const uint32_t normal = ((a + 0x7ffff + (a >> 20 & 1)) >> 20) - (120u << 3);
  // The last place of 2^14 is 2^-9.
  const uint32_t small = float_bits(bits_float(a) + 16384.0f) - 0x46800000u;
  const uint32_t number = a < 0x3c800000 ? small : normal;  // 2^-6
  return static_cast<uint8_t>((magnitude > 0x7f800000 ? 0x7fu : number) | sign);
}

inline float f16_to_f32(uint16_t h) {
  const uint32_t magnitude = h & 0x7fffu, sign = (h & 0x8000u) << 16;
  const float number = bits_float(magnitude << 13) * 0x1p112f;
  const uint32_t not_finite = magnitude >= 0x7c00 ? 0x7f800000u : 0;
  return bits_float(float_bits(number) | not_finite | sign);
}

// To the nearest, ties to even; what is too large becomes an infinity, a NaN stays one.
inline uint16_t f32_to_f16(float x) {
  const uint32_t bits = float_bits(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  const uint32_t most = 0x47800000;  // 2^16
  const uint32_t a = magnitude < most ? magnitude : most;
  const uint32_t normal = ((a + 0xfff + (a >> 13 & 1)) >> 13) - (112u << 10);
  // The last place of 1/2 is 2^-24.
  const uint32_t small = float_bits(bits_float(a) + 0.5f) - 0x3f000000u;
  const uint32_t number = a < 0x38800000 ? small : normal;  // 2^-14
  return static_cast<uint16_t>((magnitude > 0x7f800000 ? 0x7e00u : number) | sign);
}

inline float bf16_to_f32(uint16_t h) { return bits_float(static_cast<uint32_t>(h) << 16); }

inline uint16_t f32_to_bf16(float x) {
  const uint32_t bits = float_bits(x);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return static_cast<uint16_t>(nan ? bits >> 16 | 0x40 : rounded);
}

// To the nearest whole number, ties to even, for |x| up to 2^22; what a NaN becomes is undefined.
inline int32_t round_to_int(float x) {
  // The last place of 1.5 * 2^23 is one.
  return static_cast<int32_t>(float_bits(x + 12582912.0f) - 0x4b400000u);
}

}  // namespace
}  // namespace ll4::cpu
