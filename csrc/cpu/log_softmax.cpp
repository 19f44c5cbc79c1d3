// log_softmax over rows as long as a vocabulary: sums of blocks in fp32, of rows in fp64.
#include <cmath>
#include <limits>

#include "device.h"

namespace ll4::cpu {

namespace {

double sum_of_exponentials(const Kernels &kernels, const float *x, float shift, int64_t n) {
  constexpr int64_t kBlock = 1024;
  float room[kBlock];
  double sum = 0;
  for (int64_t i = 0; i < n; i += kBlock)
    sum += kernels.exp_sum(x + i, shift, room, std::min(kBlock, n - i));
  return sum;
}

}  // namespace

void log_softmax(ll4_stream &stream, const ll4_log_softmax_args &a) {
  Running running(stream);
  Device &device = running.device;
  const int64_t rows = a.x.shape[0], n = a.x.shape[1];
  if (n == 0) return;
  device.pool.run(rows, [&](int64_t r) {
    const float *x = data<const float>(a.x) + r * n;
    float *out = data<float>(a.out) + r * n;
    const float most = device.kernels.max(x, n);
    const double sum = sum_of_exponentials(device.kernels, x, most, n);
    const float log_sum = static_cast<float>(std::log(sum));
    for (int64_t i = 0; i < n; i++) out[i] = (x[i] - most) - log_sum;
  });
}

}  // namespace ll4::cpu
