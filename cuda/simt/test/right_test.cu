// Right kernels, of the kinds that broken_test.cu breaks: nothing may be reported, and the results
// are checked.
#include <cmath>

#include "../../common/reduce.cuh"
#include "test.h"

namespace {

using namespace ll4::cuda;
using ll4::simt::test::Array;
using ll4::simt::test::expect;
using ll4::simt::test::must;
using ll4::simt::test::put;
using ll4::simt::test::Stream;

constexpr int kThreads = 128;

struct Params {
  const bf16 *in;
  float *out;
  int64_t n;
};

void run(const char *name, void (*kernel)(Params), unsigned grid, int64_t shared,
         const Params &params) {
  Stream stream;
  must(put(stream, kernel, grid, kThreads, shared, params));
  const std::string report = stream.wait();
  expect(report.empty(), std::string(name) + ": " + report);
}

void expect_values(const char *name, const Array<float> &out, const std::vector<float> &wanted) {
  const std::vector<float> got = out.read();
  for (size_t i = 0; i < wanted.size(); i++)
    expect(got[i] == wanted[i], std::string(name) + ": [" + std::to_string(i) + "] is " +
                                    std::to_string(got[i]) + ", not " + std::to_string(wanted[i]));
}

// Whole numbers that bf16 has.
std::vector<bf16> numbers(int64_t n) {
  std::vector<bf16> values;
  for (int64_t i = 0; i < n; i++)
    values.push_back({static_cast<uint16_t>(as_bits(static_cast<float>(i % 97)) >> 16)});
  return values;
}

// ---- reductions ----

struct ReduceLayout {
  float room[2][kThreads / kWarp];
};
void block_sums(const Params p) {
  auto &s = shared_memory<ReduceLayout>();
  float sum = 0, most = 0;
  for (int64_t i = thread_id(); i < p.n; i += kThreads) {
    const float x = to_float(p.in[block_id().x * p.n + i]);
    sum += x;
    most = Max{}(most, x);
  }
  sum = block_reduce<kThreads>(sum, Sum{}, s.room[0]);
  most = block_reduce<kThreads>(most, Max{}, s.room[1]);
  sync_threads();
  // The same room again, now that everybody has read it.
  const float twice = block_reduce<kThreads>(sum, Max{}, s.room[0]);
  if (thread_id() == 0) p.out[block_id().x] = sum + 1000 * most + (twice - sum);
}

void test_reduce() {
  const int64_t rows = 3, n = 200;
  const std::vector<bf16> values = numbers(rows * n);
  const Array<bf16> in(values);
  const Array<float> out(rows);
  run("block_sums", block_sums, 3, sizeof(ReduceLayout), {in.get(), out.get(), n});
  std::vector<float> wanted;
  for (int64_t r = 0; r < rows; r++) {
    float sum = 0, most = 0;
    for (int64_t i = 0; i < n; i++) {
      const float x = to_float(values[static_cast<size_t>(r * n + i)]);
      sum += x;
      most = std::fmax(most, x);
    }
    wanted.push_back(sum + 1000 * most);
  }
  expect_values("block_sums", out, wanted);
}

// ---- a pipeline of two stages ----

struct PipelineLayout {
  alignas(16) bf16 tile[2][kThreads][8];
};
// Sums the rows of in, 128 x 8 elements a step, each thread reading what another one loaded. Steps
// past the end load nothing but still commit, so that a wait counts the same.
void pipeline(const Params p) {
  auto &s = shared_memory<PipelineLayout>();
  const int64_t steps = ceil_div(p.n, kThreads * 8);
  const auto load = [&](int64_t step) {
    const int64_t at = (step * kThreads + thread_id()) * 8;
    if (step < steps)
      copy_async(s.tile[step % 2][thread_id()], at < p.n ? p.in + at : nullptr, at < p.n ? 16 : 0);
    copy_async_commit();
  };
  float sum = 0;
  load(0);
  for (int64_t step = 0; step < steps; step++) {
    load(step + 1);
    copy_async_wait<1>();
    sync_threads();
    for (int i = 0; i < 8; i++) sum += to_float(s.tile[step % 2][thread_id() ^ 33][i]);
    sync_threads();
  }
  p.out[thread_id()] = sum;
}

void test_pipeline() {
  const int64_t n = 5 * kThreads * 8 + 72;
  const std::vector<bf16> values = numbers(n);
  const Array<bf16> in(values);
  const Array<float> out(kThreads);
  run("pipeline", pipeline, 1, sizeof(PipelineLayout), {in.get(), out.get(), n});
  std::vector<float> wanted(kThreads);
  for (int64_t i = 0; i < n; i++)
    wanted[static_cast<size_t>(i / 8 % kThreads ^ 33)] += to_float(values[static_cast<size_t>(i)]);
  expect_values("pipeline", out, wanted);
}

// ---- within a warp ----

struct WarpLayout {
  float values[kThreads];
  float total[kThreads / kWarp];
  alignas(16) bf16 tile[kThreads][8];
};
// Warps exchange through shared memory with sync_warp alone, lanes read and write the same place
// again and again, and half warps and quarters meet on their own.
void warps(const Params p) {
  auto &s = shared_memory<WarpLayout>();
  float *mine = s.values + warp_id() * kWarp;
  mine[lane_id()] = static_cast<float>(lane_id());
  for (int step = 1; step < kWarp; step *= 2) {
    sync_warp();
    const float other = mine[lane_id() ^ step];
    sync_warp();
    mine[lane_id()] += other;
  }
  if (lane_id() == 0) s.total[warp_id()] = 0;
  for (int round = 0; round < 3; round++) {
    sync_warp();
    const float before = s.total[warp_id()];  // read by all
    sync_warp();
    if (lane_id() == round) s.total[warp_id()] = before + s.total[warp_id()] + 1;
  }
  sync_warp();
  float result = mine[lane_id()] + 1000 * s.total[warp_id()];  // 496 + 7000
  const uint32_t half = lane_id() < 16 ? 0x0000ffffu : 0xffff0000u;
  const uint32_t quarter = 0xffu << lane_id() / 8 * 8;
  for (const uint32_t mask : {half, quarter}) {
    if (mask == half || lane_id() / 8 != 2) {
      mine[lane_id()] = result;
      sync_warp(mask);
      result += mine[lane_id() ^ 1] - mine[lane_id()];
      sync_warp(mask);
    }
  }
  // Pairs: sixteen meetings of a warp at once.
  result += shuffle(1.0f, lane_id() ^ 1, 3u << lane_id() / 2 * 2);
  if (ballot(lane_id() % 2 == 0, half) != (half & 0x55555555u)) result = -1;
  p.out[thread_id()] = result;
}

// Every warp fills a tile with cp.async and reads it with ldmatrix, without a block barrier.
void warp_tiles(const Params p) {
  auto &s = shared_memory<WarpLayout>();
  copy_async(s.tile[thread_id()], p.in + 8 * thread_id());
  copy_async_commit();
  copy_async_wait<0>();
  sync_warp();
  uint32_t words[4];
  load_matrix(words, s.tile[thread_id()]);
  float sum = 0;
  for (const uint32_t w : words) sum += low_float(w) + high_float(w);
  p.out[thread_id()] = warp_reduce(sum, Sum{});
}

void test_warps() {
  const std::vector<bf16> values = numbers(8 * kThreads);
  const Array<bf16> in(values);
  const Array<float> out(kThreads);
  run("warps", warps, 1, sizeof(WarpLayout), {in.get(), out.get(), 0});
  expect_values("warps", out, std::vector<float>(kThreads, 7497));
  run("warp_tiles", warp_tiles, 1, sizeof(WarpLayout), {in.get(), out.get(), 0});
  std::vector<float> wanted(kThreads);
  for (size_t i = 0; i < values.size(); i++)
    for (size_t lane = 0; lane < kWarp; lane++)
      wanted[i / 8 / kWarp * kWarp + lane] += to_float(values[i]);
  expect_values("warp_tiles", out, wanted);
}

// ---- atomics ----

struct CountParams {
  const bf16 *in;
  uint32_t *counts;
  uint64_t *total;
  int32_t *first;
};
struct CountLayout {
  uint32_t counts[8];
  uint64_t total;
};
void histogram(const CountParams p) {
  auto &s = shared_memory<CountLayout>();
  if (thread_id() < 8) s.counts[thread_id()] = 0;
  if (thread_id() == 8) s.total = 0;
  sync_threads();
  const auto x = static_cast<uint32_t>(to_float(p.in[block_id().x * kThreads + thread_id()]));
  atomic_add(&s.counts[x % 8], 1u);
  atomic_add(&s.total, uint64_t{x});
  sync_threads();
  if (thread_id() < 8) atomic_add(&p.counts[thread_id()], s.counts[thread_id()]);
  if (thread_id() == 0) {
    atomic_add(p.total, s.total);
    atomic_compare_exchange(p.first, -1, 7);
  }
}

void test_histogram() {
  const std::vector<bf16> values = numbers(16 * kThreads);
  const Array<bf16> in(values);
  const Array<uint32_t> counts(std::vector<uint32_t>(8));
  const Array<uint64_t> total(std::vector<uint64_t>(1));
  const Array<int32_t> first(std::vector<int32_t>{-1});
  Stream stream;
  must(put(stream, histogram, 16, kThreads, sizeof(CountLayout),
           CountParams{in.get(), counts.get(), total.get(), first.get()}));
  const std::string report = stream.wait();
  expect(report.empty(), "histogram: " + report);
  std::vector<uint32_t> wanted(8);
  uint64_t sum = 0;
  for (const bf16 x : values) {
    wanted[static_cast<size_t>(to_float(x)) % 8]++;
    sum += static_cast<uint64_t>(to_float(x));
  }
  expect(counts.read() == wanted, "histogram counts");
  expect(total.read()[0] == sum, "histogram sums");
  expect(first.read()[0] == 7, "histogram exchanges");
}

// ---- the shapes of blocks and grids ----

struct ShapeParams {
  uint32_t *out;
};
void shapes(const ShapeParams p) {
  using ll4::simt::thread_index;
  const auto b = block_id(), g = grid_size(), t = thread_index();
  const uint32_t block = b.x + g.x * (b.y + g.y * b.z);
  const bool inside = t.x < 8 && t.y < 4 && t.z < 2;
  if (inside)
    p.out[block * 64 + t.x + 8 * (t.y + 4 * t.z)] = t.x + 10 * t.y + 100 * t.z + 1000 * block;
}

void test_shapes() {
  const Array<uint32_t> out(3 * 2 * 2 * 64);
  Stream stream;
  must(put(stream, shapes, dim3(3, 2, 2), dim3(8, 4, 2), 0, ShapeParams{out.get()}));
  expect(stream.wait().empty(), "shapes");
  const std::vector<uint32_t> got = out.read();
  for (size_t i = 0; i < got.size(); i++)
    expect(got[i] == i % 8 + 10 * (i / 8 % 4) + 100 * (i / 32 % 2) + 1000 * (i / 64),
           "shapes: every thread runs once, at its place");
}

// Local arrays of some size, which the emulator keeps on a fiber's stack.
void large_locals(const Params p) {
  float local[4096];
  for (int64_t i = 0; i < 4096; i++) local[(i * 7) % 4096] = static_cast<float>(i % p.n);
  sync_threads();
  float sum = 0;
  for (int64_t i = 0; i < 4096; i++) sum += local[(i * p.n) % 4096];
  p.out[thread_id()] = sum;
}

void test_large_locals() {
  const Array<float> out(kThreads);
  run("large_locals", large_locals, 1, 0, {nullptr, out.get(), 1});
  expect_values("large_locals", out, std::vector<float>(kThreads, 0));
}

}  // namespace

int main() {
  test_reduce();
  test_pipeline();
  test_warps();
  test_histogram();
  test_shapes();
  test_large_locals();
  return ll4::simt::test::finish("right kernels");
}
