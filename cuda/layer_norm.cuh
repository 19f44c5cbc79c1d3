// layer_norm: (x - mean) / sqrt(variance + eps) * weight + bias, over a row.
//
// A block a row. The row stays in registers between the passes, eight elements a group and
// kLayerNormGroups groups a thread; what a longer row has beyond that is read again. It is taken
// relative to its first element, and the variance is the mean square of differences from the mean:
// a row whose mean is large loses nothing by it. Types are chosen by branches that a launch takes
// one way: the time is that of memory. out may be x: what a thread writes no other has yet to read.
#pragma once

#include "common/reduce.cuh"
#include "common/rows.cuh"

namespace ll4::cuda {

// A tensor of fp32 or bf16.
template <class Void>
struct Elements {
  Void *data;
  bool f32;
};

struct LayerNormParams {
  Elements<const void> x;
  Elements<const void> weight, bias;
  Elements<void> out;
  int64_t hidden;
  float eps;
  bool vectors;  // rows of all of them are multiples of eight elements and of 16 bytes
};

constexpr int kLayerNormGroups = 3;

template <int threads>
struct LayerNormShared {
  float sums[threads / kWarp], squares[threads / kWarp];
};

// Elements [first, first + 8) of the row at `row`, zeros past its end.
__device__ __forceinline__ void load_row8(const LayerNormParams &p, Elements<const void> from,
                                          int64_t row, int64_t first, float (&x)[8]) {
  if (from.f32)
    load8(static_cast<const float *>(from.data) + row, first, p.hidden, p.vectors, x);
  else
    load8(static_cast<const bf16 *>(from.data) + row, first, p.hidden, p.vectors, x);
}

__device__ __forceinline__ float first_of_row(const LayerNormParams &p, int64_t row) {
  if (p.x.f32) return static_cast<const float *>(p.x.data)[row];
  return to_float(static_cast<const bf16 *>(p.x.data)[row]);
}

// Those of x less `origin`, and zeros past the row's end; returns their sum.
__device__ __forceinline__ float read_sum(const LayerNormParams &p, int64_t row, int64_t first,
                                          float origin, float (&x)[8]) {
  load_row8(p, p.x, row, first, x);
  float sum = 0;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    x[i] = first + i < p.hidden ? x[i] - origin : 0.0f;
    sum += x[i];
  }
  return sum;
}

// The squares of the differences from the mean.
__device__ __forceinline__ float squares8(const LayerNormParams &p, int64_t first, float mean,
                                          const float (&x)[8]) {
  float squares = 0;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const float difference = first + i < p.hidden ? x[i] - mean : 0.0f;
    squares += difference * difference;
  }
  return squares;
}

__device__ __forceinline__ void write_normed(const LayerNormParams &p, int64_t row, int64_t first,
                                             float mean, float inverse, float (&x)[8]) {
  float weight[8], bias[8];
  load_row8(p, p.weight, 0, first, weight);
  load_row8(p, p.bias, 0, first, bias);
#pragma unroll
  for (int i = 0; i < 8; i++) x[i] = (x[i] - mean) * inverse * weight[i] + bias[i];
  if (p.out.f32)
    store8(static_cast<float *>(p.out.data) + row, first, p.hidden, p.vectors, x);
  else
    store8(static_cast<bf16 *>(p.out.data) + row, first, p.hidden, p.vectors, x);
}

template <int threads>
__global__ void __launch_bounds__(threads) layer_norm_kernel(const LayerNormParams p) {
  auto &s = shared_memory<LayerNormShared<threads>>();
  const int64_t row = static_cast<int64_t>(block_id().x) * p.hidden;
  const int64_t own = int64_t{8} * thread_id();
  constexpr int64_t kStep = 8 * threads, kHeld = kLayerNormGroups * kStep;
  const auto hidden = static_cast<float>(p.hidden);
  const float origin = first_of_row(p, row);

  float x[kLayerNormGroups][8], more[8];
  float sum = 0;
#pragma unroll
  for (int g = 0; g < kLayerNormGroups; g++)
    if (own + g * kStep < p.hidden) sum += read_sum(p, row, own + g * kStep, origin, x[g]);
  for (int64_t i = own + kHeld; i < p.hidden; i += kStep) sum += read_sum(p, row, i, origin, more);
  const float mean = block_reduce<threads>(sum, Sum{}, s.sums) / hidden;

  float squares = 0;
#pragma unroll
  for (int g = 0; g < kLayerNormGroups; g++)
    if (own + g * kStep < p.hidden) squares += squares8(p, own + g * kStep, mean, x[g]);
  for (int64_t i = own + kHeld; i < p.hidden; i += kStep) {
    read_sum(p, row, i, origin, more);
    squares += squares8(p, i, mean, more);
  }
  const float variance = block_reduce<threads>(squares, Sum{}, s.squares) / hidden;
  const float inverse = 1.0f / sqrtf(variance + p.eps);

#pragma unroll
  for (int g = 0; g < kLayerNormGroups; g++)
    if (own + g * kStep < p.hidden) write_normed(p, row, own + g * kStep, mean, inverse, x[g]);
  for (int64_t i = own + kHeld; i < p.hidden; i += kStep) {
    read_sum(p, row, i, origin, more);
    write_normed(p, row, i, mean, inverse, more);
  }
}

}  // namespace ll4::cuda
