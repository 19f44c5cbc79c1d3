#include "grouped_matmul.cuh"

#include "grouped_few.cuh"
#include "quantized_grouped_matmul.cuh"
#include "quantized_plan.h"
#include "scatter_sum.cuh"

namespace ll4::cuda {

namespace {

using Launch = void (*)(Stream &, const GroupedParams &, int64_t, bool, bool);
constexpr Launch kLaunches[] = {launch_grouped_matmul<0>, launch_grouped_matmul<1>,
                                launch_grouped_matmul<2>, launch_grouped_matmul<3>,
                                launch_grouped_matmul<4>, launch_grouped_matmul<5>};
static_assert(sizeof kLaunches / sizeof *kLaunches == plan::kMatmulTileCount, "one a tile");

// Up to here all of scatter is looked through for every row of out, and nothing is counted first.
constexpr int64_t kFewScattered = 256;

GroupedParams params(Stream &s, const ll4_grouped_matmul_args &a) {
  const bool kn = a.weight.layout == LL4_LAYOUT_KN;
  GroupedParams p{};
  p.x = data<const bf16>(a.x);
  p.weight = data<const bf16>(a.weight.data);
  p.offsets = data<const int32_t>(a.offsets);
  p.gather = data<const int32_t>(a.gather);
  p.scatter = data<const int32_t>(a.scatter);
  p.scores = data<const float>(a.row_scores);
  p.out = data<void>(a.out);
  p.x_rows = a.x.shape[0];
  p.rows = p.gather ? a.gather.shape[0] : p.x_rows;
  p.out_rows = a.out.shape[0];
  p.experts = a.offsets.shape[0] - 1;
  p.depth = a.x.shape[1];
  p.columns = a.out.shape[1];
  p.weight_columns = a.weight.data.shape[kn ? 2 : 1];
  p.swiglu = a.swiglu != 0;
  p.f32 = a.out.dtype == LL4_F32;
  p.pairs = reinterpret_cast<uintptr_t>(p.out) % (p.f32 ? 8 : 4) == 0 && p.columns % 2 == 0;
  p.fault = s.fault();
  return p;
}

// What scatter needs of scratch: sums, and counts of rows where there are many.
int64_t scatter_numbers(const GroupedParams &p) {
  return p.rows * p.columns + (p.rows > kFewScattered ? p.out_rows : 0);
}

void prepare_scatter(Stream &s, GroupedParams &p, void *scratch) {
  p.partial = static_cast<float *>(scratch);
  if (p.rows <= kFewScattered) return;
  auto *counts = reinterpret_cast<uint32_t *>(p.partial + p.rows * p.columns);
  launch(s, "scatter_count", scatter_count_kernel,
         dim3(static_cast<unsigned>(ceil_div(p.out_rows, kScatterCounts))), kScatterThreads,
         sizeof(ScatterCounts), p.scatter, p.rows, p.out_rows, counts);
  p.counts = counts;
}

void multiply_rows(Stream &s, GroupedParams &p, bool kn, bool use_vectors) {
  const int tile =
      plan::grouped_tile(p.rows, p.experts, p.weight_columns, s.multiprocessors(), use_vectors);
  const plan::MatmulTile &t = plan::kMatmulTiles[tile];
  const int64_t column_tiles = ceil_div(p.columns, p.swiglu ? t.columns / 2 : t.columns);
  const int64_t row_blocks = plan::most_row_blocks(p.rows, p.experts, t.rows);
  if (row_blocks > kMostTiles / column_tiles) fail(LL4_UNSUPPORTED, "out has more than 2^30 tiles");
  p.column_tiles = static_cast<int>(column_tiles);
  int64_t blocks = row_blocks * column_tiles;
  if (plan::persistent(t)) {
    const size_t most_shared = s.cuda().properties.sharedMemPerBlockOptin;
    blocks = std::min(blocks, int64_t{s.multiprocessors()} *
                                  plan::resident_blocks(t, static_cast<int64_t>(most_shared)));
  }
  kLaunches[tile](s, p, blocks, kn, use_vectors);
}

template <int sets, bool kn, bool use_vectors>
void launch_few(Stream &s, const GroupedParams &p) {
  using F = Few<1, sets, kn, use_vectors>;
  const int64_t blocks = p.out_rows * ceil_div(p.columns, F::kColumns);
  if (blocks > kMostTiles) fail(LL4_UNSUPPORTED, "out has more than 2^30 groups of columns");
  launch(s, "grouped_matmul", grouped_few_kernel<F>, dim3(static_cast<unsigned>(blocks)),
         plan::few_threads(kn, p.depth), sizeof(typename F::Shared), p);
}

void multiply_few_rows(Stream &s, const GroupedParams &p, bool kn, bool use_vectors) {
  using LaunchFew = void (*)(Stream &, const GroupedParams &);
  static constexpr LaunchFew launches[2][2][2] = {
      {{launch_few<1, false, false>, launch_few<1, false, true>},
       {launch_few<1, true, false>, launch_few<1, true, true>}},
      {{launch_few<2, false, false>, launch_few<2, false, true>},
       {launch_few<2, true, false>, launch_few<2, true, true>}}};
  launches[p.swiglu][kn][use_vectors](s, p);
}

}  // namespace

void grouped_matmul(ll4_stream &stream, const ll4_grouped_matmul_args &a) {
  Stream &s = begin(stream);
  require_bf16(a.x, "x");
  GroupedParams p = params(s, a);
  if (p.columns == 0 || p.out_rows == 0) return;
  const bool quantized = a.weight.data.dtype != LL4_BF16;
  const bool kn = a.weight.layout == LL4_LAYOUT_KN;
  // A thread reads eight neighbours, all gates or all ups.
  const bool use_vectors = vectors(a.x, p.depth) &&
                           vectors(a.weight.data, kn ? p.weight_columns : p.depth) &&
                           (!kn || !p.swiglu || p.columns % 8 == 0);
  const bool few = plan::few_grouped(p.rows, p.out_rows, p.experts) ||
                   (quantized && quantized_plan(a.weight, a.x, p.depth).tile == kNoTile);
  const int64_t f8_bytes = f8_rows_bytes(a.weight, p.rows, p.depth);
  const bool sums = p.scatter && p.rows > 0 && !few;
  const int64_t bytes = f8_bytes + (sums ? scatter_numbers(p) * int64_t{sizeof(float)} : 0);
  char *scratch = bytes > 0 ? s.scratch<char>(bytes) : nullptr;
  if (sums) prepare_scatter(s, p, scratch + f8_bytes);
  if (quantized)
    run_quantized_grouped_matmul(s, p, a.weight, a.x, few, scratch);
  else if (few)
    multiply_few_rows(s, p, kn, use_vectors);
  else if (p.rows > 0)
    multiply_rows(s, p, kn, use_vectors);
  if (p.scatter && !few)
    launch(s, "scatter_sum", scatter_sum_kernel,
           dim3(static_cast<unsigned>(p.out_rows),
                static_cast<unsigned>(ceil_div(p.columns, kScatterColumns))),
           kScatterThreads, sizeof(ScatterMatches), p);
}

}  // namespace ll4::cuda
