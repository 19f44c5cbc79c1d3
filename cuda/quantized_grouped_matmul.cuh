// grouped_matmul with weights of fewer bits: grouped_matmul.cuh's and grouped_few.cuh's kernels
// with the products of quantized_tile.cuh and quantized_few.cuh.
#pragma once

#include "grouped_few.cuh"
#include "grouped_matmul.cuh"
#include "quantized_few.cuh"
#include "quantized_tile.cuh"

namespace ll4::cuda {

// With f8, rows of x are gathered and multiplied by their scores when they are quantized: gather
// and scores are null.
struct QuantizedGroupedParams : GroupedParams {
  QuantizedWeight quantized;
  F8Rows f8;
};

template <class T, class F>
struct QuantizedGroupedShared {
  typename QuantizedStages<T, F>::Shared stages;
  Place place[T::kThreads / kWarp];
};

template <class T, class F>
__device__ __forceinline__ void multiply_quantized_tile(QuantizedGroupedShared<T, F> &shared,
                                                        const QuantizedGroupedParams &p,
                                                        const ExpertTile &tile) {
  using Stages = QuantizedStages<T, F>;
  const QuantizedWeight &weight = p.quantized;
  const GroupedPlace place = place_of<T>(p, tile);
  const Columns columns{place.first_column, p.columns, p.swiglu ? p.columns : 0};
  const int64_t matrix = int64_t{tile.expert} * p.weight_columns;
  const auto x_row = [&](int r) -> const bf16 * {
    const int64_t row = place.first_row + r;
    if (row >= tile.end) return nullptr;
    if (F::kActivationBits == 16) return row_address(p, row);
    return reinterpret_cast<const bf16 *>(p.f8.q + row * p.depth);
  };
  const auto w_row = [&](int j) -> const bf16 * {
    if (columns.output(j) >= columns.end) return nullptr;
    return reinterpret_cast<const bf16 *>(weight.data +
                                          (matrix + columns.weight(j)) * weight.row_bytes);
  };
  const auto *any = F::kActivationBits == 16 ? p.x : reinterpret_cast<const bf16 *>(p.f8.q);
  typename T::Sums sums;
  multiply_quantized<T, F>(
      shared.stages, typename Stages::X(any, p.depth * F::kActivationBits / 16, x_row),
      typename Stages::W(reinterpret_cast<const bf16 *>(weight.data), weight.row_bytes / 2, w_row),
      ColumnScales<T, F>(weight, matrix, columns),
      RowScales<T, F>(p.f8, weight, place.first_row, tile.end), p.depth, sums);
  finish_tile<T>(p, tile, place, sums);
}

template <class T, class F>
__global__ void __launch_bounds__(T::kThreads, T::kBlocks)
    quantized_grouped_matmul_kernel(const __grid_constant__ QuantizedGroupedParams p) {
  auto &shared = shared_memory<QuantizedGroupedShared<T, F>>();
  each_tile<T>(p, shared.place[warp_id()],
               [&](const ExpertTile &tile) { multiply_quantized_tile<T, F>(shared, p, tile); });
}

template <class F>
__global__ void __launch_bounds__(F::kThreads, F::kBlocks)
    quantized_grouped_few_kernel(const __grid_constant__ QuantizedGroupedParams p) {
  auto &shared = shared_memory<typename F::Shared>();
  multiply_out_row<F>(p, [&](int64_t row, int64_t first, auto body) {
    FewRows<1> x;
    x.row[0] = p.f8.q ? static_cast<const void *>(p.f8.q + row * p.depth) : row_address(p, row);
    x.scale[0] = p.f8.q ? p.f8.scale + row * p.f8.groups : nullptr;
    x.scales = p.f8.groups;
    multiply_quantized_few<F>(
        shared, x, x.row[0] ? p.depth : 0, p.quantized,
        FewQuantizedWeight{expert_of(p, row) * p.weight_columns, first, p.columns, p.columns},
        body);
  });
}

// Launches tile number `tile` of plan/matmul.h, in no more blocks than there are tiles or than the
// GPU runs at a time.
template <class F, int tile>
void launch_quantized_tile(Stream &stream, const QuantizedGroupedParams &p, int64_t tiles) {
  using T = QuantizedTile<tile>;
  constexpr int64_t kBytes = sizeof(QuantizedGroupedShared<T, F>);
  const auto most_shared = static_cast<int64_t>(stream.cuda().properties.sharedMemPerBlockOptin);
  const int64_t resident =
      std::min<int64_t>(T::kBlocks, plan::blocks_by_shared(kBytes, most_shared));
  const int64_t blocks =
      T::kPersistent ? std::min(tiles, stream.multiprocessors() * resident) : tiles;
  launch(stream, "grouped_matmul", quantized_grouped_matmul_kernel<T, F>,
         dim3(static_cast<unsigned>(blocks)), T::kThreads, kBytes, p);
}

template <class F>
void launch_quantized_grouped_matmul(Stream &stream, const QuantizedGroupedParams &p, int64_t tiles,
                                     int tile) {
  static_assert(plan::kQuantizedTileCount == 3, "one a tile");
  tile == 0   ? launch_quantized_tile<F, 0>(stream, p, tiles)
  : tile == 1 ? launch_quantized_tile<F, 1>(stream, p, tiles)
              : launch_quantized_tile<F, 2>(stream, p, tiles);
}

using QuantizedGroupedLaunch = void(Stream &, const QuantizedGroupedParams &, int64_t, int);
extern template QuantizedGroupedLaunch launch_quantized_grouped_matmul<Int4Tile<64>>;
extern template QuantizedGroupedLaunch launch_quantized_grouped_matmul<Int4Tile<32>>;
extern template QuantizedGroupedLaunch launch_quantized_grouped_matmul<ByteTile<Int8, 32>>;
extern template QuantizedGroupedLaunch launch_quantized_grouped_matmul<ByteTile<Int8, 16>>;
extern template QuantizedGroupedLaunch launch_quantized_grouped_matmul<ByteTile<Float8Plain, 32>>;
extern template QuantizedGroupedLaunch launch_quantized_grouped_matmul<Float8Tile>;

// The product of p's rows with a quantized weight; few says that blocks of few rows are for it. p
// must have what scatter needs. `scratch` is for x as f8, f8_rows_bytes() of it.
void run_quantized_grouped_matmul(Stream &stream, GroupedParams p, const ll4_weight &weight,
                                  const ll4_tensor &x, bool few, void *scratch);

}  // namespace ll4::cuda
