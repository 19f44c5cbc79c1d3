// Host plans: every cut covers the product exactly once and fits its tile.
#include "plan/tiles.h"

#include <cstdio>

namespace {

int failures = 0;

void expect(bool holds, const char *what, int64_t rows, int64_t columns, int threads) {
  if (holds) return;
  failures++;
  std::printf("FAIL %s: %lld rows, %lld columns, %d threads\n", what, static_cast<long long>(rows),
              static_cast<long long>(columns), threads);
}

void check(int64_t rows, int64_t columns, int threads) {
  const ll4::plan::Tiles t = ll4::plan::tiles(rows, columns, threads);
  expect(t.rows * t.columns <= ll4::plan::kTileFloats, "a block fits a tile", rows, columns,
         threads);
  expect(t.rows > 0 && t.columns > 0, "a block is not empty", rows, columns, threads);
  expect(t.row_blocks * t.rows >= rows && (t.row_blocks - 1) * t.rows < std::max<int64_t>(rows, 1),
         "the rows are covered once", rows, columns, threads);
  expect(t.column_blocks * t.columns >= columns && (t.column_blocks - 1) * t.columns < columns,
         "the columns are covered once", rows, columns, threads);
  if (rows <= ll4::plan::kFewRows && columns >= threads * 2 * ll4::plan::kBlockColumns)
    expect(t.column_blocks >= threads, "one row keeps all threads busy", rows, columns, threads);
}

}  // namespace

int main() {
  int checks = 0;
  for (int64_t rows : {0, 1, 2, 4, 5, 64, 127, 128, 129, 1000, 100000})
    for (int64_t columns : {1, 63, 64, 65, 512, 1000, 5120, 202048})
      for (int threads : {1, 2, 3, 8, 64, 192}) {
        check(rows, columns, threads);
        checks++;
      }
  std::printf("plan_test: %d cuts, %d failures\n", checks, failures);
  return failures ? 1 : 0;
}
