// What a block of attention has to do, what it keeps in shared memory, and how it loads that.
#pragma once

#include "../csrc/plan/attention.h"
#include "common/reduce.cuh"
#include "pages.cuh"

namespace ll4::cuda {

struct AttentionParams {
  BatchView batch;
  PageView pages;
  Divisor page_size, group, chunk;
  Divisor key_rows;  // rows that see the same keys: of a token, or with bidirectional all
  const bf16 *q;
  const void *k, *v;  // of bf16, f8 or i4
  bf16 *out;
  float *partial;                  // [T, Hq, splits, kDim]: sums of values
  Vec<float, 2> *partial_softmax;  // [T, Hq, splits]: the largest score and the sum of weights
  int32_t heads, head_dim;
  bool chunked, negate;  // negate: q counts as -q
  bool bidirectional;
  int32_t tiles, splits;  // of a KV head in all sequences, and of a tile's keys
  bool one_tile;          // a sequence has one
  float scale;            // positive, of scores in base 2
  Fault *fault;
  // Of a quantized cache.
  const float *k_scale, *v_scale;  // [P, Hkv, page_size]
  int32_t row_bytes;
};

constexpr int kKeys = static_cast<int>(plan::kKeyBlock);

// What a block computes.
struct AttentionWork {
  Span span;
  int32_t sequence, kv_head, split;
  int32_t first_row, rows;         // of the sequence's pairs; rows ends the sequence, not the tile
  int32_t last_key;                // that the sequence's first row sees
  int32_t key_begin, key_end;      // what some row sees
  int32_t block_begin, block_end;  // key blocks of this split
};

template <int dim, int rows, int warp_tiles, int key_warps, int stages, bool vectors, int blocks>
struct AttentionTile {
  static constexpr int kDim = dim, kRows = rows, kKeyWarps = key_warps, kStages = stages;
  static constexpr bool kVectors = vectors, kQuantized = false;
  static constexpr int kBlocks = blocks;         // on a multiprocessor, for the compiler
  static constexpr int kWarpTiles = warp_tiles;  // of 16 rows
  static constexpr int kRowWarps = rows / (16 * warp_tiles);
  static constexpr int kThreads = kRowWarps * key_warps * kWarp;
  static constexpr int kChunks = dim / 8;
  static constexpr int kWarpKeys = kKeys / key_warps;
  // Keys whose scores a warp has at a time: half of them where registers would not do for all.
  static constexpr int kStepKeys = warp_tiles * dim > 128 ? kWarpKeys / 2 : kWarpKeys;
  static constexpr bool kKeepsQueries = warp_tiles == 1;  // in registers
  static_assert(kThreads >= kKeys, "a thread a key looks pages up");

  struct Ring {
    Chunk k[stages][kKeys * kChunks], v[stages][kKeys * kChunks];
  };
  struct alignas(128) Shared {
    Chunk q[rows * kChunks];  // at last the results
    union {
      Ring ring;
      float merge[key_warps][16][dim + 8];  // sums; then the largest score and the sum of weights
    };
    int64_t offset[stages][kKeys];  // of a key's row in k and v; negative: read as 0
    AttentionWork work;             // here, as registers are short
  };
  static_assert(sizeof(Shared) == plan::attention_shared_bytes(rows, dim, stages));

  // Where chunk `c` of row `r` lies: eight rows' chunks of one index are in different banks.
  static __device__ __forceinline__ int at(int r, int c) {
    return r * kChunks + (kChunks % 8 == 0 ? c ^ (r & 7) : c ^ (r >> 1 & 3));
  }

  // `chunk` as at() gave it, and 2 d chunks further in its row. One instruction where that is the
  // stage's business, so that no address is kept in a register.
  static __device__ __forceinline__ const Chunk *further(const Chunk *from, int chunk, int d) {
    const int flipped = kChunks % 8 == 0 ? 2 * d : 2 * d & 2;
    const auto *bytes = reinterpret_cast<const unsigned char *>(from);
    return reinterpret_cast<const Chunk *>(bytes + (chunk * 16 ^ flipped * 16)) + (2 * d - flipped);
  }

  using Queries = uint32_t[kKeepsQueries ? dim / 16 : 1][4];
  using Scores = float[warp_tiles][kStepKeys / 8][4];
};

// The tile of a quantized cache: key blocks travel as they are stored, and become bf16 in shared
// memory one at a time.
template <int bits, int dim, int rows, int key_warps, int stages, bool vectors, int blocks>
struct QuantizedAttentionTile : AttentionTile<dim, rows, 1, key_warps, stages, vectors, blocks> {
  static constexpr bool kQuantized = true;
  static constexpr int kBits = bits;
  static constexpr int kWidth = 16 / bits;          // chunks of bf16 that one of the cache becomes
  static constexpr int kStored = dim / 8 / kWidth;  // chunks of a stored row
  static_assert(dim % 64 == 0, "eight lanes' stores meet no bank conflict");

  struct Stage {
    Chunk k[kKeys * kStored], v[kKeys * kStored];  // as each_stored orders them
    float k_scale[kKeys], v_scale[kKeys];
  };
  struct Ring {
    Chunk k[1][kKeys * dim / 8], v[1][kKeys * dim / 8];
    float k_scale[kKeys], v_scale[kKeys];
    Stage stage[stages];
  };
  struct alignas(128) Shared {
    Chunk q[rows * dim / 8];  // at last the results
    union {
      Ring ring;
      float merge[key_warps][16][dim + 8];
    };
    int64_t offset[stages][kKeys];  // the row's number in the cache; negative: read as 0
    AttentionWork work;
  };
  static_assert(sizeof(Shared) == plan::attention_shared_bytes(rows, dim, stages, bits));
};

__device__ __forceinline__ int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }

template <class T, class... Rest>
__device__ __forceinline__ Vec<T, 1 + sizeof...(Rest)> together(T first, Rest... rest) {
  const T all[] = {first, rest...};
  Vec<T, 1 + sizeof...(Rest)> v;
#pragma unroll
  for (int i = 0; i < 1 + static_cast<int>(sizeof...(Rest)); i++) v.at[i] = all[i];
  return v;
}

__device__ __forceinline__ float minus_infinity() { return as_float(0xff800000u); }

// The exponent that the exponentials of a row are relative to; 0 while nothing was seen.
__device__ __forceinline__ float reference(float largest) {
  return largest == minus_infinity() ? 0.0f : largest;
}

__device__ __forceinline__ int32_t first_visible(const AttentionParams &p, int32_t position) {
  return p.chunked ? p.chunk.divide(position) * p.chunk.divisor() : 0;
}

// The last key that a row sees.
__device__ __forceinline__ int32_t last_visible(const AttentionParams &p, const AttentionWork &w,
                                                int32_t row) {
  return w.last_key + p.key_rows.divide(row);
}

// The row of q and out, [T, Hq], for a row of the sequence.
__device__ __forceinline__ int64_t token_head(const AttentionParams &p, const AttentionWork &w,
                                              int32_t row) {
  const int32_t token = p.group.divide(row), group = p.group.divisor();
  return int64_t{w.span.start + token} * p.heads + w.kv_head * group + (row - token * group);
}

// The first of the tiles set aside for a sequence: one more than whole tiles of rows before it for
// each sequence before it, so that every sequence has enough and all together few too many.
template <class Tile>
__device__ __forceinline__ int64_t first_tile(const AttentionParams &p, int32_t sequence) {
  return int64_t{p.batch.seq_start[sequence]} * p.group.divisor() / Tile::kRows + sequence;
}

// False when this block has nothing to do. Long tiles come first, those of a KV head together.
template <class Tile>
__device__ __forceinline__ bool find_work(const AttentionParams &p, AttentionWork *w) {
  if (block_id().x == 0) check_spans(p.batch, p.pages, p.fault);
  uint32_t at = block_id().x;
  const auto take = [&](int32_t n) {
    const uint32_t whole = at / static_cast<uint32_t>(n);
    const uint32_t rest = at - whole * static_cast<uint32_t>(n);
    at = whole;
    return static_cast<int32_t>(rest);
  };
  const int32_t tile = p.tiles - 1 - take(p.tiles);
  w->split = take(p.splits);
  w->kv_head = static_cast<int32_t>(at);
  w->sequence = p.one_tile ? tile : last_sequence(p.batch, [&](int32_t b) {
    return first_tile<Tile>(p, b) <= tile;
  });
  if (!find_span(p.batch, p.pages, w->sequence, p.fault, &w->span)) return false;
  w->rows = w->span.tokens * p.group.divisor();
  const int64_t first_row =
      p.one_tile ? 0 : (tile - first_tile<Tile>(p, w->sequence)) * Tile::kRows;
  if (first_row < 0 || first_row >= w->rows) return false;
  w->first_row = static_cast<int32_t>(first_row);
  w->last_key = w->span.past + (p.bidirectional ? w->span.tokens - 1 : 0);
  const int32_t end_row = least(w->first_row + Tile::kRows, w->rows);
  w->key_begin = first_visible(p, last_visible(p, *w, w->first_row));
  w->key_end = last_visible(p, *w, end_row - 1) + 1;
  const int32_t first = w->key_begin / kKeys, end = (w->key_end - 1) / kKeys + 1;
  const int32_t share = (end - first + p.splits - 1) / p.splits;
  w->block_begin = least(first + w->split * share, end);
  w->block_end = least(w->block_begin + share, end);
  return true;
}

// ---- memory ----

// Elements [column, column + 8) of the row at `offset`; what lies outside of it is 0.
template <bool kVectors>
__device__ __forceinline__ void load_chunk(Chunk *to, const bf16 *from, int64_t offset, int column,
                                           int head_dim) {
  if constexpr (kVectors) {
    const bool there = offset >= 0 && column < head_dim;
    copy_async(to, there ? from + offset + column : from, there ? 16 : 0);
  } else {
    const auto element = [&](int c) -> uint32_t {
      return offset >= 0 && c < head_dim ? from[offset + c].bits : 0;
    };
    Chunk chunk;
#pragma unroll
    for (int i = 0; i < 4; i++)
      chunk.at[i] = element(column + 2 * i) | element(column + 2 * i + 1) << 16;
    *to = chunk;
  }
}

__device__ __forceinline__ bool is_seen(const AttentionWork &w, int32_t key) {
  return key >= w.key_begin && key < w.key_end;
}

__device__ __forceinline__ int32_t key_entry(const AttentionParams &p, const AttentionWork &w,
                                             int32_t key) {
  if (!is_seen(w, key)) return -1;
  return page_entry(p.pages, p.page_size, w.sequence, w.span.first_page, key);
}

template <class Tile>
__device__ __forceinline__ int64_t key_offset(const AttentionParams &p, const AttentionWork &w,
                                              int32_t key, int32_t entry) {
  if (!is_seen(w, key)) return -1;
  const int64_t row = cache_row(p.pages, p.page_size, entry, w.sequence, w.kv_head, key, p.fault);
  return Tile::kQuantized ? row : row * p.head_dim;
}

// Calls body(row, chunk of the row, where that lies) for a thread's share of `rows` rows.
template <class Tile, int rows, class Body>
__device__ __forceinline__ void each_chunk(Body body) {
  constexpr int n = rows * Tile::kChunks, step = Tile::kThreads / Tile::kChunks;
  if constexpr (Tile::kThreads % Tile::kChunks == 0 && step % 8 == 0) {
    const int thread = opaque(thread_id());
    const int r = thread / Tile::kChunks, c = thread % Tile::kChunks, first = Tile::at(r, c);
#pragma unroll
    for (int i = 0; i < rows; i += step)
      if (rows % step == 0 || r + i < rows) body(r + i, c, first + i * Tile::kChunks);
  } else {
#pragma unroll
    for (int i = 0; i < n; i += Tile::kThreads) {
      const int r = (i + thread_id()) / Tile::kChunks, c = (i + thread_id()) % Tile::kChunks;
      if (n % Tile::kThreads == 0 || r < rows) body(r, c, Tile::at(r, c));
    }
  }
}

template <class Tile>
__device__ __forceinline__ void load_queries(const AttentionParams &p, const AttentionWork &w,
                                             Chunk *q) {
  each_chunk<Tile, Tile::kRows>([&](int r, int c, int to) {
    const int32_t row = w.first_row + r;
    const int64_t offset = row < w.rows ? token_head(p, w, row) * p.head_dim : -1;
    load_chunk<Tile::kVectors>(q + to, p.q, offset, 8 * c, p.head_dim);
  });
}

// ---- a quantized cache ----

// Calls body(where it lies in the stage, row, chunk of the row) for a thread's share of a key
// block's stored chunks. Eight lanes have a few rows' neighbouring chunks, so that their chunks of
// bf16 are in different banks.
template <class Tile, class Body>
__device__ __forceinline__ void each_stored(Body body) {
  constexpr int n = kKeys * Tile::kStored, across = 8 / Tile::kWidth, down = 8 / across;
  constexpr int wide = Tile::kStored / across;
#pragma unroll
  for (int first = 0; first < n; first += Tile::kThreads) {
    const int i = first + thread_id(), rest = i / 8;
    if (n % Tile::kThreads == 0 || i < n)
      body(i, rest / wide * down + i % 8 / across, rest % wide * across + i % across);
  }
}

// Bytes [16 c, 16 c + 16) of row `row`; what lies outside of it is 0.
template <bool kVectors>
__device__ __forceinline__ void load_stored_chunk(Chunk *to, const void *cache, int64_t row, int c,
                                                  int32_t row_bytes) {
  const auto *from = static_cast<const uint8_t *>(cache) + (row < 0 ? 0 : row) * row_bytes;
  if constexpr (kVectors) {
    const bool there = row >= 0 && 16 * c < row_bytes;
    copy_async(to, there ? from + 16 * c : from, there ? 16 : 0);
  } else {
    Chunk chunk{};
#pragma unroll
    for (int i = 0; i < 16; i++)
      if (row >= 0 && 16 * c + i < row_bytes)
        chunk.at[i / 4] |= static_cast<uint32_t>(from[16 * c + i]) << 8 * (i % 4);
    *to = chunk;
  }
}

template <class Tile>
__device__ __forceinline__ void load_stored(const AttentionParams &p, const int64_t *rows,
                                            typename Tile::Stage &stage) {
  each_stored<Tile>([&](int to, int r, int c) {
    load_stored_chunk<Tile::kVectors>(stage.k + to, p.k, rows[r], c, p.row_bytes);
    load_stored_chunk<Tile::kVectors>(stage.v + to, p.v, rows[r], c, p.row_bytes);
  });
  if (thread_id() < kKeys) {
    const int64_t row = rows[thread_id()], from = row < 0 ? 0 : row;
    copy_async_word(&stage.k_scale[thread_id()], p.k_scale + from, row < 0 ? 0 : 4);
    copy_async_word(&stage.v_scale[thread_id()], p.v_scale + from, row < 0 ? 0 : 4);
  }
}

// A chunk as it is stored becomes chunks of bf16, which has every number of f8 and i4.
template <class Tile>
__device__ __forceinline__ void widen_chunk(const Chunk &stored, Chunk (&wide)[Tile::kWidth]) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
    if constexpr (Tile::kBits == 8) {
      uint32_t pairs[2];
      f8_pairs(stored.at[i], pairs);
      wide[i / 2].at[i % 2 * 2] = pairs[0];
      wide[i / 2].at[i % 2 * 2 + 1] = pairs[1];
    } else {
      uint32_t pairs[4];
      i4_pairs(stored.at[i], pairs);
#pragma unroll
      for (int j = 0; j < 4; j++) wide[i].at[j] = pairs[j];
    }
  }
}

// The key block of a stage, as every thread has read its own share of it.
template <class Tile>
__device__ __forceinline__ void widen_keys(typename Tile::Ring &ring, int stage) {
  const typename Tile::Stage &from = ring.stage[stage];
  const auto widen = [](const Chunk &stored, Chunk *to, int r, int c) {
    Chunk wide[Tile::kWidth];
    widen_chunk<Tile>(stored, wide);
#pragma unroll
    for (int i = 0; i < Tile::kWidth; i++) to[Tile::at(r, Tile::kWidth * c + i)] = wide[i];
  };
  each_stored<Tile>([&](int i, int r, int c) {
    widen(from.k[i], ring.k[0], r, c);
    widen(from.v[i], ring.v[0], r, c);
  });
  if (thread_id() < kKeys) {
    ring.k_scale[thread_id()] = from.k_scale[thread_id()];
    ring.v_scale[thread_id()] = from.v_scale[thread_id()];
  }
}

// Starts reading the key block whose rows are in `stage`'s offsets.
template <class Tile>
__device__ __forceinline__ void load_keys(const AttentionParams &p, typename Tile::Shared &s,
                                          int stage) {
  if constexpr (Tile::kQuantized) {
    load_stored<Tile>(p, s.offset[stage], s.ring.stage[stage]);
  } else {
    Chunk *k = s.ring.k[stage], *v = s.ring.v[stage];
    const int64_t *offsets = s.offset[stage];
    each_chunk<Tile, kKeys>([&](int r, int c, int to) {
      const int64_t offset = offsets[r];
      load_chunk<Tile::kVectors>(k + to, static_cast<const bf16 *>(p.k), offset, 8 * c, p.head_dim);
      load_chunk<Tile::kVectors>(v + to, static_cast<const bf16 *>(p.v), offset, 8 * c, p.head_dim);
    });
  }
}

}  // namespace ll4::cuda
