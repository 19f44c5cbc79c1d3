// A tile of x W^T on the tensor cores: what matmul, logits and grouped_matmul share.
//
// A block computes kRows x kColumns of the output in fp32, a warp kWarpRows x kWarpColumns of that
// by mma.m16n8k16. The operands pass through shared memory in kStages stages of kDepth: cp.async
// fills one stage while earlier ones are read by ldmatrix, a step ahead of the products. In shared
// memory 16-byte chunks stand where `swizzled` puts them, so that neither cp.async nor ldmatrix
// meets a bank conflict. Rows, columns and depth beyond the operands are zeros.
//
// Shared memory is kStages of both operands' stages, plan::shared_bytes in all. `vectors` is chosen
// where rows of both operands begin at multiples of 16 bytes and are whole chunks; else elements
// are loaded one by one.
//
// An element is one chain of mma over ascending depth, beginning at zero, whatever the tile: its
// bits depend on its row of x and its column of W alone.
//
// Weights are a template parameter: a type that says what a stage of them is in shared memory, how
// it is fetched, and how a warp makes fragments of it.
#pragma once

#include "../csrc/plan/matmul.h"
#include "common/ptx.cuh"

namespace ll4::cuda {

template <int rows, int columns, int depth, int warp_rows, int warp_columns, int stages>
struct Tile {
  static constexpr int kRows = rows, kColumns = columns, kDepth = depth, kStages = stages;
  static constexpr int kWarpRows = warp_rows, kWarpColumns = warp_columns;
  static constexpr int kWarpsAcross = columns / warp_columns;
  static constexpr int kThreads =
      plan::threads({rows, columns, depth, warp_rows, warp_columns, stages});
  static constexpr bool kPersistent =
      plan::persistent({rows, columns, depth, warp_rows, warp_columns, stages});
  // A multiprocessor's blocks, for the compiler: 128 or 168 registers a thread where that is
  // enough. Left to choose, it spills for the sake of more.
  static constexpr int kWarpTile = warp_rows * warp_columns;
  static constexpr int kBlocks = kWarpTile < 32 * 32   ? 512 / kThreads
                                 : kWarpTile < 64 * 64 ? 384 / kThreads
                                                       : 1;
  static constexpr int kSlices = depth / 16;        // steps of mma in a stage
  static constexpr int kDown = warp_rows / 16;      // mma of a warp, down
  static constexpr int kAcross = warp_columns / 8;  // and across
  using Sums = float[kDown][kAcross][4];
};

template <int index>
using PlannedTile = Tile<plan::kMatmulTiles[index].rows, plan::kMatmulTiles[index].columns,
                         plan::kMatmulTiles[index].depth, plan::kMatmulTiles[index].warp_rows,
                         plan::kMatmulTiles[index].warp_columns, plan::kMatmulTiles[index].stages>;

// Where chunk `chunk` of a row of `chunks` stands. Eight neighbouring rows have the same chunk in
// different banks.
template <int chunks>
__device__ __forceinline__ int swizzled(int row, int chunk) {
  static_assert(chunks == 2 || chunks == 4 || chunks % 8 == 0,
                "a row is 32 or 64 bytes or whole lines of 128");
  return row * chunks + (chunk ^ (chunks == 2 ? row / 4 % 2 : chunks == 4 ? row / 2 % 4 : row % 8));
}
template <int chunks>
struct Swizzled {
  static __device__ __forceinline__ int at(int row, int chunk) {
    return swizzled<chunks>(row, chunk);
  }
};

// The first n elements of eight, then zeros, one by one.
__device__ __forceinline__ Chunk load_elements(const bf16 *from, int64_t n) {
  Chunk chunk;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const uint32_t low = 2 * i < n ? from[2 * i].bits : 0;
    const uint32_t high = 2 * i + 1 < n ? from[2 * i + 1].bits : 0;
    chunk.at[i] = low | high << 16;
  }
  return chunk;
}

// A chunk on its way to shared memory: `n` elements, then zeros. With `vectors`, n is none or all.
template <bool vectors>
__device__ __forceinline__ void fetch_chunk(Chunk *to, const bf16 *from, int64_t n) {
  if (vectors)
    copy_async(to, from, n > 0 ? 16 : 0);
  else
    *to = load_elements(from, n);
}

// A stage of `rows` rows, `chunks` chunks of each, from rows that lie anywhere: x, and weights as
// [N, K]. A thread fetches the same chunk of every kStep-th row. Depth is counted in elements of
// two bytes, whatever they stand for.
template <class T, int rows, bool vectors, int chunks = T::kDepth / 8,
          class Places = Swizzled<chunks>>
class Rows {
 public:
  static constexpr int kChunks = chunks;
  using Stage = Chunk[rows * kChunks];

  // row_of(r) is the address of row r, null for one of zeros; `any` is some address of the operand.
  template <class RowOf>
  __device__ __forceinline__ Rows(const bf16 *any, int64_t depth, RowOf row_of)
      : left_(depth - thread_id() % kChunks * 8) {
#pragma unroll
    for (int i = 0; i < kMine; i++) {
      const bf16 *row = row_of(thread_id() / kChunks + i * kStep);
      if (row) present_ |= 1u << i;
      from_[i] = (row ? row : any) + thread_id() % kChunks * 8;
    }
  }

  // Fetches the next kDepth.
  __device__ __forceinline__ void fetch(Stage &stage) {
#pragma unroll
    for (int i = 0; i < kMine; i++) {
      Chunk *to = stage + Places::at(thread_id() / kChunks + i * kStep, thread_id() % kChunks);
      fetch_chunk<vectors>(to, from_[i], present_ >> i & 1 ? left_ : 0);
      from_[i] += kChunks * 8;
    }
    left_ -= kChunks * 8;
  }

 private:
  static constexpr int kStep = T::kThreads / kChunks, kMine = rows / kStep;
  static_assert(rows % kStep == 0 && kMine <= 32, "every thread has as many rows");
  const bf16 *from_[kMine];
  uint32_t present_ = 0;
  int64_t left_;
};

// Which column of the weights is column j of a tile. With `up`, columns come in eights by turns
// from the first and from the last `up` columns, so that a thread holds both of a pair.
struct Columns {
  int64_t first;  // of the output
  int64_t end;    // columns of the output
  int64_t up;     // 0, or columns of the output: SwiGLU's gate and up

  __device__ __forceinline__ int64_t output(int j) const {
    return first + (up ? j / 16 * 8 + j % 8 : j);
  }
  __device__ __forceinline__ int64_t weight(int j) const { return output(j) + (j & 8 ? up : 0); }
};

// bf16 weights as [N, K], or with `kn` as [K, N].
template <class T, bool kn, bool vectors>
class Bf16Weight;

template <class T, bool vectors>
class Bf16Weight<T, false, vectors> {
  using Source = Rows<T, T::kColumns, vectors>;

 public:
  using Stage = typename Source::Stage;

  // A matrix of rows of `depth`.
  __device__ __forceinline__ Bf16Weight(const bf16 *matrix, int64_t depth, int64_t, Columns columns)
      : source_(matrix, depth, RowOf{matrix, depth, columns}) {}

  __device__ __forceinline__ void fetch(Stage &stage) { source_.fetch(stage); }

  // The operands of 16 columns from `column` on.
  static __device__ __forceinline__ void fragments(uint32_t (&out)[4], const Stage &stage,
                                                   int column, int slice) {
    const int row = column + lane_id() / 16 * 8 + lane_id() % 8;
    load_matrix(out, stage + swizzled<Source::kChunks>(row, 2 * slice + lane_id() / 8 % 2));
  }

 private:
  struct RowOf {
    const bf16 *matrix;
    int64_t depth;
    Columns columns;
    __device__ __forceinline__ const bf16 *operator()(int j) const {
      return columns.output(j) < columns.end ? matrix + columns.weight(j) * depth : nullptr;
    }
  };
  Source source_;
};

template <class T, bool vectors>
class Bf16Weight<T, true, vectors> {
  static constexpr int kChunks = T::kColumns / 8;

 public:
  using Stage = Chunk[T::kDepth * kChunks];

  // A matrix of `depth` rows of `stride`.
  __device__ __forceinline__ Bf16Weight(const bf16 *matrix, int64_t depth, int64_t stride,
                                        Columns columns)
      : stride_(stride), left_(depth - thread_id() / kChunks) {
    const int j = thread_id() % kChunks * 8;
    here_ = columns.end - columns.output(j);
    from_ = matrix + (here_ > 0 ? thread_id() / kChunks * stride + columns.weight(j) : 0);
  }

  __device__ __forceinline__ void fetch(Stage &stage) {
#pragma unroll
    for (int i = 0; i < kMine; i++) {
      Chunk *to =
          stage + swizzled<kChunks>(thread_id() / kChunks + i * kStep, thread_id() % kChunks);
      fetch_chunk<vectors>(to, from_, left_ > i * kStep ? here_ : 0);
      from_ += kStep * stride_;
    }
    left_ -= T::kDepth;
  }

  static __device__ __forceinline__ void fragments(uint32_t (&out)[4], const Stage &stage,
                                                   int column, int slice) {
    const int row = 16 * slice + lane_id() % 16;
    load_matrix_transposed(out, stage + swizzled<kChunks>(row, column / 8 + lane_id() / 16));
  }

 private:
  static constexpr int kStep = T::kThreads / kChunks, kMine = T::kDepth / kStep;
  static_assert(T::kDepth % kStep == 0, "every thread has as many rows");
  const bf16 *from_;
  int64_t stride_, left_, here_;
};

template <class T, class X, class W>
struct TileShared {
  typename X::Stage x[T::kStages];
  typename W::Stage w[T::kStages];
};

// What one step of mma takes.
template <class T>
struct Fragments {
  uint32_t x[T::kDown][4];
  uint32_t w[T::kAcross][2];

  template <class X, class W>
  __device__ __forceinline__ void load(const typename X::Stage &x_stage,
                                       const typename W::Stage &w_stage, int slice) {
    const int warp_row = warp_id() / T::kWarpsAcross * T::kWarpRows;
    const int warp_column = warp_id() % T::kWarpsAcross * T::kWarpColumns;
#pragma unroll
    for (int i = 0; i < T::kDown; i++) {
      const int row = warp_row + 16 * i + lane_id() % 16;
      load_matrix(x[i], x_stage + swizzled<X::kChunks>(row, 2 * slice + lane_id() / 16));
    }
#pragma unroll
    for (int j = 0; j < T::kAcross; j += 2) {
      uint32_t two[4];
      W::fragments(two, w_stage, warp_column + 8 * j, slice);
      w[j][0] = two[0], w[j][1] = two[1];
      w[j + 1][0] = two[2], w[j + 1][1] = two[3];
    }
  }
};

// sums = x W^T of the block's tile. The block may use its shared memory again afterwards.
template <class T, class X, class W>
__device__ __forceinline__ void multiply(TileShared<T, X, W> &s, X x, W w, int64_t depth,
                                         typename T::Sums &sums) {
  static_assert(T::kSlices % 2 == 0, "two sets of fragments take turns");
#pragma unroll
  for (int i = 0; i < T::kDown; i++)
#pragma unroll
    for (int j = 0; j < T::kAcross; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) sums[i][j][e] = 0.0f;

  // Fragments are read a step ahead, also beyond the end: one stage more is fetched, of zeros.
  const int64_t steps = ceil_div(depth, T::kDepth);
#pragma unroll
  for (int stage = 0; stage < T::kStages - 1; stage++) {
    if (stage <= steps) {
      x.fetch(s.x[stage]);
      w.fetch(s.w[stage]);
    }
    copy_async_commit();
  }
  copy_async_wait<T::kStages - 2>();
  sync_threads();
  Fragments<T> fragments[2];
  fragments[0].template load<X, W>(s.x[0], s.w[0], 0);

  int reading = 0, writing = T::kStages - 1;
  for (int64_t step = 0; step < steps; step++) {
#pragma unroll
    for (int slice = 0; slice < T::kSlices; slice++) {
      if (slice == T::kSlices - 1) {
        copy_async_wait<T::kStages - 2>();
        sync_threads();
        reading = reading + 1 == T::kStages ? 0 : reading + 1;
      }
      fragments[(slice + 1) % 2].template load<X, W>(s.x[reading], s.w[reading],
                                                     (slice + 1) % T::kSlices);
      if (slice == 0) {
        // The stage that all warps have left at the last barrier.
        if (step + T::kStages - 1 <= steps) {
          x.fetch(s.x[writing]);
          w.fetch(s.w[writing]);
        }
        copy_async_commit();
        writing = writing + 1 == T::kStages ? 0 : writing + 1;
      }
#pragma unroll
      for (int i = 0; i < T::kDown; i++)
#pragma unroll
        for (int j = 0; j < T::kAcross; j++)
          mma_bf16(sums[i][j], fragments[slice % 2].x[i], fragments[slice % 2].w[j]);
    }
  }
  copy_async_wait<0>();
  sync_threads();
}

// The first column of the tile that a thread holds sums of; the others are eight and one on.
template <class T>
__device__ __forceinline__ int thread_column() {
  return warp_id() % T::kWarpsAcross * T::kWarpColumns + lane_id() % 4 * 2;
}

// Calls body(row, column, i, half) for the rows of the tile that a thread holds sums of: in
// sums[i][j][2 * half] and the next are those at that row, at columns column + 8 j and the next.
template <class T, class Body>
__device__ __forceinline__ void each_row(Body body) {
  const int row = warp_id() / T::kWarpsAcross * T::kWarpRows + lane_id() / 4;
  const int column = thread_column<T>();
#pragma unroll
  for (int i = 0; i < T::kDown; i++)
#pragma unroll
    for (int half = 0; half < 2; half++) body(row + 16 * i + 8 * half, column, i, half);
}

// Stores neighbours, the first at a multiple of two elements.
__device__ __forceinline__ void store_pair(bf16 *to, float first, float second) {
  *reinterpret_cast<uint32_t *>(to) = pack_bf16(first, second);
}
__device__ __forceinline__ void store_pair(float *to, float first, float second) {
  Vec<float, 2> pair;
  pair.at[0] = first;
  pair.at[1] = second;
  *reinterpret_cast<Vec<float, 2> *>(to) = pair;
}

}  // namespace ll4::cuda
