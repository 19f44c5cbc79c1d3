// NEON of any arm64: four lanes, 32 registers, fused multiply-add.
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

// Unnamed: each instruction set has its own copy, which the linker must not merge.
namespace ll4::cpu {
namespace {

struct Neon {
  static constexpr int kLanes = 4;
  static constexpr int kRows = 5;
  static constexpr int kColumns = 4;
  static constexpr bool kBf16Dot = false;

  using F = float32x4_t;

  static F set1(float a) { return vdupq_n_f32(a); }
  static F zero() { return vdupq_n_f32(0); }

  static F load(const float *p) { return vld1q_f32(p); }
  static F load_n(const float *p, int n) {
    float lanes[4] = {};
    std::memcpy(lanes, p, static_cast<size_t>(n) * sizeof *p);
    return vld1q_f32(lanes);
  }
  static void store(float *p, F v) { vst1q_f32(p, v); }
  static void store_n(float *p, F v, int n) {
    float lanes[4];
    vst1q_f32(lanes, v);
    std::memcpy(p, lanes, static_cast<size_t>(n) * sizeof *p);
  }
  static F load(const uint16_t *p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
  static F load_n(const uint16_t *p, int n) {
    uint16_t lanes[4] = {};
    std::memcpy(lanes, p, static_cast<size_t>(n) * sizeof *p);
    return load(lanes);
  }
  static uint16x4_t narrow(F v) {
    const uint32x4_t bits = vreinterpretq_u32_f32(v);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded =
        vshrq_n_u32(vaddq_u32(bits, vaddq_u32(vdupq_n_u32(0x7fff), odd)), 16);
    const uint32x4_t quiet = vorrq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(0x40));
    return vmovn_u32(vbslq_u32(vceqq_f32(v, v), rounded, quiet));
  }
  static void store(uint16_t *p, F v) { vst1_u16(p, narrow(v)); }
  static void store_n(uint16_t *p, F v, int n) {
    uint16_t lanes[4];
    vst1_u16(lanes, narrow(v));
    std::memcpy(p, lanes, static_cast<size_t>(n) * sizeof *p);
  }

  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F sub(F a, F b) { return vsubq_f32(a, b); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F div(F a, F b) { return vdivq_f32(a, b); }
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static F max(F a, F b) { return vmaxq_f32(a, b); }
  static F min(F a, F b) { return vminq_f32(a, b); }
  static F keep_unless_lt(F x, F bound, F a) {
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(a), vcltq_f32(x, bound)));
  }
  static F pow2(F n) {
    const int32x4_t whole = vcvtnq_s32_f32(n);
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(whole, vdupq_n_s32(127)), 23));
  }
  static float sum(F v) {
    const float32x2_t a = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(a, 0) + vget_lane_f32(a, 1);
  }
  static float max_lane(F v) { return vmaxvq_f32(v); }

  static F load_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
  static F load_f8(const uint8_t *p) {
    uint32_t four;
    std::memcpy(&four, p, sizeof four);
    const uint32x4_t wide =
        vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)))));
    const uint32x4_t magnitude = vandq_u32(wide, vdupq_n_u32(0x7f));
    const F scaled = vreinterpretq_f32_u32(vshlq_n_u32(magnitude, 20));
    const uint32x4_t number = vreinterpretq_u32_f32(vmulq_n_f32(scaled, 0x1p120f));
    const uint32x4_t nan = vshrq_n_u32(vshlq_n_u32(vceqq_u32(magnitude, vdupq_n_u32(0x7f)), 22), 1);
    const uint32x4_t sign = vshlq_n_u32(vshrq_n_u32(wide, 7), 31);
    return vreinterpretq_f32_u32(vorrq_u32(vorrq_u32(number, nan), sign));
  }
  static F load_f8_n(const uint8_t *p, int n) {
    uint8_t four[4] = {};
    std::memcpy(four, p, static_cast<size_t>(n));
    return load_f8(four);
  }

  // Bytes: 16 whole numbers.
  static constexpr int kQuantizedRows = 4;
  static constexpr int kQuantizedColumns = 2;
  static constexpr int kBytes = 16;
  static constexpr int kBiasI4 = 0;
  static constexpr int kBiasI8 = 0;
  static constexpr bool kBlocksI8 = false;
  using Bytes = int8x16_t;
  using I = int32x4_t;

  static Bytes load_bytes(const void *p) { return vld1q_s8(static_cast<const int8_t *>(p)); }
  static Bytes load_bytes_n(const uint8_t *p, int n) {
    uint8_t q[16] = {};
    std::memcpy(q, p, static_cast<size_t>(n));
    return load_bytes(q);
  }
  static Bytes even_i4(Bytes q) { return vsubq_s8(vandq_s8(q, vdupq_n_s8(15)), vdupq_n_s8(8)); }
  static Bytes odd_i4(Bytes q) {
    return vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(q), 4)), vdupq_n_s8(8));
  }
  static Bytes weights_i8(Bytes q) { return q; }
  // Four products of i4, or two of i8, fit 16 bits.
  static int16x8_t add_products(int16x8_t sum, Bytes w, Bytes x) {
    sum = vmlal_s8(sum, vget_low_s8(w), vget_low_s8(x));
    return vmlal_s8(sum, vget_high_s8(w), vget_high_s8(x));
  }
  static I dot_i4(I, Bytes w, Bytes x, Bytes w2, Bytes x2) {
    return vpaddlq_s16(add_products(add_products(vdupq_n_s16(0), w, x), w2, x2));
  }
  static I dot_i8(I, Bytes w, Bytes x) { return vpaddlq_s16(add_products(vdupq_n_s16(0), w, x)); }
  static F to_float(I v) { return vcvtq_f32_s32(v); }
  static F spread(const float *p) { return vdupq_n_f32(*p); }
};

}  // namespace
}  // namespace ll4::cpu
