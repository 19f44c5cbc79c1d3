// AVX2 with FMA and F16C: eight lanes, 16 registers.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

// Unnamed: each instruction set has its own copy, which the linker must not merge.
namespace ll4::cpu {
namespace {

struct Avx2 {
  static constexpr int kLanes = 8;
  static constexpr int kRows = 3;
  static constexpr int kColumns = 4;
  static constexpr bool kBf16Dot = false;

  using F = __m256;

  static F set1(float a) { return _mm256_set1_ps(a); }
  static F zero() { return _mm256_setzero_ps(); }

  static __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static F load(const float *p) { return _mm256_loadu_ps(p); }
  static F load_n(const float *p, int n) { return _mm256_maskload_ps(p, first(n)); }
  static void store(float *p, F v) { _mm256_storeu_ps(p, v); }
  static void store_n(float *p, F v, int n) { _mm256_maskstore_ps(p, first(n), v); }
  static F widen(__m128i bits) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static F load(const uint16_t *p) {
    return widen(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)));
  }
  static F load_n(const uint16_t *p, int n) {
    __m128i bits = _mm_setzero_si128();
    std::memcpy(&bits, p, static_cast<size_t>(n) * sizeof *p);
    return widen(bits);
  }
  static __m128i narrow(F v) {
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i bias = _mm256_add_epi32(_mm256_set1_epi32(0x7fff), odd);
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, bias), 16);
    const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i words = _mm256_blendv_epi8(rounded, quiet, nan);
    const __m256i packed = _mm256_packus_epi32(words, words);
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08));
  }
  static void store(uint16_t *p, F v) {
    _mm_storeu_si128(reinterpret_cast<__m128i *>(p), narrow(v));
  }
  static void store_n(uint16_t *p, F v, int n) {
    const __m128i bits = narrow(v);
    std::memcpy(p, &bits, static_cast<size_t>(n) * sizeof *p);
  }

  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F keep_unless_lt(F x, F bound, F a) {
    return _mm256_and_ps(a, _mm256_cmp_ps(x, bound, _CMP_NLT_UQ));
  }
  static F pow2(F n) {
    const __m256i whole = _mm256_cvtps_epi32(n);
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_add_epi32(whole, _mm256_set1_epi32(127)), 23));
  }
  static float sum(F v) {
    __m128 a = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(a, _mm_shuffle_ps(a, a, 1)));
  }
  static float max_lane(F v) {
    __m128 a = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(a, _mm_shuffle_ps(a, a, 1)));
  }
};

}  // namespace
}  // namespace ll4::cpu
