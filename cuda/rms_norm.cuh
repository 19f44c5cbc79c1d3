// rms_norm with fused residual: x += add, then out = x / sqrt(mean(x^2) + eps) * weight.
//
// A block a row. The row stays in registers between the two passes, eight elements a group and
// kHeldGroups groups a thread; what a longer row has beyond that is read again. The sum of squares
// is taken of x as it was stored, so that it does not matter who adds.
#pragma once

#include "common/reduce.cuh"
#include "common/rows.cuh"

namespace ll4::cuda {

template <class X, class Weight>
struct RmsNormParams {
  X *x;
  const void *add;  // of fp32 or bf16; may be null
  const Weight *weight;
  bf16 *out;
  float *unrounded;  // may be null
  int64_t hidden;
  float eps;
  bool add_f32;
  bool vectors;  // rows of all of them are multiples of 16 bytes
};

constexpr int kHeldGroups = 3;

template <int threads>
struct RmsNormShared {
  float room[threads / kWarp];
};

// Elements [first, first + 8) of the row, after the addition; returns their squares' sum.
template <class X, class Weight>
__device__ __forceinline__ float read_sum(const RmsNormParams<X, Weight> &p, int64_t row,
                                          int64_t first, float (&x)[8]) {
  load8(p.x + row, first, p.hidden, p.vectors, x);
  if (p.add) {
    float branch[8];
    if (p.add_f32)
      load8(static_cast<const float *>(p.add) + row, first, p.hidden, p.vectors, branch);
    else
      load8(static_cast<const bf16 *>(p.add) + row, first, p.hidden, p.vectors, branch);
#pragma unroll
    for (int i = 0; i < 8; i++) x[i] += branch[i];
    store8(p.x + row, first, p.hidden, p.vectors, x);
  }
  float squares = 0;
#pragma unroll
  for (int i = 0; i < 8; i++) squares += x[i] * x[i];
  return squares;
}

template <class X, class Weight>
__device__ __forceinline__ void write_normed(const RmsNormParams<X, Weight> &p, int64_t row,
                                             int64_t first, float inverse, float (&x)[8]) {
  float weight[8];
  load8(p.weight, first, p.hidden, p.vectors, weight);
#pragma unroll
  for (int i = 0; i < 8; i++) x[i] = x[i] * inverse * weight[i];
  if (p.unrounded) store8(p.unrounded + row, first, p.hidden, p.vectors, x);
  store8(p.out + row, first, p.hidden, p.vectors, x);
}

template <class X, class Weight, int threads>
__global__ void __launch_bounds__(threads) rms_norm_kernel(const RmsNormParams<X, Weight> p) {
  auto &s = shared_memory<RmsNormShared<threads>>();
  const int64_t row = static_cast<int64_t>(block_id().x) * p.hidden;
  const int64_t own = int64_t{8} * thread_id();
  constexpr int64_t kStep = 8 * threads, kHeld = kHeldGroups * kStep;

  float x[kHeldGroups][8], more[8];
  float squares = 0;
#pragma unroll
  for (int g = 0; g < kHeldGroups; g++)
    if (own + g * kStep < p.hidden) squares += read_sum(p, row, own + g * kStep, x[g]);
  for (int64_t i = own + kHeld; i < p.hidden; i += kStep) squares += read_sum(p, row, i, more);

  squares = block_reduce<threads>(squares, Sum{}, s.room);
  const float inverse = 1.0f / sqrtf(squares / static_cast<float>(p.hidden) + p.eps);

#pragma unroll
  for (int g = 0; g < kHeldGroups; g++)
    if (own + g * kStep < p.hidden) write_normed(p, row, own + g * kStep, inverse, x[g]);
  for (int64_t i = own + kHeld; i < p.hidden; i += kStep) {
    load8(p.x + row, i, p.hidden, p.vectors, more);
    write_normed(p, row, i, inverse, more);
  }
}

}  // namespace ll4::cuda
