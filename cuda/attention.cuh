// attention: FlashAttention-2 over the paged cache, one template for prefill and decode.
//
// Tile       A block has kRows rows of queries, which are the pairs (token, query head) of one KV
//            head with the head running fastest, and walks the 64-key blocks that some row sees.
//            Warps lie along the rows, 16 or 32 each: with 32 they read keys from shared memory
//            half as often. With few rows (decode) four warps take 16 keys of a block each, with a
//            softmax of their own, and are merged at the end.
// Products   mma.m16n8k16: K and V come by ldmatrix (V transposed), and the exponentials, rounded
//            to bf16, are operand A where they are. Queries stay in registers with 16 rows a warp.
//            Head dimensions are padded to a multiple of 32 with zeros that are not read.
// Softmax    In base 2 with fp32 sums, the scale folded into the exponent's one fma. A NaN among a
//            row's scores makes the row NaN.
// Pipeline   A ring of kStages key blocks filled by cp.async, one barrier a block. The page table
//            is read one block before the addresses are needed.
// Quantized  Key blocks of f8 and i4 travel through the ring as they are stored, with their scales.
//            Before it is used a block becomes bf16, which has every number of theirs, at a second
//            barrier: once a block of threads and not once a warp. The scale of a key is multiplied
//            into its scores, that of a value into its weights before these are rounded.
// Shared     Rows of 16-byte chunks, swizzled so that ldmatrix and cp.async meet no bank conflict.
// Masks      With chunks, key blocks before the chunk are not visited. Only warps whose rows do not
//            all see all of a block's keys run the code that masks: with bidirectional, in the last
//            block alone.
// Splits     The keys of a tile may be shared by several blocks; attention_combine.cuh merges them.
// Values     K and V are read as 0 outside the keys that some row of the tile sees, so nothing in
//            other slots of a page matters. Inside, a masked key counts as exp(-inf) = 0, and a
//            value that is not finite makes NaN of the rows of its tile that do not see it, too.
#pragma once

#include "attention_work.cuh"

namespace ll4::cuda {

// ---- a warp's rows ----
//
// Of scores and sums a lane holds, in each tile of 16 rows, elements 2 (lane % 4) and the next one
// of every 8: of row lane / 4 in [0] and [1], of row lane / 4 + 8 in [2] and [3].

// The keys that all and that any of a warp's rows see, [low, high].
struct Visible {
  int32_t all_low, all_high, any_low, any_high;
};

template <class Tile>
struct RowSums {
  float values[Tile::kDim / 8][4];
  float largest[2], weights[2];  // a lane's share of the weights
};

__device__ __forceinline__ Visible find_visible(const AttentionParams &p, const AttentionWork &w,
                                                int32_t first_row, int32_t rows) {
  const int32_t end = least(first_row + rows, w.rows);
  if (first_row >= end) return {0, -1, -1, -1};
  const int32_t first = last_visible(p, w, first_row), last = last_visible(p, w, end - 1);
  return {first_visible(p, last), first, first_visible(p, first), last};
}

template <class Tile>
__device__ __forceinline__ void multiply_keys(const Chunk *queries, int tile_row,
                                              const typename Tile::Queries &kept, const Chunk *k,
                                              int first_row, typename Tile::Scores &scores) {
  const int chunk =
      Tile::at(lane_id() % 8 + lane_id() / 16 * 8, lane_id() / 8 % 2) + first_row * Tile::kChunks;
  const int query_chunk = Tile::at(opaque(tile_row + lane_id() % 16), lane_id() / 16);
#pragma unroll
  for (int t = 0; t < Tile::kWarpTiles; t++)
#pragma unroll
    for (int n = 0; n < Tile::kStepKeys / 8; n++)
#pragma unroll
      for (int e = 0; e < 4; e++) scores[t][n][e] = 0.0f;
#pragma unroll
  for (int d = 0; d < Tile::kDim / 16; d++) {
    uint32_t q[Tile::kWarpTiles][4];
#pragma unroll
    for (int t = 0; t < Tile::kWarpTiles; t++) {
      if constexpr (Tile::kKeepsQueries) {
#pragma unroll
        for (int i = 0; i < 4; i++) q[t][i] = kept[d][i];
      } else {
        load_matrix(q[t], Tile::further(queries + 16 * t * Tile::kChunks, query_chunk, d));
      }
    }
#pragma unroll
    for (int n = 0; n < Tile::kStepKeys / 16; n++) {
      uint32_t b[4];
      load_matrix(b, Tile::further(k, chunk, d) + 16 * n * Tile::kChunks);
#pragma unroll
      for (int t = 0; t < Tile::kWarpTiles; t++) {
        mma_bf16(scores[t][2 * n], q[t], {b[0], b[1]});
        mma_bf16(scores[t][2 * n + 1], q[t], {b[2], b[3]});
      }
    }
  }
}

// `warp_row` is the first of the warp's rows. What a row sees is not kept: registers are short.
template <class Tile>
__device__ __forceinline__ void mask_scores(const AttentionParams &p, const AttentionWork &w,
                                            int32_t warp_row, int32_t first_key,
                                            typename Tile::Scores &scores) {
  const int32_t key = first_key + lane_id() % 4 * 2;
#pragma unroll
  for (int i = 0; i < 2 * Tile::kWarpTiles; i++) {
    const int32_t row = least(warp_row + lane_id() / 4 + 8 * i, w.rows - 1);
    const int32_t high = last_visible(p, w, row), low = first_visible(p, high);
#pragma unroll
    for (int n = 0; n < Tile::kStepKeys / 8; n++)
#pragma unroll
      for (int e = 0; e < 2; e++) {
        const int32_t j = key + 8 * n + e;
        if (j < low || j > high) scores[i / 2][n][i % 2 * 2 + e] = minus_infinity();
      }
  }
}

// Multiplies what belongs to a key by its scale. With kMasked a weight of 0 stays so: the scale of
// a value that a row does not see may be no number.
template <class Tile, bool kMasked>
__device__ __forceinline__ void scale_keys(const float *scales, typename Tile::Scores &x) {
#pragma unroll
  for (int n = 0; n < Tile::kStepKeys / 8; n++) {
    const auto pair = *reinterpret_cast<const Vec<float, 2> *>(scales + 8 * n + lane_id() % 4 * 2);
#pragma unroll
    for (int t = 0; t < Tile::kWarpTiles; t++)
#pragma unroll
      for (int e = 0; e < 4; e++)
        x[t][n][e] = kMasked && x[t][n][e] == 0.0f ? 0.0f : x[t][n][e] * pair.at[e % 2];
  }
}

// Scores become weights; earlier sums shrink where a row has a new largest score.
template <class Tile>
__device__ __forceinline__ void softmax(float scale, float (&scores)[Tile::kStepKeys / 8][4],
                                        RowSums<Tile> &a) {
  constexpr int tiles = Tile::kStepKeys / 8;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int e = 2 * half;
    float largest = fmaxf(scores[0][e], scores[0][e + 1]);
#pragma unroll
    for (int n = 1; n < tiles; n++) largest = fmaxf(largest, fmaxf(scores[n][e], scores[n][e + 1]));
    largest = fmaxf(largest, shuffle_xor(largest, 1));
    largest = fmaxf(largest, shuffle_xor(largest, 2));
    largest = fmaxf(a.largest[half], largest * scale);
    const float from = reference(largest);
    const float shrink = exp2_fast(a.largest[half] - from);
    a.largest[half] = largest;
    a.weights[half] *= shrink;
#pragma unroll
    for (int n = 0; n < tiles; n++) {
      scores[n][e] = exp2_fast(fmaf(scores[n][e], scale, -from));
      scores[n][e + 1] = exp2_fast(fmaf(scores[n][e + 1], scale, -from));
      a.weights[half] += scores[n][e] + scores[n][e + 1];
    }
#pragma unroll
    for (int n = 0; n < Tile::kDim / 8; n++) a.values[n][e] *= shrink, a.values[n][e + 1] *= shrink;
  }
}

template <class Tile>
__device__ __forceinline__ void multiply_values(const typename Tile::Scores &weights,
                                                const Chunk *v, int first_row,
                                                RowSums<Tile> (&a)[Tile::kWarpTiles]) {
  const int chunk = Tile::at(lane_id() % 16, lane_id() / 16) + first_row * Tile::kChunks;
#pragma unroll
  for (int n = 0; n < Tile::kStepKeys / 16; n++) {
    uint32_t w[Tile::kWarpTiles][4];
#pragma unroll
    for (int t = 0; t < Tile::kWarpTiles; t++)
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const float(&pair)[4] = weights[t][2 * n + i / 2];
        w[t][i] = pack_bf16(pair[2 * (i % 2)], pair[2 * (i % 2) + 1]);
      }
#pragma unroll
    for (int d = 0; d < Tile::kDim / 16; d++) {
      uint32_t b[4];
      load_matrix_transposed(b, Tile::further(v, chunk, d) + 16 * n * Tile::kChunks);
#pragma unroll
      for (int t = 0; t < Tile::kWarpTiles; t++) {
        mma_bf16(a[t].values[2 * d], w[t], {b[0], b[1]});
        mma_bf16(a[t].values[2 * d + 1], w[t], {b[2], b[3]});
      }
    }
  }
}

// kStepKeys keys from `first_key` on, which are rows `key_row` on of the ring's bf16.
template <class Tile, bool kMasked>
__device__ __forceinline__ void attend(const AttentionParams &p, const typename Tile::Shared &s,
                                       int tile_row, int32_t first_key, int key_row,
                                       const typename Tile::Queries &kept,
                                       RowSums<Tile> (&a)[Tile::kWarpTiles]) {
  typename Tile::Scores scores;
  multiply_keys<Tile>(s.q, tile_row, kept, s.ring.k[0], key_row, scores);
  if constexpr (Tile::kQuantized) scale_keys<Tile, false>(s.ring.k_scale + key_row, scores);
  if constexpr (kMasked)
    mask_scores<Tile>(p, s.work, s.work.first_row + tile_row, first_key, scores);
#pragma unroll
  for (int t = 0; t < Tile::kWarpTiles; t++) softmax<Tile>(p.scale, scores[t], a[t]);
  if constexpr (Tile::kQuantized) scale_keys<Tile, kMasked>(s.ring.v_scale + key_row, scores);
  multiply_values<Tile>(scores, s.ring.v[0], key_row, a);
}

// ---- results ----

// A split without keys: no weight.
template <class Tile>
__device__ __forceinline__ void store_nothing(const AttentionParams &p, const AttentionWork &w) {
  const int32_t row = w.first_row + thread_id();
  if (thread_id() < Tile::kRows && row < w.rows)
    p.partial_softmax[token_head(p, w, row) * p.splits + w.split] =
        together(minus_infinity(), 0.0f);
}

// Rows of one warp each: from its registers to the partial results, or through shared memory to
// out.
template <class Tile>
__device__ __forceinline__ void store_rows(const AttentionParams &p, const AttentionWork &w,
                                           int tile_row, RowSums<Tile> &a, Chunk *room) {
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int r = tile_row + lane_id() / 4 + 8 * half, e = 2 * half;
    const float weights = warp_reduce<4>(a.weights[half], Sum());
    if (p.splits == 1) {
      const float inverse = 1.0f / weights;
#pragma unroll
      for (int n = 0; n < Tile::kDim / 8; n++)
        room[Tile::at(r, n)].at[lane_id() % 4] =
            pack_bf16(a.values[n][e] * inverse, a.values[n][e + 1] * inverse);
    } else if (w.first_row + r < w.rows) {
      const int64_t to = token_head(p, w, w.first_row + r) * p.splits + w.split;
      if (lane_id() % 4 == 0) p.partial_softmax[to] = together(a.largest[half], weights);
      auto *sums = reinterpret_cast<Vec<float, 2> *>(p.partial + to * Tile::kDim);
#pragma unroll
      for (int n = 0; n < Tile::kDim / 8; n++)
        sums[4 * n + lane_id() % 4] = together(a.values[n][e], a.values[n][e + 1]);
    }
  }
}

template <class Tile>
__device__ __forceinline__ void copy_out(const AttentionParams &p, const AttentionWork &w,
                                         const Chunk *room) {
  for (int i = thread_id(); i < Tile::kRows * Tile::kChunks; i += Tile::kThreads) {
    const int r = i / Tile::kChunks, column = i % Tile::kChunks * 8;
    if (w.first_row + r >= w.rows || column >= p.head_dim) continue;
    const Chunk chunk = room[Tile::at(r, column / 8)];
    bf16 *to = p.out + token_head(p, w, w.first_row + r) * p.head_dim + column;
    if constexpr (Tile::kVectors) {
      *reinterpret_cast<Chunk *>(to) = chunk;
    } else {
#pragma unroll
      for (int j = 0; j < 8; j++)
        if (column + j < p.head_dim)
          to[j].bits = static_cast<uint16_t>(chunk.at[j / 2] >> 16 * (j % 2));
    }
  }
}

// The same 16 rows of all warps: merged through shared memory.
template <class Tile>
__device__ __forceinline__ void merge_rows(const AttentionParams &p, const AttentionWork &w,
                                           RowSums<Tile> &a,
                                           float (&merge)[Tile::kKeyWarps][16][Tile::kDim + 8]) {
  constexpr int warps = Tile::kKeyWarps, quads = Tile::kDim / 4;
  sync_threads();  // nobody reads keys any more
#pragma unroll
  for (int half = 0; half < 2; half++) {
    float *to = merge[warp_id()][lane_id() / 4 + 8 * half];
    const float weights = warp_reduce<4>(a.weights[half], Sum());
#pragma unroll
    for (int n = 0; n < Tile::kDim / 8; n++)
      *reinterpret_cast<Vec<float, 2> *>(to + 8 * n + lane_id() % 4 * 2) =
          together(a.values[n][2 * half], a.values[n][2 * half + 1]);
    if (lane_id() % 4 == 0) to[Tile::kDim] = a.largest[half], to[Tile::kDim + 1] = weights;
  }
  sync_threads();
  for (int i = thread_id(); i < least(16, w.rows - w.first_row) * quads; i += Tile::kThreads) {
    const int r = i / quads, column = i % quads * 4;
    float largest = merge[0][r][Tile::kDim];
#pragma unroll
    for (int n = 1; n < warps; n++) largest = fmaxf(largest, merge[n][r][Tile::kDim]);
    float weights = 0.0f;
    Vec<float, 4> sums{};
#pragma unroll
    for (int n = 0; n < warps; n++) {
      const float shrink = exp2_fast(merge[n][r][Tile::kDim] - reference(largest));
      const auto part = *reinterpret_cast<const Vec<float, 4> *>(&merge[n][r][column]);
      weights = fmaf(merge[n][r][Tile::kDim + 1], shrink, weights);
#pragma unroll
      for (int j = 0; j < 4; j++) sums.at[j] = fmaf(part.at[j], shrink, sums.at[j]);
    }
    const int64_t row = token_head(p, w, w.first_row + r);
    if (p.splits > 1) {
      const int64_t to = row * p.splits + w.split;
      if (column == 0) p.partial_softmax[to] = together(largest, weights);
      *reinterpret_cast<Vec<float, 4> *>(p.partial + to * Tile::kDim + column) = sums;
    } else if (column < p.head_dim) {
      const float inverse = 1.0f / weights;
      *reinterpret_cast<Vec<uint32_t, 2> *>(p.out + row * p.head_dim + column) =
          together(pack_bf16(sums.at[0] * inverse, sums.at[1] * inverse),
                   pack_bf16(sums.at[2] * inverse, sums.at[3] * inverse));
    }
  }
}

// ---- the kernel ----

// Turns the signs of the queries that this thread has loaded, for a scale below 0.
template <class Tile>
__device__ __forceinline__ void negate_queries(Chunk *q) {
  copy_async_wait<0>();
  each_chunk<Tile, Tile::kRows>([&](int, int, int at) {
#pragma unroll
    for (int i = 0; i < 4; i++) q[at].at[i] ^= 0x80008000u;
  });
}

// The addresses of the first blocks' keys, and the blocks themselves but the last of the ring.
template <class Tile>
__device__ __forceinline__ void fill_pipeline(const AttentionParams &p, const AttentionWork &w,
                                              typename Tile::Shared &s) {
  for (int i = thread_id(); i < Tile::kStages * kKeys; i += Tile::kThreads) {
    const int32_t key = w.block_begin * kKeys + i;
    if (key < w.block_end * kKeys)
      s.offset[i / kKeys][i % kKeys] = key_offset<Tile>(p, w, key, key_entry(p, w, key));
  }
  load_queries<Tile>(p, w, s.q);
  sync_threads();
#pragma unroll
  for (int i = 0; i < Tile::kStages - 1; i++) {
    if (w.block_begin + i < w.block_end) load_keys<Tile>(p, s, i);
    copy_async_commit();
  }
  if (p.negate) negate_queries<Tile>(s.q);
}

template <class Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    attention_kernel(const __grid_constant__ AttentionParams p) {
  auto &s = shared_memory<typename Tile::Shared>();
  {
    AttentionWork work;
    if (!find_work<Tile>(p, &work)) return;
    if (work.block_begin >= work.block_end) {
      store_nothing<Tile>(p, work);
      return;
    }
    if (thread_id() == 0) s.work = work;
  }
  sync_threads();
  const AttentionWork &w = s.work;
  const int tile_row = warp_id() % Tile::kRowWarps * 16 * Tile::kWarpTiles;
  const int warp_key = warp_id() / Tile::kRowWarps * Tile::kWarpKeys;
  fill_pipeline<Tile>(p, w, s);
  const Visible visible = find_visible(p, w, w.first_row + tile_row, 16 * Tile::kWarpTiles);
  typename Tile::Queries kept;
  if constexpr (Tile::kKeepsQueries) {
    copy_async_wait<Tile::kStages - 2>();
    sync_threads();
    const int query_chunk = Tile::at(tile_row + lane_id() % 16, lane_id() / 16);
#pragma unroll
    for (int d = 0; d < Tile::kDim / 16; d++)
      load_matrix(kept[d], Tile::further(s.q, query_chunk, d));
  }
  RowSums<Tile> a[Tile::kWarpTiles]{};
#pragma unroll
  for (int t = 0; t < Tile::kWarpTiles; t++) a[t].largest[0] = a[t].largest[1] = minus_infinity();

  int stage = 0;
#pragma unroll 1
  for (int32_t block = w.block_begin, end = w.block_end; block < end; block++) {
    copy_async_wait<Tile::kStages - 2>();
    sync_threads();
    const int previous = stage == 0 ? Tile::kStages - 1 : stage - 1;
    if (block + Tile::kStages - 1 < end) load_keys<Tile>(p, s, previous);
    copy_async_commit();
    const int32_t ahead = (block + Tile::kStages) * kKeys + thread_id();
    const bool looks_up = thread_id() < kKeys && block + Tile::kStages < end;
    const int32_t entry = looks_up ? key_entry(p, w, ahead) : -1;
    if constexpr (Tile::kQuantized) {
      widen_keys<Tile>(s.ring, stage);
      sync_threads();
    }

#pragma unroll 1
    for (int step = warp_key; step < warp_key + Tile::kWarpKeys; step += Tile::kStepKeys) {
      const int32_t first = block * kKeys + step, last = first + Tile::kStepKeys - 1;
      const int row = (Tile::kQuantized ? 0 : stage * kKeys) + step;
      if (first >= visible.all_low && last <= visible.all_high)
        attend<Tile, false>(p, s, tile_row, first, row, kept, a);
      else if (first <= visible.any_high && last >= visible.any_low)
        attend<Tile, true>(p, s, tile_row, first, row, kept, a);
    }

    if (looks_up) s.offset[stage][thread_id()] = key_offset<Tile>(p, w, ahead, entry);
    stage = stage + 1 == Tile::kStages ? 0 : stage + 1;
  }
  copy_async_wait<0>();

  if constexpr (Tile::kKeyWarps > 1) {
    static_assert(Tile::kVectors && Tile::kRows == 16, "merged rows are stored 8 bytes at a time");
    merge_rows<Tile>(p, w, a[0], s.merge);
  } else {
    sync_threads();  // nobody reads queries any more
#pragma unroll
    for (int t = 0; t < Tile::kWarpTiles; t++) store_rows<Tile>(p, w, tile_row + 16 * t, a[t], s.q);
    if (p.splits > 1) return;
    sync_threads();
    copy_out<Tile>(p, w, s.q);
  }
}

// ---- launches ----

template <class Tile>
void run_attention(Stream &stream, const AttentionParams &p) {
  const int64_t blocks = int64_t{p.tiles} * p.splits * p.pages.heads;
  launch(stream, "attention", attention_kernel<Tile>, dim3(static_cast<unsigned>(blocks)),
         Tile::kThreads, sizeof(typename Tile::Shared), p);
}

// The variant for head dimensions up to kDim and tiles of `rows` rows.
template <int kDim>
void launch_attention(Stream &stream, const AttentionParams &p, int64_t rows, bool vectors) {
  // As many bytes on their way whatever the head dimension.
  constexpr int kDecodeStages = kDim <= 32 ? 4 : kDim <= 64 ? 3 : 2;
  if (!vectors)
    run_attention<AttentionTile<kDim, 64, 1, 1, 2, false, 2>>(stream, p);
  else if (rows == 16)
    run_attention<AttentionTile<kDim, 16, 1, 4, kDecodeStages, true, 2>>(stream, p);
  else if (rows == 64)
    run_attention<AttentionTile<kDim, 64, 1, 1, 2, true, 2>>(stream, p);
  else if (rows == 128)
    run_attention<AttentionTile<kDim, 128, 1, 1, 2, true, 1>>(stream, p);
  else
    run_attention<AttentionTile<kDim, 256, 2, 1, 2, true, 1>>(stream, p);
}

// The same for a cache of numbers of kBits. Of its tiles there are fewer.
template <int kBits, int kDim>
void launch_quantized_attention(Stream &stream, const AttentionParams &p, int64_t rows,
                                bool vectors) {
  // Of i4 and of short rows more blocks make as many bytes.
  constexpr int kDecodeStages = kDim * kBits >= 1024 ? 2 : 4;
  if (!vectors)
    run_attention<QuantizedAttentionTile<kBits, kDim, 64, 1, 2, false, 2>>(stream, p);
  else if (rows == 16)
    run_attention<QuantizedAttentionTile<kBits, kDim, 16, 4, kDecodeStages, true, 2>>(stream, p);
  else if (rows == 64)
    run_attention<QuantizedAttentionTile<kBits, kDim, 64, 1, 2, true, 2>>(stream, p);
  else
    run_attention<QuantizedAttentionTile<kBits, kDim, 128, 1, 2, true, 1>>(stream, p);
}

extern template void launch_attention<32>(Stream &, const AttentionParams &, int64_t, bool);
extern template void launch_attention<64>(Stream &, const AttentionParams &, int64_t, bool);
extern template void launch_attention<96>(Stream &, const AttentionParams &, int64_t, bool);
extern template void launch_attention<128>(Stream &, const AttentionParams &, int64_t, bool);
extern template void launch_quantized_attention<8, 64>(Stream &, const AttentionParams &, int64_t,
                                                       bool);
extern template void launch_quantized_attention<8, 128>(Stream &, const AttentionParams &, int64_t,
                                                        bool);
extern template void launch_quantized_attention<4, 64>(Stream &, const AttentionParams &, int64_t,
                                                       bool);
extern template void launch_quantized_attention<4, 128>(Stream &, const AttentionParams &, int64_t,
                                                        bool);

}  // namespace ll4::cuda
