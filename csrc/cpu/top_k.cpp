// top_k: a heap of the k best of each row, then sorted. A NaN counts as less than any number.
#include <algorithm>
#include <cmath>
#include <limits>

#include "device.h"

namespace ll4::cpu {

namespace {

struct Entry {
  float value;
  int32_t index;
};

bool better(const Entry &a, const Entry &b) {
  if (std::isnan(a.value) || std::isnan(b.value))
    return std::isnan(a.value) == std::isnan(b.value) ? a.index < b.index : std::isnan(b.value);
  return a.value > b.value || (a.value == b.value && a.index < b.index);
}

}  // namespace

void top_k(ll4_stream &stream, const ll4_top_k_args &a) {
  Running running(stream);
  Device &device = running.device;
  const int64_t rows = a.x.shape[0], n = a.x.shape[1], k = a.values.shape[1];
  Entry *heaps = device.scratch.take<Entry>(rows * k);
  device.pool.run(rows, [&](int64_t r) {
    const float *x = data<const float>(a.x) + r * n;
    Entry *heap = heaps + r * k;  // its front is the worst of the best
    for (int64_t i = 0; i < k; i++) heap[i] = Entry{x[i], static_cast<int32_t>(i)};
    std::make_heap(heap, heap + k, better);
    for (int64_t i = k; i < n; i++) {
      const Entry entry{x[i], static_cast<int32_t>(i)};
      if (!better(entry, heap[0])) continue;
      std::pop_heap(heap, heap + k, better);
      heap[k - 1] = entry;
      std::push_heap(heap, heap + k, better);
    }
    std::sort_heap(heap, heap + k, better);
    for (int64_t i = 0; i < k; i++) {
      data<float>(a.values)[r * k + i] = heap[i].value;
      data<int32_t>(a.indices)[r * k + i] = heap[i].index;
    }
  });
}

}  // namespace ll4::cpu
