// The tiles of matrix products on a GPU: what kernels assume of them, that the choice is the least
// by its own measure, and that launches cover every spread of rows over experts.
#include "plan/matmul.h"

#include <cstdio>

namespace {

namespace plan = ll4::plan;

int failures = 0;

void expect(bool holds, const char *what, int64_t a, int64_t b, int64_t c) {
  if (holds) return;
  failures++;
  std::printf("FAIL %s: %lld, %lld, %lld\n", what, static_cast<long long>(a),
              static_cast<long long>(b), static_cast<long long>(c));
}

void check_tile(int i) {
  const plan::MatmulTile &t = plan::kMatmulTiles[i];
  const int threads = plan::threads(t);
  expect(t.rows % t.warp_rows == 0 && t.columns % t.warp_columns == 0, "warps share a tile", i, 0,
         0);
  expect(t.warp_rows % 16 == 0 && t.warp_columns % 16 == 0, "a warp loads 16 by 16", i, 0, 0);
  expect(t.depth % 32 == 0 && t.stages >= 3, "a pipeline", i, 0, 0);
  // A stage is chunks of 16 bytes; every thread loads as many rows of x, and of W in both layouts.
  const int row_chunks = t.depth / 8, column_chunks = t.columns / 8;
  expect(threads % row_chunks == 0 && threads % column_chunks == 0, "threads and chunks", i, 0, 0);
  expect(t.rows % (threads / row_chunks) == 0 && t.columns % (threads / row_chunks) == 0 &&
             t.depth % (threads / column_chunks) == 0,
         "equal shares", i, 0, 0);
  expect(plan::shared_bytes(t) <= 99 * 1024, "shared memory of a block on sm_86", i,
         plan::shared_bytes(t), 0);
  // Sums and two sets of fragments leave room for addresses in 255 registers.
  const int sums = t.warp_rows * t.warp_columns / 32;
  const int fragments = t.warp_rows / 16 * 4 + t.warp_columns / 8 * 2;
  expect(sums + 2 * fragments <= 200, "registers", i, sums, fragments);
}

// Weights of four and eight bits, with x of bf16 or of eight bits.
void check_quantized_tile(int i) {
  const plan::MatmulTile &t = plan::kQuantizedTiles[i];
  const int threads = plan::threads(t);
  expect(t.rows % t.warp_rows == 0 && t.columns % t.warp_columns == 0, "warps share a tile", i, 0,
         0);
  expect(t.warp_rows % 16 == 0 && t.warp_columns == 32, "a warp's scales are a lane's each", i, 0,
         0);
  expect(t.depth % 64 == 0 && t.stages >= 3, "whole steps, a pipeline", i, 0, 0);
  for (const int bits : {4, 8, 16}) {
    const int chunks = t.depth * bits / 128;
    expect(threads % chunks == 0, "threads and chunks", i, bits, 0);
    expect((bits == 4 || t.rows % (threads / chunks) == 0) &&
               (bits == 16 || t.columns % (threads / chunks) == 0),
           "equal shares", i, bits, 0);
  }
  expect(plan::quantized_shared_bytes(t, 16, 8) <= 99 * 1024 - 256, "shared memory on sm_86", i, 0,
         0);
  expect(plan::blocks_by_shared(plan::quantized_shared_bytes(t, 16, 4), 99 * 1024) >=
             (t.rows < 128 ? 2 : 1),
         "two blocks of 100 KiB", i, 0, 0);
}

void check_choice(int64_t rows, int64_t columns, int multiprocessors) {
  for (const bool vectors : {false, true}) {
    const int tile = plan::matmul_tile(1, rows, columns, multiprocessors, vectors);
    expect(tile >= 0 && tile < plan::kMatmulTileCount, "there is such a tile", rows, columns, tile);
    expect(vectors || plan::loads_elements(tile), "loads elements", rows, columns, tile);
    const plan::MatmulTile &t = plan::kMatmulTiles[tile];
    expect(rows > 16 || t.rows == 16, "few rows, small tiles", rows, columns, tile);
  }
}

// The most row blocks of all ways to give `left` rows to `experts` experts.
int64_t spread(int64_t experts, int64_t left, int64_t tile_rows) {
  const auto blocks = [&](int64_t n) { return (n + tile_rows - 1) / tile_rows; };
  if (experts == 1) return blocks(left);
  int64_t most = 0;
  for (int64_t n = 0; n <= left; n++)
    most = std::max(most, blocks(n) + spread(experts - 1, left - n, tile_rows));
  return most;
}

void check_row_blocks(int64_t rows, int64_t experts, int64_t tile_rows) {
  const int64_t most = spread(experts, rows, tile_rows);
  expect(plan::most_row_blocks(rows, experts, tile_rows) == most, "row blocks", rows, experts,
         tile_rows);
}

// Blocks fit a multiprocessor by its shared memory, registers and threads.
void check_resident(int i) {
  const plan::MatmulTile &t = plan::kMatmulTiles[i];
  for (const int64_t most : {99 * 1024, 163 * 1024, 227 * 1024}) {
    const int blocks = plan::resident_blocks(t, most);
    expect(blocks >= 1 && blocks * (plan::shared_bytes(t) + 1024) <= most + 1024, "shared memory",
           i, most, blocks);
    expect(blocks * plan::threads(t) <= 1536, "threads of a multiprocessor", i, most, blocks);
    expect(most > 99 * 1024 || plan::shared_bytes(t) > 48 * 1024 || blocks == 2,
           "two blocks of 100 KiB", i, most, blocks);
  }
}

void check_few(bool kn) {
  // A warp's step is eight columns by eight of depth a lane.
  expect(plan::few_columns(kn) % 8 == 0 && 32 % (plan::few_columns(kn) / 8) == 0, "lanes", kn, 0,
         0);
  expect(plan::few_columns(kn) * plan::few_warp_depth(kn) == 32 * 8 * 8, "a step", kn, 0, 0);
  for (int64_t depth = 0; depth < 3000; depth++) {
    const int warps = plan::few_threads(kn, depth) / 32;
    expect(warps >= 1 && warps <= plan::few_most_warps(kn), "warps", kn, depth, warps);
    // None has nothing to do, and there are more only where all have.
    expect((warps - 1) * plan::few_warp_depth(kn) < std::max<int64_t>(1, depth), "idle warps", kn,
           depth, warps);
    expect(warps == plan::few_most_warps(kn) || warps * plan::few_warp_depth(kn) >= depth,
           "one step", kn, depth, warps);
  }
}

void check_few_grouped() {
  for (int64_t rows = 0; rows <= 20; rows++)
    for (int64_t experts : {1, 2, 3, 16, 128})
      for (int64_t out_rows : {1, 8, 64, 65, 1000}) {
        const bool few = plan::few_grouped(rows, out_rows, experts);
        expect(few == (rows >= 1 && rows <= 8 && out_rows <= 64 && (experts > 1 || rows <= 4)),
               "few rows of experts", rows, out_rows, experts);
      }
}

}  // namespace

int main() {
  for (int i = 0; i < plan::kMatmulTileCount; i++) {
    check_tile(i);
    check_resident(i);
  }
  for (int i = 0; i < plan::kQuantizedTileCount; i++) check_quantized_tile(i);
  for (const bool kn : {false, true}) check_few(kn);
  check_few_grouped();
  int choices = 0;
  for (int64_t rows : {1, 2, 16, 17, 64, 65, 128, 1000, 100000})
    for (int64_t columns : {1, 32, 65, 640, 5120, 16384, 202048})
      for (int multiprocessors : {1, 8, 46, 108, 132}) {
        check_choice(rows, columns, multiprocessors);
        choices++;
      }
  for (int64_t rows = 0; rows <= 12; rows++)
    for (int64_t experts = 1; experts <= 4; experts++)
      for (int64_t tile_rows : {1, 2, 3, 5}) check_row_blocks(rows, experts, tile_rows);

  // Products of Llama 4 on an A100 and an H100.
  for (int multiprocessors : {108, 132}) {
    expect(plan::quantized_tile(16, 1, 16384, multiprocessors) == 0, "few rows", 1, 16384, 0);
    expect(plan::quantized_tile(1, 64, 5120, multiprocessors) == 1, "a batch", 64, 5120, 0);
    expect(plan::quantized_tile(1, 16384, 5120, multiprocessors) == 2, "a prompt", 16384, 5120, 0);
    const auto chosen = [&](int64_t rows, int64_t columns) {
      return plan::kMatmulTiles[plan::matmul_tile(1, rows, columns, multiprocessors, true)];
    };
    expect(chosen(1, 5120).columns == 32, "a tile a multiprocessor at least", 1, 5120, 0);
    expect(chosen(1, 202048).columns == 64, "long runs of many columns", 1, 202048, 0);
    expect(chosen(16384, 5120).columns == 256, "a prompt has the largest tile", 16384, 5120, 0);
    expect(plan::kMatmulTiles[plan::grouped_tile(16, 128, 16384, multiprocessors, true)].rows == 16,
           "a row an expert", 16, 128, 0);
    expect(
        plan::kMatmulTiles[plan::grouped_tile(16384, 16, 16384, multiprocessors, true)].rows == 128,
        "a prompt's experts", 16384, 16, 0);
  }
  std::printf("matmul_plan_test: %d tiles, %d choices, %d failures\n", plan::kMatmulTileCount,
              choices, failures);
  return failures ? 1 : 0;
}
