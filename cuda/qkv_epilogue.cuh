// qkv_epilogue: rotation, weightless QK norm, temperature and the write to the paged cache.
//
// A warp takes heads of one token, four elements a lane, all of it in registers: a lane's two pairs
// turn by the same two angles in every head, so these are computed once a warp. Nothing is rounded
// before the result is. Rows are read and written four elements at a time where they allow it.
// In a quantized cache a head's scale is found by a warp's reduction, as its largest number.
#pragma once

#include "common/reduce.cuh"
#include "pages.cuh"

namespace ll4::cuda {

struct QKVEpilogueParams {
  BatchView batch;
  PageView pages;
  Divisor page_size;
  const void *qkv;      // of fp32 or bf16
  const float *angles;  // [positions, head_dim / 2]; null: no rotation
  bool by_position;     // one row of angles, for position 1, serves them all
  bf16 *q;
  void *k, *v;  // of bf16, f8 or i4
  int32_t heads, head_dim;
  bool qk_norm, vectors;  // rows are multiples of four elements
  float qk_norm_eps, attn_scale, floor_scale;
  Fault *fault;
  // Of a quantized cache.
  float *k_scale, *v_scale;  // [P, Hkv, page_size]
  int32_t row_bytes;
  bool i4;
};

constexpr int kEpilogueWarps = 4;
static_assert(4 * kWarp >= kMaxHeadDim, "a warp holds a head");

struct Turn {
  float cosine, sine;
};

// The cosine and sine of an angle below 2^31, which no position times a frequency of up to 1
// exceeds; NaN beyond. Reduced to [-pi/4, pi/4] in fp64, where the quadrant's number takes none of
// the precision that fp32 needs; then the polynomials of Cephes, good to an ulp.
__device__ inline Turn turn_by(float angle) {
  constexpr double kHalfPi = 1.5707963267948966, kHalfPiRest = 6.123233995736766e-17;
  const double quadrant = rint(static_cast<double>(angle) * 0.6366197723675814);
  if (!(fabs(quadrant) < 0x1p31)) return {as_float(0x7fc00000u), as_float(0x7fc00000u)};
  const double rest =
      fma(-quadrant, kHalfPiRest, fma(-quadrant, kHalfPi, static_cast<double>(angle)));
  const float x = static_cast<float>(rest), square = x * x;
  float sine = fmaf(square, -1.9515295891e-4f, 8.3321608736e-3f);
  sine = fmaf(fmaf(square, sine, -1.6666654611e-1f) * square, x, x);
  float cosine = fmaf(square, 2.443315711809948e-5f, -1.388731625493765e-3f);
  cosine = fmaf(square, cosine, 4.166664568298827e-2f);
  cosine = fmaf(cosine, square * square, fmaf(-0.5f, square, 1.0f));
  const int q = static_cast<int>(static_cast<int64_t>(quadrant) & 3);
  const Turn turn = q & 1 ? Turn{-sine, cosine} : Turn{cosine, sine};
  return q & 2 ? Turn{-turn.cosine, -turn.sine} : turn;
}

__device__ __forceinline__ float temperature(const QKVEpilogueParams &p, int32_t position) {
  if (p.attn_scale == 0) return 1.0f;
  const double steps =
      floor((static_cast<double>(position) + 1.0) / static_cast<double>(p.floor_scale));
  return logf(static_cast<float>(steps) + 1.0f) * p.attn_scale + 1.0f;
}

template <class X>
__device__ __forceinline__ void load_four(const QKVEpilogueParams &p, const X *row, float (&x)[4]) {
  const int column = 4 * lane_id();
  if (p.vectors && column < p.head_dim) {
    const auto v = *reinterpret_cast<const Vec<X, 4> *>(row + column);
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] = to_float(v.at[i]);
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; i++)
    x[i] = !p.vectors && column + i < p.head_dim ? to_float(row[column + i]) : 0.0f;
}

__device__ __forceinline__ void store_four(const QKVEpilogueParams &p, bf16 *row,
                                           const float (&x)[4]) {
  const int column = 4 * lane_id();
  Vec<bf16, 4> v;
#pragma unroll
  for (int i = 0; i < 4; i++) store(&v.at[i], x[i]);
  if (!p.vectors) {
#pragma unroll
    for (int i = 0; i < 4; i++)
      if (column + i < p.head_dim) row[column + i] = v.at[i];
  } else if (column < p.head_dim) {
    *reinterpret_cast<Vec<bf16, 4> *>(row + column) = v;
  }
}

// A number of i4 as it is stored: the last place of 1.5 * 2^23 is one.
__device__ __forceinline__ uint32_t round_i4(float x) {
  return as_bits(fmaxf(-7.0f, fminf(7.0f, x)) + 12582912.0f) - 0x4b400000u + 8u;
}

// A lane's four numbers, which are the next bytes of a word. Padding is 0, in i4 too.
__device__ __forceinline__ uint32_t quantize_four(bool i4, float scale, const float (&x)[4]) {
  uint32_t word = 0;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float q = scale == 0.0f ? 0.0f : div_rn(x[i], scale);  // all too small for a scale
    word |= i4 ? round_i4(q) << 4 * i : round_f8(q) << 8 * i;
  }
  return word;
}

// Stores a lane's part of a head as f8 or i4, and with it the head's scale: NaN where a value is
// not finite, with numbers that are 0, so that who gives them no weight does not see them.
__device__ __forceinline__ void store_quantized(const QKVEpilogueParams &p, void *cache,
                                                float *scales, int64_t row, float (&x)[4]) {
  const float largest =
      warp_reduce(Max()(Max()(fabsf(x[0]), fabsf(x[1])), Max()(fabsf(x[2]), fabsf(x[3]))), Max());
  const bool finite = largest < as_float(0x7f800000u);
  const float scale = !finite           ? as_float(0x7fc00000u)
                      : largest == 0.0f ? 1.0f
                                        : div_rn(largest, p.i4 ? 7.0f : 448.0f);
  if (lane_id() == 0) scales[row] = scale;
  const uint32_t word = quantize_four(p.i4, finite ? scale : 0.0f, x);
  const int bytes = p.i4 ? 2 : 4, column = bytes * lane_id();
  uint8_t *to = static_cast<uint8_t *>(cache) + row * p.row_bytes + column;
  if (!p.vectors) {
#pragma unroll
    for (int i = 0; i < 4; i++)
      if (i < bytes && column + i < p.row_bytes) to[i] = static_cast<uint8_t>(word >> 8 * i);
  } else if (column < p.row_bytes) {
    if (p.i4)
      *reinterpret_cast<uint16_t *>(to) = static_cast<uint16_t>(word);
    else
      *reinterpret_cast<uint32_t *>(to) = word;
  }
}

// Rotates, normalises and scales a lane's part of a head of q or k.
__device__ __forceinline__ void compute_four(const QKVEpilogueParams &p, float (&x)[4],
                                             const Turn (&turns)[2], float scale) {
  if (p.angles) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const float a = x[2 * i], b = x[2 * i + 1];
      x[2 * i] = a * turns[i].cosine - b * turns[i].sine;
      x[2 * i + 1] = a * turns[i].sine + b * turns[i].cosine;
    }
  }
  if (p.qk_norm) {
    const float squares =
        warp_reduce((x[0] * x[0] + x[1] * x[1]) + (x[2] * x[2] + x[3] * x[3]), Sum());
    const float inverse = 1.0f / sqrtf(squares / static_cast<float>(p.head_dim) + p.qk_norm_eps);
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] *= inverse;
  }
#pragma unroll
  for (int i = 0; i < 4; i++) x[i] *= scale;
}

// Block (token, y): heads y * kEpilogueWarps + warp, and every so many further.
template <class X, bool kQuantized>
__device__ __forceinline__ void qkv_epilogue_block(const QKVEpilogueParams &p) {
  const int32_t token = static_cast<int32_t>(block_id().x);
  if (token == 0 && block_id().y == 0) check_spans(p.batch, p.pages, p.fault);
  const int32_t sequence = find_sequence(p.batch, token);
  Span span;
  if (!find_span(p.batch, p.pages, sequence, p.fault, &span)) return;
  if (token < span.start || token - span.start >= span.tokens) {
    report(p.fault, FaultCode::kSeqStart, sequence + 1, span.start + span.tokens);
    return;
  }
  const int32_t position = span.past + (token - span.start);
  const int32_t entry = page_entry(p.pages, p.page_size, sequence, span.first_page, position);
  const int64_t cache = cache_row(p.pages, p.page_size, entry, sequence, 0, position, p.fault);
  if (cache < 0) return;

  Turn turns[2]{};
  if (p.angles) {
    const int32_t half = p.head_dim / 2;
    const float *angles = p.angles + (p.by_position ? 0 : int64_t{position} * half);
    const float times = p.by_position ? static_cast<float>(position) : 1.0f;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int pair = 2 * lane_id() + i;
      if (pair < half) turns[i] = turn_by(times * angles[pair]);
    }
  }
  const float q_scale = temperature(p, position);
  const int32_t kv_heads = p.pages.heads, all = p.heads + 2 * kv_heads;
  const X *row = static_cast<const X *>(p.qkv) + int64_t{token} * all * p.head_dim;
  const int32_t step = static_cast<int32_t>(grid_size().y) * kEpilogueWarps;
#pragma unroll 2
  for (int32_t h = static_cast<int32_t>(block_id().y) * kEpilogueWarps + warp_id(); h < all;
       h += step) {
    float x[4];
    load_four(p, row + int64_t{h} * p.head_dim, x);
    if (h < p.heads) {
      compute_four(p, x, turns, q_scale);
      store_four(p, p.q + (int64_t{token} * p.heads + h) * p.head_dim, x);
      continue;
    }
    const bool is_k = h < p.heads + kv_heads;
    const int32_t kv_head = h - p.heads - (is_k ? 0 : kv_heads);
    const int64_t to = cache + int64_t{kv_head} * p.pages.page_size;
    if (is_k) compute_four(p, x, turns, 1.0f);
    if constexpr (kQuantized)
      store_quantized(p, is_k ? p.k : p.v, is_k ? p.k_scale : p.v_scale, to, x);
    else
      store_four(p, static_cast<bf16 *>(is_k ? p.k : p.v) + to * p.head_dim, x);
  }
}

template <class X>
__global__ void __launch_bounds__(kEpilogueWarps *kWarp, 1024 / (kEpilogueWarps * kWarp))
    qkv_epilogue_kernel(const __grid_constant__ QKVEpilogueParams p) {
  qkv_epilogue_block<X, false>(p);
}

template <class X>
__global__ void __launch_bounds__(kEpilogueWarps *kWarp, 1024 / (kEpilogueWarps * kWarp))
    qkv_epilogue_quantized_kernel(const __grid_constant__ QKVEpilogueParams p) {
  qkv_epilogue_block<X, true>(p);
}

}  // namespace ll4::cuda
