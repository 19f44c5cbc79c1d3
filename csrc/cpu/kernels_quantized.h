// Products with weights of few bits, W [columns, depth], for any vector type V and operand types.
//
// As in `dot`, a tile of outputs is held in registers, each a vector of partial sums over depth.
// What W has of a group is multiplied without its scale, and the sum with it: where a group fills
// vectors of W (`whole`) once a group, else (`units`) once a vector, with a lane's own scale. Depth
// is cut into panels, whose scales are made fp32 first. A chain of sums depends on depth and group
// alone; x as whole numbers meets W in exact products, the same on all instruction sets.
//
// x is packed for the operands: a step of depth at a time, padded with zeros to whole steps.
#pragma once

#include <algorithm>

#include "kernels_matmul.h"
#include "llama4.h"
#include "small_floats.h"

// Unnamed: each instruction set has its own copy, which the linker must not merge.
namespace ll4::cpu {
namespace {

constexpr int64_t kScalePanel = 1024;  // values of depth
constexpr int64_t kF8Group = 64;       // a multiple of all steps
constexpr int64_t kWholeGroup = int64_t{1} << 40;

// ---- operands ----

// Activations of eight bits for kVectors vectors of W: the values in the order of W's, the scales
// of the lanes of a product, and what these begin with to make up for the bias of W.
template <class V, int kVectors>
struct Packed {
  static constexpr bool kBiased = V::kBiasI4 != 0;
  static constexpr int64_t kScale = kVectors * V::kBytes;
  static constexpr int64_t kStart = kScale + V::kLanes * 4;
  static constexpr int64_t kSize = kStart + (kBiased ? V::kLanes * 4 : 0);

  typename V::Bytes q[kVectors];
  typename V::F scale;
  typename V::I start;

  static Packed load(const char *p) {
    Packed x{};
    for (int i = 0; i < kVectors; i++) x.q[i] = V::load_bytes(p + i * V::kBytes);
    x.scale = V::load(reinterpret_cast<const float *>(p + kScale));
    if constexpr (kBiased) x.start = V::load_start(p + kStart);
    return x;
  }
};

// Makes them for O, which says where a value of a step is in W: O::value(vector, byte).
template <class V, class O>
void pack_i8(const int8_t *q, const float *scale, int64_t n, char *out) {
  constexpr int kVectors = O::kStep / V::kBytes;
  using X = Packed<V, kVectors>;
  static_assert(V::kBytes == 4 * V::kLanes, "a lane is of four bytes of a vector");
  for (int64_t k = 0; k < n; k += O::kStep, out += X::kSize) {
    int32_t start[V::kLanes] = {};
    for (int vector = 0; vector < kVectors; vector++)
      for (int byte = 0; byte < V::kBytes; byte++) {
        const int8_t value = q[k + O::value(vector, byte)];
        out[vector * V::kBytes + byte] = static_cast<char>(value);
        start[byte / 4] -= O::kBias * value;
      }
    for (int lane = 0; lane < V::kLanes; lane++)
      __builtin_memcpy(out + X::kScale + 4 * lane, scale + (k + O::value(0, 4 * lane)) / kI8Block,
                       4);
    if constexpr (X::kBiased) __builtin_memcpy(out + X::kStart, start, sizeof start);
  }
}

// Rows of the largest tile, and columns of one with so many.
template <class V>
struct TileShape {
  static constexpr int kRows = V::kQuantizedRows;
  // One row waits for W alone: from more places at once.
  static constexpr int columns(int rows) {
    return rows == 1 ? 2 * V::kQuantizedColumns : V::kQuantizedColumns;
  }
};

// i4: the even values of a step, and the odd ones.
template <class V>
struct I4Operands : TileShape<V> {
  static constexpr int kStep = 2 * V::kBytes;
  static constexpr bool kScaled = true;      // x has scales in a step
  static constexpr int kUnit = 2 * kI8Unit;  // values of W that share a scale at least
  static constexpr int kBias = V::kBiasI4;
  static constexpr int value(int vector, int byte) { return 2 * byte + vector; }
  using X = Packed<V, 2>;
  struct W {
    typename V::Bytes even, odd;
  };
  static constexpr int64_t kXBytes = X::kSize;
  static int64_t w_bytes(int64_t k) { return k / 2; }
  static X load_x(const char *p) { return X::load(p); }
  static W halves(typename V::Bytes q) { return W{V::even_i4(q), V::odd_i4(q)}; }
  static W load_w(const uint8_t *p) { return halves(V::load_bytes(p)); }
  static W load_w_n(const uint8_t *p, int n) { return halves(V::load_bytes_n(p, (n + 1) / 2)); }
  static typename V::F dot(const X &x, const W &w) {
    return V::to_float(V::dot_i4(x.start, w.even, x.q[0], w.odd, x.q[1]));
  }
};

// i8 with groups of any number of units.
template <class V>
struct I8Operands : TileShape<V> {
  static constexpr int kStep = V::kBytes;
  static constexpr bool kScaled = true;
  static constexpr int kUnit = kI8Unit;
  static constexpr int kBias = V::kBiasI8;
  static constexpr int value(int, int byte) { return byte; }
  using X = Packed<V, 1>;
  using W = typename V::Bytes;
  static constexpr int64_t kXBytes = X::kSize;
  static int64_t w_bytes(int64_t k) { return k; }
  static X load_x(const char *p) { return X::load(p); }
  static W load_w(const uint8_t *p) { return V::weights_i8(V::load_bytes(p)); }
  static W load_w_n(const uint8_t *p, int n) { return V::weights_i8(V::load_bytes_n(p, n)); }
  static typename V::F dot(const X &x, W w) { return V::to_float(V::dot_i8(x.start, w, x.q[0])); }
};

// i8 with groups of whole blocks: their halves, so that twice as many products meet in a lane.
template <class V>
struct I8BlockOperands : TileShape<V> {
  static constexpr int kStep = 2 * V::kBytes;
  static constexpr bool kScaled = true;
  static constexpr int kUnit = 2 * kI8Unit;
  static constexpr int kBias = V::kBiasI8;
  static constexpr int value(int vector, int byte) {
    return byte / kI8Unit * kI8Block + vector * kI8Unit + byte % kI8Unit;
  }
  using X = Packed<V, 2>;
  struct W {
    typename V::Bytes first, second;
  };
  static constexpr int64_t kXBytes = X::kSize;
  static int64_t w_bytes(int64_t k) { return k; }
  static X load_x(const char *p) { return X::load(p); }
  static W halves(typename V::Bytes a, typename V::Bytes b) {
    return W{V::weights_i8(V::first_halves(a, b)), V::weights_i8(V::second_halves(a, b))};
  }
  static W load_w(const uint8_t *p) {
    return halves(V::load_bytes(p), V::load_bytes(p + V::kBytes));
  }
  static W load_w_n(const uint8_t *p, int n) {
    return halves(V::load_bytes_n(p, n), V::load_bytes_n(p + V::kBytes, n - V::kBytes));
  }
  static typename V::F dot(const X &x, const W &w) {
    return V::to_float(V::dot_i8(V::dot_i8(x.start, w.first, x.q[0]), w.second, x.q[1]));
  }
};

// f8 as fp32.
template <class V>
struct F8Operands : TileShape<V> {
  static constexpr int kStep = V::kLanes;
  static constexpr bool kScaled = false;
  using X = typename V::F;
  using W = typename V::F;
  static constexpr int64_t kXBytes = kStep * 4;
  static int64_t w_bytes(int64_t k) { return k; }
  static X load_x(const char *p) { return V::load(reinterpret_cast<const float *>(p)); }
  static W load_w(const uint8_t *p) { return V::load_f8(p); }
  static W load_w_n(const uint8_t *p, int n) { return V::load_f8_n(p, n); }
  static typename V::F multiply(X x, W w, typename V::F sum) { return V::fma(x, w, sum); }
};

// f8 as bf16: the even values of a step, and the odd ones.
template <class V>
struct F8PairOperands {
  // More rows for what it costs to look up W.
  static constexpr int kRows = 2 * V::kQuantizedRows;
  static constexpr int columns(int rows) {
    return rows == kRows ? V::kQuantizedColumns / 2 : TileShape<V>::columns(rows);
  }
  static constexpr int kStep = V::kBytes;
  static constexpr bool kScaled = false;
  struct X {
    typename V::Pair even, odd;
  };
  using W = X;
  static constexpr int64_t kXBytes = kStep * 2;
  static int64_t w_bytes(int64_t k) { return k; }
  static X load_x(const char *p) {
    const auto *x = reinterpret_cast<const uint16_t *>(p);
    return X{V::load_pair(x), V::load_pair(x + kStep / 2)};
  }
  static W halves(typename V::Bytes q) { return W{V::even_f8(q), V::odd_f8(q)}; }
  static W load_w(const uint8_t *p) { return halves(V::load_bytes(p)); }
  static W load_w_n(const uint8_t *p, int n) { return halves(V::load_bytes_n(p, n)); }
  static typename V::F multiply(const X &x, const W &w, typename V::F sum) {
    return V::dot(V::dot(sum, x.even, w.even), x.odd, w.odd);
  }
};

// sum + x w for a step of depth, in each lane.
template <class V, class O>
inline typename V::F add_product(const typename O::X &x, const typename O::W &w,
                                 typename V::F sum) {
  if constexpr (O::kScaled)
    return V::fma(O::dot(x, w), x.scale, sum);
  else
    return O::multiply(x, w, sum);
}

// Packs n values, a multiple of 64, of x in fp32.
inline void pack_f32(const float *x, int64_t n, char *out) {
  __builtin_memcpy(out, x, static_cast<size_t>(n) * sizeof *x);
}

template <class V>
void pack_pairs(const float *x, int64_t n, char *out) {
  constexpr int64_t kHalf = F8PairOperands<V>::kStep / 2;
  auto *to = reinterpret_cast<uint16_t *>(out);
  for (int64_t k = 0; k < n; k += 2 * kHalf)
    for (int64_t i = 0; i < kHalf; i++) {
      to[k + i] = f32_to_bf16(x[k + 2 * i]);
      to[k + kHalf + i] = f32_to_bf16(x[k + 2 * i + 1]);
    }
}

// ---- scales ----

// n scales of `dtype` from number `first` on.
template <class V>
void widen_scales(const char *scale, int32_t dtype, int64_t first, int64_t n, float *out) {
  if (dtype == LL4_F32) {
    std::copy_n(reinterpret_cast<const float *>(scale) + first, n, out);
    return;
  }
  const auto *half = reinterpret_cast<const uint16_t *>(scale) + first;
  int64_t i = 0;
  if (dtype == LL4_BF16) {
    for (; i + V::kLanes <= n; i += V::kLanes) V::store(out + i, V::load(half + i));
    for (; i < n; i++) out[i] = bf16_to_f32(half[i]);
  } else {
    for (; i + V::kLanes <= n; i += V::kLanes) V::store(out + i, V::load_f16(half + i));
    for (; i < n; i++) out[i] = f16_to_f32(half[i]);
  }
}

// The scales of a panel of depth for a row of W: one a group, or one a unit of `unit` values, with
// zeros where a vector reads beyond depth.
struct PanelScales {
  float of[kScalePanel / kI8Unit + 4];

  template <class V>
  void load_groups(const QuantizedBlock &b, int64_t row, int64_t k, int64_t end) {
    const int64_t first = k / b.group, count = (end - 1) / b.group + 1 - first;
    widen_scales<V>(b.scale, b.scale_dtype, row * b.groups + first, count, of);
    std::fill_n(of + count, 4, 0.0f);
  }

  template <class V>
  void load_units(const QuantizedBlock &b, int64_t row, int64_t k, int64_t end, int64_t unit) {
    if (b.group == unit) return load_groups<V>(b, row, k, end);
    PanelScales groups;
    groups.load_groups<V>(b, row, k, end);
    int64_t count = 0;
    for (int64_t at = k; at < end; at += unit) of[count++] = groups.of[at / b.group - k / b.group];
    std::fill_n(of + count, 4, 0.0f);
  }
};

// ---- tiles ----

// R rows of x by C of W, from `row` and `column` on.
template <class V, class O, int R, int C>
struct QuantizedTile {
  using F = typename V::F;
  struct Sums {
    F of[R][C];
  };

  const QuantizedBlock &b;
  int64_t row, column;

  // Calls body(r, c, x, w) for the products of a step of depth, of which the last has n values.
  template <bool kLast, class Body>
  inline __attribute__((always_inline)) void step(const char *x, const uint8_t *w, int n,
                                                  Body body) const {
    typename O::W factor[C];
    for (int c = 0; c < C; c++, w += b.ldw) {
      if constexpr (!kLast) {
        for (int64_t line = 0; line < O::w_bytes(O::kStep); line += 64)
          __builtin_prefetch(w + C * b.ldw + line, 0, 2);
      }
      factor[c] = kLast ? O::load_w_n(w, n) : O::load_w(w);
    }
    for (int r = 0; r < R; r++, x += b.ldx) {
      const typename O::X a = O::load_x(x);
      for (int c = 0; c < C; c++) body(r, c, a, factor[c]);
    }
  }

  // The products of depth `first` to `end`; calls before() ahead of each step.
  template <class Before, class Body>
  inline __attribute__((always_inline)) void steps(int64_t first, int64_t end, Before before,
                                                   Body body) const {
    const char *x = static_cast<const char *>(b.x) + row * b.ldx + first / O::kStep * O::kXBytes;
    const uint8_t *w = b.w + column * b.ldw + O::w_bytes(first);
    int64_t k = first;
    for (; k + O::kStep <= end; k += O::kStep, x += O::kXBytes, w += O::w_bytes(O::kStep)) {
      before();
      step<false>(x, w, O::kStep, body);
    }
    if (k < end) {
      before();
      step<true>(x, w, static_cast<int>(end - k), body);
    }
  }

  // Adds a panel's products where groups fill steps.
  void panel_of_groups(int64_t first, int64_t end, Sums &sums) const {
    PanelScales scales[C];
    for (int c = 0; c < C; c++) scales[c].template load_groups<V>(b, column + c, first, end);
    const int64_t first_group = first / b.group;
    int64_t group = first_group;
    for (int64_t k = first; k < end; group++) {
      const int64_t stop = std::min(end, (group + 1) * b.group);
      Sums sum;
      for (int r = 0; r < R; r++)
        for (int c = 0; c < C; c++) sum.of[r][c] = V::zero();
      steps(
          k, stop, [] {},
          [&](int r, int c, const typename O::X &x, const typename O::W &w) {
            sum.of[r][c] = add_product<V, O>(x, w, sum.of[r][c]);
          });
      F scale[C];
      for (int c = 0; c < C; c++) scale[c] = V::set1(scales[c].of[group - first_group]);
      for (int r = 0; r < R; r++) {
        const bool each = b.x_scales > 1;
        const F by = V::set1(each ? b.x_scale[(row + r) * b.x_scales + group] : 1);
        for (int c = 0; c < C; c++) {
          const F product = each ? V::mul(scale[c], by) : scale[c];
          sums.of[r][c] = V::fma(sum.of[r][c], product, sums.of[r][c]);
        }
      }
      k = stop;
    }
  }

  // The same where a step is a group, or has units of several.
  template <int kUnit>
  void panel_of_units(int64_t first, int64_t end, Sums &sums) const {
    PanelScales scales[C];
    for (int c = 0; c < C; c++) scales[c].template load_units<V>(b, column + c, first, end, kUnit);
    F scale[C];
    int64_t unit = 0;
    steps(
        first, end,
        [&] {
          for (int c = 0; c < C; c++) {
            const float *of = scales[c].of + unit;
            scale[c] = kUnit == O::kStep ? V::set1(*of) : V::spread(of);
          }
          unit += O::kStep / kUnit;
        },
        [&](int r, int c, const typename O::X &x, const typename O::W &w) {
          sums.of[r][c] = V::fma(O::dot(x, w), V::mul(x.scale, scale[c]), sums.of[r][c]);
        });
  }

  // Adds all products, in units of kUnit values, or for 0 in groups.
  template <int kUnit>
  void add(Sums &sums) const {
    for (int64_t k = 0; k < b.depth; k += kScalePanel) {
      const int64_t end = std::min(b.depth, k + kScalePanel);
      if constexpr (kUnit > 0)
        panel_of_units<kUnit>(k, end, sums);
      else
        panel_of_groups(k, end, sums);
    }
  }

  void finish(const Sums &sums) const {
    for (int r = 0; r < R; r++) {
      const float by = b.x_scale && b.x_scales == 1 ? b.x_scale[row + r] : 1;
      for (int c = 0; c < C; c++)
        b.out[(row + r) * b.ldo + column + c] = V::sum(sums.of[r][c]) * by;
    }
  }
};

// R rows by columns from `column` on, C at a time.
template <class V, class O, int kUnit, int R, int C>
void quantized_columns(const QuantizedBlock &b, int64_t row, int64_t column) {
  for (; column + C <= b.columns; column += C) {
    const QuantizedTile<V, O, R, C> tile{b, row, column};
    typename QuantizedTile<V, O, R, C>::Sums sums;
    for (int r = 0; r < R; r++)
      for (int c = 0; c < C; c++) sums.of[r][c] = V::zero();
    tile.template add<kUnit>(sums);
    tile.finish(sums);
  }
  if constexpr (C > 1) {
    if (column < b.columns) quantized_columns<V, O, kUnit, R, 1>(b, row, column);
  }
}

// Rows from `row` on, R at a time, each time all of W: a few rows of x stay where they are near.
template <class V, class O, int kUnit, int R>
void quantized_rows(const QuantizedBlock &b, int64_t row) {
  constexpr int C = O::columns(R);
  for (; row + R <= b.rows; row += R) quantized_columns<V, O, kUnit, R, C>(b, row, 0);
  if constexpr (R > 1) {
    if (row < b.rows) quantized_rows<V, O, kUnit, R / 2>(b, row);
  }
}

template <class V, class O>
void dot_quantized(const QuantizedBlock &block) {
  QuantizedBlock b = block;
  if (b.groups == 1) b.group = kWholeGroup;
  if constexpr (O::kScaled) {
    if (b.group == O::kStep) return quantized_rows<V, O, O::kStep, O::kRows>(b, 0);
    if (b.group % O::kStep != 0) return quantized_rows<V, O, O::kUnit, O::kRows>(b, 0);
  }
  quantized_rows<V, O, 0, O::kRows>(b, 0);
}

template <class V, class O>
QuantizedKernel i8_kernel() {
  return QuantizedKernel{dot_quantized<V, O>, O::kUnit, kPackedValues / O::kStep * O::kXBytes,
                         pack_i8<V, O>, nullptr};
}

template <class V, class O>
QuantizedKernel f8_kernel(void (*pack)(const float *, int64_t, char *)) {
  return QuantizedKernel{dot_quantized<V, O>, kF8Group, kPackedValues / O::kStep * O::kXBytes,
                         nullptr, pack};
}

}  // namespace
}  // namespace ll4::cpu
