// How a matrix product [rows, depth] x [depth, columns] is cut into tasks on a CPU. Results do not
// depend on the cut, only speed does.
#pragma once

#include <algorithm>
#include <cstdint>

#include "blocks.h"

namespace ll4::plan {

struct Tiles {
  int64_t rows;     // of a task's block
  int64_t columns;  // of a task's block
  int64_t row_blocks;
  int64_t column_blocks;
};

// Few rows are bound by the bandwidth of weights: long runs of a row of W, as many tasks as keep
// all threads busy. Many rows are bound by arithmetic: blocks whose operands stay in L2.
constexpr int64_t kFewRows = 8;
constexpr int64_t kBlockRows = 128;
constexpr int64_t kBlockColumns = 64;
constexpr int64_t kMostColumns = 2048;
constexpr int64_t kTileFloats = kBlockRows * kBlockColumns;

inline Tiles tiles(int64_t rows, int64_t columns, int threads) {
  Tiles t{};
  t.rows = std::clamp<int64_t>(rows, 1, kBlockRows);
  t.columns = kBlockColumns;
  if (rows <= kFewRows) {
    const int64_t share = blocks(columns, int64_t{2} * threads);
    const int64_t most =
        std::min(kMostColumns, kTileFloats / t.rows / kBlockColumns * kBlockColumns);
    t.columns = std::min(blocks(share, kBlockColumns) * kBlockColumns, most);
    t.columns = std::max(t.columns, kBlockColumns);
  }
  t.row_blocks = blocks(rows, t.rows);
  t.column_blocks = blocks(columns, t.columns);
  return t;
}

}  // namespace ll4::plan
