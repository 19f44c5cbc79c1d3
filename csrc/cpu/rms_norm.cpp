// rms_norm with fused residual add. A task is a few rows.
#include <cmath>
#include <cstring>

#include "../plan/tiles.h"
#include "device.h"

namespace ll4::cpu {

void rms_norm(ll4_stream &stream, const ll4_rms_norm_args &a) {
  Running running(stream);
  Device &device = running.device;
  const Kernels &kernels = device.kernels;
  const int64_t tokens = a.x.shape[0], hidden = a.x.shape[1];
  const float *weight = as_f32(device, a.weight, hidden);
  const Rows32 x(kernels, a.x, hidden), add(kernels, a.add, hidden), out(kernels, a.out, hidden);

  constexpr int64_t kRowsATask = 8;
  const int64_t tasks = plan::blocks(tokens, kRowsATask);
  float *rooms = device.scratch.take<float>(tasks * 2 * hidden);
  device.pool.run(tasks, [&](int64_t task) {
    float *room = rooms + task * 2 * hidden, *second = room + hidden;
    for (int64_t t = task * kRowsATask; t < std::min(tokens, (task + 1) * kRowsATask); t++) {
      const float *row = x.read(t, room);
      if (a.add.buffer) {
        float *sum = x.write(t, room);
        kernels.add(add.read(t, second), sum, hidden);
        x.finish(t, sum);
        row = x.read(t, room);  // the sum as it was rounded
      }
      const float mean = kernels.sum_squares(row, hidden) / static_cast<float>(hidden);
      float *normed = out.write(t, second);
      kernels.scale_by(row, 1.0f / std::sqrt(mean + a.eps), weight, normed, hidden);
      if (float *unrounded = data<float>(a.unrounded))
        std::memcpy(unrounded + t * hidden, normed, static_cast<size_t>(hidden) * sizeof(float));
      out.finish(t, normed);
    }
  });
}

}  // namespace ll4::cpu
