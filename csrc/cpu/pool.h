// The threads of a CPU device.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ll4::cpu {

// Runs the tasks of one job on all threads. Which thread takes a task is left to chance, so a task
// must compute the same bits on any thread and no two tasks may write the same place: then the
// result depends neither on timing nor on the number of threads.
//
// A job ends when its tasks are done, not when every thread has looked at it: on a busy machine a
// thread that is not scheduled delays nobody.
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
  void stop();
  bool wait_for_work();
  bool take_task();
  void share_out(int64_t first, int64_t tasks, const std::function<void(int64_t)> &task);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  int sleeping_ = 0;  // guarded by mutex_
  std::atomic<bool> stop_{false};

  // The job: how many tasks in the upper half, the next one to take in the lower. Taking a task is
  // one compare-and-swap; while a taken task is not done the job cannot change, so whoever has
  // taken one may read what follows.
  std::atomic<uint64_t> ticket_{0};
  std::atomic<int64_t> done_{0};
  int64_t first_ = 0;
  const std::function<void(int64_t)> *task_ = nullptr;
  std::exception_ptr error_;  // guarded by mutex_
};

}  // namespace ll4::cpu
