// swiglu: silu(gate) * up. A task is a few rows.
#include "device.h"

namespace ll4::cpu {

void swiglu(ll4_stream &stream, const ll4_swiglu_args &a) {
  Running running(stream);
  Device &device = running.device;
  const Kernels &kernels = device.kernels;
  const int64_t tokens = a.out.shape[0], width = a.out.shape[1];
  const Rows32 gate_up(kernels, a.gate_up, 2 * width), out(kernels, a.out, width);

  each_row(device, tokens, kFewRows, 3 * width, [&](int64_t t, float *room) {
    const float *gate = gate_up.read(t, room);
    float *result = out.write(t, room + 2 * width);
    kernels.swiglu(gate, gate + width, result, width);
    out.finish(t, result);
  });
}

}  // namespace ll4::cpu
