#include "matmul.cuh"

#include <algorithm>
#include <limits>

#include "quantized_matmul.cuh"

namespace ll4::cuda {

namespace {

using Launch = void (*)(Stream &, const char *, const MatmulParams &, bool, bool);
constexpr Launch kLaunches[] = {launch_matmul<0>, launch_matmul<1>, launch_matmul<2>,
                                launch_matmul<3>, launch_matmul<4>, launch_matmul<5>};
static_assert(sizeof kLaunches / sizeof *kLaunches == plan::kMatmulTileCount, "one a tile");

template <int rows, bool kn, bool use_vectors>
void launch_few(Stream &stream, const char *name, const MatmulParams &p) {
  using F = Few<rows, 1, kn, use_vectors>;
  launch(stream, name, matmul_few_kernel<F>, dim3(static_cast<unsigned>(p.column_tiles)),
         plan::few_threads(kn, p.depth), sizeof(typename F::Shared), p);
}

using LaunchFew = void (*)(Stream &, const char *, const MatmulParams &);
template <int rows>
constexpr LaunchFew kLaunchesFew[2][2] = {
    {launch_few<rows, false, false>, launch_few<rows, false, true>},
    {launch_few<rows, true, false>, launch_few<rows, true, true>}};

void run_few(Stream &stream, const char *name, const MatmulParams &p, bool kn, bool use_vectors) {
  static_assert(plan::kFewMatmulRows == 4, "the largest of these");
  const auto &launches = p.rows == 1   ? kLaunchesFew<1>
                         : p.rows == 2 ? kLaunchesFew<2>
                                       : kLaunchesFew<4>;
  launches[kn][use_vectors](stream, name, p);
}

}  // namespace

void run_matmul(Stream &stream, const char *name, MatmulParams p, int parts, bool kn,
                bool use_vectors) {
  int64_t columns = 0;
  for (int i = 0; i < parts; i++) columns += p.part[i].columns;
  if (p.rows == 0 || columns == 0) return;
  const int tile = plan::matmul_tile(1, p.rows, columns, stream.multiprocessors(), use_vectors);
  const plan::MatmulTile &t = plan::kMatmulTiles[tile];
  const bool few = p.rows <= plan::kFewMatmulRows;
  const int tile_columns = few ? plan::few_columns(kn) : t.columns;
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  int64_t column_tiles = 0;
  for (int i = 0; i < LL4_MAX_PARTS; i++) {
    p.part[i].first_tile = static_cast<int>(i < parts ? std::min(column_tiles, kMost) : kMost);
    if (i < parts) column_tiles += ceil_div(p.part[i].columns, tile_columns);
  }
  const int64_t row_blocks = few ? 1 : ceil_div(p.rows, t.rows);
  if (row_blocks > kMost / column_tiles) fail(LL4_UNSUPPORTED, "out has more than 2^31 tiles");
  p.row_blocks = static_cast<int>(row_blocks);
  p.column_tiles = static_cast<int>(column_tiles);
  if (few) return run_few(stream, name, p, kn, use_vectors);
  p.group_rows = std::min(kGroupRows, p.row_blocks);
  kLaunches[tile](stream, name, p, kn, use_vectors);
}

// Parts of one layout are one launch.
void matmul(ll4_stream &stream, const ll4_matmul_args &a) {
  Stream &s = begin(stream);
  require_bf16(a.x, "x");
  MatmulParams p{};
  p.x = data<const bf16>(a.x);
  p.x_rows = p.rows = a.x.shape[0];
  p.depth = a.x.shape[1];
  p.out = data<void>(a.out);
  p.f32 = a.out.dtype == LL4_F32;
  p.out_columns = a.out.shape[1];
  p.accumulate = a.accumulate != 0;
  p.gelu = a.activation == LL4_ACTIVATION_GELU;
  p.pairs = reinterpret_cast<uintptr_t>(p.out) % (p.f32 ? 8 : 4) == 0 && p.out_columns % 2 == 0;
  p.fault = s.fault();
  MatmulPart part[LL4_MAX_PARTS] = {};
  int64_t first = 0;
  for (int i = 0; i < a.parts; i++) {
    const ll4_weight &w = a.weight[i];
    const int64_t columns = w.data.shape[w.layout == LL4_LAYOUT_KN ? 1 : 0];
    part[i] = {data<const bf16>(w.data), data<const float>(a.bias[i]), columns, first, 0};
    first += columns;
  }
  for (const int32_t layout : {LL4_LAYOUT_NK, LL4_LAYOUT_KN}) {
    const bool kn = layout == LL4_LAYOUT_KN;
    MatmulParams some = p;
    bool use_vectors = vectors(a.x, p.depth);
    int parts = 0;
    for (int i = 0; i < a.parts; i++) {
      const ll4_weight &w = a.weight[i];
      if (w.data.dtype != LL4_BF16 || w.layout != layout || part[i].columns == 0) continue;
      some.part[parts++] = part[i];
      use_vectors &= vectors(w.data, kn ? part[i].columns : p.depth);
      some.pairs &= part[i].first_column % 2 == 0;
    }
    run_matmul(s, "matmul", some, parts, kn, use_vectors);
  }
  std::copy(part, part + a.parts, p.part);
  run_quantized_matmul(s, "matmul", p, a.x, a.weight, a.parts);
}

}  // namespace ll4::cuda
