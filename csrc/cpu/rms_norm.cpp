// rms_norm with fused residual add. A task is a few rows.
#include <cmath>
#include <cstring>

#include "device.h"

namespace ll4::cpu {

void rms_norm(ll4_stream &stream, const ll4_rms_norm_args &a) {
  Running running(stream);
  Device &device = running.device;
  const Kernels &kernels = device.kernels;
  const int64_t tokens = a.x.shape[0], hidden = a.x.shape[1];
  const float *weight = as_f32(device, a.weight, hidden);
  const Rows32 x(kernels, a.x, hidden), add(kernels, a.add, hidden), out(kernels, a.out, hidden);

  each_row(device, tokens, kFewRows, 2 * hidden, [&](int64_t t, float *room) {
    float *second = room + hidden;
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
  });
}

}  // namespace ll4::cpu
