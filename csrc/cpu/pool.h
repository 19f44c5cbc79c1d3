// The threads of a CPU device.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ll4::cpu {

// Runs the tasks of one job on all threads. Which thread takes a task is left to chance, so a task
// must compute the same bits on any thread and no two tasks may write the same place: then the
// result depends neither on timing nor on the number of threads.
class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool &) = delete;
  Pool &operator=(const Pool &) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls task(0) .. task(tasks - 1), and returns when all are done. One caller at a time. If
  // tasks throw, one of the exceptions is thrown again here.
  void run(int64_t tasks, const std::function<void(int64_t)> &task);

 private:
  void work();
  void take_tasks();
  bool wait_for_job(uint64_t seen);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> job_{0};
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> next_{0};
  std::atomic<int> busy_{0};
  int64_t tasks_ = 0;
  const std::function<void(int64_t)> *task_ = nullptr;
  std::exception_ptr error_;
};

}  // namespace ll4::cpu
