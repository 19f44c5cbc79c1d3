// grouped_matmul: every expert's rows against its own matrix, in one launch.
//
// A tile (tile.cuh) is of one expert. Tiles are numbered expert by expert and column by column of
// an expert, so that the row blocks of an expert, under way together, read the same weights from
// the L2 cache. As many blocks are launched as the GPU runs at a time, and each takes every
// grid_size-th tile; the pipeline drains between two. The largest tiles (plan::persistent) have no
// register to spare for a loop around them: there a block has one tile, and the GPU takes blocks in
// the order of their numbers. How many rows an expert has is known on the device only: a block
// finds the expert of its next tile from the offsets, going on from where it found the last one,
// and ends when there is none.
//
// Rows of x are gathered as they are fetched. A row's score multiplies its fp32 sums, before
// SwiGLU, which is (s x) W without rounding s x. SwiGLU's gate and up columns lie in one tile.
//
// With scatter, a row that is known to be its token's only one is stored to out at once; the others
// go to scratch in fp32, and scatter_sum adds a token's in ascending order.
#pragma once

#include "common/reduce.cuh"
#include "common/silu.cuh"
#include "device.h"
#include "tile.cuh"

namespace ll4::cuda {

// So that numbers of tiles, and of the next that a block would take, are 32 bits.
constexpr int64_t kMostTiles = int64_t{1} << 30;

struct GroupedParams {
  const bf16 *x;                    // [x_rows, depth]
  const bf16 *weight;               // a matrix an expert
  const int32_t *offsets;           // [experts + 1]
  const int32_t *gather, *scatter;  // [rows]; null when absent
  const float *scores;              // the same
  const uint32_t *counts;           // rows a row of out, for scatter of many rows; else null
  float *partial;                   // [rows, columns], for scatter
  void *out;                        // [out_rows, columns] of fp32 or bf16
  int64_t x_rows, rows, out_rows, experts, depth;
  int64_t columns;  // of out: half of the weights' with swiglu
  int64_t weight_columns;
  int column_tiles;
  bool swiglu, f32;
  bool pairs;  // neighbours in out and partial are aligned to two from every even column on
  Fault *fault;
};

__device__ __forceinline__ bool ascends(const int32_t *offsets, int64_t e, int64_t experts,
                                        int64_t rows) {
  const int32_t offset = offsets[e];
  return (e == 0 ? offset == 0 : offset >= offsets[e - 1]) && (e < experts || offset == rows);
}

// Whether offsets ascend from 0 to the rows; all lanes of a warp ask together.
__device__ __forceinline__ bool offsets_ascend(const int32_t *offsets, int64_t experts,
                                               int64_t rows, Fault *fault) {
  bool good = true;
#pragma unroll 4
  for (int64_t e = lane_id(); e <= experts; e += kWarp) good &= ascends(offsets, e, experts, rows);
  if (ballot(!good) == 0) return true;
  for (int64_t e = lane_id(); e <= experts; e += kWarp)
    if (!ascends(offsets, e, experts, rows)) report(fault, FaultCode::kOffsets, e, offsets[e]);
  return false;
}

// A tile of an expert.
struct ExpertTile {
  int expert;      // -1: there is none
  int first, end;  // rows of the expert
  int row_blocks;  // of the expert
  int number;      // of the tile among the expert's
};

// How far a warp has come, in shared memory: registers are the sums'.
struct Place {
  int32_t tile;    // its next one
  int32_t expert;  // the first of 32 that may have it
  int32_t before;  // row blocks of the experts before those
};

// The tile at the warp's place, which goes on to the block's next. All lanes of a warp ask
// together.
template <int rows>
__device__ __forceinline__ ExpertTile next_tile(const GroupedParams &p, Place &place) {
  sync_warp();
  const int tile = place.tile, wanted = tile / p.column_tiles;
  int32_t before = place.before;
  for (int32_t base = place.expert; base < p.experts; base += kWarp) {
    const int32_t e = base + lane_id();
    int32_t first = 0, end = 0;
    if (e < p.experts) {
      first = p.offsets[e];
      end = p.offsets[e + 1];
    }
    const int32_t mine = (end - first + rows - 1) / rows;
    int32_t all;
    const int32_t number = before + warp_prefix(mine, all);
    const uint32_t hit = ballot(wanted >= number && wanted < number + mine);
    if (hit) {
      const int lane = popcount((hit & (~hit + 1)) - 1);
      sync_warp();
      if (lane_id() == 0) place = {tile + static_cast<int>(grid_size().x), base, before};
      return {base + lane, shuffle(first, lane), shuffle(end, lane), shuffle(mine, lane),
              tile - shuffle(number, lane) * p.column_tiles};
    }
    before += all;
  }
  return {-1, 0, 0, 0, 0};
}

// Where row `row` of the product goes: to out, to partial, which is fp32 as out may be, or nowhere
// when scatter[row] is no row of out.
struct Target {
  bf16 *narrow;
  float *wide;
};
__device__ __forceinline__ Target out_row(const GroupedParams &p, int64_t row) {
  const int64_t first = row * p.columns;
  if (p.f32) return {nullptr, static_cast<float *>(p.out) + first};
  return {static_cast<bf16 *>(p.out) + first, nullptr};
}
__device__ __forceinline__ Target target(const GroupedParams &p, int64_t row) {
  if (!p.scatter) return out_row(p, row);
  const int64_t to = p.scatter[row];
  if (to < 0 || to >= p.out_rows) {
    report(p.fault, FaultCode::kScatter, row, to);
    return {nullptr, nullptr};
  }
  if (p.counts && p.counts[to] == 1) return out_row(p, to);
  return {nullptr, p.partial + row * p.columns};
}

// Stores one element of out.
__device__ __forceinline__ void store_out(const GroupedParams &p, int64_t row, int64_t column,
                                          float x) {
  const int64_t to = row * p.columns + column;
  if (p.f32)
    store(static_cast<float *>(p.out) + to, x);
  else
    store(static_cast<bf16 *>(p.out) + to, x);
}

// x for a row of the product; null for none.
__device__ __forceinline__ const bf16 *row_address(const GroupedParams &p, int64_t row) {
  const int64_t source = p.gather ? p.gather[row] : row;
  if (source >= 0 && source < p.x_rows) return p.x + source * p.depth;
  report(p.fault, FaultCode::kGather, row, source);
  return nullptr;
}

// Multiplies a thread's sums by their rows' scores, and with swiglu makes the results of gates
// (even j) and their ups, which stand eight columns on.
template <class T, bool swiglu>
__device__ __forceinline__ void finish(const GroupedParams &p, int64_t first_row, int64_t end,
                                       typename T::Sums &sums) {
  each_row<T>([&](int r, int, int i, int half) {
    const int64_t row = first_row + r;
    const float score = p.scores && row < end ? p.scores[row] : 1.0f;
#pragma unroll
    for (int j = 0; j < T::kAcross; j += swiglu ? 2 : 1)
#pragma unroll
      for (int e = 2 * half; e < 2 * half + 2; e++) {
        sums[i][j][e] *= score;
        if constexpr (swiglu) sums[i][j][e] = silu(sums[i][j][e]) * (score * sums[i][j + 1][e]);
      }
  });
}

// A thread's share of one row: `columns` of the tile are there, all and aligned with `whole`.
template <class T, bool swiglu, bool whole, class Out>
__device__ __forceinline__ void store_row(Out *out, int columns, int c,
                                          const float (&sums)[T::kAcross][4], int half) {
#pragma unroll
  for (int j = 0; j < T::kAcross; j += swiglu ? 2 : 1) {
    const int column = swiglu ? c / 16 * 8 + c % 8 + 4 * j : c + 8 * j;
    const float first = sums[j][2 * half], second = sums[j][2 * half + 1];
    if (whole) {
      store_pair(out + column, first, second);
    } else {
      if (column < columns) store(out + column, first);
      if (column + 1 < columns) store(out + column + 1, second);
    }
  }
}

template <class T, bool swiglu, bool whole>
__device__ __forceinline__ void store_rows(const GroupedParams &p, int64_t first_row, int64_t end,
                                           int64_t first_column, int columns,
                                           const typename T::Sums &sums) {
  each_row<T>([&](int r, int c, int i, int half) {
    const int64_t row = first_row + r;
    if (row >= end) return;
    const Target to = target(p, row);
    if (to.narrow) store_row<T, swiglu, whole>(to.narrow + first_column, columns, c, sums[i], half);
    if (to.wide) store_row<T, swiglu, whole>(to.wide + first_column, columns, c, sums[i], half);
  });
}

template <class T, bool kn, bool vectors>
struct GroupedShared {
  using X = Rows<T, T::kRows, vectors>;
  using W = Bf16Weight<T, kn, vectors>;
  TileShared<T, X, W> stages;
  Place place[T::kThreads / kWarp];
};

// Where in the product a tile is.
struct GroupedPlace {
  int64_t first_row, first_column;
};
template <class T>
__device__ __forceinline__ GroupedPlace place_of(const GroupedParams &p, const ExpertTile &tile) {
  return {tile.first + int64_t{tile.number % tile.row_blocks} * T::kRows,
          int64_t{tile.number / tile.row_blocks} * (p.swiglu ? T::kColumns / 2 : T::kColumns)};
}

// Scores and SwiGLU of a tile's sums, which are stored then.
template <class T>
__device__ __forceinline__ void finish_tile(const GroupedParams &p, const ExpertTile &tile,
                                            const GroupedPlace &place, typename T::Sums &sums) {
  const int tile_columns = p.swiglu ? T::kColumns / 2 : T::kColumns;
  const int64_t left = p.columns - place.first_column;
  const int some = static_cast<int>(left < tile_columns ? left : tile_columns);
  const bool whole = p.pairs && some == tile_columns;
  if (p.swiglu) {
    finish<T, true>(p, place.first_row, tile.end, sums);
    if (whole)
      store_rows<T, true, true>(p, place.first_row, tile.end, place.first_column, some, sums);
    else
      store_rows<T, true, false>(p, place.first_row, tile.end, place.first_column, some, sums);
  } else {
    finish<T, false>(p, place.first_row, tile.end, sums);
    if (whole)
      store_rows<T, false, true>(p, place.first_row, tile.end, place.first_column, some, sums);
    else
      store_rows<T, false, false>(p, place.first_row, tile.end, place.first_column, some, sums);
  }
}

template <class T, bool kn, bool vectors>
__device__ __forceinline__ void multiply_tile(GroupedShared<T, kn, vectors> &shared,
                                              const GroupedParams &p, const ExpertTile &tile) {
  using X = typename GroupedShared<T, kn, vectors>::X;
  using W = typename GroupedShared<T, kn, vectors>::W;
  const GroupedPlace place = place_of<T>(p, tile);
  const auto row_of = [&](int r) -> const bf16 * {
    return place.first_row + r < tile.end ? row_address(p, place.first_row + r) : nullptr;
  };
  const Columns columns{place.first_column, p.columns, p.swiglu ? p.columns : 0};
  const bf16 *matrix = p.weight + int64_t{tile.expert} * p.depth * p.weight_columns;
  typename T::Sums sums;
  multiply<T>(shared.stages, X(p.x, p.depth, row_of), W(matrix, p.depth, p.weight_columns, columns),
              p.depth, sums);
  finish_tile<T>(p, tile, place, sums);
}

// Calls body(tile) for the block's tiles: one, or with kPersistent every grid_size-th.
template <class T, class Body>
__device__ __forceinline__ void each_tile(const GroupedParams &p, Place &place, Body body) {
  if (!offsets_ascend(p.offsets, p.experts, p.rows, p.fault)) return;
  if (lane_id() == 0) place = {static_cast<int>(block_id().x), 0, 0};
  do {
    const ExpertTile tile = next_tile<T::kRows>(p, place);
    if (tile.expert < 0) return;
    body(tile);
  } while (T::kPersistent);
}

template <class T, bool kn, bool vectors>
__global__ void __launch_bounds__(T::kThreads, vectors ? T::kBlocks : 1)
    grouped_matmul_kernel(const __grid_constant__ GroupedParams p) {
  auto &shared = shared_memory<GroupedShared<T, kn, vectors>>();
  each_tile<T>(p, shared.place[warp_id()],
               [&](const ExpertTile &tile) { multiply_tile<T, kn, vectors>(shared, p, tile); });
}

// Launches tile number `tile` of plan/matmul.h in `blocks` blocks.
template <int tile>
void launch_grouped_matmul(Stream &stream, const GroupedParams &p, int64_t blocks, bool kn,
                           bool use_vectors) {
  using T = PlannedTile<tile>;
  const auto run = [&](auto kernel) {
    launch(stream, "grouped_matmul", kernel, dim3(static_cast<unsigned>(blocks)), T::kThreads,
           sizeof(GroupedShared<T, false, true>), p);
  };
  if constexpr (plan::loads_elements(tile))
    if (!use_vectors)
      return kn ? run(grouped_matmul_kernel<T, true, false>)
                : run(grouped_matmul_kernel<T, false, false>);
  kn ? run(grouped_matmul_kernel<T, true, true>) : run(grouped_matmul_kernel<T, false, true>);
}

extern template void launch_grouped_matmul<0>(Stream &, const GroupedParams &, int64_t, bool, bool);
extern template void launch_grouped_matmul<1>(Stream &, const GroupedParams &, int64_t, bool, bool);
extern template void launch_grouped_matmul<2>(Stream &, const GroupedParams &, int64_t, bool, bool);
extern template void launch_grouped_matmul<3>(Stream &, const GroupedParams &, int64_t, bool, bool);
extern template void launch_grouped_matmul<4>(Stream &, const GroupedParams &, int64_t, bool, bool);
extern template void launch_grouped_matmul<5>(Stream &, const GroupedParams &, int64_t, bool, bool);

}  // namespace ll4::cuda
