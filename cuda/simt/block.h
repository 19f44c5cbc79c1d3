// One block at a time on a host thread: its fibers, warps, shared memory and barriers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fiber.h"
#include "shadow.h"
#include "simt.h"

namespace ll4::simt {

constexpr unsigned kWarpLanes = 32;
constexpr unsigned kMostThreads = 1024;
constexpr uint32_t kFullWarp = 0xffffffffu;

// A fiber's stack, at a multiple of its size: whether an address is on the running stack is then a
// comparison with any address that is.
constexpr uintptr_t kStack = 128 * 1024;
inline __attribute__((always_inline)) bool on_own_stack(const void *address) {
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  return (reinterpret_cast<uintptr_t>(address) ^ here) < kStack;
}

// A kernel put on a stream.
struct Launch {
  Index grid, block;
  int64_t shared_bytes;
  const void *kernel;
  void (*invoke)(const void *kernel, const void *parameters);
  std::vector<char> parameters;
};

// Where something happened: a line, or the return address of the code that did it.
class Place {
 public:
  Place() = default;
  Place(Where where) : at_(where.file), line_(where.line) {}
  Place(const void *return_address) : at_(return_address), line_(kAddress) {}
  std::string text() const;

 private:
  static constexpr int kAddress = -1;
  const void *at_ = nullptr;
  int line_ = kAddress;
};

struct Copy {  // cp.async
  char *to;
  const char *from;
  int size, bytes;
};

struct Meeting;

struct Thread {
  bool done;
  const Meeting *waits_in;     // null: in sync_threads
  std::vector<Copy> copies;    // oldest first; those before `landed` have been done
  std::vector<size_t> groups;  // where each committed group ends in copies, oldest first
  size_t landed, waited;       // copies done, groups waited for
};

struct Warp;
// What a collective does once its lanes have met. The function is also its name: lanes that meet in
// different ones are reported.
using Meet = void (*)(Warp &warp, const Meeting &meeting);

// Lanes on their way to meet.
struct Meeting {
  uint32_t mask;  // 0: free
  uint32_t arrived;
  Meet meet;
  Where where;
};

// What the lanes of a warp bring to a collective and take from it. A lane writes and reads its own
// places only, so that the next collective may begin while lanes have yet to take their results.
struct Warp {
  uint32_t runnable;
  uint32_t value[kWarpLanes], source[kWarpLanes], result[kWarpLanes];
  const void *row[kWarpLanes];
  uint32_t matrices[kWarpLanes][4];
  alignas(64) uint32_t a[16][8];  // pairs
  alignas(64) uint16_t b[16][8];
  alignas(64) float d[16][8];
  Meeting meetings[kWarpLanes];
};

class Block {
 public:
  Block();
  ~Block();
  Block(const Block &) = delete;
  Block &operator=(const Block &) = delete;

  // Runs one block to its end. False when it was stopped: report() says why.
  bool run(const Launch &launch, Index block_index);
  const std::string &report() const { return report_; }

  // ---- for the device side, called from fibers ----
  int thread() const { return static_cast<int>(running_); }
  int lane() const { return static_cast<int>(running_ % kWarpLanes); }
  Thread &current() { return threads_[running_]; }
  Warp &warp() { return *warp_; }
  const Launch &launch() const { return *launch_; }
  Index index() const { return index_; }
  Index thread_index() const { return flat_ ? Index{running_, 0, 0} : thread_in_shape(); }
  void sync_threads(Where where);
  // Waits until all lanes of the mask are here; the last to come runs `meet` for all.
  template <Meet meet>
  void arrive(uint32_t mask, Where where);
  // Ends the block with a report of what thread `thread()` did.
  [[noreturn]] void stop(std::string what, Place place);
  // Whether an address lies on the stack of any thread of the block.
  bool on_a_stack(const void *address) const;

  SharedShadow shared;

 private:
  static void enter();
  void yield();
  bool go_to_another_warp();
  Index thread_in_shape() const;
  [[noreturn]] void leave();
  Meeting &meeting(uint32_t mask, Meet meet, Where where);
  [[noreturn]] void stop_deadlocked();
  void check_stacks();
  void describe();

  unsigned running_ = 0;  // the thread, and its warp
  Warp *warp_ = nullptr;
  bool flat_ = true;  // threads have an x and no more
  char *memory_, *stacks_;
  Warp *warps_;
  unsigned count_ = 0, done_ = 0;
  unsigned at_barrier_ = 0;  // threads that wait in sync_threads
  Where barrier_{};          // where the first of them does
  const Launch *launch_ = nullptr;
  Index index_{};
  Context host_;
  Context contexts_[kMostThreads];
  std::vector<Thread> threads_;
  bool stopped_ = false;
  std::string what_;  // of a stopped block
  Place where_;
  std::string report_;
};

// The block that this host thread runs, or null outside of kernels. Asked at every access: the
// model spares a call.
extern __thread Block *running_block __attribute__((tls_model("initial-exec")));
inline Block *current_block() { return running_block; }

// ---- the way of every collective ----

// Continues the next thread that can run: a later lane of this warp, else whatever there is.
inline __attribute__((always_inline)) void Block::yield() {
  const unsigned from = running_;
  const uint32_t later = warp().runnable & ~((2u << lane()) - 1u);
  if (__builtin_expect(later != 0, 1))
    running_ = (from & ~31u) + static_cast<unsigned>(__builtin_ctz(later));
  else if (!go_to_another_warp())
    leave();
  else if (running_ == from)
    return;
  switch_context(contexts_[from], contexts_[running_]);
}

template <Meet meet>
inline __attribute__((always_inline)) void Block::arrive(uint32_t mask, Where where) {
  Warp &w = warp();
  const uint32_t me = 1u << lane();
  Meeting *m = &w.meetings[0];
  if (__builtin_expect(m->mask != mask || m->meet != meet || m->where.line != where.line ||
                           m->where.file != where.file || !(mask & me),
                       0))
    m = &meeting(mask, meet, where);
  m->arrived |= me;
  if (m->arrived == mask) {
    meet(w, *m);
    w.runnable |= mask;
    m->mask = 0;
    return;
  }
  current().waits_in = m;
  w.runnable &= ~me;
  yield();
}

}  // namespace ll4::simt
