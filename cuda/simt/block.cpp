#include "block.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

#include "report.h"

namespace ll4::simt {

namespace {

// Lanes run the same code: if their stacks began at the same place modulo the size of a cache way,
// they would push each other out of it.
constexpr unsigned kStaggerLanes = 32;
constexpr uintptr_t kStagger = 1024 + 64;

bool same(Where a, Where b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

std::string text(Where where) { return short_path(where.file) + ":" + std::to_string(where.line); }

std::string hex(uint32_t mask) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "0x%08x", mask);
  return digits;
}

std::string triple(Index i) {
  return "(" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) + ")";
}

char *map(size_t bytes) {
  void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char *>(p);
}

constexpr size_t kStacks = kMostThreads * kStack;

// Near the end of every stack stands a word that a kernel has no business to change. Pages that
// cannot be accessed would say so at once, but are too many for the system on a large machine.
constexpr uint64_t kCanary = 0x6c6c345f73696d74;
uint64_t *canary(char *stacks, unsigned thread) {
  return reinterpret_cast<uint64_t *>(stacks + thread * kStack + thread % kStaggerLanes * 64);
}

}  // namespace

__thread Block *running_block = nullptr;

std::string Place::text() const {
  return line_ == kAddress ? source_of(at_)
                           : simt::text(Where{static_cast<const char *>(at_), line_});
}

Block::Block() : threads_(kMostThreads) {
  reserve_device_memory();
  memory_ = map(kStacks + kStack);
  const size_t before = kStack - reinterpret_cast<uintptr_t>(memory_) % kStack;
  mprotect(memory_, before, PROT_NONE);
  stacks_ = memory_ + before;
  warps_ = new Warp[kMostThreads / kWarpLanes]();
}

Block::~Block() {
  munmap(memory_, kStacks + kStack);
  delete[] warps_;
}

bool Block::on_a_stack(const void *address) const {
  const char *p = static_cast<const char *>(address);
  return p >= stacks_ && p < stacks_ + kStacks;
}

Index Block::thread_in_shape() const {
  const Index shape = launch_->block;
  const unsigned id = running_;
  return {id % shape.x, id / shape.x % shape.y, id / shape.x / shape.y};
}

bool Block::run(const Launch &launch, Index index) {
  launch_ = &launch;
  index_ = index;
  count_ = launch.block.x * launch.block.y * launch.block.z;
  flat_ = launch.block.x == count_;
  running_ = done_ = at_barrier_ = 0;
  warp_ = warps_;
  stopped_ = false;
  shared.begin(launch.shared_bytes);
  for (unsigned w = 0; w < count_ / kWarpLanes; w++) {
    warps_[w].runnable = kFullWarp;
    for (Meeting &m : warps_[w].meetings) m.mask = 0;
  }
  for (unsigned i = 0; i < count_; i++) {
    *canary(stacks_, i) = kCanary;
    Thread &t = threads_[i];
    t.done = false;
    t.copies.clear();
    t.groups.clear();
    t.landed = t.waited = 0;
    make_context(contexts_[i], stacks_ + (i + 1) * kStack - i % kStaggerLanes * kStagger, enter);
  }
  running_block = this;
  switch_context(host_, contexts_[0]);
  running_block = nullptr;
  check_stacks();
  if (stopped_) describe();
  return !stopped_;
}

void Block::check_stacks() {
  for (unsigned i = 0; i < count_ && !stopped_; i++) {
    if (*canary(stacks_, i) == kCanary) continue;
    running_ = i;
    stopped_ = true;
    what_ = "has more local variables than the emulator's stack holds";
    where_ = static_cast<const void *>(static_cast<const char *>(launch_->kernel) + 1);
  }
}

void Block::enter() {
  Block &block = *current_block();
  block.launch_->invoke(block.launch_->kernel, block.launch_->parameters.data());
  if (block.at_barrier_ > 0)
    block.stop("ends while other threads of its block wait in sync_threads", block.barrier_);
  block.current().done = true;
  block.done_++;
  block.warp().runnable &= ~(1u << block.lane());
  block.yield();
}

// Or to an earlier lane of this one, which comes first. False when nobody can run.
bool Block::go_to_another_warp() {
  const unsigned warp = running_ / kWarpLanes, warps = count_ / kWarpLanes;
  for (unsigned i = 0; i < warps; i++) {
    const unsigned w = warp + i < warps ? warp + i : warp + i - warps;
    if (!warps_[w].runnable) continue;
    warp_ = &warps_[w];
    running_ = w * kWarpLanes + static_cast<unsigned>(__builtin_ctz(warp_->runnable));
    return true;
  }
  return false;
}

// Nobody can run: the block has ended, or is stuck.
void Block::leave() {
  if (done_ < count_ && !stopped_) stop_deadlocked();
  Context abandoned;
  switch_context(abandoned, host_);
  __builtin_unreachable();
}

void Block::sync_threads(Where where) {
  if (done_ > 0) stop("waits in sync_threads, but other threads of its block have ended", where);
  if (at_barrier_ == 0)
    barrier_ = where;
  else if (!same(barrier_, where))
    stop("waits in sync_threads while others do at " + text(barrier_) + ": a divergent barrier",
         where);
  if (++at_barrier_ == count_) {
    at_barrier_ = 0;
    shared.sync_block();
    for (unsigned w = 0; w < count_ / kWarpLanes; w++) warps_[w].runnable = kFullWarp;
    return;
  }
  current().waits_in = nullptr;
  warp().runnable &= ~(1u << lane());
  yield();
}

Meeting &Block::meeting(uint32_t mask, Meet meet, Where where) {
  if (!(mask >> lane() & 1))
    stop("is not in the mask " + hex(mask) + " of its own collective", where);
  Meeting *free = nullptr;
  for (Meeting &m : warp().meetings) {
    if (m.mask == 0) {
      if (!free) free = &m;
    } else if (m.mask == mask) {
      if (m.meet != meet || !same(m.where, where))
        stop("meets lanes of its warp that are in another collective, at " + text(m.where), where);
      return m;
    }
  }
  *free = Meeting{mask, 0, meet, where};  // there are as many as lanes
  return *free;
}

void Block::stop(std::string what, Place place) {
  what_ = std::move(what);
  where_ = place;
  stopped_ = true;
  leave();
}

// On the host's stack: finding a line takes more room than a fiber may have left.
void Block::describe() {
  report_ = function_at(launch_->kernel) + ", block " + triple(index_) + ", thread " +
            std::to_string(running_) + ", " + where_.text() + ": " + what_;
}

// Names one thread that waits, and one that it waits for.
void Block::stop_deadlocked() {
  for (unsigned i = 0; i < count_; i++) {
    const Thread &t = threads_[i];
    if (t.done || !t.waits_in) continue;
    const uint32_t mask = t.waits_in->mask;
    for (unsigned other = 0; other < kWarpLanes; other++) {
      const Thread &o = threads_[i / kWarpLanes * kWarpLanes + other];
      if (!(mask >> other & 1) || (!o.done && o.waits_in == t.waits_in)) continue;
      running_ = i;
      stop("waits for the lanes " + hex(mask) + " of its warp, but lane " + std::to_string(other) +
               (o.done ? " has ended"
                       : " waits at " + text(o.waits_in ? o.waits_in->where : barrier_)),
           t.waits_in->where);
    }
  }
  for (unsigned i = 0; i < count_; i++)
    if (!threads_[i].done) running_ = i;
  stop("waits in sync_threads for threads that never come", barrier_);
}

}  // namespace ll4::simt
