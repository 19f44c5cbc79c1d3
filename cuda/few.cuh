// x W^T for up to kFewMatmulRows rows of x: what matmul, logits and grouped_matmul use when the
// time is that of reading W once.
//
// A block computes kColumns columns for all rows; its warps share the depth. A step of a lane is
// eight columns by eight of depth: eight 16-byte loads of W that are all on their way before the
// first is used, one of each row of x, and 64 fp32 FMAs a row. With W as [N, K] the lanes of a warp
// lie along the depth, so that a load of theirs is 512 bytes of one column; with W as [K, N] four
// lie side by side and eight along the depth: 64 bytes of eight rows. With two sets a lane reads
// the gate and the up columns of the same numbers.
//
// Rows of x come through L1, which W passes by: a block reads each of their elements once, so
// shared memory would add a barrier before the first load of W and save nothing. Shared memory
// joins the warps' sums, in order: an element's bits do not depend on scheduling.
//
// Without `vectors` elements are loaded one by one, up to the ends of depth and columns. With it
// the depth, and for [K, N] the columns, are multiples of eight.
#pragma once

#include "tile.cuh"

namespace ll4::cuda {

template <int row_count, int set_count, bool weights_kn, bool use_vectors>
struct Few {
  static constexpr int kRows = row_count, kSets = set_count;
  static constexpr bool kn = weights_kn, vectors = use_vectors;
  static constexpr int kLanes = plan::few_columns(kn) / 8;  // side by side
  static constexpr int kColumns = plan::few_columns(kn);
  static constexpr int kWarpDepth = plan::few_warp_depth(kn);
  static constexpr int kThreads = 32 * plan::few_most_warps(kn);  // at most
  // A multiprocessor's blocks: 128 registers a thread, 170 for two sets, or what it takes. Left to
  // choose, the compiler saves registers by loading late.
  static constexpr int kBlocks = vectors ? (kSets == 1 ? 512 : 384) / kThreads : 1;
  using Sums = float[kRows][kSets][8];
  struct Shared {
    float sum[plan::few_most_warps(kn)][kRows][kSets][kColumns];
  };
};

// Element i of eight.
__device__ __forceinline__ float element(const Chunk &chunk, int i) {
  return i % 2 ? high_float(chunk.at[i / 2]) : low_float(chunk.at[i / 2]);
}

// A matrix of weights from a block's first column on.
struct FewWeight {
  const bf16 *data;
  int64_t stride;  // elements from a row of the matrix to the next
  int64_t first;   // column of the block
  int64_t end;     // columns that a set has
  int64_t up;      // from the first set to the second
};

// Where a lane's eight columns begin in a matrix, and how it reads a set of them.
template <class F, bool kn = F::kn>
class FewColumns;

template <class F>
class FewColumns<F, false> {
 public:
  // Columns past the end are the last one: they are computed for nothing.
  __device__ __forceinline__ explicit FewColumns(const FewWeight &w) : set_(w.up * w.stride) {
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const int64_t column = w.first + i < w.end ? w.first + i : w.end - 1;
      from_[i] = w.data + column * w.stride;
    }
  }
  // chunk[i] is column i, from depth k on.
  __device__ __forceinline__ void load(Chunk (&chunk)[8], int set, int64_t k, int64_t depth) const {
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const bf16 *from = from_[i] + (set ? set_ : 0) + k;
      chunk[i] = F::vectors ? load_streaming(from) : load_elements(from, depth - k);
    }
  }
  static __device__ __forceinline__ float weight(const Chunk (&chunk)[8], int k, int column) {
    return element(chunk[column], k);
  }

 private:
  const bf16 *from_[8];
  int64_t set_;
};

template <class F>
class FewColumns<F, true> {
 public:
  __device__ __forceinline__ explicit FewColumns(const FewWeight &w)
      : stride_(w.stride), set_(w.up) {
    int64_t column = w.first + lane_id() % F::kLanes * 8;
    if (F::vectors && column >= w.end) column = w.end - 8;
    left_ = w.end - column;
    from_ = w.data + column;
  }
  // chunk[i] is depth k + i.
  __device__ __forceinline__ void load(Chunk (&chunk)[8], int set, int64_t k, int64_t depth) const {
    const bf16 *from = from_ + (set ? set_ : 0) + k * stride_;
#pragma unroll
    for (int i = 0; i < 8; i++) {
      chunk[i] = F::vectors ? load_streaming(from) : load_elements(from, k + i < depth ? left_ : 0);
      from += stride_;
    }
  }
  static __device__ __forceinline__ float weight(const Chunk (&chunk)[8], int k, int column) {
    return element(chunk[k], column);
  }

 private:
  const bf16 *from_;
  int64_t stride_, set_, left_;
};

// A lane's share of the products of rows x[] with its columns.
template <class F>
__device__ __forceinline__ void multiply_lane(const bf16 *const (&x)[F::kRows], int64_t depth,
                                              const FewWeight &weight, typename F::Sums &sums) {
#pragma unroll
  for (int m = 0; m < F::kRows; m++)
#pragma unroll
    for (int s = 0; s < F::kSets; s++)
#pragma unroll
      for (int i = 0; i < 8; i++) sums[m][s][i] = 0.0f;

  const FewColumns<F> columns(weight);
  const int64_t step = int64_t{F::kWarpDepth} * (block_threads() / kWarp);
#pragma unroll 1
  for (int64_t k = F::kWarpDepth * warp_id() + lane_id() / F::kLanes * 8; k < depth; k += step) {
    Chunk w[F::kSets][8], values[F::kRows];
#pragma unroll
    for (int s = 0; s < F::kSets; s++) columns.load(w[s], s, k, depth);
#pragma unroll
    for (int m = 0; m < F::kRows; m++)
      values[m] = F::vectors ? *reinterpret_cast<const Chunk *>(x[m] + k)
                             : load_elements(x[m] + k, depth - k);
#pragma unroll
    for (int s = 0; s < F::kSets; s++)
#pragma unroll
      for (int j = 0; j < 8; j++)
#pragma unroll
        for (int i = 0; i < 8; i++) {
          const float one = FewColumns<F>::weight(w[s], j, i);
#pragma unroll
          for (int m = 0; m < F::kRows; m++) sums[m][s][i] += element(values[m], j) * one;
        }
  }
}

// The sum over the warp of column lane / 4 of eight, where lanes that differ in lane / 4 hold
// shares of the same eight: at each step a lane keeps half of its columns and hands over the rest.
__device__ __forceinline__ float reduce_columns(const float (&sums)[8]) {
  float v[8];
#pragma unroll
  for (int i = 0; i < 8; i++) v[i] = sums[i];
#pragma unroll
  for (int half = 4; half > 0; half /= 2) {
    const int distance = 4 * half;
    const bool upper = lane_id() & distance;
#pragma unroll
    for (int i = 0; i < half; i++) {
      const float given = upper ? v[i] : v[i + half], kept = upper ? v[i + half] : v[i];
      v[i] = kept + shuffle(given, lane_id() ^ distance);
    }
  }
  return v[0];
}

// Adds up what the lanes of all warps have of rows and columns and calls body(row, column, sums)
// once for each, where sums[s] is that of set s. All threads of a block call it; a barrier must
// come before the next call.
template <class F, class Body>
__device__ __forceinline__ void reduce_few(typename F::Shared &shared,
                                           const typename F::Sums &lane_sums, Body body) {
#pragma unroll
  for (int m = 0; m < F::kRows; m++)
#pragma unroll
    for (int s = 0; s < F::kSets; s++) {
      float sum = reduce_columns(lane_sums[m][s]);
      if (!F::kn) {
        sum += shuffle(sum, lane_id() ^ 1);
        sum += shuffle(sum, lane_id() ^ 2);
      }
      const int beside = lane_id() % 4;
      if (F::kn || beside == 0)
        shared.sum[warp_id()][m][s][(F::kn ? 8 * beside : 0) + lane_id() / 4] = sum;
    }
  sync_threads();
  const int warps = block_threads() / kWarp;
  for (int i = thread_id(); i < F::kRows * F::kColumns; i += block_threads()) {
    const int row = i / F::kColumns, column = i % F::kColumns;
    float sums[F::kSets] = {};
    for (int w = 0; w < warps; w++)
#pragma unroll
      for (int s = 0; s < F::kSets; s++) sums[s] += shared.sum[w][row][s][column];
    body(row, column, sums);
  }
}

// Computes the block's columns of rows x[] and calls body as reduce_few does. Columns past the end
// have meaningless sums.
template <class F, class Body>
__device__ __forceinline__ void multiply_few(typename F::Shared &shared,
                                             const bf16 *const (&x)[F::kRows], int64_t depth,
                                             const FewWeight &weight, Body body) {
  typename F::Sums lane_sums;
  multiply_lane<F>(x, depth, weight, lane_sums);
  reduce_few<F>(shared, lane_sums, body);
}

}  // namespace ll4::cuda
