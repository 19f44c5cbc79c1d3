// top_k: the k largest of each row, largest first, ties by the lowest index; a NaN is less than any
// number.
//
// Few (k <= kTopKFew): a block a piece of a row lists the piece's k best by radix selection, one
// block a row then selects from the lists and orders the k that are left by counting how many are
// better. A row of one piece needs the second kernel alone.
// Many: a block a row sorts the row, eight bits of the keys a round from the lowest, by stable
// counting sorts.
#pragma once

#include "common/count_sort.cuh"
#include "common/select.cuh"

namespace ll4::cuda {

constexpr uint32_t kTopKFew = 1024;
constexpr uint32_t kTopKPiece = 8192;  // columns; not below kTopKFew
constexpr int kTopKThreads = 256;
constexpr int kTopKWarps = kTopKThreads / kWarp;
constexpr int kTopKSortThreads = 1024;
constexpr int kTopKSortWarps = kTopKSortThreads / kWarp;
constexpr int kTopKDigits = 256;

struct TopKParams {
  const float *x;    // [R, n]
  float *values;     // [R, k]
  int32_t *indices;  // [R, k]
  int32_t *lists;    // few: [R, pieces, k]; null when a row is one piece
  uint64_t *sorted;  // many: [2, R, n], keys above indices
  uint32_t n, k, pieces;
};

struct TopKShared {
  SelectShared<uint32_t, kTopKThreads> select;
  uint32_t counts[kTopKWarps][3], begin[3];
  uint64_t best[kTopKFew];
};

// Calls keep(i, position) for the k best of `count` candidates, where key(i) is the key of the
// i-th: those above the k-th first, then those equal to it, each in order of i.
template <class Key, class Keep>
__device__ __forceinline__ void keep_best(TopKShared &s, uint32_t count, uint32_t k, Key key,
                                          Keep keep) {
  const auto each = [&](auto add) {
    for (uint32_t i = thread_id(); i < count; i += kTopKThreads) add(key(i), 1u);
  };
  const auto cut = select(
      s.select, [=](uint32_t) { return k; }, each);
  const auto rank = [&](uint32_t i) {
    const uint32_t own = key(i);
    return own > cut.key ? 0u : own == cut.key ? 1u : 2u;
  };
  if (thread_id() < kTopKWarps * 3) (&s.counts[0][0])[thread_id()] = 0;
  if (thread_id() < 3)
    s.begin[thread_id()] = thread_id() == 0 ? 0 : thread_id() == 1 ? cut.above : k;
  sync_threads();
  const Run run = run_of(Run{0, count}, kTopKWarps, warp_id());
  count_digits(s.counts[warp_id()], run, 2, rank);
  sync_threads();
  start_runs(&s.counts[0][0], s.begin, 3, kTopKWarps);
  sync_threads();
  place_digits(s.counts[warp_id()], run, 2, rank, [&](uint32_t i, uint32_t position) {
    if (position < k) keep(i, position);
  });
  sync_threads();
}

__global__ void __launch_bounds__(kTopKThreads) top_k_pieces_kernel(const TopKParams p) {
  auto &s = shared_memory<TopKShared>();
  const int64_t row = block_id().x;
  const uint32_t piece = block_id().y, begin = piece * kTopKPiece, left = p.n - begin;
  const uint32_t count = left < kTopKPiece ? left : kTopKPiece;
  const float *x = p.x + row * p.n + begin;
  int32_t *list = p.lists + (row * p.pieces + piece) * p.k;
  keep_best(
      s, count, count < p.k ? count : p.k, [=](uint32_t i) { return sort_key(x[i]); },
      [=](uint32_t i, uint32_t position) { list[position] = static_cast<int32_t>(begin + i); });
}

__global__ void __launch_bounds__(kTopKThreads) top_k_merge_kernel(const TopKParams p) {
  auto &s = shared_memory<TopKShared>();
  const int64_t row = block_id().x;
  const uint32_t k = p.k, last = p.n - (p.pieces - 1) * kTopKPiece;
  const float *x = p.x + row * p.n;
  const int32_t *list = p.lists ? p.lists + row * p.pieces * p.k : nullptr;
  const uint32_t count = list ? (p.pieces - 1) * k + (last < k ? last : k) : p.n;
  const auto index = [=](uint32_t i) { return list ? list[i] : static_cast<int32_t>(i); };
  keep_best(
      s, count, k, [=](uint32_t i) { return sort_key(x[index(i)]); },
      [&](uint32_t i, uint32_t position) {
        const uint32_t column = static_cast<uint32_t>(index(i));
        s.best[position] = static_cast<uint64_t>(sort_key(x[column])) << 32 | (~column);
      });
  for (uint32_t i = static_cast<uint32_t>(thread_id()); i < k; i += kTopKThreads) {
    const uint64_t own = s.best[i];
    int64_t better = row * k;
    for (uint32_t j = 0; j < k; j++) better += s.best[j] > own;
    const uint32_t column = ~static_cast<uint32_t>(own);
    p.values[better] = x[column];
    p.indices[better] = static_cast<int32_t>(column);
  }
}

struct TopKSortShared {
  uint32_t counts[kTopKSortWarps][kTopKDigits], begin[kTopKDigits];
};

// A stable counting sort of n entries by eight bits of their keys, the largest first.
template <class Entry, class Place>
__device__ __forceinline__ void sort_round(TopKSortShared &s, uint32_t n, int shift, Entry entry,
                                           Place place) {
  uint32_t *counts = &s.counts[0][0];
  for (int i = thread_id(); i < kTopKSortWarps * kTopKDigits; i += kTopKSortThreads) counts[i] = 0;
  sync_threads();
  const auto digit = [&](uint32_t i) {
    return ~static_cast<uint32_t>(entry(i) >> (32 + shift)) & (kTopKDigits - 1);
  };
  const Run run = run_of(Run{0, n}, kTopKSortWarps, warp_id());
  count_digits(s.counts[warp_id()], run, 8, digit);
  sync_threads();
  add_runs(counts, s.begin, kTopKDigits, kTopKSortWarps);
  sync_threads();
  if (warp_id() == 0) prefix_sums(s.begin, kTopKDigits);
  sync_threads();
  start_runs(counts, s.begin, kTopKDigits, kTopKSortWarps);
  sync_threads();
  place_digits(s.counts[warp_id()], run, 8, digit,
               [&](uint32_t i, uint32_t position) { place(position, entry(i)); });
  sync_threads();
}

__global__ void __launch_bounds__(kTopKSortThreads) top_k_sort_kernel(const TopKParams p) {
  auto &s = shared_memory<TopKSortShared>();
  const int64_t row = block_id().x;
  const float *x = p.x + row * p.n;
  uint64_t *a = p.sorted + row * p.n, *b = a + static_cast<int64_t>(grid_size().x) * p.n;
  const auto to = [](uint64_t *room) {
    return [=](uint32_t position, uint64_t entry) { room[position] = entry; };
  };
  const auto from = [](const uint64_t *room) { return [=](uint32_t i) { return room[i]; }; };
  const auto first = [=](uint32_t i) {
    return static_cast<uint64_t>(sort_key(x[i])) << 32 | static_cast<uint64_t>(i);
  };
  sort_round(s, p.n, 0, first, to(a));
  sort_round(s, p.n, 8, from(a), to(b));
  sort_round(s, p.n, 16, from(b), to(a));
  sort_round(s, p.n, 24, from(a), [&](uint32_t position, uint64_t entry) {
    if (position >= p.k) return;
    const uint32_t column = static_cast<uint32_t>(entry);
    p.values[row * p.k + position] = x[column];
    p.indices[row * p.k + position] = static_cast<int32_t>(column);
  });
}

}  // namespace ll4::cuda
