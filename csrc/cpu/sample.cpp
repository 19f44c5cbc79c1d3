// sample: one token a row, by masses that are integers, so that their sums do not depend on order
// and a CUDA device draws the same tokens (cuda/sample.cuh).
//
// A row is read once for its largest logit and once for the tokens near enough to it to have a
// mass. Only these are weighed, and nothing is sorted: the last logit that top-k or top-p keeps is
// found by radix selection. A rule that is NaN or out of its range is read as the nearest that is
// not, or as none.
#include <algorithm>
#include <cmath>
#include <limits>

#include "device.h"

namespace ll4::cpu {

namespace {

struct Rules {
  float temperature, top_p, min_p, draw;
  int32_t top_k;
};

// Tokens by rising id.
struct Candidates {
  int64_t n;
  float *logits;
  uint32_t *keys;  // in the order of the logits
  uint64_t *masses;
  int32_t *ids;

  template <class Pass>
  void keep_if(Pass pass) {
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
      if (!pass(i)) continue;
      keys[kept] = keys[i];
      masses[kept] = masses[i];
      ids[kept] = ids[i];
      kept++;
    }
    n = kept;
  }
  uint64_t mass() const {
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++) sum += masses[i];
    return sum;
  }
};

constexpr float kWholeMass = 1099511627776.0f;  // 2^40, of the largest logit
constexpr float kMost = std::numeric_limits<float>::max();

uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

// Both zeros have one key.
uint32_t sort_key(float x) {
  const uint32_t bits = bits_of(x + 0.0f);
  return bits ^ (static_cast<uint32_t>(static_cast<int32_t>(bits) >> 31) | 0x80000000u);
}

// Whether a logit is NaN or +Inf: without its sign it has at least the bits of an infinity, or more
// than those when it is negative.
bool any_invalid(const float *x, int64_t n) {
  int32_t found = 0;
  for (int64_t i = 0; i < n; i++) {
    const uint32_t bits = bits_of(x[i]);
    found |=
        static_cast<int32_t>(bits & 0x7fffffffu) > static_cast<int32_t>(0x7f7fffffu + (bits >> 31));
  }
  return found != 0;
}

// The token of the largest logit, ties by the lowest id; -1 where none may be drawn.
int32_t largest(const Kernels &kernels, const float *x, int64_t n) {
  constexpr int64_t kBlock = 4096;
  const float *best = nullptr;
  float top = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = std::min(kBlock, n - i);
    if (any_invalid(x + i, m)) return -1;
    const float most = kernels.max(x + i, m);
    if (most > top) {
      top = most;
      best = x + i;
    }
  }
  if (!best) return -1;
  while (*best != top) best++;
  return static_cast<int32_t>(best - x);
}

// exp((x - top) / temperature) in units of 2^-40, for scale = log2(e) / temperature: 2^(a whole
// number) times a polynomial for 2^f, with an error of 1.5 * 2^-24. Every step is rounded.
void weigh(Candidates &c, float top, float scale) {
  constexpr int64_t kBlock = 512;
  float exponents[kBlock];
  int32_t units[kBlock], shift[kBlock];
  for (int64_t begin = 0; begin < c.n; begin += kBlock) {
    const float *x = c.logits + begin;
    const int64_t n = std::min(kBlock, c.n - begin);
    for (int64_t i = 0; i < n; i++) {
      const float exponent = (x[i] - top) * scale;
      exponents[i] = exponent > -43.0f ? exponent : -43.0f;  // no mass is left there, nor of a NaN
    }
    for (int64_t i = 0; i < n; i++) {
      const float whole = (exponents[i] + 12582912.0f) - 12582912.0f;  // 1.5 * 2^23 rounds it off
      const float f = exponents[i] - whole;
      float y = 1.54531634e-4f;
      y = y * f + 1.33908633e-3f;
      y = y * f + 9.61808302e-3f;
      y = y * f + 5.55035695e-2f;
      y = y * f + 2.40226507e-1f;
      y = y * f + 6.93147182e-1f;
      y = y * f + 1.0f;
      units[i] = static_cast<int32_t>(y * 16777216.0f);  // of 2^-24, exact
      shift[i] = static_cast<int32_t>(-whole);
    }
    for (int64_t i = 0; i < n; i++) {
      c.keys[begin + i] = sort_key(x[i]);
      c.masses[begin + i] = ((static_cast<uint64_t>(units[i]) << 17 >> shift[i]) + 1) >> 1;
    }
  }
}

// The tokens that may have a mass: e^-28.5 is below half a unit, the rest is for rounding.
void gather(const float *x, int64_t n, float floor, Candidates &c) {
  c.n = 0;
  for (int64_t i = 0; i < n; i++) {
    c.ids[c.n] = static_cast<int32_t>(i);
    c.logits[c.n] = x[i];
    c.n += x[i] >= floor;
  }
}

// The key at which the candidates' weights, summed from the largest key down, reach a target; the
// weight above it is below the target.
struct Cut {
  uint32_t key;
  uint64_t above, target;
};

// Eleven bits of the keys a round, with a sum for each of their values. The target, made of the sum
// of all weights, is from 1 to that sum.
template <class Weight, class Target>
Cut select(const Candidates &c, Weight weight, Target target_of) {
  constexpr int kBits = 11, kBuckets = 1 << kBits;
  Cut cut{};
  uint32_t fixed = 0;  // the bits of the cut that are found
  for (const int shift : {32 - kBits, 32 - 2 * kBits, 0}) {
    uint64_t sums[kBuckets] = {};
    for (int64_t i = 0; i < c.n; i++)
      if ((c.keys[i] & fixed) == cut.key) sums[c.keys[i] >> shift & (kBuckets - 1)] += weight(i);
    if (fixed == 0) {
      uint64_t total = 0;
      for (const uint64_t sum : sums) total += sum;
      cut.target = target_of(total);
    }
    int b = kBuckets - 1;
    for (; cut.above + sums[b] < cut.target; b--) cut.above += sums[b];
    // In the last round the lowest bit of the one before is among the eleven.
    cut.key |= static_cast<uint32_t>(b) << shift;
    fixed |= static_cast<uint32_t>(kBuckets - 1) << shift;
  }
  return cut;
}

void keep_top_k(Candidates &c, uint64_t k) {
  if (k >= static_cast<uint64_t>(c.n)) return;
  const Cut cut = select(
      c, [](int64_t) { return uint64_t{1}; }, [k](uint64_t) { return k; });
  c.keep_if([&](int64_t i) { return c.keys[i] >= cut.key; });
}

// Keeps what has less than p of the mass above it; tokens of equal logits rank by their ids.
void keep_top_p(Candidates &c, float p) {
  const Cut cut = select(
      c, [&c](int64_t i) { return c.masses[i]; },
      [p](uint64_t total) {
        if (!(p > 0)) return uint64_t{1};
        return static_cast<uint64_t>(std::ceil(double{p} * static_cast<double>(total)));
      });
  uint64_t sum = cut.above;
  c.keep_if([&](int64_t i) {
    if (c.keys[i] != cut.key) return c.keys[i] > cut.key;
    const bool kept = sum < cut.target;
    sum += c.masses[i];
    return kept;
  });
}

void keep_min_p(Candidates &c, float p) {
  const uint64_t least = static_cast<uint64_t>(std::ceil(std::min(p, 1.0f) * kWholeMass));
  c.keep_if([&](int64_t i) { return c.masses[i] >= least; });
}

// The token at which the masses, by rising id, pass `share` of their sum.
int32_t draw(const Candidates &c, float share) {
  const uint64_t total = c.mass();
  const float part = share > 0 ? std::min(share, 1.0f) : 0.0f;
  const uint64_t drawn =
      std::min(static_cast<uint64_t>(double{part} * static_cast<double>(total)), total - 1);
  uint64_t sum = 0;
  int64_t i = 0;
  while ((sum += c.masses[i]) <= drawn) i++;
  return c.ids[i];
}

int32_t choose(const Kernels &kernels, const float *x, int64_t n, const Rules &r, Candidates &c) {
  const int32_t best = largest(kernels, x, n);
  if (best < 0 || !(r.temperature > 0)) return best;
  const float top = x[best];
  gather(x, n, top - 29.2f * r.temperature, c);
  weigh(c, top, std::min(1.44269504f / r.temperature, kMost));
  if (r.top_k > 0) keep_top_k(c, static_cast<uint64_t>(r.top_k));
  if (r.top_p < 1) keep_top_p(c, r.top_p);
  if (r.min_p > 0) keep_min_p(c, r.min_p);
  return draw(c, r.draw);
}

}  // namespace

// A task is the rows that are as many apart as there are tasks, so that there is memory for
// candidates once a thread.
void sample(ll4_stream &stream, const ll4_sample_args &a) {
  Running running(stream);
  Device &device = running.device;
  const int64_t rows = a.x.shape[0], n = a.x.shape[1];
  const int64_t tasks = std::min<int64_t>(rows, device.pool.threads());
  float *logits = device.scratch.take<float>(tasks * n);
  uint32_t *keys = device.scratch.take<uint32_t>(tasks * n);
  uint64_t *masses = device.scratch.take<uint64_t>(tasks * n);
  int32_t *ids = device.scratch.take<int32_t>(tasks * n);
  device.pool.run(tasks, [&](int64_t task) {
    const int64_t at = task * n;
    Candidates c{0, logits + at, keys + at, masses + at, ids + at};
    for (int64_t r = task; r < rows; r += tasks) {
      const Rules rules{data<float>(a.temperature)[r], data<float>(a.top_p)[r],
                        data<float>(a.min_p)[r], data<float>(a.draw)[r], data<int32_t>(a.top_k)[r]};
      data<int32_t>(a.ids)[r] = choose(device.kernels, data<const float>(a.x) + r * n, n, rules, c);
    }
  });
}

}  // namespace ll4::cpu
