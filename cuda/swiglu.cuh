// swiglu: silu(gate) * up. A thread computes eight neighbouring elements of a row.
#pragma once

#include "common/rows.cuh"
#include "common/silu.cuh"

namespace ll4::cuda {

struct SwigluParams {
  const bf16 *gate_up;
  bf16 *out;
  int64_t width;
  bool vectors;  // gates, ups and rows of out begin at multiples of 16 bytes
};

constexpr int kSwigluThreads = 128;

__global__ void __launch_bounds__(kSwigluThreads) swiglu_kernel(const SwigluParams p) {
  const int64_t first =
      (static_cast<int64_t>(block_id().y) * kSwigluThreads + thread_id()) * int64_t{8};
  if (first >= p.width) return;
  const int64_t row = block_id().x;
  const bf16 *from = p.gate_up + row * 2 * p.width;
  float gate[8], up[8];
  load8(from, first, p.width, p.vectors, gate);
  load8(from + p.width, first, p.width, p.vectors, up);
#pragma unroll
  for (int i = 0; i < 8; i++) gate[i] = silu(gate[i]) * up[i];
  store8(p.out + row * p.width, first, p.width, p.vectors, gate);
}

}  // namespace ll4::cuda
