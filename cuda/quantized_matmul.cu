#include "quantized_matmul.cuh"

#include <algorithm>
#include <limits>

#include "quantized_plan.h"

namespace ll4::cuda {

namespace {

template <class Format>
void launch_few(Stream &stream, const char *name, const QuantizedMatmulParams &p) {
  const auto run = [&](auto few) {
    using F = decltype(few);
    launch(stream, name, quantized_matmul_few_kernel<F>,
           dim3(static_cast<unsigned>(p.column_tiles) * static_cast<unsigned>(p.row_blocks)),
           few_quantized_threads(p.depth, few_values<Format>), sizeof(typename F::Shared), p);
  };
  if constexpr (!std::is_same_v<Format, AnyQuantized>) {
    if (p.rows == 1) return run(QuantizedFew<1, 1, Format>());
    if (p.rows == 2) return run(QuantizedFew<2, 1, Format>());
  }
  run(QuantizedFew<4, 1, Format>());
}

using LaunchFew = void (*)(Stream &, const char *, const QuantizedMatmulParams &);
constexpr LaunchFew kLaunchesFew[] = {launch_few<AnyQuantized>, launch_few<Int4>, launch_few<Int8>,
                                      launch_few<Float8Plain>, launch_few<Float8>};
static_assert(sizeof kLaunchesFew / sizeof *kLaunchesFew == kFewFormats, "one a format");

constexpr QuantizedLaunch *kLaunches[] = {launch_quantized_matmul<Int4Tile<64>>,
                                          launch_quantized_matmul<Int4Tile<32>>,
                                          launch_quantized_matmul<ByteTile<Int8, 32>>,
                                          launch_quantized_matmul<ByteTile<Int8, 16>>,
                                          launch_quantized_matmul<ByteTile<Float8Plain, 32>>,
                                          launch_quantized_matmul<Float8Tile>};
static_assert(sizeof kLaunches / sizeof *kLaunches == kTileFormats, "one a format");

// Plans the tiles of a product of one format and launches them.
void run_format(Stream &stream, const char *name, QuantizedMatmulParams p, int parts,
                const QuantizedPlan &plan) {
  int64_t columns = 0;
  for (int i = 0; i < parts; i++) columns += p.part[i].columns;
  const int tile = plan::quantized_tile(1, p.rows, columns, stream.multiprocessors());
  const bool few = plan.tile == kNoTile || p.rows <= plan::kFewMatmulRows;
  const plan::MatmulTile &t = plan::kQuantizedTiles[tile];
  const int tile_columns = few ? plan::few_columns(false) : t.columns;
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  int64_t column_tiles = 0;
  for (int i = 0; i < LL4_MAX_PARTS; i++) {
    p.part[i].first_tile = static_cast<int>(i < parts ? std::min(column_tiles, kMost) : kMost);
    if (i < parts) column_tiles += ceil_div(p.part[i].columns, tile_columns);
  }
  const int64_t row_blocks = ceil_div(p.rows, few ? plan::kFewMatmulRows : t.rows);
  if (row_blocks > kMost / column_tiles) fail(LL4_UNSUPPORTED, "out has more than 2^31 tiles");
  p.row_blocks = static_cast<int>(row_blocks);
  p.column_tiles = static_cast<int>(column_tiles);
  p.group_rows = std::min(kGroupRows, p.row_blocks);
  if (few) return kLaunchesFew[plan.few](stream, name, p);
  kLaunches[plan.tile](stream, name, p, tile);
}

}  // namespace

void run_quantized_matmul(Stream &stream, const char *name, const MatmulParams &params,
                          const ll4_tensor &x, const ll4_weight *weights, int parts) {
  if (params.rows == 0) return;
  int64_t scratch = 0;
  for (int i = 0; i < parts; i++)
    scratch = std::max(scratch, f8_rows_bytes(weights[i], params.rows, params.depth));
  void *memory = scratch > 0 ? stream.scratch(scratch) : nullptr;
  bool done[LL4_MAX_PARTS] = {};
  for (int first = 0; first < parts; first++) {
    const ll4_weight &w = weights[first];
    if (done[first] || w.data.dtype == LL4_BF16) continue;
    QuantizedMatmulParams p{};
    static_cast<MatmulParams &>(p) = params;
    const QuantizedPlan plan = quantized_plan(w, x, params.depth);
    int count = 0;
    for (int i = first; i < parts; i++) {
      if (!same_plan(weights[i], quantized_plan(weights[i], x, params.depth), w, plan)) continue;
      done[i] = true;
      if (params.part[i].columns == 0) continue;
      p.part[count] = params.part[i];
      p.weight[count++] = quantized_weight(weights[i]);
      p.pairs &= params.part[i].first_column % 2 == 0;
    }
    if (count == 0) continue;
    p.f8 = quantize_rows(stream, w, x, {p.rows, p.chosen, nullptr, FaultCode::kRow}, memory);
    run_format(stream, name, p, count, plan);
  }
}

}  // namespace ll4::cuda
