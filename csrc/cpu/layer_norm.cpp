// layer_norm. A task is a few rows.
#include "../plan/tiles.h"
#include "device.h"

namespace ll4::cpu {

void layer_norm(ll4_stream &stream, const ll4_layer_norm_args &a) {
  Running running(stream);
  Device &device = running.device;
  const Kernels &kernels = device.kernels;
  const int64_t tokens = a.x.shape[0], hidden = a.x.shape[1];
  const float *weight = as_f32(device, a.weight, hidden), *bias = as_f32(device, a.bias, hidden);
  const Rows32 x(kernels, a.x, hidden), out(kernels, a.out, hidden);

  constexpr int64_t kRowsATask = 8;
  const int64_t tasks = plan::blocks(tokens, kRowsATask);
  float *rooms = device.scratch.take<float>(tasks * 2 * hidden);
  device.pool.run(tasks, [&](int64_t task) {
    float *room = rooms + task * 2 * hidden, *second = room + hidden;
    for (int64_t t = task * kRowsATask; t < std::min(tokens, (task + 1) * kRowsATask); t++) {
      const float *row = x.read(t, room);
      float *normed = out.write(t, second);
      kernels.layer_norm(row, a.eps, weight, bias, normed, hidden);
      out.finish(t, normed);
    }
  });
}

}  // namespace ll4::cpu
