// router: logits in fp32, the best experts of each token, then rows in order of (expert, token).
//
// Logits: tensor cores multiply experts (16 a tile) by tokens (8 a tile), the eight warps of a
// block sharing the columns in turns of 32. A lane loads 16 bytes of a row, which feed two steps of
// mma: the order of columns within a turn does not matter, as both operands have the same. An fp32
// x is the sum of three bf16, and each of them is multiplied: no bit of it is lost. The warps' sums
// are added in order, so a token's logits do not depend on the tokens beside it.
// Choice: a warp a token, a block kRouterTokens of them; each block counts its slots (token,
// choice) by expert. Placement: a stable counting sort of the slots, where each block adds up the
// counts of all for itself. One block does both at once.
#pragma once

#include "common/count_sort.cuh"
#include "common/rows.cuh"
#include "common/select.cuh"

namespace ll4::cuda {

constexpr int kRouterThreads = 256;
constexpr int kRouterWarps = kRouterThreads / kWarp;
constexpr int kRouterTokens = 128;    // a block of the choice
constexpr int kRouterExperts = 1024;  // most that a block can count
constexpr int kRouterTurn = 32;       // columns

struct RouterParams {
  const void *x;  // of fp32 or bf16
  const bf16 *weight;
  float *logits;
  int32_t *experts;
  float *scores;
  int32_t *offsets, *row_tokens;
  float *row_scores;
  uint32_t *counts;  // [blocks of the choice, E]; null for one block
  int64_t tokens, hidden;
  int32_t num_experts, top_k, expert_bits;
  bool vectors;  // rows of x and weight are multiples of 16 bytes
};

// Elements [first, first + 8) of row r, in pairs; zero past its end and past the last row.
__device__ __forceinline__ Vec<uint32_t, 4> load_pairs(const bf16 *rows, int64_t r, int64_t count,
                                                       int64_t first, const RouterParams &p) {
  Vec<uint32_t, 4> v{};
  if (r >= count || first >= p.hidden) return v;
  const bf16 *row = rows + r * p.hidden;
  if (p.vectors) return *reinterpret_cast<const Vec<uint32_t, 4> *>(row + first);
#pragma unroll
  for (int i = 0; i < 8; i++)
    if (first + i < p.hidden)
      v.at[i / 2] |= static_cast<uint32_t>(row[first + i].bits) << 16 * (i % 2);
  return v;
}

// Eight elements of a row of x in four pairs: take gives a pair as bf16, or where that is less than
// the whole, the first of the parts that add up to it, and each time the next.
template <class X>
struct RouterEight;

template <>
struct RouterEight<bf16> {
  static constexpr int kParts = 1;
  Vec<uint32_t, 4> pairs;

  __device__ __forceinline__ void load(const RouterParams &p, int64_t token, int64_t first) {
    pairs = load_pairs(static_cast<const bf16 *>(p.x), token, p.tokens, first, p);
  }
  __device__ __forceinline__ uint32_t take(int pair) const { return pairs.at[pair]; }
};

template <>
struct RouterEight<float> {
  static constexpr int kParts = 3;  // of 8 bits of 24
  float left[8];

  __device__ __forceinline__ void load(const RouterParams &p, int64_t token, int64_t first) {
    if (token < p.tokens && first < p.hidden) {
      load8(static_cast<const float *>(p.x) + token * p.hidden, first, p.hidden, p.vectors, left);
    } else {
#pragma unroll
      for (int i = 0; i < 8; i++) left[i] = 0.0f;
    }
  }
  // Cut off, not rounded, so that no number becomes infinite. An infinity leaves nothing; a NaN
  // that is cut off to one leaves a NaN.
  __device__ __forceinline__ uint32_t take(int pair) {
    uint32_t part[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
      float &x = left[2 * pair + i];
      part[i] = as_bits(x) & 0xffff0000u;
      x = x == as_float(part[i]) ? 0.0f : x - as_float(part[i]);
    }
    return part[0] >> 16 | part[1];
  }
};

template <int expert_tiles, int token_tiles>
struct RouterLogitsShared {
  float part[kRouterWarps][8 * token_tiles][16 * expert_tiles];
};

// A part of half of what a turn's vectors hold: pairs `pair` and the next of each.
template <class X, int expert_tiles, int token_tiles>
__device__ __forceinline__ void multiply_turn(const Vec<uint32_t, 4> (&weight)[expert_tiles][2],
                                              RouterEight<X> (&x)[token_tiles], int pair,
                                              float (&sum)[expert_tiles][token_tiles][4]) {
  uint32_t b[token_tiles][2];
#pragma unroll
  for (int t = 0; t < token_tiles; t++)
#pragma unroll
    for (int i = 0; i < 2; i++) b[t][i] = x[t].take(pair + i);
#pragma unroll
  for (int e = 0; e < expert_tiles; e++) {
    const uint32_t a[4] = {weight[e][0].at[pair], weight[e][1].at[pair], weight[e][0].at[pair + 1],
                           weight[e][1].at[pair + 1]};
#pragma unroll
    for (int t = 0; t < token_tiles; t++) mma_bf16(sum[e][t], a, b[t]);
  }
}

// Loads ahead turns before it multiplies the first.
template <class X, int expert_tiles, int token_tiles, int ahead>
__global__ void __launch_bounds__(kRouterThreads) router_logits_kernel(const RouterParams p) {
  auto &s = shared_memory<RouterLogitsShared<expert_tiles, token_tiles>>();
  constexpr int kTokens = 8 * token_tiles, kExperts = 16 * expert_tiles;
  const int64_t token = static_cast<int64_t>(block_id().x) * kTokens;
  const int64_t expert = static_cast<int64_t>(block_id().y) * kExperts;
  const int row = lane_id() / 4, column = lane_id() % 4;

  float sum[expert_tiles][token_tiles][4] = {};
  constexpr int kStep = kRouterTurn * kRouterWarps;
  for (int64_t turn = kRouterTurn * warp_id(); turn < p.hidden; turn += ahead * kStep) {
    RouterEight<X> x[ahead][token_tiles];
    Vec<uint32_t, 4> weight[ahead][expert_tiles][2];
#pragma unroll
    for (int u = 0; u < ahead; u++) {
      const int64_t first = turn + u * kStep + 8 * column;
#pragma unroll
      for (int t = 0; t < token_tiles; t++) x[u][t].load(p, token + 8 * t + row, first);
#pragma unroll
      for (int e = 0; e < 2 * expert_tiles; e++)
        weight[u][e / 2][e % 2] =
            load_pairs(p.weight, expert + 8 * e + row, p.num_experts, first, p);
    }
#pragma unroll
    for (int u = 0; u < ahead; u++)
#pragma unroll
      for (int i = 0; i < 2 * RouterEight<X>::kParts; i++)
        multiply_turn(weight[u], x[u], 2 * (i % 2), sum);
  }

#pragma unroll
  for (int e = 0; e < expert_tiles; e++)
#pragma unroll
    for (int t = 0; t < token_tiles; t++)
#pragma unroll
      for (int i = 0; i < 4; i++)
        s.part[warp_id()][8 * t + 2 * column + i % 2][16 * e + row + i / 2 * 8] = sum[e][t][i];
  sync_threads();
  for (int i = thread_id(); i < kTokens * kExperts; i += kRouterThreads) {
    const int t = i / kExperts, e = i % kExperts;
    if (token + t >= p.tokens || expert + e >= p.num_experts) continue;
    float logit = 0;
#pragma unroll
    for (int w = 0; w < kRouterWarps; w++) logit += s.part[w][t][e];
    p.logits[(token + t) * p.num_experts + expert + e] = logit;
  }
}

// What a block counts by expert, in dynamic shared memory.
struct RouterCounts {
  uint32_t *runs;   // [kRouterWarps, E]
  uint32_t *begin;  // [E]: where the block's rows of an expert begin, in the end
  __device__ __forceinline__ explicit RouterCounts(int32_t experts)
      : runs(&shared_memory<uint32_t>()), begin(runs + kRouterWarps * experts) {}
};
__host__ __device__ constexpr int64_t router_shared_bytes(int64_t experts) {
  return (kRouterWarps + 1) * experts * static_cast<int64_t>(sizeof(uint32_t));
}

// One after another the largest that is left: each key is followed by its expert's complement, so
// that ties go to the lowest, and the next is the largest below the one before.
__device__ __forceinline__ void choose(const RouterParams &p, int64_t token) {
  const float *logits = p.logits + token * p.num_experts;
  uint64_t previous = ~uint64_t{0};
  for (int i = 0; i < p.top_k; i++) {
    uint64_t best = 0;
    for (int e = lane_id(); e < p.num_experts; e += kWarp) {
      const uint64_t own =
          static_cast<uint64_t>(sort_key(logits[e])) << 32 | ~static_cast<uint32_t>(e);
      if (own < previous && own > best) best = own;
    }
    best = warp_reduce(best, Max{});
    previous = best;
    if (lane_id() != 0) continue;
    const int32_t expert = static_cast<int32_t>(~static_cast<uint32_t>(best));
    p.experts[token * p.top_k + i] = expert;
    p.scores[token * p.top_k + i] = 1.0f / (1.0f + expf(-logits[expert]));
  }
}

// The block's slots.
__device__ __forceinline__ Run router_slots(const RouterParams &p) {
  const uint32_t first = kRouterTokens * block_id().x, end = first + kRouterTokens;
  const uint32_t tokens = static_cast<uint32_t>(p.tokens), k = static_cast<uint32_t>(p.top_k);
  return Run{first * k, (end < tokens ? end : tokens) * k};
}

__device__ __forceinline__ void count_slots(const RouterParams &p, const RouterCounts &c) {
  for (int i = thread_id(); i < kRouterWarps * p.num_experts; i += kRouterThreads) c.runs[i] = 0;
  sync_threads();
  count_digits(c.runs + warp_id() * p.num_experts, run_of(router_slots(p), kRouterWarps, warp_id()),
               p.expert_bits, [&](uint32_t i) { return static_cast<uint32_t>(p.experts[i]); });
  sync_threads();
}

// Places the block's slots. At first begin[e] is how many rows expert e has.
__device__ __forceinline__ void place_slots(const RouterParams &p, const RouterCounts &c) {
  if (warp_id() == 0) {
    const uint32_t rows = prefix_sums(c.begin, p.num_experts);
    if (lane_id() == 0 && block_id().x == 0) p.offsets[p.num_experts] = static_cast<int32_t>(rows);
  }
  sync_threads();
  for (int e = thread_id(); e < p.num_experts; e += kRouterThreads) {
    if (block_id().x == 0) p.offsets[e] = static_cast<int32_t>(c.begin[e]);
    for (int64_t b = 0; b < block_id().x; b++) c.begin[e] += p.counts[b * p.num_experts + e];
  }
  // start_runs gives each expert to the thread that has just placed it.
  start_runs(c.runs, c.begin, p.num_experts, kRouterWarps);
  sync_threads();
  place_digits(
      c.runs + warp_id() * p.num_experts, run_of(router_slots(p), kRouterWarps, warp_id()),
      p.expert_bits, [&](uint32_t i) { return static_cast<uint32_t>(p.experts[i]); },
      [&](uint32_t i, uint32_t row) {
        p.row_tokens[row] = static_cast<int32_t>(i / static_cast<uint32_t>(p.top_k));
        p.row_scores[row] = p.scores[i];
      });
}

__global__ void __launch_bounds__(kRouterThreads) router_choose_kernel(const RouterParams p) {
  const RouterCounts c(p.num_experts);
  const int64_t first = int64_t{kRouterTokens} * block_id().x;
  for (int64_t t = first + warp_id(); t < first + kRouterTokens && t < p.tokens; t += kRouterWarps)
    choose(p, t);
  count_slots(p, c);  // after a barrier of its own
  uint32_t *total = p.counts ? p.counts + block_id().x * p.num_experts : c.begin;
  add_runs(c.runs, total, p.num_experts, kRouterWarps);
  if (p.counts) return;
  sync_threads();
  place_slots(p, c);
}

__global__ void __launch_bounds__(kRouterThreads) router_place_kernel(const RouterParams p) {
  const RouterCounts c(p.num_experts);
  count_slots(p, c);
  for (int e = thread_id(); e < p.num_experts; e += kRouterThreads) {
    uint32_t total = 0;
    for (int64_t b = 0; b < grid_size().x; b++) total += p.counts[b * p.num_experts + e];
    c.begin[e] = total;
  }
  sync_threads();
  place_slots(p, c);
}

}  // namespace ll4::cuda
