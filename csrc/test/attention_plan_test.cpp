// Plans of attention: every tile and every key is covered, and keys are split where that fills the
// machine and nowhere else.
#include "plan/attention.h"

#include <cstdio>

namespace {

using ll4::plan::AttentionPlan;
using ll4::plan::AttentionSizes;
using ll4::plan::blocks;
using ll4::plan::kKeyBlock;

int checks = 0, failures = 0;

void expect(bool holds, const char *what, const AttentionSizes &s, const AttentionPlan &p) {
  checks++;
  if (holds) return;
  failures++;
  std::printf(
      "FAIL %s: %lld x %lld new of %lld, chunk %lld, %lld/%lld heads, %lld multiprocessors: "
      "%lld rows, %lld tiles, %lld splits of %lld key blocks\n",
      what, static_cast<long long>(s.sequences), static_cast<long long>(s.max_new),
      static_cast<long long>(s.max_context), static_cast<long long>(s.chunk),
      static_cast<long long>(s.heads), static_cast<long long>(s.kv_heads),
      static_cast<long long>(s.multiprocessors), static_cast<long long>(p.rows),
      static_cast<long long>(p.tiles), static_cast<long long>(p.splits),
      static_cast<long long>(p.key_blocks));
}

// The key blocks that a tile beginning with the token at `position` visits.
int64_t visited(const AttentionSizes &s, const AttentionPlan &p, int64_t position) {
  const int64_t group = s.heads / s.kv_heads;
  const int64_t last = std::min(position + blocks(p.rows, group), s.max_context - 1);
  const int64_t first = s.chunk ? position / s.chunk * s.chunk : 0;
  return last / kKeyBlock - first / kKeyBlock + 1;
}

// Sequences of up to max_new tokens each have enough tiles, which nobody else has.
void check_tiles(const AttentionSizes &s, const AttentionPlan &p) {
  const int64_t group = s.heads / s.kv_heads;
  int64_t start = 0, next = 0;
  uint32_t random = 1;
  for (int64_t b = 0; b < s.sequences; b++) {
    random = random * 1664525u + 1013904223u;
    const bool long_one = b == 0 || b == s.sequences - 1;
    const int64_t left = s.tokens - start;
    const int64_t tokens = std::min(left, long_one ? s.max_new : (random >> 8) % (s.max_new + 1));
    const int64_t first = p.one_tile ? b : start * group / p.rows + b;
    expect(first >= next, "tiles are of one sequence", s, p);
    start += tokens;
    next = first + blocks(tokens * group, p.rows);
  }
  expect(next <= p.tiles, "there are enough tiles", s, p);
}

void check(const AttentionSizes &s) {
  const AttentionPlan p = ll4::plan::attention(s);
  check_tiles(s, p);
  expect(p.rows == 64 || s.vectors, "only one tile does without vectors", s, p);
  expect(p.rows != 16 || p.one_tile, "the smallest tile is for few rows", s, p);
  expect(p.splits >= 1 && p.splits <= p.key_blocks, "a split has a key block", s, p);
  expect(p.splits == 1 || p.key_blocks >= 4, "short sequences are not split", s, p);
  const int64_t work = p.tiles * s.kv_heads;
  expect(p.splits == 1 || 5 * work < 8 * s.multiprocessors, "a full machine is not split", s, p);
  expect(p.splits == 1 ||
             s.tokens * s.heads * p.splits * (s.padded_dim + 2) * 4 <= ll4::plan::kMostPartialBytes,
         "partial results are bounded", s, p);
  expect(
      p.splits == 1 || p.key_blocks * kKeyBlock * 2 * s.cache_bits / 8 >= p.splits * p.rows * 4 * 2,
      "a split reads more than it writes", s, p);
  expect(p.rows < 256 || s.cache_bits == 16, "no tile of 256 rows is for quantized caches", s, p);
  expect(ll4::plan::attention_shared_bytes(p.rows, s.padded_dim, 2, s.cache_bits) <= s.shared_bytes,
         "a tile fits shared memory", s, p);
  const int64_t most = s.max_context - s.max_new;
  for (int64_t position : {int64_t{0}, s.chunk / 2, s.chunk - 1, s.chunk, most / 2, most})
    if (position >= 0 && position <= most)
      expect(visited(s, p, position) <= p.key_blocks + (s.max_new > 1 ? 1 : 0),
             "key blocks are a bound", s, p);
}

AttentionPlan decode(int64_t sequences, int64_t context, int64_t chunk, int64_t multiprocessors) {
  return ll4::plan::attention(
      {sequences, 1, context, chunk, sequences, 40, 8, 128, true, multiprocessors, 227 << 10});
}

void expect_splits(const char *what, const AttentionPlan &p, int64_t low, int64_t high) {
  checks++;
  if (p.splits >= low && p.splits <= high) return;
  failures++;
  std::printf("FAIL %s: %lld splits, not %lld to %lld\n", what, static_cast<long long>(p.splits),
              static_cast<long long>(low), static_cast<long long>(high));
}

// The tower of pictures: each of the tiles sees all of its 577 patches.
void expect_tower(int64_t tiles, int64_t heads, int64_t rows, int64_t low, int64_t high) {
  const AttentionSizes s{577 * tiles, 577, 577, 0, tiles, heads, heads, 96, true, 132, 227 << 10};
  const AttentionPlan p = ll4::plan::attention(s);
  check(s);
  expect(p.rows == rows, "rows of the tower's tiles", s, p);
  expect(p.splits >= low && p.splits <= high, "splits of the tower's keys", s, p);
  expect(p.key_blocks == 10, "the last key has a block of its own", s, p);
}

void expect_rows(const char *what, int64_t tokens, int64_t shared_bytes, int64_t rows,
                 int64_t cache_bits = 16) {
  const AttentionPlan p = ll4::plan::attention(
      {tokens, tokens, tokens, 0, 1, 40, 8, 128, true, 132, shared_bytes, cache_bits});
  checks++;
  if (p.rows == rows) return;
  failures++;
  std::printf("FAIL %s: tiles of %lld rows\n", what, static_cast<long long>(p.rows));
}

}  // namespace

int main() {
  for (int64_t multiprocessors : {1, 8, 108, 132})
    for (int64_t sequences : {1, 2, 7, 64, 256})
      for (int64_t max_new : {1, 3, 64, 1000})
        for (int64_t past : {0, 1, 200, 8191, 1000000})
          for (int64_t chunk : {0, 7, 512, 8192})
            for (int64_t group : {1, 5, 17})
              for (bool vectors : {false, true})
                for (int64_t bits : {4, 8, 16})
                  check({sequences * max_new, max_new, past + max_new, chunk, sequences, 2 * group,
                         2, 128, vectors, multiprocessors, 99 << 10, bits});
  expect_splits("one sequence fills a large machine", decode(1, 100000, 0, 132), 25, 40);
  expect_splits("eight sequences all but fill it", decode(8, 100000, 0, 132), 3, 5);
  expect_splits("64 sequences need no splits", decode(64, 100000, 0, 132), 1, 1);
  expect_splits("a chunk is split as a context of its length is", decode(1, 100000, 8192, 132), 25,
                40);
  expect_splits("a short context is not split", decode(1, 190, 0, 132), 1, 1);
  expect_rows("a short prompt is shared by many blocks", 128, 227 << 10, 64);
  expect_rows("a longer one by as many as there are multiprocessors", 300, 227 << 10, 128);
  expect_rows("long prompts read keys seldom", 512, 227 << 10, 256);
  expect_rows("very long ones, too", 100000, 227 << 10, 256);
  expect_rows("a tile must fit shared memory", 100000, 99 << 10, 128);
  expect_rows("a quantized cache has fewer tiles", 100000, 227 << 10, 128, 8);
  expect_rows("which fit where those of others do", 100000, 99 << 10, 128, 8);
  expect_rows("and a smaller one elsewhere", 100000, 96 << 10, 64, 8);
  expect_tower(1, 16, 128, 1, 1);
  expect_tower(5, 16, 256, 1, 1);
  expect_tower(17, 16, 256, 1, 1);
  expect_tower(1, 2, 64, 4, 5);
  std::printf("attention_plan_test: %d checks, %d failures\n", checks, failures);
  return failures ? 1 : 0;
}
