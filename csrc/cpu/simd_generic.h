// The vector type of the baseline: GCC's and Clang's own vectors, four lanes, which become SSE2 on
// any x86-64. Its members are the contract of every other vector type:
//
//   kLanes            floats a vector
//   kRows, kColumns   the register tile of the matmul kernels: rows of x by rows of W (dot form),
//                     or by vectors of W's columns (outer form)
//   kBf16Dot          has Pair, a vector of 2 * kLanes bf16, and products summed in pairs
//   load/store        floats, and bf16 widened or rounded to nearest even; _n: the first n lanes,
//                     the others zero
//   sum, max_lane     across lanes, in one fixed order
//   fma               a * b + c, fused where the hardware fuses
//   load_f16, load_f8 numbers of these types as fp32
//
// and for weights of whole numbers, multiplied by activations of eight bits:
//
//   kQuantizedRows, kQuantizedColumns   the register tile; rows are a power of two
//   Bytes             kBytes whole numbers; load_bytes_n: the first n, the others any
//   even_i4, odd_i4   the low and the high halves of bytes, as weights of i4, and weights_i8, bytes
//                     as weights of i8: kBiasI4 and kBiasI8 more than their values
//   load_start        what makes up for the bias, where there is one
//   dot_i4            2 kBytes products, exactly: each is added to a lane of `start`, or of zeros
//                     without a bias. Lanes 4i to 4i + 3 are of unit i, 16 values of each vector
//   dot_i8            the same of kBytes products
//   spread            kLanes / 4 scales, each in four lanes
//   kBlocksI8         first_halves and second_halves take blocks of 32 bytes apart
//   even_f8, odd_f8   with kBf16Dot: the even and the odd bytes as bf16
#pragma once

#include <cstdint>
#include <cstring>

#include "small_floats.h"

// Unnamed: each instruction set has its own copy, which the linker must not merge.
namespace ll4::cpu {
namespace {

struct Generic {
  static constexpr int kLanes = 4;
  static constexpr int kRows = 3;
  static constexpr int kColumns = 2;
  static constexpr bool kBf16Dot = false;

  using F = float __attribute__((vector_size(16)));
  using I = int32_t __attribute__((vector_size(16)));
  using U = uint32_t __attribute__((vector_size(16)));

  static F set1(float a) { return F{a, a, a, a}; }
  static F zero() { return set1(0); }

  static F load(const float *p) {
    F v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  static F load_n(const float *p, int n) {
    F v = zero();
    std::memcpy(&v, p, static_cast<size_t>(n) * sizeof(float));
    return v;
  }
  static void store(float *p, F v) { std::memcpy(p, &v, sizeof v); }
  static void store_n(float *p, F v, int n) {
    std::memcpy(p, &v, static_cast<size_t>(n) * sizeof(float));
  }
  static F load(const uint16_t *p) { return load_n(p, 4); }
  static F load_n(const uint16_t *p, int n) {
    U bits{};
    for (int i = 0; i < n; i++) bits[i] = static_cast<uint32_t>(p[i]) << 16;
    return reinterpret_cast<F>(bits);
  }
  static void store(uint16_t *p, F v) { store_n(p, v, 4); }
  static void store_n(uint16_t *p, F v, int n) {
    const U bits = reinterpret_cast<U>(v);
    const U rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const U quiet = (bits >> 16) | 0x40;
    for (int i = 0; i < n; i++)
      p[i] = static_cast<uint16_t>((bits[i] & 0x7fffffff) > 0x7f800000 ? quiet[i] : rounded[i]);
  }

  static F add(F a, F b) { return a + b; }
  static F sub(F a, F b) { return a - b; }
  static F mul(F a, F b) { return a * b; }
  static F div(F a, F b) { return a / b; }
  static F fma(F a, F b, F c) { return a * b + c; }
  static F max(F a, F b) { return a > b ? a : b; }
  static F min(F a, F b) { return a < b ? a : b; }
  // `a`, but zero where x < bound: a NaN stays one.
  static F keep_unless_lt(F x, F bound, F a) {
    return reinterpret_cast<F>(reinterpret_cast<I>(a) & ~(x < bound));
  }
  // 2^n for whole n in [-126, 127].
  static F pow2(F n) {
    const I whole = __builtin_convertvector(n, I);
    return reinterpret_cast<F>((whole + 127) << 23);
  }
  static float sum(F v) { return (v[0] + v[2]) + (v[1] + v[3]); }
  static float max_lane(F v) {
    const float a = v[0] > v[1] ? v[0] : v[1], b = v[2] > v[3] ? v[2] : v[3];
    return a > b ? a : b;
  }

  static F load_f16(const uint16_t *p) {
    return F{f16_to_f32(p[0]), f16_to_f32(p[1]), f16_to_f32(p[2]), f16_to_f32(p[3])};
  }
  static F load_f8(const uint8_t *p) {
    return F{f8_to_f32(p[0]), f8_to_f32(p[1]), f8_to_f32(p[2]), f8_to_f32(p[3])};
  }
  static F load_f8_n(const uint8_t *p, int n) {
    uint8_t four[4] = {};
    std::memcpy(four, p, static_cast<size_t>(n));
    return load_f8(four);
  }

  static constexpr int kQuantizedRows = 2;
  static constexpr int kQuantizedColumns = 2;
  static constexpr int kBytes = 16;
  static constexpr int kBiasI4 = 0;
  static constexpr int kBiasI8 = 0;
  static constexpr bool kBlocksI8 = false;
  using S = int16_t __attribute__((vector_size(16)));
  // The bytes of words apart.
  struct Bytes {
    S low, high;
  };

  static Bytes load_bytes(const void *p) {
    S words;
    std::memcpy(&words, p, sizeof words);
    return Bytes{(words << 8) >> 8, words >> 8};
  }
  static Bytes load_bytes_n(const uint8_t *p, int n) {
    uint8_t q[16] = {};
    std::memcpy(q, p, static_cast<size_t>(n));
    return load_bytes(q);
  }
  static Bytes even_i4(Bytes q) { return Bytes{(q.low & 15) - 8, (q.high & 15) - 8}; }
  static Bytes odd_i4(Bytes q) { return even_i4(Bytes{q.low >> 4, q.high >> 4}); }
  static Bytes weights_i8(Bytes q) { return q; }
  static I add_pairs(S v) {
    const I words = reinterpret_cast<I>(v);
    return ((words << 16) >> 16) + (words >> 16);
  }
  static I dot_i4(I, Bytes w, Bytes x, Bytes w2, Bytes x2) {
    return add_pairs(w.low * x.low + w.high * x.high + w2.low * x2.low + w2.high * x2.high);
  }
  static I dot_i8(I, Bytes w, Bytes x) {
    return add_pairs(w.low * x.low) + add_pairs(w.high * x.high);
  }
  static F to_float(I v) { return __builtin_convertvector(v, F); }
  static F spread(const float *p) { return set1(*p); }
};

}  // namespace
}  // namespace ll4::cpu
