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
};

}  // namespace
}  // namespace ll4::cpu
