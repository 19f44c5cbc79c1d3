// sample: one token a row, by masses that are integers, so that their sums do not depend on order
// and the CPU backend draws the same tokens.
//
// A block a row, which it reads from L2 a few times: for the largest logit, three times each for
// top-k and top-p (radix selection of the last logit that is kept), and for the draw: the warps sum
// the masses of a run of the row each, and the run in which the sum passes the draw is shared out
// again until it is one group of lanes long. A mass depends on the logit alone, so the ones equal
// to the last kept have equal masses, and only how many of them are kept needs to be known.
// A rule that is NaN or out of its range is read as the nearest that is not, or as none.
#pragma once

#include <cfloat>

#include "common/count_sort.cuh"
#include "common/select.cuh"

namespace ll4::cuda {

struct SampleParams {
  const float *x, *temperature;
  const int32_t *top_k;
  const float *top_p, *min_p, *draw;
  int32_t *ids;
  uint32_t n;
  bool vectors;  // rows of x are multiples of 16 bytes
};

// What is kept of a row: larger keys than `key`, and of that key the first `ties`, tie_mass each;
// of these, what has at least min_mass.
struct Kept {
  uint32_t key;
  uint64_t ties, tie_mass, min_mass;
};

template <int threads>
struct SampleShared {
  SelectShared<uint64_t, threads> select;
  uint64_t room[threads / kWarp];
  uint64_t mass[threads / kWarp], ties[threads / kWarp];
};

constexpr float kWholeMass = 0x1p40f;  // of the largest logit

// exp((x - top) / temperature) in units of 2^-40, for scale = log2(e) / temperature. Every step is
// rounded as csrc/cpu/sample.cpp rounds it: 2^(a whole number) times a polynomial for 2^f.
__device__ __forceinline__ uint64_t mass_of(float x, float top, float scale) {
  const float t = mul_rn(add_rn(x, -top), scale);
  if (!(t > -42.0f)) return 0;
  const float whole = add_rn(add_rn(t, 12582912.0f), -12582912.0f);  // 1.5 * 2^23 rounds it off
  const float f = add_rn(t, -whole);
  float y = 1.54531634e-4f;
  y = add_rn(mul_rn(y, f), 1.33908633e-3f);
  y = add_rn(mul_rn(y, f), 9.61808302e-3f);
  y = add_rn(mul_rn(y, f), 5.55035695e-2f);
  y = add_rn(mul_rn(y, f), 2.40226507e-1f);
  y = add_rn(mul_rn(y, f), 6.93147182e-1f);
  y = add_rn(mul_rn(y, f), 1.0f);
  const uint64_t units = static_cast<uint32_t>(mul_rn(y, 16777216.0f));  // of 2^-24, exact
  return ((units << 17 >> static_cast<int>(-whole)) + 1) >> 1;
}

// Calls use(logit, id) for this thread's part of a row.
template <int threads, class Use>
__device__ __forceinline__ void each_logit(const float *x, uint32_t n, bool vectors, Use use) {
  if (vectors) {
    for (uint32_t i = 4 * thread_id(); i < n; i += 4 * threads) {
      const auto v = *reinterpret_cast<const Vec<float, 4> *>(x + i);
#pragma unroll
      for (int j = 0; j < 4; j++) use(v.at[j], i + j);
    }
  } else {
    for (uint32_t i = thread_id(); i < n; i += threads) use(x[i], i);
  }
}

// The token of the largest logit, ties by the lowest id; -1 where none may be drawn.
template <int threads>
__device__ __forceinline__ int32_t largest(SampleShared<threads> &s, const float *x, uint32_t n,
                                           bool vectors) {
  float most = -INFINITY;
  uint32_t at = 0;
  bool bad = false;
  each_logit<threads>(x, n, vectors, [&](float logit, uint32_t id) {
    bad |= !(logit <= FLT_MAX);
    if (logit > most) {
      most = logit;
      at = id;
    }
  });
  const uint64_t own = static_cast<uint64_t>(sort_key(most)) << 32 | static_cast<uint32_t>(~at);
  const uint64_t best = block_reduce<threads>(bad ? ~uint64_t{0} : own, Max{}, s.room);
  const uint32_t key = static_cast<uint32_t>(best >> 32);
  if (key == 0xffffffffu || key == sort_key(-INFINITY)) return -1;
  return static_cast<int32_t>(~static_cast<uint32_t>(best));
}

// share * total, rounded up, and at least 1: a sum of masses is less than it exactly when it is
// less than the product.
__device__ __forceinline__ uint64_t at_least(float share, uint64_t total) {
  if (!(share > 0.0f)) return 1;
  return static_cast<uint64_t>(ceil(static_cast<double>(share) * static_cast<double>(total)));
}

// share * total, rounded down: what a sum passes exactly when it passes the product. A draw ends
// below the total.
__device__ __forceinline__ uint64_t share_of(float share, uint64_t total) {
  const float part = share > 0.0f ? (share < 1.0f ? share : 1.0f) : 0.0f;
  const auto drawn = static_cast<uint64_t>(static_cast<double>(part) * static_cast<double>(total));
  return drawn < total ? drawn : total - 1;
}

// A row with what its tokens' masses are made of.
struct SampleRow {
  const float *x;
  uint32_t n;
  bool vectors;
  float top, scale;
  __device__ __forceinline__ uint64_t mass(float logit) const { return mass_of(logit, top, scale); }
};

// Selects among the tokens that are kept so far. Those without mass are never drawn, so they need
// not be counted.
template <int threads, class Weight, class Target>
__device__ __forceinline__ Cut<uint64_t> select_kept(SampleShared<threads> &s, const SampleRow &row,
                                                     uint32_t above, Weight weight,
                                                     Target target_of) {
  return select(s.select, target_of, [&](auto add_weight) {
    each_logit<threads>(row.x, row.n, row.vectors, [&](float logit, uint32_t) {
      const uint32_t key = sort_key(logit);
      const uint64_t mass = key > above ? row.mass(logit) : 0;
      if (mass > 0) add_weight(key, weight(mass));
    });
  });
}

template <int threads>
__device__ __forceinline__ Kept keep(SampleShared<threads> &s, const SampleRow &row, int32_t top_k,
                                     float top_p, float min_p) {
  Kept kept{0, 0, 0, 1};
  if (min_p > 0.0f)
    kept.min_mass = static_cast<uint64_t>(ceilf((min_p < 1.0f ? min_p : 1.0f) * kWholeMass));
  if (top_k > 0 && static_cast<uint32_t>(top_k) < row.n) {
    const uint64_t k = static_cast<uint64_t>(top_k);
    const auto cut = select_kept(
        s, row, 0, [](uint64_t) { return uint64_t{1}; },
        [=](uint64_t total) { return k < total ? k : total; });
    kept.key = cut.key - 1;
  }
  if (top_p < 1.0f) {
    const auto cut = select_kept(
        s, row, kept.key, [](uint64_t mass) { return mass; },
        [=](uint64_t total) { return at_least(top_p, total); });
    kept.key = cut.key;
    kept.tie_mass = row.mass(key_float(cut.key));
    kept.ties = (cut.target - cut.above + kept.tie_mass - 1) / kept.tie_mass;
    if (kept.tie_mass < kept.min_mass) kept.ties = 0;
  }
  return kept;
}

// The mass of a run's tokens above kept.key, and how many have that key: for the block to see.
template <int threads>
__device__ __forceinline__ void weigh(SampleShared<threads> &s, const SampleRow &row,
                                      const Kept &kept, Run run) {
  uint64_t mass = 0, ties = 0;
  for (uint32_t i = run.begin + lane_id(); i < run.end; i += kWarp) {
    const float logit = row.x[i];
    const uint32_t key = sort_key(logit);
    ties += key == kept.key;
    const uint64_t own = key > kept.key ? row.mass(logit) : 0;
    if (own >= kept.min_mass) mass += own;
  }
  mass = warp_reduce(mass, Sum{});
  ties = warp_reduce(ties, Sum{});
  if (lane_id() == 0) {
    s.mass[warp_id()] = mass;
    s.ties[warp_id()] = ties;
  }
}

// The mass, and the tokens equal to the last kept, before some token.
struct Before {
  uint64_t mass, ties;
  __device__ __forceinline__ void pass(const Kept &kept, uint64_t more_mass, uint64_t more_ties) {
    const uint64_t left = kept.ties > ties ? kept.ties - ties : 0;
    mass += more_mass + (more_ties < left ? more_ties : left) * kept.tie_mass;
    ties += more_ties;
  }
};

// The token of a group of lanes at which the mass passes `drawn`. One warp calls it.
__device__ __forceinline__ int32_t draw_lane(const SampleRow &row, const Kept &kept, Run group,
                                             Before before, uint64_t drawn) {
  const uint32_t i = group.begin + lane_id();
  const float logit = i < group.end ? row.x[i] : -INFINITY;
  const uint32_t key = sort_key(logit);
  const uint64_t own = key > kept.key ? row.mass(logit) : 0;
  const uint32_t equal = ballot(i < group.end && key == kept.key);
  uint64_t total;
  const uint64_t mass = own >= kept.min_mass ? own : 0;
  const uint64_t below = warp_prefix(mass, total);
  before.pass(kept, below + mass, static_cast<uint64_t>(popcount(equal & (lanes_below() * 2 + 1))));
  const uint32_t passed = ballot(before.mass > drawn);
  return static_cast<int32_t>(group.begin + kWarp - popcount(passed));
}

// The token at which the kept mass, by rising id, passes `draw` of itself.
template <int threads>
__device__ __forceinline__ int32_t draw_token(SampleShared<threads> &s, const SampleRow &row,
                                              const Kept &kept, float draw) {
  Run range{0, row.n};
  Before before{0, 0};
  uint64_t drawn = 0;
  for (bool first = true; first || range.end - range.begin > kWarp; first = false) {
    weigh(s, row, kept, run_of(range, threads / kWarp, warp_id()));
    sync_threads();
    if (first) {
      Before all{0, 0};
      for (int w = 0; w < threads / kWarp; w++) all.pass(kept, s.mass[w], s.ties[w]);
      drawn = share_of(draw, all.mass);
    }
    int w = 0;
    for (Before next = before; w < threads / kWarp; w++, before = next) {
      next.pass(kept, s.mass[w], s.ties[w]);
      if (next.mass > drawn) break;
    }
    range = run_of(range, threads / kWarp, w);
    sync_threads();
  }
  return draw_lane(row, kept, range, before, drawn);
}

template <int threads>
__global__ void __launch_bounds__(threads) sample_kernel(const SampleParams p) {
  auto &s = shared_memory<SampleShared<threads>>();
  const int64_t r = block_id().x;
  const float *x = p.x + r * p.n;
  const float temperature = p.temperature[r];
  int32_t id = largest(s, x, p.n, p.vectors);
  if (id >= 0 && temperature > 0.0f) {
    const float scale = 1.44269504f / temperature;
    const SampleRow row{x, p.n, p.vectors, x[id], scale < FLT_MAX ? scale : FLT_MAX};
    const Kept kept = keep(s, row, p.top_k[r], p.top_p[r], p.min_p[r]);
    id = draw_token(s, row, kept, p.draw[r]);
  }
  if (thread_id() == 0) p.ids[r] = id;
}

}  // namespace ll4::cuda
