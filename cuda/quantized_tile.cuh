// A tile of x W^T for W of fewer bits: tile.cuh's, with other stages and fragments.
//
// W lies in memory as it was stored, row by row, and is not brought into another order when it is
// loaded: a product does not depend on the order in which its depth is added up, as long as x and W
// agree on it. So a lane of an mma, to which the instruction gives certain places of the depth,
// puts there what it can read at once, of x and W alike. ldmatrix hands a lane the four bytes of a
// row that stand at its quarter of 16: four i8, neighbours at 4 c of 16 for the lane c of four, or
// eight i4 at 8 c of 32. As pairs of bf16, in order, they are fragments of one or two mma. x is
// read accordingly: the same 8 or 16 bytes of a row by each lane, from a stage whose swizzle keeps
// these loads free of bank conflicts. e4m3 is multiplied as it is, in ldmatrix's own order.
//
// A warp takes steps of 32 or 64 of the depth. It makes all fragments of W of a step, and goes
// through its rows sixteen at a time: sums of kPromote of the depth are in fp32, then multiplied by
// the group's scale and added to the results in fp32, so that few of them are on the way at once.
// Lane i keeps the scale and the offset of column i of its warp, fetched a step ahead, and hands
// them over by shuffles. An offset is added as its product with the sum of x over the group, which
// comes from an mma with ones.
//
// Shared memory is kStages of both operands. Rows of both are whole chunks of 16 bytes.
#pragma once

#include "quantized.cuh"
#include "tile.cuh"

namespace ll4::cuda {

template <int index>
struct QuantizedTile
    : Tile<plan::kQuantizedTiles[index].rows, plan::kQuantizedTiles[index].columns,
           plan::kQuantizedTiles[index].depth, plan::kQuantizedTiles[index].warp_rows,
           plan::kQuantizedTiles[index].warp_columns, plan::kQuantizedTiles[index].stages> {
  // For the compiler: 255 registers a thread. With the largest tile all of them are taken by one.
  static constexpr int kBlocks = 256 / QuantizedTile::kThreads;
  static constexpr bool kPersistent = QuantizedTile::kWarpTile < 64 * 32;
};

// The depth that a format's load_x and load_w are called for: kMmas products.
constexpr int kLoadDepth = 32;

// Where chunks of x stand that lanes read by themselves: eight lanes 16 bytes each of two rows, or
// sixteen lanes 8 bytes each of four.
template <int chunks>
struct Quartered {
  static_assert(chunks % 8 == 0, "a row is whole lines of 128 bytes");
  static __device__ __forceinline__ int at(int row, int chunk) {
    return row * chunks + (chunk ^ (row % 2 * 4 + (row & 2)));
  }
};

template <class T, class F>
struct QuantizedStages {
  static constexpr int kXChunks = T::kDepth * F::kActivationBits / 128;
  static constexpr int kWChunks = T::kDepth * F::kBits / 128;
  using XPlaces = typename F::template XPlaces<kXChunks>;
  using X = Rows<T, T::kRows, true, kXChunks, XPlaces>;
  using W = Rows<T, T::kColumns, true, kWChunks>;
  using Shared = TileShared<T, X, W>;
  static_assert(sizeof(Shared) ==
                    plan::quantized_shared_bytes({T::kRows, T::kColumns, T::kDepth, T::kWarpRows,
                                                  T::kWarpColumns, T::kStages},
                                                 F::kActivationBits, F::kBits),
                "as planned");
};

// The words of 32 columns from `column` on that are chunk `chunk` of a row.
template <int chunks>
__device__ __forceinline__ void load_words(uint32_t (&out)[4], const Chunk *stage, int column,
                                           int chunk) {
  load_matrix(out, stage + swizzled<chunks>(column + lane_id(), chunk));
}

// ---- formats: fragments of kLoadDepth, `load` is its number in the stage ----

// Numbers that are multiplied as bf16.
struct ByBf16 {
  static constexpr int kMmas = 2;
  template <int chunks>
  using XPlaces = Quartered<chunks>;

  static __device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&x)[4],
                                                  const uint32_t (&w)[2]) {
    mma_bf16(d, x, w);
  }
};

template <int promote>
struct Int4Tile : Int4, ByBf16 {
  static constexpr int kPromote = promote;

  template <class S>
  static __device__ __forceinline__ void load_x(uint32_t (&out)[2][4], const Chunk *stage, int row,
                                                int load) {
    row += lane_id() / 4;
    const int chunk = 4 * load + lane_id() % 4;
    const Chunk upper = stage[S::XPlaces::at(row, chunk)];
    const Chunk lower = stage[S::XPlaces::at(row + 8, chunk)];
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
      for (int i = 0; i < 2; i++) {
        out[m][2 * i] = upper.at[2 * m + i];
        out[m][2 * i + 1] = lower.at[2 * m + i];
      }
  }
  template <class S>
  static __device__ __forceinline__ void load_w(uint32_t (&out)[2][4][2], const Chunk *stage,
                                                int column, int load) {
    uint32_t words[4];
    load_words<S::kWChunks>(words, stage, column, load);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      uint32_t pairs[4];
      i4_pairs(words[j], pairs);
#pragma unroll
      for (int i = 0; i < 4; i++) out[i / 2][j][i % 2] = pairs[i];
    }
  }
};

// Numbers of a byte.
template <class Number, int promote>
struct ByteTile : Number, ByBf16 {
  static constexpr int kPromote = promote;

  template <class S>
  static __device__ __forceinline__ void load_x(uint32_t (&out)[2][4], const Chunk *stage, int row,
                                                int load) {
    row += lane_id() / 4;
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int chunk = 4 * load + 2 * m + lane_id() % 4 / 2;
        const Chunk *from = stage + S::XPlaces::at(row + 8 * half, chunk);
        const Vec<uint32_t, 2> two =
            reinterpret_cast<const Vec<uint32_t, 2> *>(from)[lane_id() % 2];
        out[m][half] = two.at[0];
        out[m][half + 2] = two.at[1];
      }
  }
  template <class S>
  static __device__ __forceinline__ void load_w(uint32_t (&out)[2][4][2], const Chunk *stage,
                                                int column, int load) {
#pragma unroll
    for (int m = 0; m < 2; m++) {
      uint32_t words[4];
      load_words<S::kWChunks>(words, stage, column, 2 * load + m);
#pragma unroll
      for (int j = 0; j < 4; j++) Number::pairs(words[j], out[m][j]);
    }
  }
};

// e4m3 times e4m3.
struct Float8Tile : Float8 {
  static constexpr int kPromote = 32, kMmas = 1;
  template <int chunks>
  using XPlaces = Swizzled<chunks>;

  template <class S>
  static __device__ __forceinline__ void load_x(uint32_t (&out)[1][4], const Chunk *stage, int row,
                                                int load) {
    row += lane_id() % 16;
    load_matrix(out[0], stage + S::XPlaces::at(row, 2 * load + lane_id() / 16));
  }
  template <class S>
  static __device__ __forceinline__ void load_w(uint32_t (&out)[1][4][2], const Chunk *stage,
                                                int column, int load) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      uint32_t words[4];
      load_words<S::kWChunks>(words, stage, column, 2 * load + half);
#pragma unroll
      for (int j = 0; j < 4; j++) out[0][j][half] = words[j];
    }
  }
  static __device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&x)[4],
                                                  const uint32_t (&w)[2]) {
    mma_f8(d, x, w);
  }
};

// ---- scales ----

// Counts groups along the depth, kPromote at a time; the last one has no end.
template <int promote>
class GroupCount {
 public:
  __device__ __forceinline__ GroupCount(int64_t group, int64_t groups)
      : units_(group / promote < (1 << 30) ? static_cast<int>(group / promote) : 1 << 30),
        last_(static_cast<int>(groups) - 1) {}
  __device__ __forceinline__ int group() const { return group_; }
  __device__ __forceinline__ void next() {
    if (++unit_ < units_) return;
    unit_ = 0;
    if (group_ < last_) group_++;
  }

 private:
  int units_, last_, unit_ = 0, group_ = 0;
};

template <class F>
constexpr int step_depth = F::kPromote > kLoadDepth ? F::kPromote : kLoadDepth;
// Times that sums are promoted in a step.
template <class F>
constexpr int step_groups = step_depth<F> / F::kPromote;

// Hands over what lanes have for columns, each for one, to those that have sums of them in
// sums[][j].
__device__ __forceinline__ void from_lanes(float mine, int j, float (&out)[2]) {
#pragma unroll
  for (int e = 0; e < 2; e++) out[e] = shuffle(mine, 8 * j + lane_id() % 4 * 2 + e);
}

// Scales and offsets of a warp's columns, step by step.
template <class T, class F>
class ColumnScales {
 public:
  // `row` is the first row of the matrix in w.
  __device__ __forceinline__ ColumnScales(const QuantizedWeight &w, int64_t row, Columns columns)
      : weight_(w), count_(w.group, w.groups) {
    static_assert(T::kWarpColumns == kWarp, "a column a lane");
    const int column = warp_id() % T::kWarpsAcross * T::kWarpColumns + lane_id();
    present_ = columns.output(column) < columns.end;
    first_ = present_ ? (row + columns.weight(column)) * w.groups : 0;
    fetch();
  }
  __device__ __forceinline__ bool offsets() const { return F::kOffsets && weight_.offset.data; }
  // Goes to the next step, and has the one after it on its way. All lanes call it together.
  __device__ __forceinline__ void next() {
    if (!changes_) return skip();
#pragma unroll
    for (int u = 0; u < step_groups<F>; u++) {
      offset_[u] = next_offset_[u];
#pragma unroll
      for (int j = 0; j < T::kAcross; j++) from_lanes(next_scale_[u], j, scale_[u][j]);
    }
    skip();
  }
  // Of sums[][j] in part u of the step.
  __device__ __forceinline__ const float (&scale(int u, int j) const)[2] { return scale_[u][j]; }
  // This lane's column's.
  __device__ __forceinline__ float offset(int u) const { return offset_[u]; }

 private:
  __device__ __forceinline__ void skip() {
    const int before = count_.group();
    count_.next();
    changes_ = step_groups<F> > 1 || count_.group() != before;
    if (changes_) fetch();
  }
  __device__ __forceinline__ void fetch() {
#pragma unroll
    for (int u = 0; u < step_groups<F>; u++) {
      const int64_t at = first_ + count_.group();
      next_scale_[u] = present_ ? weight_.scale.load(at) : 0.0f;
      next_offset_[u] = offsets() && present_ ? weight_.offset.load(at) : 0.0f;
      if (u + 1 < step_groups<F>) count_.next();
    }
  }
  const QuantizedWeight &weight_;
  GroupCount<F::kPromote> count_;  // of the next step, at its end
  int64_t first_;
  bool present_, changes_ = true;
  float next_scale_[step_groups<F>], next_offset_[step_groups<F>];
  float scale_[step_groups<F>][T::kAcross][2], offset_[step_groups<F>];
};

// Reads scales of a warp's rows of x: of a group as those of columns, or one for all of the depth.
template <class T, class F>
class RowScales {
 public:
  static constexpr bool kF8 = F::kActivationBits == 8;
  struct Lane {
    float scale[(T::kWarpRows + kWarp - 1) / kWarp];
  };

  // The product's rows `first` to `end` are the tile's.
  __device__ __forceinline__ RowScales(const F8Rows &x, const QuantizedWeight &w, int64_t first,
                                       int64_t end)
      : x_(x), count_(w.group, w.groups), first_(first), end_(end) {
    if (grouped()) fetch();
  }
  __device__ __forceinline__ bool grouped() const { return kF8 && x_.groups > 1; }
  __device__ __forceinline__ Lane next() {
    const Lane now = next_;
    if (grouped()) fetch();
    return now;
  }
  // Multiplies sums of 16 rows from 16 i on by their scales. All lanes ask together.
  static __device__ __forceinline__ void multiply(const Lane &lane, int i,
                                                  float (&sums)[T::kAcross][4]) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = 16 * i + 8 * half + lane_id() / 4;
      const float scale = shuffle(lane.scale[16 * i / kWarp], row % kWarp);
#pragma unroll
      for (int j = 0; j < T::kAcross; j++) {
        sums[j][2 * half] *= scale;
        sums[j][2 * half + 1] *= scale;
      }
    }
  }
  // Multiplies results by the scales of rows that have one each.
  __device__ __forceinline__ void finish(typename T::Sums &sums) const {
    if (!kF8 || grouped()) return;
    each_row<T>([&](int r, int, int i, int half) {
      const int64_t row = first_ + r;
      const float scale = row < end_ ? x_.scale[row] : 0.0f;
#pragma unroll
      for (int j = 0; j < T::kAcross; j++) {
        sums[i][j][2 * half] *= scale;
        sums[i][j][2 * half + 1] *= scale;
      }
    });
  }

 private:
  __device__ __forceinline__ void fetch() {
    const int64_t mine = first_ + warp_id() / T::kWarpsAcross * T::kWarpRows + lane_id();
#pragma unroll
    for (int i = 0; i * kWarp < T::kWarpRows; i++) {
      const int64_t row = mine + kWarp * i;
      next_.scale[i] = row < end_ ? x_.scale[row * x_.groups + count_.group()] : 0.0f;
    }
    count_.next();
  }
  const F8Rows &x_;
  GroupCount<F::kPromote> count_;
  int64_t first_, end_;
  Lane next_ = {};
};

// ---- the product ----

// Adds sums of sixteen rows in part u of a step to the results; they are zeros then. `x_sum` is the
// sum of x of what they are of.
template <class T, class F>
__device__ __forceinline__ void promote(const ColumnScales<T, F> &columns, int u,
                                        float (&partial)[T::kAcross][4], float (&x_sum)[4],
                                        float (&sums)[T::kAcross][4]) {
#pragma unroll
  for (int j = 0; j < T::kAcross; j++)
#pragma unroll
    for (int e = 0; e < 4; e++) {
      sums[j][e] += columns.scale(u, j)[e % 2] * partial[j][e];
      partial[j][e] = 0.0f;
    }
  if (!columns.offsets()) return;
#pragma unroll
  for (int j = 0; j < T::kAcross; j++) {
    float offset[2];
    from_lanes(columns.offset(u), j, offset);
#pragma unroll
    for (int e = 0; e < 4; e++) sums[j][e] += offset[e % 2] * x_sum[e];
  }
#pragma unroll
  for (int e = 0; e < 4; e++) x_sum[e] = 0.0f;
}

// Step number `step` of a stage.
template <class T, class F>
__device__ __forceinline__ void multiply_step(const Chunk *x_stage, const Chunk *w_stage, int step,
                                              ColumnScales<T, F> &columns, RowScales<T, F> &rows,
                                              typename T::Sums &sums) {
  using Stages = QuantizedStages<T, F>;
  constexpr int kLoads = step_depth<F> / kLoadDepth, kMmaDepth = kLoadDepth / F::kMmas;
  const int row = warp_id() / T::kWarpsAcross * T::kWarpRows;
  uint32_t w[kLoads][F::kMmas][4][2];
#pragma unroll
  for (int l = 0; l < kLoads; l++)
    F::template load_w<Stages>(w[l], w_stage, warp_id() % T::kWarpsAcross * T::kWarpColumns,
                               kLoads * step + l);
  columns.next();
  const typename RowScales<T, F>::Lane lane_rows = rows.next();
#pragma unroll
  for (int i = 0; i < T::kDown; i++) {
    float partial[T::kAcross][4] = {}, x_sum[4] = {};
#pragma unroll
    for (int l = 0; l < kLoads; l++) {
      uint32_t x[F::kMmas][4];
      F::template load_x<Stages>(x, x_stage, row + 16 * i, kLoads * step + l);
#pragma unroll
      for (int m = 0; m < F::kMmas; m++) {
#pragma unroll
        for (int j = 0; j < T::kAcross; j++) F::multiply(partial[j], x[m], w[l][m][j]);
        if (columns.offsets()) {
          const uint32_t ones[2] = {0x3f803f80u, 0x3f803f80u};
          mma_bf16(x_sum, x[m], ones);
        }
        const int depth = kLoadDepth * l + kMmaDepth * (m + 1);
        if (depth % F::kPromote != 0) continue;
        if (rows.grouped()) RowScales<T, F>::multiply(lane_rows, i, partial);
        promote<T, F>(columns, depth / F::kPromote - 1, partial, x_sum, sums[i]);
      }
    }
  }
}

// sums = x W^T of the block's tile. The block may use its shared memory again afterwards.
template <class T, class F>
__device__ __forceinline__ void multiply_quantized(typename QuantizedStages<T, F>::Shared &s,
                                                   typename QuantizedStages<T, F>::X x,
                                                   typename QuantizedStages<T, F>::W w,
                                                   ColumnScales<T, F> columns, RowScales<T, F> rows,
                                                   int64_t depth, typename T::Sums &sums) {
  static_assert(T::kAcross == 4, "a warp has 32 columns");
#pragma unroll
  for (int i = 0; i < T::kDown; i++)
#pragma unroll
    for (int j = 0; j < T::kAcross; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) sums[i][j][e] = 0.0f;
  const int steps = static_cast<int>(ceil_div(depth, T::kDepth));
#pragma unroll
  for (int stage = 0; stage < T::kStages - 1; stage++) {
    if (stage < steps) {
      x.fetch(s.x[stage]);
      w.fetch(s.w[stage]);
    }
    copy_async_commit();
  }
  int reading = 0, writing = T::kStages - 1;
#pragma unroll 1
  for (int step = 0; step < steps; step++) {
    copy_async_wait<T::kStages - 2>();
    sync_threads();
    // The stage that all warps have left at this barrier.
    if (step + T::kStages - 1 < steps) {
      x.fetch(s.x[writing]);
      w.fetch(s.w[writing]);
    }
    copy_async_commit();
    writing = writing + 1 == T::kStages ? 0 : writing + 1;
#pragma unroll
    for (int i = 0; i < T::kDepth / step_depth<F>; i++)
      multiply_step<T, F>(s.x[reading], s.w[reading], i, columns, rows, sums);
    reading = reading + 1 == T::kStages ? 0 : reading + 1;
  }
  rows.finish(sums);
  copy_async_wait<0>();
  sync_threads();
}

}  // namespace ll4::cuda
