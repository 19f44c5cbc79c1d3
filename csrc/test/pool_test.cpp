// The thread pool: every task runs once, exceptions arrive, and the pool lives on.
#include "cpu/pool.h"

#include <cstdio>
#include <stdexcept>

namespace {

int failures = 0;

void expect(bool holds, const char *what, int threads) {
  if (holds) return;
  failures++;
  std::printf("FAIL %s with %d threads\n", what, threads);
}

void runs_each_task_once(int threads) {
  ll4::cpu::Pool pool(threads);
  expect(pool.threads() == threads, "has the threads asked for", threads);
  for (int round = 0; round < 200; round++) {
    std::vector<std::atomic<int>> count(static_cast<size_t>(round));
    pool.run(round, [&](int64_t i) { count[static_cast<size_t>(i)]++; });
    bool once = true;
    for (const auto &c : count) once &= c == 1;
    expect(once, "runs each task once", threads);
  }
}

void passes_exceptions_on(int threads) {
  ll4::cpu::Pool pool(threads);
  for (int round = 0; round < 20; round++) {
    bool caught = false;
    try {
      pool.run(50, [](int64_t i) {
        if (i % 7 == 3) throw std::runtime_error("a task failed");
      });
    } catch (const std::runtime_error &) {
      caught = true;
    }
    expect(caught, "passes exceptions on", threads);
    std::atomic<int> sum{0};
    pool.run(10, [&](int64_t i) { sum += static_cast<int>(i); });
    expect(sum == 45, "works after an exception", threads);
  }
}

}  // namespace

int main() {
  for (int threads : {1, 2, 3, 8}) {
    runs_each_task_once(threads);
    passes_exceptions_on(threads);
  }
  std::printf("pool_test: %d failures\n", failures);
  return failures ? 1 : 0;
}
