// quantize: weights of bf16 as f8 or i4, with a scale for each group of a row.
//
// A block makes kQuantizeRows rows, a span of each. A span is a group, or as many as fit a tile;
// where groups are of odd length it has two or another even number, so that no two blocks write
// halves of one byte. Tiles of kQuantizeRows by kQuantizeDepth pass through shared memory twice:
// for the largest of each group and to be rounded by it. There reads run along a row of x, be x
// [N, K] or [K, N], and the results are written along a row of out, eight a thread.
#pragma once

#include "common/divisor.cuh"
#include "common/narrow.cuh"
#include "common/reduce.cuh"
#include "common/rows.cuh"

namespace ll4::cuda {

constexpr int kQuantizeThreads = 256;
constexpr int kQuantizeRows = 64, kQuantizeDepth = 64;

struct QuantizeParams {
  const bf16 *x;  // a matrix an expert
  uint8_t *out;
  Numbers scale;
  int64_t rows, row_bytes, groups;  // of a matrix of out
  int64_t row_blocks;               // of a matrix
  int32_t depth, spans, span;       // of a row
  Divisor group;                    // values that share a scale
  bool kn, vectors;                 // of x
  bool i4;
};

struct QuantizeShared {
  float x[kQuantizeRows][kQuantizeDepth + 1];
  float scale[kQuantizeDepth][kQuantizeRows];  // of a span's groups; before, their largest |x|
};

// What a block makes: rows from `row` on of the matrix at x, depth `first` to `end`.
struct QuantizeBlock {
  const bf16 *x;
  int64_t matrix, row;
  int32_t first, end, groups;
};

__device__ __forceinline__ QuantizeBlock quantize_block(const QuantizeParams &p) {
  const int64_t id = block_id().x, block = id / p.spans;
  const int64_t matrix = block / p.row_blocks;
  const auto first = static_cast<int32_t>(id % p.spans) * p.span;
  const int32_t end = p.depth - first < p.span ? p.depth : first + p.span;
  const int32_t group = p.group.divisor();
  return {p.x + matrix * p.rows * p.depth,
          matrix,
          block % p.row_blocks * kQuantizeRows,
          first,
          end,
          p.group.divide(end - first + group - 1)};
}

// A tile of the block's from depth `first` on; zeros past the ends of x.
__device__ __forceinline__ void load_tile(const QuantizeParams &p, const QuantizeBlock &b,
                                          int32_t first, QuantizeShared &s) {
  constexpr int kAcross = kQuantizeDepth / 8;
  static_assert(kQuantizeRows == kQuantizeDepth, "either is across in x");
  for (int i = thread_id(); i < kQuantizeRows * kAcross; i += kQuantizeThreads) {
    const int down = i / kAcross, across = i % kAcross * 8;
    const int64_t line = (p.kn ? first : b.row) + down;
    const int64_t from = (p.kn ? b.row : first) + across;
    const int64_t width = p.kn ? p.rows : p.depth;
    float x[8] = {};
    if (line < (p.kn ? p.depth : p.rows) && from < width)
      load8(b.x + line * width, from, width, p.vectors, x);
#pragma unroll
    for (int e = 0; e < 8; e++) (p.kn ? s.x[across + e][down] : s.x[down][across + e]) = x[e];
  }
}

// The largest |x| of the tile in each group of the span goes into s.scale.
__device__ __forceinline__ void add_largest(const QuantizeParams &p, const QuantizeBlock &b,
                                            int32_t first, QuantizeShared &s) {
  const int32_t group = p.group.divisor(), before = first - b.first;
  for (int i = thread_id(); i < kQuantizeRows * b.groups; i += kQuantizeThreads) {
    const int row = i % kQuantizeRows, g = i / kQuantizeRows;
    const int32_t start = g * group - before, stop = start + group;
    float largest = before == 0 ? 0.0f : s.scale[g][row];
    for (int k = start > 0 ? start : 0; k < stop && k < kQuantizeDepth; k++)
      largest = Max()(fabsf(s.x[row][k]), largest);
    s.scale[g][row] = largest;
  }
}

// The scale that a group of f8 or i4 gets, before it is rounded. With a value that is no number it
// is not finite.
__device__ __forceinline__ float scale_of(const QuantizeParams &p, float largest) {
  if (p.i4) return div_rn(largest > 1e-6f || largest != largest ? largest : 1e-6f, 8.0f);
  return largest == 0.0f ? 1.0f : div_rn(largest, 448.0f);
}

__device__ __forceinline__ void store_scales(const QuantizeParams &p, const QuantizeBlock &b,
                                             QuantizeShared &s) {
  const float nan = as_float(0x7fffffffu);
  for (int i = thread_id(); i < kQuantizeRows * b.groups; i += kQuantizeThreads) {
    const int row = i % kQuantizeRows, g = i / kQuantizeRows;
    if (b.row + row >= p.rows) continue;
    const float largest = s.scale[g][row];
    const int64_t at = (b.matrix * p.rows + b.row + row) * p.groups + p.group.divide(b.first) + g;
    const bool finite = largest < as_float(0x7f800000u);
    const float scale = p.scale.round(at, finite ? scale_of(p, largest) : nan);
    s.scale[g][row] = scale == 0.0f ? 1.0f : scale;  // it was too small for its type
  }
}

__device__ __forceinline__ uint32_t quantize_i4(float x) {
  // The last place of 1.5 * 2^23 is one.
  const float bounded = fminf(fmaxf(x, -8.0f), 7.0f);  // -8 for a NaN, as on the CPU
  return as_bits(bounded + 12582912.0f) - 0x4b400000u + 8;
}

// Rounds the tile from depth `first` on.
__device__ __forceinline__ void store_tile(const QuantizeParams &p, const QuantizeBlock &b,
                                           int32_t first, const QuantizeShared &s) {
  constexpr int kAcross = kQuantizeDepth / 8;
  for (int i = thread_id(); i < kQuantizeRows * kAcross; i += kQuantizeThreads) {
    const int row = i / kAcross, across = i % kAcross * 8;
    const int32_t here = b.end - first - across;
    if (b.row + row >= p.rows || here <= 0) continue;
    uint32_t low = 0, high = 0;  // bytes 0 to 3, 4 to 7
#pragma unroll
    for (int e = 0; e < 8; e++) {
      if (e >= here) continue;
      const int32_t g = p.group.divide(first - b.first + across + e);
      const float x = div_rn(s.x[row][across + e], s.scale[g][row]);
      if (p.i4)
        low |= quantize_i4(x) << 4 * e;
      else
        (e < 4 ? low : high) |= round_f8(x) << 8 * (e % 4);
    }
    const int64_t column = first + across;
    uint8_t *to =
        p.out + (b.matrix * p.rows + b.row + row) * p.row_bytes + (p.i4 ? column / 2 : column);
    const int bytes = p.i4 ? (here + 1) / 2 : here;
    for (int e = 0; e < (p.i4 ? 4 : 8) && e < bytes; e++)
      to[e] = static_cast<uint8_t>((e < 4 ? low : high) >> 8 * (e % 4));
  }
}

__global__ void __launch_bounds__(kQuantizeThreads)
    quantize_kernel(const __grid_constant__ QuantizeParams p) {
  auto &s = shared_memory<QuantizeShared>();
  const QuantizeBlock b = quantize_block(p);
  for (int32_t first = b.first; first < b.end; first += kQuantizeDepth) {
    load_tile(p, b, first, s);
    sync_threads();
    add_largest(p, b, first, s);
    sync_threads();
  }
  store_scales(p, b, s);
  for (int32_t first = b.first; first < b.end; first += kQuantizeDepth) {
    load_tile(p, b, first, s);
    sync_threads();
    store_tile(p, b, first, s);
    sync_threads();
  }
}

}  // namespace ll4::cuda
