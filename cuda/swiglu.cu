#include "swiglu.cuh"

#include "device.h"

namespace ll4::cuda {

void swiglu(ll4_stream &stream, const ll4_swiglu_args &a) {
  Stream &s = begin(stream);
  require_bf16(a.gate_up, "gate_up");
  const int64_t tokens = a.out.shape[0], width = a.out.shape[1];
  if (tokens == 0 || width == 0) return;
  const int64_t blocks = ceil_div(width, int64_t{8} * kSwigluThreads);
  const SwigluParams params{data<const bf16>(a.gate_up), data<bf16>(a.out), width,
                            vectors(a.gate_up, width) && vectors(a.out, width)};
  launch(s, "swiglu", swiglu_kernel,
         dim3(static_cast<unsigned>(tokens), static_cast<unsigned>(blocks)), kSwigluThreads, 0,
         params);
}

}  // namespace ll4::cuda
