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
#pragma once

#include <cstdint>
#include <cstring>

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
};

}  // namespace
}  // namespace ll4::cpu
