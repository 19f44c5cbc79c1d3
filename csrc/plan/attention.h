// How attention is cut into blocks of a GPU: rows of a query tile, and over how many blocks the
// keys of a tile are split. Made from bounds only, so that device memory need not be read back.
#pragma once

#include <algorithm>
#include <cstdint>

#include "blocks.h"

namespace ll4::plan {

constexpr int64_t kKeyBlock = 64;
// Fewer key blocks than this are not worth a second kernel.
constexpr int64_t kFewKeyBlocks = 4;
constexpr int64_t kMostSplits = 128;
// Partial results are kept below this: a bound on the context may be far above any real one.
constexpr int64_t kMostPartialBytes = int64_t{256} << 20;

// What a block keeps in shared memory: its queries, a ring of key blocks, where these come from,
// and what it is to do. Key blocks of a cache with fewer than 16 bits have scales, and beside the
// ring there is room for one as bf16.
constexpr int64_t attention_shared_bytes(int64_t rows, int64_t padded_dim, int64_t stages,
                                         int64_t cache_bits = 16) {
  const int64_t numbers = 2 * kKeyBlock * padded_dim, scales = 2 * kKeyBlock * 4;
  const int64_t rest = rows * padded_dim * 2 + stages * kKeyBlock * 8 + 128;
  if (cache_bits == 16) return rest + stages * numbers * 2;
  return rest + numbers * 2 + scales + stages * (numbers * cache_bits / 8 + scales);
}

struct AttentionSizes {
  int64_t tokens, max_new, max_context, chunk, sequences;
  int64_t heads, kv_heads, padded_dim;
  bool vectors;                           // 16 bytes at a time
  int64_t multiprocessors, shared_bytes;  // that a block may have
  int64_t cache_bits = 16;                // of a number of the cache
};

struct AttentionPlan {
  int64_t rows;        // of a tile: 16, 64, 128 or, with a cache of bf16, 256
  bool one_tile;       // a sequence has one
  int64_t tiles;       // of all sequences and a KV head; some may have no rows
  int64_t splits;      // of a tile's keys
  int64_t key_blocks;  // that a tile sees at most
};

// The fewest splits whose last wave of blocks is nearly as full as with the best number: `blocks`
// is without splits, `slots` is how many run at once.
inline int64_t attention_splits(int64_t blocks, int64_t slots, int64_t key_blocks,
                                int64_t most_splits) {
  if (key_blocks < kFewKeyBlocks || 5 * blocks >= 4 * slots) return 1;
  const int64_t most = std::min({key_blocks, kMostSplits, most_splits});
  // Blocks of work done a slot and wave.
  const auto efficiency = [&](int64_t splits) {
    const double waves = static_cast<double>(blocks * splits) / static_cast<double>(slots);
    return waves / static_cast<double>(plan::blocks(blocks * splits, slots));
  };
  // More splits that leave the longest as long as it was help nobody.
  const auto shorter = [&](int64_t splits) {
    return splits == 1 || plan::blocks(key_blocks, splits) < plan::blocks(key_blocks, splits - 1);
  };
  double best = 0;
  for (int64_t n = 1; n <= most; n++)
    if (shorter(n)) best = std::max(best, efficiency(n));
  for (int64_t n = 1; n <= most; n++)
    if (shorter(n) && efficiency(n) >= 0.85 * best) return n;
  return 1;
}

// Tiles of `rows` rows for all sequences and a KV head: a sequence that does not fit one has those
// from (its first row in [T, group]) / rows + its number on.
inline int64_t attention_tiles(const AttentionSizes &s, int64_t rows) {
  const int64_t group = s.heads / s.kv_heads;
  return s.max_new * group <= rows ? s.sequences : s.tokens * group / rows + s.sequences;
}

// The tile with which all is done soonest. A wave of blocks takes the longer the larger its tiles,
// but less so than they are larger: a warp with more rows reads keys from shared memory less often.
// Costs are of the kernels' cycles.
inline int64_t attention_rows(const AttentionSizes &s) {
  if (!s.vectors) return 64;
  if (s.max_new * (s.heads / s.kv_heads) <= 16) return 16;
  struct Tile {
    int64_t rows, blocks;  // that a multiprocessor runs at once
    double alone, full;    // what a wave costs with a block on each, and with all of them
  };
  constexpr Tile kTiles[] = {{256, 1, 1.0, 1.0}, {128, 1, 0.7, 0.7}, {64, 2, 0.5, 0.8}};
  int64_t best = 64;
  double least = 0;
  for (const Tile &tile : kTiles) {
    if (tile.rows == 256 && s.cache_bits < 16) continue;  // such a cache has no tile of these
    if (attention_shared_bytes(tile.rows, s.padded_dim, 2, s.cache_bits) > s.shared_bytes) continue;
    const int64_t count = attention_tiles(s, tile.rows) * s.kv_heads;
    const double waves = static_cast<double>(blocks(count, s.multiprocessors * tile.blocks));
    const double cost = count <= s.multiprocessors ? tile.alone : waves * tile.full;
    if (least == 0 || cost < least) best = tile.rows, least = cost;
  }
  return best;
}

inline AttentionPlan attention(const AttentionSizes &s) {
  AttentionPlan p{};
  const int64_t group = s.heads / s.kv_heads;
  p.rows = attention_rows(s);
  p.one_tile = s.max_new * group <= p.rows;
  p.tiles = attention_tiles(s, p.rows);

  // With chunks, the keys of a tile begin at the chunk of its first token, anywhere in a key block.
  const int64_t tile_tokens = std::min(s.max_new, blocks(p.rows, group) + 1);
  const int64_t seen = s.chunk ? s.chunk + tile_tokens : s.max_context;
  p.key_blocks = blocks(std::min(seen, s.max_context), kKeyBlock);
  if (s.chunk && seen < s.max_context) p.key_blocks++;

  const int64_t slots = s.multiprocessors * (p.rows >= 128 ? 1 : 2);
  const int64_t partial = s.tokens * s.heads * (s.padded_dim + 2) * 4;
  // A split reads at least as many bytes of K and V as it costs to write its sums and read them
  // again: large tiles of a short context are better left whole.
  const int64_t worth =
      std::max<int64_t>(p.key_blocks * kKeyBlock * s.cache_bits / (32 * p.rows), 1);
  p.splits = attention_splits(p.tiles * s.kv_heads, slots, p.key_blocks,
                              std::min(kMostPartialBytes / partial, worth));
  return p;
}

}  // namespace ll4::plan
