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

  static F load_f16(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
  }
  static F widen_f8(__m128i q) {
    const __m512i wide = _mm512_cvtepu8_epi32(q);
    const __m512i magnitude = _mm512_and_si512(wide, _mm512_set1_epi32(0x7f));
    const F scaled = _mm512_castsi512_ps(_mm512_slli_epi32(magnitude, 20));
    const __m512i number = _mm512_castps_si512(_mm512_mul_ps(scaled, set1(0x1p120f)));
    const __mmask16 nan = _mm512_cmpeq_epi32_mask(magnitude, _mm512_set1_epi32(0x7f));
    const __m512i sign = _mm512_slli_epi32(_mm512_srli_epi32(wide, 7), 31);
    const __m512i kept = _mm512_mask_mov_epi32(number, nan, _mm512_set1_epi32(0x7fc00000));
    return _mm512_castsi512_ps(_mm512_or_si512(kept, sign));
  }
  static F load_f8(const uint8_t *p) {
    return widen_f8(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)));
  }
  static F load_f8_n(const uint8_t *p, int n) {
    return widen_f8(_mm_maskz_loadu_epi8(first(n), p));
  }

  // Bytes: 64 whole numbers. Those of weights are 8 or 128 more than their value, without a sign.
  static constexpr int kQuantizedRows = 4;
  static constexpr int kQuantizedColumns = 4;
  static constexpr int kBytes = 64;
  static constexpr int kBiasI4 = 8;
  static constexpr int kBiasI8 = 128;
  static constexpr bool kBlocksI8 = true;
  using Bytes = __m512i;
  using I = __m512i;

  static __mmask64 first_bytes(int n) {
    return n >= 64 ? ~__mmask64{0} : n > 0 ? (__mmask64{1} << n) - 1 : 0;
  }
  static Bytes load_bytes(const void *p) { return _mm512_loadu_si512(p); }
  static Bytes load_bytes_n(const uint8_t *p, int n) {
    return _mm512_maskz_loadu_epi8(first_bytes(n), p);
  }
  static Bytes even_i4(Bytes q) { return _mm512_and_si512(q, _mm512_set1_epi8(15)); }
  static Bytes odd_i4(Bytes q) { return even_i4(_mm512_srli_epi16(q, 4)); }
  static Bytes weights_i8(Bytes q) { return _mm512_xor_si512(q, _mm512_set1_epi8(-128)); }
  // The first and the second halves of the four blocks of a and b.
  static Bytes first_halves(Bytes a, Bytes b) { return _mm512_shuffle_i64x2(a, b, 0x88); }
  static Bytes second_halves(Bytes a, Bytes b) { return _mm512_shuffle_i64x2(a, b, 0xdd); }
  static I load_start(const void *p) { return _mm512_loadu_si512(p); }
  static I dot_i4(I start, Bytes w, Bytes x, Bytes w2, Bytes x2) {
    const __m512i pairs =
        _mm512_add_epi16(_mm512_maddubs_epi16(w, x), _mm512_maddubs_epi16(w2, x2));
    return _mm512_add_epi32(start, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
  }
  static I dot_i8(I start, Bytes w, Bytes x) {
    // Pairs of products without a sign would not fit 16 bits: even and odd bytes of w apart.
    const __m512i even = _mm512_and_si512(w, _mm512_set1_epi16(255));
    const __m512i low = _mm512_maddubs_epi16(even, x);
    const __m512i high = _mm512_maddubs_epi16(_mm512_sub_epi8(w, even), x);
    const __m512i ones = _mm512_set1_epi16(1);
    const __m512i sum = _mm512_add_epi32(_mm512_madd_epi16(low, ones), start);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(high, ones));
  }
  static F to_float(I v) { return _mm512_cvtepi32_ps(v); }
  // Four scales, each in four lanes.
  static F spread(const float *p) {
    const __m512i lanes = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
    return _mm512_permutexvar_ps(lanes, _mm512_castps128_ps512(_mm_loadu_ps(p)));
  }
};

#if defined(__AVX512BF16__)

// The bf16 numbers that f8 magnitudes are. Made by the compiler: nothing here may run before it is
// known which instructions there are.
struct F8ToBf16 {
  alignas(64) uint16_t bits[128]{0, 0x3b00, 0x3b80, 0x3bc0, 0x3c00, 0x3c20, 0x3c40, 0x3c60};
  constexpr F8ToBf16() {
    for (int i = 8; i < 127; i++) bits[i] = static_cast<uint16_t>((i << 4) + (120 << 7));
    bits[127] = 0x7fc0;
  }
};
constexpr F8ToBf16 kF8ToBf16;

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

  // f8 as bf16, of the even bytes and of the odd ones: their magnitudes are looked up.
  static Pair even_f8(Bytes q) { return widen_f8_pair(q, _mm512_slli_epi16(q, 8)); }
  static Pair odd_f8(Bytes q) { return widen_f8_pair(_mm512_srli_epi16(q, 8), q); }
  // From words whose low seven bits are the magnitude and others whose highest bit is the sign.
  static Pair widen_f8_pair(__m512i magnitude, __m512i sign) {
    const uint16_t *table = kF8ToBf16.bits;
    const __m512i small =
        _mm512_permutex2var_epi16(load_pair(table), magnitude, load_pair(table + 32));
    const __m512i large =
        _mm512_permutex2var_epi16(load_pair(table + 64), magnitude, load_pair(table + 96));
    const __mmask32 is_large = _mm512_test_epi16_mask(magnitude, _mm512_set1_epi16(64));
    // number | (sign & the highest bit)
    return _mm512_ternarylogic_epi32(_mm512_mask_mov_epi16(small, is_large, large), sign,
                                     _mm512_set1_epi16(-32768), 0xf8);
  }

  static I dot_i4(I start, Bytes w, Bytes x, Bytes w2, Bytes x2) {
    return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(start, w, x), w2, x2);
  }
  static I dot_i8(I start, Bytes w, Bytes x) { return _mm512_dpbusd_epi32(start, w, x); }
};

#endif

}  // namespace
}  // namespace ll4::cpu
