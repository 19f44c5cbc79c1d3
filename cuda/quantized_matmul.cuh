// matmul and logits with weights of fewer bits: matmul.cuh's kernels with the products of
// quantized_tile.cuh and quantized_few.cuh.
#pragma once

#include "matmul.cuh"
#include "quantized_few.cuh"
#include "quantized_tile.cuh"

namespace ll4::cuda {

struct QuantizedMatmulParams : MatmulParams {
  QuantizedWeight weight[LL4_MAX_PARTS];
  F8Rows f8;
};

// The part that a column of tiles belongs to.
__device__ __forceinline__ int part_number(const MatmulParams &p, int column_tile) {
  int part = 0;
#pragma unroll
  for (int i = 1; i < LL4_MAX_PARTS; i++)
    if (column_tile >= p.part[i].first_tile) part = i;
  return part;
}

template <class T, class F>
__global__ void __launch_bounds__(T::kThreads, T::kBlocks)
    quantized_matmul_kernel(const __grid_constant__ QuantizedMatmulParams p) {
  using Stages = QuantizedStages<T, F>;
  auto &shared = shared_memory<typename Stages::Shared>();
  const MatmulTilePlace place = tile_place<T>(p);
  const int number = part_number(p, place.column_tile);
  const MatmulPart &part = p.part[number];
  const QuantizedWeight &weight = p.weight[number];
  const int64_t first_column = int64_t{place.column_tile - part.first_tile} * T::kColumns;
  const Columns columns{first_column, part.columns, 0};

  const auto x_row = [&](int r) -> const bf16 * {
    const int64_t row = place.first_row + r;
    if (F::kActivationBits == 16) return row_address(p, row);
    return source_row(p, row) < 0 ? nullptr
                                  : reinterpret_cast<const bf16 *>(p.f8.q + row * p.depth);
  };
  const auto w_row = [&](int j) -> const bf16 * {
    return columns.output(j) < columns.end
               ? reinterpret_cast<const bf16 *>(weight.data + columns.weight(j) * weight.row_bytes)
               : nullptr;
  };
  const auto *any = F::kActivationBits == 16 ? p.x : reinterpret_cast<const bf16 *>(p.f8.q);
  typename T::Sums sums;
  multiply_quantized<T, F>(
      shared, typename Stages::X(any, p.depth * F::kActivationBits / 16, x_row),
      typename Stages::W(reinterpret_cast<const bf16 *>(weight.data), weight.row_bytes / 2, w_row),
      ColumnScales<T, F>(weight, 0, columns),
      RowScales<T, F>(p.f8, weight, place.first_row, p.rows), p.depth, sums);
  finish_tile<T>(p, part, place.first_row, first_column, sums);
}

template <class F>
__global__ void __launch_bounds__(F::kThreads, F::kBlocks)
    quantized_matmul_few_kernel(const __grid_constant__ QuantizedMatmulParams p) {
  auto &shared = shared_memory<typename F::Shared>();
  const int column_tile = static_cast<int>(block_id().x) % p.column_tiles;
  const int64_t first_row = int64_t{F::kRows} * (static_cast<int>(block_id().x) / p.column_tiles);
  const int number = part_number(p, column_tile);
  const MatmulPart &part = p.part[number];
  const int64_t first = int64_t{column_tile - part.first_tile} * F::kColumns;
  // Rows that are missing are the first of x, computed for nothing.
  FewRows<F::kRows> x;
  x.scales = p.f8.groups;
#pragma unroll
  for (int m = 0; m < F::kRows; m++) {
    const int64_t row = first_row + m;
    const int64_t quantized = row < p.rows ? row : 0;
    const bf16 *plain = p.f8.q ? nullptr : row_address(p, row);
    x.row[m] =
        p.f8.q ? static_cast<const void *>(p.f8.q + quantized * p.depth) : (plain ? plain : p.x);
    x.scale[m] = p.f8.q ? p.f8.scale + quantized * p.f8.groups : nullptr;
  }
  multiply_quantized_few<F>(shared, x, p.x_rows > 0 ? p.depth : 0, p.weight[number],
                            FewQuantizedWeight{0, first, part.columns, 0},
                            [&](int m, int column, const float(&sums)[1]) {
                              finish_element(p, part, first_row + m, first + column, sums[0]);
                            });
}

// Launches tile number `tile` of plan/matmul.h.
template <class F, int tile>
void launch_quantized_tile(Stream &stream, const char *name, const QuantizedMatmulParams &p) {
  using T = QuantizedTile<tile>;
  const auto blocks = static_cast<unsigned>(p.row_blocks) * static_cast<unsigned>(p.column_tiles);
  launch(stream, name, quantized_matmul_kernel<T, F>, dim3(blocks), T::kThreads,
         sizeof(typename QuantizedStages<T, F>::Shared), p);
}

template <class F>
void launch_quantized_matmul(Stream &stream, const char *name, const QuantizedMatmulParams &p,
                             int tile) {
  static_assert(plan::kQuantizedTileCount == 3, "one a tile");
  tile == 0   ? launch_quantized_tile<F, 0>(stream, name, p)
  : tile == 1 ? launch_quantized_tile<F, 1>(stream, name, p)
              : launch_quantized_tile<F, 2>(stream, name, p);
}

using QuantizedLaunch = void(Stream &, const char *, const QuantizedMatmulParams &, int);
extern template QuantizedLaunch launch_quantized_matmul<Int4Tile<64>>;
extern template QuantizedLaunch launch_quantized_matmul<Int4Tile<32>>;
extern template QuantizedLaunch launch_quantized_matmul<ByteTile<Int8, 32>>;
extern template QuantizedLaunch launch_quantized_matmul<ByteTile<Int8, 16>>;
extern template QuantizedLaunch launch_quantized_matmul<ByteTile<Float8Plain, 32>>;
extern template QuantizedLaunch launch_quantized_matmul<Float8Tile>;

// Products of p.rows rows with those of `parts` weights that are quantized, a launch for each kind
// of them; p.part[] has bias, columns and first_column of each.
void run_quantized_matmul(Stream &stream, const char *name, const MatmulParams &p,
                          const ll4_tensor &x, const ll4_weight *weights, int parts);

}  // namespace ll4::cuda
