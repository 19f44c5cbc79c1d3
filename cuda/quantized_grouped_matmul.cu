#include "quantized_grouped_matmul.cuh"

#include "quantized_plan.h"

namespace ll4::cuda {

namespace {

template <class Format>
void launch_few(Stream &stream, const QuantizedGroupedParams &p) {
  const auto run = [&](auto kernel, int64_t bytes) {
    const int64_t blocks = p.out_rows * ceil_div(p.columns, plan::few_columns(false));
    if (blocks > kMostTiles) fail(LL4_UNSUPPORTED, "out has more than 2^30 groups of columns");
    launch(stream, "grouped_matmul", kernel, dim3(static_cast<unsigned>(blocks)),
           few_quantized_threads(p.depth, few_values<Format>), bytes, p);
  };
  using One = QuantizedFew<1, 1, Format>;
  using Two = QuantizedFew<1, 2, Format>;
  p.swiglu ? run(quantized_grouped_few_kernel<Two>, sizeof(typename Two::Shared))
           : run(quantized_grouped_few_kernel<One>, sizeof(typename One::Shared));
}

using LaunchFew = void (*)(Stream &, const QuantizedGroupedParams &);
constexpr LaunchFew kLaunchesFew[] = {launch_few<AnyQuantized>, launch_few<Int4>, launch_few<Int8>,
                                      launch_few<Float8Plain>, launch_few<Float8>};
static_assert(sizeof kLaunchesFew / sizeof *kLaunchesFew == kFewFormats, "one a format");

constexpr QuantizedGroupedLaunch *kLaunches[] = {
    launch_quantized_grouped_matmul<Int4Tile<64>>,
    launch_quantized_grouped_matmul<Int4Tile<32>>,
    launch_quantized_grouped_matmul<ByteTile<Int8, 32>>,
    launch_quantized_grouped_matmul<ByteTile<Int8, 16>>,
    launch_quantized_grouped_matmul<ByteTile<Float8Plain, 32>>,
    launch_quantized_grouped_matmul<Float8Tile>};
static_assert(sizeof kLaunches / sizeof *kLaunches == kTileFormats, "one a format");

}  // namespace

void run_quantized_grouped_matmul(Stream &stream, GroupedParams params, const ll4_weight &weight,
                                  const ll4_tensor &x, bool few, void *scratch) {
  QuantizedGroupedParams p{};
  static_cast<GroupedParams &>(p) = params;
  const QuantizedPlan plan = quantized_plan(weight, x, p.depth);
  p.quantized = quantized_weight(weight);
  p.f8 =
      quantize_rows(stream, weight, x, {p.rows, p.gather, p.scores, FaultCode::kGather}, scratch);
  if (p.f8.q) p.gather = nullptr, p.scores = nullptr;
  if (few) return kLaunchesFew[plan.few](stream, p);
  if (p.rows == 0) return;
  const int64_t active = std::max<int64_t>(1, std::min(p.rows, p.experts));
  const int tile = plan::quantized_tile(active, ceil_div(p.rows, active), p.weight_columns,
                                        stream.multiprocessors());
  const plan::MatmulTile &t = plan::kQuantizedTiles[tile];
  const int64_t column_tiles = ceil_div(p.columns, p.swiglu ? t.columns / 2 : t.columns);
  const int64_t row_blocks = plan::most_row_blocks(p.rows, p.experts, t.rows);
  if (row_blocks > kMostTiles / column_tiles) fail(LL4_UNSUPPORTED, "out has more than 2^30 tiles");
  p.column_tiles = static_cast<int>(column_tiles);
  kLaunches[plan.tile](stream, p, row_blocks * column_tiles, tile);
}

}  // namespace ll4::cuda
