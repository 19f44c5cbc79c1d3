// Kernels with one mistake each: every one must be reported with its line and its reason. Right
// kernels of the same kind are in right_test.cu.
#include <utility>

#include "../../common/reduce.cuh"
#include "../report.h"
#include "test.h"

namespace {

using namespace ll4::cuda;
using ll4::simt::test::Array;
using ll4::simt::test::Stream;

constexpr int kThreads = 64;
constexpr int kElements = 1024;  // of in, all written; out is as long, and unwritten

struct Params {
  const bf16 *in;
  float *out;
  float *host;  // not the device's
};

struct Layout {
  alignas(16) float values[2 * kThreads];
  alignas(16) bf16 tile[2][kThreads][8];  // two stages of a pipeline
  uint32_t counts[4];
};

Layout &layout() { return shared_memory<Layout>(); }
void copy_row(const Params &p, int stage, int row) {
  copy_async(layout().tile[stage][row], p.in + row * 8);
}

// ---- barriers ----

void race_write_read(const Params p) {
  Layout &s = layout();
  s.values[thread_id()] = 1;
  if (warp_id() == 1) p.out[thread_id()] = s.values[lane_id()];  // race_write_read
}
void race_read_write(const Params p) {
  Layout &s = layout();
  s.values[thread_id()] = 1;
  sync_threads();
  if (warp_id() == 1)
    p.out[thread_id()] = s.values[lane_id()];
  else
    s.values[lane_id()] = 2;  // race_read_write
}
void race_write_write(const Params) {
  Layout &s = layout();
  if (lane_id() == 0) s.values[5] = static_cast<float>(warp_id());  // race_write_write
}
// The second barrier separates only one of the two warps' reads from the write.
void race_of_several_readers(const Params p) {
  Layout &s = layout();
  if (thread_id() == 0) s.values[0] = 1;
  sync_threads();
  p.out[thread_id()] = s.values[0];
  if (warp_id() == 0) {
    sync_warp();
    if (lane_id() == 0) s.values[0] = 2;  // race_of_several_readers
  }
}
void race_in_warp(const Params p) {
  Layout &s = layout();
  s.values[thread_id()] = 1;
  sync_warp();
  if (lane_id() % 2 == 0) s.values[thread_id()] = 2;
  if (lane_id() % 2 == 1 && lane_id() < 31)
    p.out[thread_id()] = s.values[thread_id() - 1];  // race_in_warp
}
// sync_warp of half a warp does not order the other half.
void race_other_half(const Params p) {
  Layout &s = layout();
  if (warp_id() > 0) return;
  if (lane_id() >= 16) {
    s.values[lane_id()] = 1;
  }
  sync_warp();
  if (lane_id() >= 16)
    s.values[lane_id()] = 2;
  else
    sync_warp(0x0000ffffu);
  sync_warp(lane_id() < 16 ? 0x0000ffffu : 0xffff0000u);
  if (lane_id() < 16) p.out[lane_id()] = s.values[lane_id() + 16];  // race_other_half
}
// A shuffle hands over registers and orders nothing else.
void race_over_shuffle(const Params p) {
  Layout &s = layout();
  s.values[thread_id()] = 1;
  p.out[thread_id()] = shuffle(1.0f, 0);
  p.out[thread_id()] += s.values[thread_id() ^ 1];  // race_over_shuffle
}
void race_with_atomic(const Params p) {
  Layout &s = layout();
  if (thread_id() < 4) s.counts[thread_id()] = 0;
  sync_threads();
  atomic_add(&s.counts[thread_id() % 4], 1u);
  if (thread_id() == 40) p.out[0] = static_cast<float>(s.counts[0]);  // race_with_atomic
}
void race_of_ldmatrix(const Params p) {
  Layout &s = layout();
  const Vec<bf16, 8> row{};
  auto &own = *reinterpret_cast<Vec<bf16, 8> *>(s.tile[0][thread_id()]);
  own = row;
  sync_threads();
  if (warp_id() == 1) own = row;
  uint32_t words[4];
  load_matrix(words, s.tile[0][thread_id() ^ 32]);  // race_of_ldmatrix
  p.out[thread_id()] = as_float(words[0]);
}
void barrier_left_by_some(const Params p) {
  if (thread_id() >= 48) return;
  sync_threads();  // barrier_left_by_some
  p.out[thread_id()] = 1;
}
void barrier_after_end(const Params p) {
  p.out[thread_id()] = 1;
  if (warp_id() == 1) sync_threads();  // barrier_after_end
}
void two_barriers(const Params p) {
  if (warp_id() == 0)
    sync_threads();
  else
    sync_threads();  // two_barriers
  p.out[thread_id()] = 1;
}

// ---- cp.async ----

void copy_without_wait(const Params p) {
  copy_row(p, 0, thread_id());
  copy_async_commit();
  sync_threads();
  p.out[thread_id()] = to_float(layout().tile[0][thread_id()][0]);  // copy_without_wait
}
void copy_without_commit(const Params p) {
  copy_row(p, 0, thread_id());
  copy_async_wait<0>();
  sync_threads();
  p.out[thread_id()] = to_float(layout().tile[0][thread_id()][0]);  // copy_without_commit
}
void copy_waits_for_too_little(const Params p) {
  for (int stage = 0; stage < 2; stage++) {
    copy_row(p, stage, thread_id());
    copy_async_commit();
  }
  copy_async_wait<1>();
  sync_threads();
  p.out[thread_id()] = to_float(layout().tile[0][thread_id()][0]);
  p.out[thread_id()] = to_float(layout().tile[1][thread_id()][0]);  // copy_waits_for_too_little
}
void copy_barrier_before_wait(const Params p) {
  copy_row(p, 0, thread_id());
  copy_async_commit();
  sync_threads();
  copy_async_wait<0>();
  if (warp_id() == 0)
    p.out[thread_id()] = to_float(layout().tile[0][lane_id() + 32][0]);  // copy_barrier_before_wait
}
void copy_over_what_is_read(const Params p) {
  copy_row(p, 0, thread_id());
  copy_async_commit();
  copy_async_wait<0>();
  sync_threads();
  if (warp_id() == 1)
    p.out[thread_id()] = to_float(layout().tile[0][lane_id()][0]);
  else
    copy_async(layout().tile[0][lane_id()], p.in);  // copy_over_what_is_read
}
void copy_to_misaligned(const Params p) {
  copy_async(&layout().tile[0][thread_id()][4], p.in);  // copy_to_misaligned
}
void copy_from_misaligned(const Params p) {
  copy_async(layout().tile[0][thread_id()], p.in + 4 + 8 * thread_id());  // copy_from_misaligned
}
void copy_out_of_bounds(const Params p) {
  const bf16 *from = p.in + kElements - 8 * 63;
  copy_async(layout().tile[0][thread_id()], from + 8 * thread_id());  // copy_out_of_bounds
}
void copy_from_unwritten(const Params p) {
  copy_async(layout().tile[0][thread_id()], p.out + 4 * thread_id());  // copy_from_unwritten
}

// ---- bounds, alignment, contents ----

void read_past_device(const Params p) {
  p.out[thread_id()] = to_float(p.in[kElements - 63 + thread_id()]);  // read_past_device
}
void read_before_device(const Params p) {
  p.out[thread_id()] = to_float(p.in[thread_id() - 1]);  // read_before_device
}
void write_past_device(const Params p) {
  p.out[kElements - 63 + thread_id()] = 1;  // write_past_device
}
void read_past_shared(const Params p) {
  const float *end = reinterpret_cast<const float *>(&layout() + 1);
  p.out[thread_id()] = end[0];  // read_past_shared
}
void write_past_shared(const Params) {
  float *end = reinterpret_cast<float *>(&layout() + 1);
  end[thread_id()] = 1;  // write_past_shared
}
void misaligned_load(const Params p) {
  const Vec<bf16, 8> v =
      *reinterpret_cast<const Vec<bf16, 8> *>(p.in + thread_id());  // misaligned_load
  p.out[thread_id()] = to_float(v.at[3]);
}
void misaligned_store(const Params p) {
  Vec<float, 4> v{};
  *reinterpret_cast<Vec<float, 4> *>(p.out + 2 * thread_id()) = v;  // misaligned_store
}
void misaligned_ldmatrix(const Params) {
  uint32_t words[4];
  load_matrix(words, &layout().tile[0][thread_id()][1]);  // misaligned_ldmatrix
}
void ldmatrix_of_device_memory(const Params p) {
  uint32_t words[4];
  load_matrix(words, p.in);  // ldmatrix_of_device_memory
}
void unwritten_shared(const Params p) {
  p.out[thread_id()] = layout().values[thread_id()];  // unwritten_shared
}
// Shared memory of the block before is not this block's.
void unwritten_in_second_block(const Params p) {
  if (block_id().x == 0) layout().values[thread_id()] = 1;
  sync_threads();
  if (block_id().x == 1)
    p.out[thread_id()] = layout().values[thread_id()];  // unwritten_in_second_block
}
void unwritten_device(const Params p) {
  p.out[thread_id()] = p.out[thread_id() + 64];  // unwritten_device
}
void atomic_of_unwritten(const Params) {
  atomic_add(&layout().counts[0], 1u);  // atomic_of_unwritten
}
void host_read(const Params p) {
  p.out[thread_id()] = p.host[0];  // host_read
}
void host_write(const Params p) {
  p.host[0] = 1;  // host_write
}
void another_threads_local(const Params p) {
  volatile float mine = 1;
  auto **addresses = reinterpret_cast<volatile float **>(layout().values);
  addresses[thread_id()] = &mine;
  sync_threads();
  p.out[thread_id()] = *addresses[thread_id() ^ 1];  // another_threads_local
}
volatile float from_host = 3;  // not a constant
void global_of_the_host(const Params p) {
  p.out[thread_id()] = from_host;  // global_of_the_host
}
// What a header of the standard library does is for the kernel's line.
void through_a_header(const Params p) {
  std::swap(p.out[thread_id()], p.out[thread_id() + 64]);  // through_a_header
}
// Each call has 40 KiB; the first threads have ended, whose stacks come next.
template <int depth>
__attribute__((noinline)) float deeper(float x) {
  float local[10240];
  for (int i = 0; i < 10240; i++) local[i] = x + static_cast<float>(i);
  if constexpr (depth > 0) x = deeper<depth - 1>(local[77]);
  for (int i = 0; i < 10240; i++) x += local[(i * 7) % 10240];
  return x;
}
void too_many_locals(const Params p) {  // too_many_locals
  if (thread_id() == 40) p.out[thread_id()] = deeper<2>(1);
}
struct TooLarge {
  Layout layout;
  float more[1];
};
void more_shared_than_launched(const Params p) {
  p.out[thread_id()] = shared_memory<TooLarge>().more[0];  // more_shared_than_launched
}

// ---- collectives ----

void shuffle_not_in_own_mask(const Params p) {
  p.out[thread_id()] = shuffle(1.0f, 0, 0x0000ffffu);  // shuffle_not_in_own_mask
}
void shuffle_lane_never_comes(const Params p) {
  if (lane_id() != 7) p.out[thread_id()] = shuffle(1.0f, 0);  // shuffle_lane_never_comes
}
void shuffle_from_outside_the_mask(const Params p) {
  if (lane_id() < 16)
    p.out[thread_id()] = shuffle(1.0f, 20, 0x0000ffffu);  // shuffle_from_outside_the_mask
}
void collectives_differ(const Params p) {
  uint32_t votes = 0;
  lane_id() == 9 ? sync_warp() : void(votes = ballot(true));  // collectives_differ
  p.out[thread_id()] = static_cast<float>(votes);
}
void collectives_of_two_lines(const Params p) {
  float x = 0;
  if (lane_id() < 30)
    x = shuffle(1.0f, 0);
  else
    x = shuffle(2.0f, 0);  // collectives_of_two_lines
  p.out[thread_id()] = x;
}
void warp_waits_for_barrier(const Params) {
  if (lane_id() == 3)
    sync_threads();
  else
    sync_warp();  // warp_waits_for_barrier
}
void mma_without_a_lane(const Params p) {
  float d[4] = {};
  const uint32_t a[4] = {}, b[2] = {};
  if (lane_id() != 31) mma_bf16(d, a, b);  // mma_without_a_lane
  p.out[thread_id()] = d[0];
}

struct Broken {
  const char *name;
  void (*kernel)(Params);
  const char *words;
};
const Broken kBroken[] = {
    {"race_write_read", race_write_read,
     "a race in shared memory: no barrier since the write by thread 0"},
    {"race_read_write", race_read_write,
     "a race in shared memory: no barrier since the read by thread"},
    {"race_write_write", race_write_write,
     "a race in shared memory: no barrier since the write by thread 0"},
    {"race_of_several_readers", race_of_several_readers,
     "a race in shared memory: no barrier since the read"},
    {"race_in_warp", race_in_warp,
     "a race in shared memory: no barrier since the write by thread 0"},
    {"race_other_half", race_other_half,
     "a race in shared memory: no barrier since the write by thread"},
    {"race_over_shuffle", race_over_shuffle,
     "a race in shared memory: no barrier since the write by thread"},
    {"race_with_atomic", race_with_atomic, "a race in shared memory: no barrier since the write"},
    {"race_of_ldmatrix", race_of_ldmatrix,
     "a race in shared memory: no barrier since the write by thread"},
    {"barrier_left_by_some", barrier_left_by_some, "thread 48, "},
    {"barrier_left_by_some", barrier_left_by_some,
     "ends while other threads of its block wait in sync_threads"},
    {"barrier_after_end", barrier_after_end,
     "waits in sync_threads, but other threads of its block have ended"},
    {"two_barriers", two_barriers, "a divergent barrier"},
    {"copy_without_wait", copy_without_wait, "a cp.async has yet to fill: no wait covers it"},
    {"copy_without_commit", copy_without_commit, "a cp.async has yet to fill: no wait covers it"},
    {"copy_waits_for_too_little", copy_waits_for_too_little,
     "a cp.async has yet to fill: no wait covers it"},
    {"copy_barrier_before_wait", copy_barrier_before_wait,
     "a race in shared memory: no barrier since the write by thread 32"},
    {"copy_over_what_is_read", copy_over_what_is_read,
     "a race in shared memory: no barrier since the read by thread"},
    {"copy_to_misaligned", copy_to_misaligned, "writes 16 bytes: a misaligned access"},
    {"copy_from_misaligned", copy_from_misaligned, "reads 16 bytes: a misaligned access"},
    {"copy_out_of_bounds", copy_out_of_bounds,
     "out of bounds, at byte 2048 of an allocation of 2048"},
    {"copy_from_unwritten", copy_from_unwritten,
     "unwritten device memory at byte 0 of an allocation of 4096"},
    {"read_past_device", read_past_device,
     "reads 2 bytes: out of bounds, at byte 2048 of an allocation of 2048"},
    {"read_before_device", read_before_device, "reads 2 bytes: out of bounds"},
    {"write_past_device", write_past_device,
     "writes 4 bytes: out of bounds, at byte 4096 of an allocation of 4096"},
    {"read_past_shared", read_past_shared, "reads 4 bytes: out of bounds of shared memory"},
    {"write_past_shared", write_past_shared, "writes 4 bytes: out of bounds of shared memory"},
    {"misaligned_load", misaligned_load, "reads 16 bytes: a misaligned access"},
    {"misaligned_store", misaligned_store, "writes 16 bytes: a misaligned access"},
    {"misaligned_ldmatrix", misaligned_ldmatrix, "reads 16 bytes: a misaligned access"},
    {"ldmatrix_of_device_memory", ldmatrix_of_device_memory,
     "ldmatrix of what is not shared memory"},
    {"unwritten_shared", unwritten_shared, "reads 4 bytes: unwritten shared memory"},
    {"unwritten_in_second_block", unwritten_in_second_block,
     "reads 4 bytes: unwritten shared memory"},
    {"unwritten_device", unwritten_device,
     "unwritten device memory at byte 256 of an allocation of 4096"},
    {"atomic_of_unwritten", atomic_of_unwritten, "updates 4 bytes: unwritten shared memory"},
    {"host_read", host_read, "reads 4 bytes: memory of the host"},
    {"host_write", host_write, "writes 4 bytes: memory of the host"},
    {"another_threads_local", another_threads_local,
     "reads 4 bytes: outside of its own local variables"},
    {"global_of_the_host", global_of_the_host, "reads 4 bytes: memory of the host"},
    {"through_a_header", through_a_header, "reads 4 bytes: unwritten device memory"},
    {"too_many_locals", too_many_locals, "more local variables than the emulator's stack holds"},
    {"more_shared_than_launched", more_shared_than_launched,
     "bytes of shared memory, but was launched with"},
    {"shuffle_not_in_own_mask", shuffle_not_in_own_mask,
     "is not in the mask 0x0000ffff of its own collective"},
    {"shuffle_lane_never_comes", shuffle_lane_never_comes,
     "waits for the lanes 0xffffffff of its warp, but lane 7 has ended"},
    {"shuffle_from_outside_the_mask", shuffle_from_outside_the_mask,
     "shuffles from lane 20, which is not in the mask"},
    {"collectives_differ", collectives_differ,
     "meets lanes of its warp that are in another collective, at cuda/simt/test"},
    {"collectives_of_two_lines", collectives_of_two_lines,
     "meets lanes of its warp that are in another collective"},
    {"warp_waits_for_barrier", warp_waits_for_barrier,
     "but lane 3 waits at cuda/simt/test/broken_test.cu"},
    {"mma_without_a_lane", mma_without_a_lane,
     "waits for the lanes 0xffffffff of its warp, but lane 31 has ended"},
};

// Where addr2line is missing, or cannot read this machine's code, reports have no names and lines.
bool has_lines() {
  return ll4::simt::function_at(reinterpret_cast<const void *>(kBroken[0].kernel)) != "kernel";
}

void check(const Broken &broken, bool lines) {
  const std::vector<bf16> ones(kElements, bf16{0x3f80});
  Array<bf16> in(ones);
  Array<float> out(kElements);
  std::vector<float> host(4);
  Stream stream;
  const Params params{in.get(), out.get(), host.data()};
  ll4::simt::test::must(put(stream, broken.kernel, 2, kThreads, sizeof(Layout), params));
  const std::string report = stream.wait();
  const std::string where = ll4::simt::test::line_of(__FILE__, broken.name);
  std::vector<std::string> parts = {broken.words};
  if (lines) parts.insert(parts.end(), {std::string(broken.name) + ", block (", where});
  for (const std::string &part : parts)
    ll4::simt::test::expect(
        report.find(part) != std::string::npos,
        std::string(broken.name) + ": \"" + report + "\" lacks \"" + part + "\"");
}

}  // namespace

int main() {
  const bool lines = has_lines();
  if (!lines) std::printf("no addr2line for this code: names and lines are not checked\n");
  for (const Broken &broken : kBroken) check(broken, lines);
  return ll4::simt::test::finish("broken kernels");
}
