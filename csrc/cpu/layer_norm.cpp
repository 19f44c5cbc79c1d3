// layer_norm. A task is a few rows.
#include "device.h"

namespace ll4::cpu {

void layer_norm(ll4_stream &stream, const ll4_layer_norm_args &a) {
  Running running(stream);
  Device &device = running.device;
  const Kernels &kernels = device.kernels;
  const int64_t tokens = a.x.shape[0], hidden = a.x.shape[1];
  const float *weight = as_f32(device, a.weight, hidden), *bias = as_f32(device, a.bias, hidden);
  const Rows32 x(kernels, a.x, hidden), out(kernels, a.out, hidden);

  each_row(device, tokens, kFewRows, 2 * hidden, [&](int64_t t, float *room) {
    float *second = room + hidden;
    const float *row = x.read(t, room);
    float *normed = out.write(t, second);
    kernels.layer_norm(row, a.eps, weight, bias, normed, hidden);
    out.finish(t, normed);
  });
}

}  // namespace ll4::cpu
