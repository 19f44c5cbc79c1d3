// AVX-512 (F, BW, DQ, VL): sixteen lanes, 32 registers, masked tails. Avx512Bf16 adds the bf16 dot
// product: two products an fp32 lane and instruction.
#pragma once

#include <immintrin.h>

#include <cstdint>

// Unnamed: each instruction set has its own copy, which the linker must not merge.
namespace ll4::cpu {
namespace {

struct Avx512 {
  static constexpr int kLanes = 16;
  static constexpr int kRows = 6;
  static constexpr int kColumns = 4;
  static constexpr bool kBf16Dot = false;

  using F = __m512;

  static F set1(float a) { return _mm512_set1_ps(a); }
  static F zero() { return _mm512_setzero_ps(); }

  static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static F load(const float *p) { return _mm512_loadu_ps(p); }
  static F load_n(const float *p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
  static void store(float *p, F v) { _mm512_storeu_ps(p, v); }
  static void store_n(float *p, F v, int n) { _mm512_mask_storeu_ps(p, first(n), v); }
  static F widen(__m256i bits) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  static F load(const uint16_t *p) {
    return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
  }
  static F load_n(const uint16_t *p, int n) { return widen(_mm256_maskz_loadu_epi16(first(n), p)); }
  static __m256i narrow(F v) {
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i bias = _mm512_add_epi32(_mm512_set1_epi32(0x7fff), odd);
    const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, bias), 16);
    const __m512i quiet = _mm512_or_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x40));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, nan, quiet));
  }
  static void store(uint16_t *p, F v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), narrow(v));
  }
  static void store_n(uint16_t *p, F v, int n) { _mm256_mask_storeu_epi16(p, first(n), narrow(v)); }

  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F keep_unless_lt(F x, F bound, F a) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, bound, _CMP_NLT_UQ), a);
  }
  static F pow2(F n) {
    const __m512i whole = _mm512_cvtps_epi32(n);
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_add_epi32(whole, _mm512_set1_epi32(127)), 23));
  }
  static float sum(F v) {
    const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
  }
  static float max_lane(F v) {
    const __m256 a = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_shuffle_ps(b, b, 1)));
  }
};

#if defined(__AVX512BF16__)

struct Avx512Bf16 : Avx512 {
  static constexpr bool kBf16Dot = true;

  using Pair = __m512i;  // 32 bf16

  static __mmask32 first_pair(int n) {
    return n >= 32 ? ~__mmask32{0} : static_cast<__mmask32>((1u << n) - 1);
  }
  static Pair load_pair(const uint16_t *p) { return _mm512_loadu_si512(p); }
  static Pair load_pair_n(const uint16_t *p, int n) {
    return _mm512_maskz_loadu_epi16(first_pair(n), p);
  }
  // acc[i] + a[2i] * b[2i] + a[2i + 1] * b[2i + 1].
  static F dot(F acc, Pair a, Pair b) {
    return _mm512_dpbf16_ps(acc, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
  // The pair (p[0], p[1]) in every lane; with odd, (p[0], 0).
  static Pair broadcast(const uint16_t *p, bool odd) {
    uint32_t bits = p[0];
    if (!odd) __builtin_memcpy(&bits, p, sizeof bits);
    return _mm512_set1_epi32(static_cast<int>(bits));
  }
  // Rows a and b of 32 columns to pairs (a[j], b[j]): columns 0..15 and 16..31.
  static void zip(Pair a, Pair b, Pair &low, Pair &high) {
    const __m512i index_low =
        _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6,
                         37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i index_high = _mm512_add_epi16(index_low, _mm512_set1_epi16(16));
    low = _mm512_permutex2var_epi16(a, index_low, b);
    high = _mm512_permutex2var_epi16(a, index_high, b);
  }
};

#endif

}  // namespace
}  // namespace ll4::cpu
