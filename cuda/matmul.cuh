// matmul and logits: a block computes one tile (tile.cuh) of x against one of up to four weights;
// of few rows, a group of columns (few.cuh), which is a tile of all rows then.
//
// Tiles are numbered so that those under way together share rows and columns in the L2 cache: in
// groups of row blocks, column by column of a group. Parts of W stand side by side in columns of
// tiles, and no tile straddles two.
#pragma once

#include "common/gelu.cuh"
#include "device.h"
#include "few.cuh"

namespace ll4::cuda {

// Row blocks whose tiles are under way together: with as many columns they fill a large GPU, and
// their rows of x fit its L2 cache.
constexpr int kGroupRows = 16;

struct MatmulPart {
  const bf16 *data;
  const float *bias;     // [columns]; may be null
  int64_t columns;       // N
  int64_t first_column;  // in out
  int first_tile;        // of the tiles of a row block
};

struct MatmulParams {
  const bf16 *x;          // [x_rows, depth]
  const int32_t *chosen;  // the rows of x to take; null: all, in order
  int64_t x_rows, rows, depth;
  MatmulPart part[LL4_MAX_PARTS];  // unused ones begin past the last tile
  int row_blocks, column_tiles;
  int group_rows;  // row blocks whose tiles are numbered together
  void *out;       // [rows, out_columns] of fp32 or bf16
  int64_t out_columns;
  bool f32, accumulate, gelu;
  bool pairs;  // neighbours in out are aligned to two from every even column of a part on
  Fault *fault;
};

// The row of x that is row i of the product, or -1.
__device__ __forceinline__ int64_t source_row(const MatmulParams &p, int64_t i) {
  if (i >= p.rows) return -1;
  if (!p.chosen) return i;
  const int64_t row = p.chosen[i];
  return row >= 0 && row < p.x_rows ? row : -1;
}

// Where row i of the product is; null for none.
__device__ __forceinline__ const bf16 *row_address(const MatmulParams &p, int64_t i) {
  const int64_t source = source_row(p, i);
  if (source >= 0) return p.x + source * p.depth;
  if (i < p.rows) report(p.fault, FaultCode::kRow, i, p.chosen[i]);
  return nullptr;
}

// The part that a column of tiles belongs to.
__device__ __forceinline__ MatmulPart part_of(const MatmulParams &p, int column_tile) {
  MatmulPart part = p.part[0];
#pragma unroll
  for (int i = 1; i < LL4_MAX_PARTS; i++)
    if (column_tile >= p.part[i].first_tile) part = p.part[i];
  return part;
}

// Bias and activation of a thread's sums.
template <class T>
__device__ __forceinline__ void finish(const MatmulParams &p, const MatmulPart &part,
                                       int64_t first_column, typename T::Sums &sums) {
  if (part.bias) {
    const int64_t mine = first_column + thread_column<T>();
#pragma unroll
    for (int j = 0; j < T::kAcross; j++)
#pragma unroll
      for (int e = 0; e < 2; e++) {
        const int64_t column = mine + 8 * j + e;
        const float bias = column < part.columns ? part.bias[column] : 0.0f;
#pragma unroll
        for (int i = 0; i < T::kDown; i++) {
          sums[i][j][e] += bias;
          sums[i][j][e + 2] += bias;
        }
      }
  }
  if (p.gelu) {
#pragma unroll
    for (int i = 0; i < T::kDown; i++)
#pragma unroll
      for (int j = 0; j < T::kAcross; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) sums[i][j][e] = gelu(sums[i][j][e]);
  }
}

// `whole` says that all columns of the tile are there and aligned to two.
template <class T, class Out, bool accumulate, bool whole>
__device__ __forceinline__ void store_tile(const MatmulParams &p, int64_t first_row,
                                           int64_t first_column, int columns,
                                           const typename T::Sums &sums) {
  each_row<T>([&](int r, int c, int i, int half) {
    const int64_t row = first_row + r;
    if (source_row(p, row) < 0) return;
    Out *out = static_cast<Out *>(p.out) + row * p.out_columns + first_column + c;
#pragma unroll
    for (int j = 0; j < T::kAcross; j++) {
      Out *to = out + 8 * j;
      float pair[2] = {sums[i][j][2 * half], sums[i][j][2 * half + 1]};
      const int here = whole ? 2 : columns - c - 8 * j;
#pragma unroll
      for (int e = 0; e < 2; e++) {
        if (accumulate && e < here) pair[e] += to_float(to[e]);
        if (!whole && e < here) store(to + e, pair[e]);
      }
      if (whole) store_pair(to, pair[0], pair[1]);
    }
  });
}

template <class T, class Out, bool accumulate>
__device__ __forceinline__ void store_tile(const MatmulParams &p, int64_t first_row,
                                           int64_t first_column, int columns,
                                           const typename T::Sums &sums) {
  if (p.pairs && columns >= T::kColumns)
    store_tile<T, Out, accumulate, true>(p, first_row, first_column, columns, sums);
  else
    store_tile<T, Out, accumulate, false>(p, first_row, first_column, columns, sums);
}

template <class T, class Out>
__device__ __forceinline__ void store_tile(const MatmulParams &p, int64_t first_row,
                                           int64_t first_column, int columns,
                                           const typename T::Sums &sums) {
  if (p.accumulate)
    store_tile<T, Out, true>(p, first_row, first_column, columns, sums);
  else
    store_tile<T, Out, false>(p, first_row, first_column, columns, sums);
}

// Which tile a block computes.
struct MatmulTilePlace {
  int64_t first_row;
  int column_tile;
};
template <class T>
__device__ __forceinline__ MatmulTilePlace tile_place(const MatmulParams &p) {
  const int group_tiles = p.group_rows * p.column_tiles, tile = static_cast<int>(block_id().x);
  const int first_block = tile / group_tiles * p.group_rows, in_group = tile % group_tiles;
  const int left = p.row_blocks - first_block;
  const int blocks = left < p.group_rows ? left : p.group_rows;
  return {int64_t{first_block + in_group % blocks} * T::kRows, in_group / blocks};
}

// Bias and activation of a tile's sums, which are stored then.
template <class T>
__device__ __forceinline__ void finish_tile(const MatmulParams &p, const MatmulPart &part,
                                            int64_t first_row, int64_t first_column,
                                            typename T::Sums &sums) {
  finish<T>(p, part, first_column, sums);
  const int64_t columns = part.columns - first_column, to = part.first_column + first_column;
  const int some = columns < T::kColumns ? static_cast<int>(columns) : T::kColumns;
  if (p.f32)
    store_tile<T, float>(p, first_row, to, some, sums);
  else
    store_tile<T, bf16>(p, first_row, to, some, sums);
}

template <class T, bool kn, bool vectors>
__global__ void __launch_bounds__(T::kThreads, vectors ? T::kBlocks : 1)
    matmul_kernel(const __grid_constant__ MatmulParams p) {
  using X = Rows<T, T::kRows, vectors>;
  using W = Bf16Weight<T, kn, vectors>;
  auto &shared = shared_memory<TileShared<T, X, W>>();
  const MatmulTilePlace place = tile_place<T>(p);
  const MatmulPart part = part_of(p, place.column_tile);
  const int64_t first_column = int64_t{place.column_tile - part.first_tile} * T::kColumns;

  const auto row_of = [&](int r) { return row_address(p, place.first_row + r); };
  typename T::Sums sums;
  multiply<T>(shared, X(p.x, p.depth, row_of),
              W(part.data, p.depth, part.columns, Columns{first_column, part.columns, 0}), p.depth,
              sums);
  finish_tile<T>(p, part, place.first_row, first_column, sums);
}

// Stores what a block of few rows has of row m.
__device__ __forceinline__ void finish_element(const MatmulParams &p, const MatmulPart &part,
                                               int64_t m, int64_t column, float sum) {
  if (column >= part.columns || source_row(p, m) < 0) return;
  const int64_t to = m * p.out_columns + part.first_column + column;
  if (part.bias) sum += part.bias[column];
  if (p.gelu) sum = gelu(sum);
  const auto put = [&](auto *out) {
    store(out + to, p.accumulate ? to_float(out[to]) + sum : sum);
  };
  if (p.f32)
    put(static_cast<float *>(p.out));
  else
    put(static_cast<bf16 *>(p.out));
}

template <class F>
__global__ void __launch_bounds__(F::kThreads, F::kBlocks)
    matmul_few_kernel(const __grid_constant__ MatmulParams p) {
  auto &shared = shared_memory<typename F::Shared>();
  const int column_tile = static_cast<int>(block_id().x);
  const MatmulPart part = part_of(p, column_tile);
  const int64_t first = int64_t{column_tile - part.first_tile} * F::kColumns;
  // Rows that are missing are the first of x, computed for nothing.
  const bf16 *x[F::kRows];
#pragma unroll
  for (int m = 0; m < F::kRows; m++) {
    x[m] = row_address(p, m);
    if (!x[m]) x[m] = p.x;
  }
  const FewWeight weight{part.data, F::kn ? part.columns : p.depth, first, part.columns, 0};
  multiply_few<F>(shared, x, p.x_rows > 0 ? p.depth : 0, weight,
                  [&](int m, int column, const float(&sums)[1]) {
                    finish_element(p, part, m, first + column, sums[0]);
                  });
}

// Launches tile number `tile` of plan/matmul.h.
template <int tile>
void launch_matmul(Stream &stream, const char *name, const MatmulParams &p, bool kn,
                   bool use_vectors) {
  using T = PlannedTile<tile>;
  const auto blocks = static_cast<unsigned>(p.row_blocks) * static_cast<unsigned>(p.column_tiles);
  const auto run = [&](auto kernel) {
    launch(stream, name, kernel, dim3(blocks), T::kThreads,
           plan::shared_bytes(plan::kMatmulTiles[tile]), p);
  };
  if constexpr (plan::loads_elements(tile))
    if (!use_vectors)
      return kn ? run(matmul_kernel<T, true, false>) : run(matmul_kernel<T, false, false>);
  kn ? run(matmul_kernel<T, true, true>) : run(matmul_kernel<T, false, true>);
}

extern template void launch_matmul<0>(Stream &, const char *, const MatmulParams &, bool, bool);
extern template void launch_matmul<1>(Stream &, const char *, const MatmulParams &, bool, bool);
extern template void launch_matmul<2>(Stream &, const char *, const MatmulParams &, bool, bool);
extern template void launch_matmul<3>(Stream &, const char *, const MatmulParams &, bool, bool);
extern template void launch_matmul<4>(Stream &, const char *, const MatmulParams &, bool, bool);
extern template void launch_matmul<5>(Stream &, const char *, const MatmulParams &, bool, bool);

// A product of p.rows rows with weights of one layout, p.part[].data and .columns and .first_column
// being set: plans the tiles and launches them. Weights must have `use_vectors` as x has.
void run_matmul(Stream &stream, const char *name, MatmulParams p, int parts, bool kn,
                bool use_vectors);

}  // namespace ll4::cuda
