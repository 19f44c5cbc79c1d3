#include "pool.h"

#include <algorithm>

namespace ll4::cpu {

namespace {

// Operations follow each other within microseconds during a forward pass; a thread that sleeps
// between them would cost more to wake than the operation takes.
constexpr int kSpins = 4000;
constexpr int64_t kMostTasks = int64_t{1} << 31;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

uint64_t tasks_of(uint64_t ticket) { return ticket >> 32; }
uint64_t next_of(uint64_t ticket) { return ticket & 0xffffffff; }
bool has_work(uint64_t ticket) { return next_of(ticket) < tasks_of(ticket); }

}  // namespace

Pool::Pool(int threads) {
  try {
    for (int i = 1; i < threads; i++) workers_.emplace_back([this] { work(); });
  } catch (...) {
    stop();  // a thread that is still running when it is destroyed ends the process
    throw;
  }
}

Pool::~Pool() { stop(); }

void Pool::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread &worker : workers_) worker.join();
}

// Returns true when there may be a task to take, false when the pool ends.
bool Pool::wait_for_work() {
  for (int i = 0; i < kSpins; i++) {
    if (has_work(ticket_.load(std::memory_order_relaxed))) return true;
    if (stop_.load(std::memory_order_relaxed)) return false;
    relax();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  sleeping_++;
  wake_.wait(lock, [&] { return stop_ || has_work(ticket_); });
  sleeping_--;
  return !stop_;
}

void Pool::work() {
  while (wait_for_work())
    while (take_task()) {
    }
}

bool Pool::take_task() {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  do {
    if (!has_work(ticket)) return false;
  } while (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                          std::memory_order_acquire));
  try {
    (*task_)(first_ + static_cast<int64_t>(next_of(ticket)));
  } catch (...) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!error_) error_ = std::current_exception();
  }
  done_.fetch_add(1, std::memory_order_release);
  return true;
}

void Pool::share_out(int64_t first, int64_t tasks, const std::function<void(int64_t)> &task) {
  bool wake = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    first_ = first;
    task_ = &task;
    error_ = nullptr;
    done_.store(0, std::memory_order_relaxed);
    ticket_.store(static_cast<uint64_t>(tasks) << 32, std::memory_order_release);
    wake = sleeping_ > 0;
  }
  if (wake) wake_.notify_all();
  while (take_task()) {
  }
  for (int spins = 0; done_.load(std::memory_order_acquire) < tasks; spins++)
    spins < kSpins ? relax() : std::this_thread::yield();
  std::lock_guard<std::mutex> lock(mutex_);
  if (error_) std::rethrow_exception(error_);
}

void Pool::run(int64_t tasks, const std::function<void(int64_t)> &task) {
  if (workers_.empty() || tasks <= 1) {
    for (int64_t i = 0; i < tasks; i++) task(i);
    return;
  }
  for (int64_t first = 0; first < tasks; first += kMostTasks)
    share_out(first, std::min(kMostTasks, tasks - first), task);
}

}  // namespace ll4::cpu
