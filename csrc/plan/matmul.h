// How a matrix product is cut up for a GPU: into tiles, a thread block's share of the output each,
// or for few rows into groups of columns.
//
// Whatever tile is chosen, an element is the same chain of products over ascending depth, so the
// choice shows in time only, never in bits. That is also why the depth is never split over blocks.
// A product of few rows adds up in an order of its own.
#pragma once

#include <algorithm>
#include <cstdint>

#include "blocks.h"

namespace ll4::plan {

struct MatmulTile {
  int rows, columns;            // of the output
  int depth;                    // of a stage of the pipeline
  int warp_rows, warp_columns;  // of the output, a warp's share
  int stages;
};

// Two blocks of each fit the 100 KiB of a multiprocessor of sm_86, sm_89 and sm_120, or one of
// those of more than 48 KiB; 99 KiB is the most that a block may have there.
constexpr MatmulTile kMatmulTiles[] = {
    {16, 32, 64, 16, 16, 8}, {16, 64, 64, 16, 16, 6},   {32, 64, 64, 32, 16, 6},
    {64, 64, 64, 32, 32, 4}, {128, 128, 32, 64, 64, 3}, {128, 256, 32, 64, 64, 4},
};
constexpr int kMatmulTileCount = sizeof kMatmulTiles / sizeof *kMatmulTiles;

constexpr int threads(const MatmulTile &t) {
  return t.rows / t.warp_rows * (t.columns / t.warp_columns) * 32;
}

constexpr int64_t shared_bytes(const MatmulTile &t) {
  return int64_t{2} * t.stages * t.depth * (t.rows + t.columns);
}

// Operands that cannot be read 16 bytes at a time are slow in any tile: two serve for them.
constexpr bool loads_elements(int tile) { return tile == 0 || tile == 3; }

// Cycles of a multiprocessor for a tile and a unit of depth: the slowest of its tensor cores (1024
// products a cycle), its shared memory (128 bytes a cycle, read once a warp that needs it and
// written once) and its share of the L2 cache (40 bytes a cycle), and one for the loop.
constexpr double cycles(const MatmulTile &t) {
  const double products = double(t.rows) * t.columns;
  const double operands = 2.0 * (t.rows + t.columns);
  const double tensor = products / 1024;
  const double shared =
      (2 * products / t.warp_columns + 2 * products / t.warp_rows + operands) / 128;
  return std::max({tensor, shared, operands / 40}) + 1;
}

// The tile that takes the least time for `groups` products of `rows` rows each with `columns`
// columns, of equal depth.
inline int matmul_tile(int64_t groups, int64_t rows, int64_t columns, int multiprocessors,
                       bool vectors) {
  const auto tiles = [&](const MatmulTile &t) {
    return groups * blocks(rows, t.rows) * blocks(columns, t.columns);
  };
  // Few rows take as long as their weights take to arrive: what counts is that all multiprocessors
  // wait for some.
  if (rows <= kMatmulTiles[0].rows)
    return vectors && tiles(kMatmulTiles[1]) >= multiprocessors ? 1 : 0;
  int best = 0;
  double least = 0;
  for (int i = 0; i < kMatmulTileCount; i++) {
    if (!vectors && !loads_elements(i)) continue;
    const int64_t waves = blocks(tiles(kMatmulTiles[i]), multiprocessors);
    const double time = static_cast<double>(waves) * cycles(kMatmulTiles[i]);
    if (i == 0 || time < least) {
      best = i;
      least = time;
    }
  }
  return best;
}

// The same for `rows` rows that are spread over `experts` in a way that only the device knows:
// taken to be spread evenly.
inline int grouped_tile(int64_t rows, int64_t experts, int64_t columns, int multiprocessors,
                        bool vectors) {
  const int64_t active = std::max<int64_t>(1, std::min(rows, experts));
  return matmul_tile(active, blocks(rows, active), columns, multiprocessors, vectors);
}

// Whether a block takes one tile after another in a grouped product: where a thread's sums leave
// registers for what must be kept from tile to tile.
constexpr bool persistent(const MatmulTile &t) { return t.warp_rows * t.warp_columns < 64 * 64; }

// Blocks of so much shared memory that a multiprocessor runs at a time: it keeps 1 KiB a block and
// one that no block can have.
inline int64_t blocks_by_shared(int64_t bytes, int64_t most_shared_bytes) {
  return std::max<int64_t>(1, (most_shared_bytes + 1024) / (bytes + 1024));
}

// Blocks of a tile that it runs at a time, also by what registers a thread needs at most.
inline int resident_blocks(const MatmulTile &t, int64_t most_shared_bytes) {
  const int sums = t.warp_rows * t.warp_columns / 32;
  const int fragments = t.warp_rows / 16 * 4 + t.warp_columns / 8 * 2;
  const int registers = std::min(255, sums + 2 * fragments + 64);
  const int64_t by_shared = blocks_by_shared(shared_bytes(t), most_shared_bytes);
  return static_cast<int>(
      std::max<int64_t>(1, std::min<int64_t>(by_shared, 65536 / (registers * threads(t)))));
}

// Row blocks of `tile_rows` that `rows` rows need at most, however they are spread.
inline int64_t most_row_blocks(int64_t rows, int64_t experts, int64_t tile_rows) {
  return (rows + (tile_rows - 1) * std::min(rows, experts)) / tile_rows;
}

// ---- weights of fewer bits ----

// A warp has 32 columns, whose scales are a lane's each. With few rows a stage is deeper, for
// weights to come in longer pieces. Stages of weights of eight bits fit as above.
constexpr MatmulTile kQuantizedTiles[] = {
    {16, 64, 128, 16, 32, 4}, {64, 64, 64, 32, 32, 4}, {128, 128, 64, 64, 32, 4}};
constexpr int kQuantizedTileCount = sizeof kQuantizedTiles / sizeof *kQuantizedTiles;

constexpr int64_t quantized_shared_bytes(const MatmulTile &t, int activation_bits, int bits) {
  return int64_t{t.stages} * t.depth / 8 * (t.rows * activation_bits + t.columns * bits);
}

// The tile for `groups` products of `rows` rows each, as matmul_tile has it.
inline int quantized_tile(int64_t groups, int64_t rows, int64_t columns, int multiprocessors) {
  if (rows <= kQuantizedTiles[0].rows) return 0;
  const auto time = [&](const MatmulTile &t) {
    const int64_t tiles = groups * blocks(rows, t.rows) * blocks(columns, t.columns);
    return static_cast<double>(blocks(tiles, multiprocessors)) * cycles(t);
  };
  return time(kQuantizedTiles[2]) < time(kQuantizedTiles[1]) ? 2 : 1;
}

// ---- few rows: as fast as weights can be read, each of them once ----

constexpr int64_t kFewMatmulRows = 4;  // that a block multiplies with what it reads

// A block's columns, the depth of a warp's step and the most warps, for weights as [N, K] or, with
// `kn`, as [K, N]. A lane's step is eight by eight. Columns as [K, N] are 64 bytes of a row, which
// is what memory hands over at least; with as few blocks it takes more warps to keep it busy.
constexpr int few_columns(bool kn) { return kn ? 32 : 8; }
constexpr int few_warp_depth(bool kn) { return kn ? 64 : 256; }
constexpr int few_most_warps(bool kn) { return kn ? 8 : 4; }

inline int few_threads(bool kn, int64_t depth) {
  const int64_t steps = blocks(depth, few_warp_depth(kn));
  return 32 * static_cast<int>(std::clamp<int64_t>(steps, 1, few_most_warps(kn)));
}

// Of grouped_matmul, where a block reads an expert's weights for one row. Blocks of the same expert
// run side by side and find them in the L2 cache, which is worth it for as many as kFewMatmulRows.
// With scatter a row of out has its blocks, whether it gets any row or not.
constexpr int64_t kFewGroupedRows = 8, kFewGroupedOutRows = 64;
inline bool few_grouped(int64_t rows, int64_t out_rows, int64_t experts) {
  return rows > 0 && rows <= std::min(kFewGroupedRows, kFewMatmulRows * experts) &&
         out_rows <= kFewGroupedOutRows;
}

}  // namespace ll4::plan
