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

  static F load_f16(const uint16_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)));
  }
  static F widen_f8(__m128i q) {
    const __m256i wide = _mm256_cvtepu8_epi32(q);
    const __m256i magnitude = _mm256_and_si256(wide, _mm256_set1_epi32(0x7f));
    const F scaled = _mm256_castsi256_ps(_mm256_slli_epi32(magnitude, 20));
    const __m256i number = _mm256_castps_si256(_mm256_mul_ps(scaled, set1(0x1p120f)));
    const __m256i nan = _mm256_cmpeq_epi32(magnitude, _mm256_set1_epi32(0x7f));
    const __m256i sign = _mm256_slli_epi32(_mm256_srli_epi32(wide, 7), 31);
    const __m256i quiet = _mm256_srli_epi32(_mm256_slli_epi32(nan, 22), 1);
    return _mm256_castsi256_ps(_mm256_or_si256(_mm256_or_si256(number, quiet), sign));
  }
  static F load_f8(const uint8_t *p) {
    return widen_f8(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(p)));
  }
  static F load_f8_n(const uint8_t *p, int n) {
    __m128i q = _mm_setzero_si128();
    std::memcpy(&q, p, static_cast<size_t>(n));
    return widen_f8(q);
  }

  // Bytes: 32 whole numbers. Weights of i4 are 8 more than their value, without a sign.
  static constexpr int kQuantizedRows = 2;
  static constexpr int kQuantizedColumns = 2;
  static constexpr int kBytes = 32;
  static constexpr int kBiasI4 = 8;
  static constexpr int kBiasI8 = 0;
  static constexpr bool kBlocksI8 = false;
  using Bytes = __m256i;
  using I = __m256i;

  static Bytes load_bytes(const void *p) {
    return _mm256_loadu_si256(static_cast<const __m256i *>(p));
  }
  static Bytes load_bytes_n(const uint8_t *p, int n) {
    __m256i q = _mm256_setzero_si256();
    std::memcpy(&q, p, static_cast<size_t>(n));
    return q;
  }
  static Bytes even_i4(Bytes q) { return _mm256_and_si256(q, _mm256_set1_epi8(15)); }
  static Bytes odd_i4(Bytes q) { return even_i4(_mm256_srli_epi16(q, 4)); }
  static Bytes weights_i8(Bytes q) { return q; }
  static I load_start(const void *p) { return load_bytes(p); }
  // Pairs of products fit 16 bits.
  static I dot_i4(I start, Bytes w, Bytes x, Bytes w2, Bytes x2) {
    const __m256i pairs =
        _mm256_add_epi16(_mm256_maddubs_epi16(w, x), _mm256_maddubs_epi16(w2, x2));
    return _mm256_add_epi32(start, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static I dot_i8(I, Bytes w, Bytes x) {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  }
  static F to_float(I v) { return _mm256_cvtepi32_ps(v); }
  // Two scales, each in four lanes.
  static F spread(const float *p) {
    return _mm256_set_m128(_mm_broadcast_ss(p + 1), _mm_broadcast_ss(p));
  }
};

}  // namespace
}  // namespace ll4::cpu
