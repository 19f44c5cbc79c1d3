#include "pool.h"

#include <exception>

namespace ll4::cpu {

namespace {

// Operations follow each other within microseconds during a forward pass; a thread that sleeps
// between them would cost more to wake than the operation takes.
constexpr int kSpins = 4000;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace

Pool::Pool(int threads) {
  for (int i = 1; i < threads; i++) workers_.emplace_back([this] { work(); });
}

Pool::~Pool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread &worker : workers_) worker.join();
}

bool Pool::wait_for_job(uint64_t seen) {
  for (int i = 0; i < kSpins; i++) {
    if (job_.load(std::memory_order_acquire) != seen) return true;
    if (stop_.load(std::memory_order_relaxed)) return false;
    relax();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [&] { return stop_ || job_ != seen; });
  return !stop_;
}

void Pool::work() {
  for (uint64_t seen = 0; wait_for_job(seen);) {
    seen = job_.load(std::memory_order_acquire);
    take_tasks();
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

void Pool::take_tasks() {
  for (;;) {
    const int64_t i = next_.fetch_add(1, std::memory_order_relaxed);
    if (i >= tasks_) return;
    try {
      (*task_)(i);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }
}

void Pool::run(int64_t tasks, const std::function<void(int64_t)> &task) {
  if (workers_.empty() || tasks <= 1) {
    for (int64_t i = 0; i < tasks; i++) task(i);
    return;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    tasks_ = tasks;
    task_ = &task;
    next_.store(0, std::memory_order_relaxed);
    busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    error_ = nullptr;
    job_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  take_tasks();
  for (int spins = 0; busy_.load(std::memory_order_acquire) != 0; spins++)
    spins < kSpins ? relax() : std::this_thread::yield();
  if (error_) std::rethrow_exception(error_);
}

}  // namespace ll4::cpu
