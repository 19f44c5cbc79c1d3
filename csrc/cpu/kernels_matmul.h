// Matrix product blocks, for any vector type V and operand types.
//
// dot: W is [columns, depth], as linear layers are stored. A tile of kRows x kColumns outputs is
//   held in registers, each output a vector of partial sums over depth; nothing is packed, so
//   weights are used where they are mapped.
// outer: W is [depth, columns], as fused experts and cached values are stored. Up to kStreamRows
//   rows of x stream W once, with the sums in L1 (out itself); more rows pack a panel of W,
//   kPanelDepth x kPanelColumns, and hold tiles of sums in registers.
//
// Every output is summed in one order that depends on depth alone. Tiles, panels and streams only
// choose which outputs are computed together, so a row's bits do not depend on its neighbours.
#pragma once

#include <algorithm>

#include "kernels.h"
#include "lanes.h"

// Unnamed: each instruction set has its own copy, which the linker must not merge.
namespace ll4::cpu {
namespace {

constexpr int kStreamRows = 8;
constexpr int kPrefetchRows = 4;
constexpr int64_t kPanelDepth = 256;
constexpr int64_t kPanelColumns = 64;
constexpr int64_t kStreamDepth = 8;
constexpr int64_t kPackAhead = 32;

// How fp32 activations meet fp32 or bf16 weights.
template <class V, class W>
struct WideOperands {
  using X = float;
  using Weight = W;
  using A = typename V::F;
  static constexpr int kStep = V::kLanes;
  static A load_x(const X *p) { return V::load(p); }
  static A load_x_n(const X *p, int n) { return V::load_n(p, n); }
  static A load_w(const W *p) { return V::load(p); }
  static A load_w_n(const W *p, int n) { return V::load_n(p, n); }
  static typename V::F multiply(A x, A w, typename V::F acc) { return V::fma(x, w, acc); }
};

// bf16 by bf16, in pairs along depth.
template <class V>
struct PairOperands {
  using X = uint16_t;
  using Weight = uint16_t;
  using A = typename V::Pair;
  static constexpr int kStep = 2 * V::kLanes;
  static A load_x(const X *p) { return V::load_pair(p); }
  static A load_x_n(const X *p, int n) { return V::load_pair_n(p, n); }
  static A load_w(const Weight *p) { return V::load_pair(p); }
  static A load_w_n(const Weight *p, int n) { return V::load_pair_n(p, n); }
  static typename V::F multiply(A x, A w, typename V::F acc) { return V::dot(acc, x, w); }
};

// ---- dot ----

template <class V, class O, int R, int C>
void dot_tile(const typename O::X *x, int64_t ldx, const typename O::Weight *w, int64_t ldw,
              float *out, int64_t ldo, int64_t depth) {
  typename V::F acc[R][C];
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) acc[r][c] = V::zero();
  int64_t k = 0;
  for (; k + O::kStep <= depth; k += O::kStep) {
    typename O::A a[R];
    for (int r = 0; r < R; r++) a[r] = O::load_x(x + r * ldx + k);
    for (int c = 0; c < C; c++) {
      // With few rows a column of W is used once: fetch the tile after this one, since a row of W
      // often ends where the hardware's own prefetcher stops, at the end of a page.
      if (R <= kPrefetchRows) __builtin_prefetch(w + (c + C) * ldw + k, 0, 2);
      const typename O::A b = O::load_w(w + c * ldw + k);
      for (int r = 0; r < R; r++) acc[r][c] = O::multiply(a[r], b, acc[r][c]);
    }
  }
  if (k < depth) {
    const int rest = static_cast<int>(depth - k);
    typename O::A a[R];
    for (int r = 0; r < R; r++) a[r] = O::load_x_n(x + r * ldx + k, rest);
    for (int c = 0; c < C; c++) {
      const typename O::A b = O::load_w_n(w + c * ldw + k, rest);
      for (int r = 0; r < R; r++) acc[r][c] = O::multiply(a[r], b, acc[r][c]);
    }
  }
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) out[r * ldo + c] = V::sum(acc[r][c]);
}

// C columns of W against all rows of x, R rows at a time.
template <class V, class O, int R, int C>
void dot_columns(const Block &b, int64_t row, int64_t column) {
  const auto *x = static_cast<const typename O::X *>(b.x);
  const auto *w = static_cast<const typename O::Weight *>(b.w) + column * b.ldw;
  for (; row + R <= b.rows; row += R)
    dot_tile<V, O, R, C>(x + row * b.ldx, b.ldx, w, b.ldw, b.out + row * b.ldo + column, b.ldo,
                         b.depth);
  if constexpr (R > 1) {
    if (row < b.rows) dot_columns<V, O, R - 1, C>(b, row, column);
  }
}

template <class V, class O>
void dot(const Block &b) {
  int64_t column = 0;
  // With a single row the sums of one column would wait for each other: twice as many columns.
  if (b.rows == 1) {
    for (; column + 2 * V::kColumns <= b.columns; column += 2 * V::kColumns)
      dot_columns<V, O, 1, 2 * V::kColumns>(b, 0, column);
  }
  for (; column + V::kColumns <= b.columns; column += V::kColumns)
    dot_columns<V, O, V::kRows, V::kColumns>(b, 0, column);
  for (; column < b.columns; column++) dot_columns<V, O, V::kRows, 1>(b, 0, column);
}

// ---- outer, fp32 activations: one product a step of depth ----

template <class V, class W>
struct WideOuter {
  using X = float;
  using Weight = W;
  static constexpr int kUnit = 1;  // rows of W that meet in one product

  // The products of one unit of depth for kLanes columns.
  using Factor = typename V::F;
  static constexpr int kFactors = 1;  // vectors of columns that a load yields
  static constexpr int kColumnsALoad = V::kLanes;
  static void load(const W *w, int64_t, bool, int n, Factor *f) { f[0] = load_lanes<V>(w, n); }
  using Scalar = typename V::F;
  static Scalar broadcast(const X *x, bool) { return V::set1(*x); }
  static typename V::F multiply(Scalar x, Factor w, typename V::F acc) { return V::fma(x, w, acc); }
  using Packed = float;
  static void store(Packed *p, Factor f) { V::store(p, f); }
  static Factor load_packed(const Packed *p) { return V::load(p); }
  static constexpr int kPackedLanes = V::kLanes;
};

// ---- outer, bf16: two rows of W a step, zipped into pairs ----

template <class V>
struct PairOuter {
  using X = uint16_t;
  using Weight = uint16_t;
  static constexpr int kUnit = 2;
  using Factor = typename V::Pair;
  static constexpr int kFactors = 2;
  static constexpr int kColumnsALoad = 2 * V::kLanes;
  // `odd`: the second row does not exist.
  static void load(const Weight *w, int64_t ldw, bool odd, int n, Factor *f) {
    if (n == kColumnsALoad && !odd)
      V::zip(V::load_pair(w), V::load_pair(w + ldw), f[0], f[1]);
    else
      V::zip(V::load_pair_n(w, n), V::load_pair_n(w + (odd ? 0 : ldw), odd ? 0 : n), f[0], f[1]);
  }
  using Scalar = typename V::Pair;
  static Scalar broadcast(const X *x, bool odd) { return V::broadcast(x, odd); }
  static typename V::F multiply(Scalar x, Factor w, typename V::F acc) { return V::dot(acc, x, w); }
  using Packed = uint16_t;
  static void store(Packed *p, Factor f) { __builtin_memcpy(p, &f, sizeof f); }
  static Factor load_packed(const Packed *p) { return V::load_pair(p); }
  static constexpr int kPackedLanes = 2 * V::kLanes;
};

// Adds `units` units of depth (O::kUnit rows of W each; with `odd` the last lacks its second row)
// to n columns of R rows of sums. Inlined with constants for the whole blocks that nearly all are.
template <class V, class O, int R>
inline __attribute__((always_inline)) void stream_block(
    const typename O::Weight *w, int64_t ldw,
    const typename O::Scalar (&scalar)[R][kStreamDepth / O::kUnit], float *out, int64_t ldo,
    int units, bool odd, int n) {
  typename V::F acc[R][O::kFactors];
  for (int r = 0; r < R; r++)
    for (int f = 0; f < O::kFactors; f++)
      acc[r][f] = load_lanes<V>(out + r * ldo + f * V::kLanes, n - f * V::kLanes);
  for (int u = 0; u < units; u++, w += O::kUnit * ldw) {
    // The next units of these columns: the hardware does not follow a stride of a whole row.
    for (int i = 0; i < O::kUnit; i++) __builtin_prefetch(w + (kStreamDepth + i) * ldw, 0, 2);
    typename O::Factor factor[O::kFactors];
    O::load(w, ldw, odd && u == units - 1, n, factor);
    for (int r = 0; r < R; r++)
      for (int f = 0; f < O::kFactors; f++)
        acc[r][f] = O::multiply(scalar[r][u], factor[f], acc[r][f]);
  }
  for (int r = 0; r < R; r++)
    for (int f = 0; f < O::kFactors; f++)
      store_lanes<V>(out + r * ldo + f * V::kLanes, acc[r][f], n - f * V::kLanes);
}

// R rows of x times rows k .. k + depth (at most kStreamDepth) of W, all columns.
template <class V, class O, int R>
void stream_rows(const Block &b, const typename O::X *x, float *out, int64_t k, int64_t depth) {
  constexpr int kUnits = static_cast<int>(kStreamDepth) / O::kUnit;
  constexpr int kColumns = O::kColumnsALoad;
  const auto *w = static_cast<const typename O::Weight *>(b.w) + k * b.ldw;
  const int units = static_cast<int>((depth + O::kUnit - 1) / O::kUnit);
  const bool odd = depth % O::kUnit != 0;
  typename O::Scalar scalar[R][kUnits];
  for (int r = 0; r < R; r++)
    for (int u = 0; u < units; u++)
      scalar[r][u] = O::broadcast(x + r * b.ldx + k + u * O::kUnit, odd && u == units - 1);
  int64_t column = 0;
  if (depth == kStreamDepth)
    for (; column + kColumns <= b.columns; column += kColumns)
      stream_block<V, O, R>(w + column, b.ldw, scalar, out + column, b.ldo, kUnits, false,
                            kColumns);
  for (; column < b.columns; column += kColumns) {
    const int n = static_cast<int>(std::min<int64_t>(kColumns, b.columns - column));
    stream_block<V, O, R>(w + column, b.ldw, scalar, out + column, b.ldo, units, odd, n);
  }
}

// All of a block of at most R rows, each of W's rows read once.
template <class V, class O, int R>
void stream(const Block &b) {
  if constexpr (R > 1) {
    if (b.rows < R) return stream<V, O, R - 1>(b);
  }
  const auto *x = static_cast<const typename O::X *>(b.x);
  for (int64_t k = 0; k < b.depth; k += kStreamDepth)
    stream_rows<V, O, R>(b, x, b.out, k, std::min(kStreamDepth, b.depth - k));
}

// A panel of W, zero beyond its columns: [units][kPanelColumns / lanes][one packed vector].
template <class V, class O>
void pack_panel(const Block &b, int64_t k, int64_t depth, int64_t column, int64_t columns,
                typename O::Packed *panel) {
  const auto *w = static_cast<const typename O::Weight *>(b.w) + column;
  for (int64_t d = 0; d < depth; d += O::kUnit)
    for (int64_t c = 0; c < kPanelColumns; c += O::kColumnsALoad) {
      const int n = static_cast<int>(std::clamp<int64_t>(columns - c, 0, O::kColumnsALoad));
      for (int i = 0; i < O::kUnit; i++)
        __builtin_prefetch(w + (k + d + kPackAhead + i) * b.ldw + c, 0, 2);
      typename O::Factor factor[O::kFactors];
      O::load(w + (k + d) * b.ldw + c, b.ldw, d + O::kUnit > depth, n, factor);
      for (int f = 0; f < O::kFactors; f++, panel += O::kPackedLanes) O::store(panel, factor[f]);
    }
}

// R rows of x by C vectors of columns of a packed panel, which is zero beyond W's columns.
template <class V, class O, int R, int C>
void outer_tile(const typename O::X *x, int64_t ldx, int64_t depth, const typename O::Packed *panel,
                float *out, int64_t ldo) {
  constexpr int64_t kPanelStride = kPanelColumns / V::kLanes * O::kPackedLanes;
  typename V::F acc[R][C];
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) acc[r][c] = V::load(out + r * ldo + c * V::kLanes);
  for (int64_t k = 0; k < depth; k += O::kUnit, panel += kPanelStride) {
    typename O::Factor factor[C];
    for (int c = 0; c < C; c++) factor[c] = O::load_packed(panel + c * O::kPackedLanes);
    for (int r = 0; r < R; r++) {
      const typename O::Scalar s = O::broadcast(x + r * ldx + k, k + O::kUnit > depth);
      for (int c = 0; c < C; c++) acc[r][c] = O::multiply(s, factor[c], acc[r][c]);
    }
  }
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) V::store(out + r * ldo + c * V::kLanes, acc[r][c]);
}

// The last columns of W, fewer than a tile has: the tile is computed aside.
template <class V, class O, int R, int C>
void outer_edge(const typename O::X *x, int64_t ldx, int64_t depth, const typename O::Packed *panel,
                float *out, int64_t ldo, int64_t columns) {
  constexpr int64_t kWidth = int64_t{C} * V::kLanes;
  float tile[R * kWidth] = {};
  for (int r = 0; r < R; r++)
    for (int64_t c = 0; c < columns; c++) tile[r * kWidth + c] = out[r * ldo + c];
  outer_tile<V, O, R, C>(x, ldx, depth, panel, tile, kWidth);
  for (int r = 0; r < R; r++)
    for (int64_t c = 0; c < columns; c++) out[r * ldo + c] = tile[r * kWidth + c];
}

template <class V, class O, int R>
void outer_rows(const Block &b, int64_t row, int64_t k, int64_t depth, int64_t column,
                int64_t columns, const typename O::Packed *panel) {
  constexpr int C = V::kColumns;
  constexpr int64_t kWidth = int64_t{C} * V::kLanes;
  for (; row + R <= b.rows; row += R) {
    const auto *x = static_cast<const typename O::X *>(b.x) + row * b.ldx + k;
    for (int64_t c = 0; c < columns; c += kWidth) {
      const auto *packed = panel + c / V::kLanes * O::kPackedLanes;
      float *out = b.out + row * b.ldo + column + c;
      if (c + kWidth <= columns)
        outer_tile<V, O, R, C>(x, b.ldx, depth, packed, out, b.ldo);
      else
        outer_edge<V, O, R, C>(x, b.ldx, depth, packed, out, b.ldo, columns - c);
    }
  }
  if constexpr (R > 1) {
    if (row < b.rows) outer_rows<V, O, R - 1>(b, row, k, depth, column, columns, panel);
  }
}

template <class V, class O>
void outer(const Block &b) {
  if (b.rows == 0) return;
  if (b.rows <= kStreamRows) return stream<V, O, kStreamRows>(b);
  alignas(64) typename O::Packed panel[kPanelDepth / O::kUnit * kPanelColumns * O::kUnit];
  for (int64_t column = 0; column < b.columns; column += kPanelColumns) {
    const int64_t columns = std::min(kPanelColumns, b.columns - column);
    for (int64_t k = 0; k < b.depth; k += kPanelDepth) {
      const int64_t depth = std::min(kPanelDepth, b.depth - k);
      pack_panel<V, O>(b, k, depth, column, columns, panel);
      outer_rows<V, O, V::kRows>(b, 0, k, depth, column, columns, panel);
    }
  }
}

}  // namespace
}  // namespace ll4::cpu
