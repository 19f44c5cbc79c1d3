// log_softmax: x - log(sum(exp(x))). A block a piece of a row, whose elements it keeps in
// registers: the piece's maximum and its sum of exponentials. With one piece a row the result
// follows at once; otherwise a second kernel adds up the pieces in order and reads the row again.
// The pieces depend on the row's length alone, so the bits do not depend on the rows beside it.
#pragma once

#include "common/reduce.cuh"

namespace ll4::cuda {

constexpr int kSoftmaxThreads = 256;
constexpr int kSoftmaxHeld = 32;  // elements a thread
constexpr int kSoftmaxPiece = kSoftmaxThreads * kSoftmaxHeld;

struct Exponentials {
  float most, sum;  // sum(exp(x - most))
};

struct LogSoftmaxParams {
  const float *x;
  float *out;           // may be x
  Exponentials *parts;  // [R, pieces]; null when a row is one piece
  int64_t n, pieces;
  bool vectors;  // rows of x and out are multiples of 16 bytes
};

struct LogSoftmaxShared {
  float room[kSoftmaxThreads / kWarp], second_room[kSoftmaxThreads / kWarp];
};

// Element j of a thread is element(j) of its piece: runs of four, so that a warp reads in a row.
__device__ __forceinline__ int softmax_element(int j) {
  return (j / 4 * kSoftmaxThreads + thread_id()) * 4 + j % 4;
}

// The elements of the block's piece; -Inf past its end.
__device__ __forceinline__ void load_piece(const LogSoftmaxParams &p, const float *x, int64_t count,
                                           float (&out)[kSoftmaxHeld]) {
#pragma unroll
  for (int j = 0; j < kSoftmaxHeld; j += 4) {
    const int at = softmax_element(j);
    if (p.vectors) {
#pragma unroll
      for (int i = 0; i < 4; i++) out[j + i] = -INFINITY;
      if (at >= count) continue;
      const auto v = *reinterpret_cast<const Vec<float, 4> *>(x + at);
#pragma unroll
      for (int i = 0; i < 4; i++) out[j + i] = v.at[i];
    } else {
#pragma unroll
      for (int i = 0; i < 4; i++) out[j + i] = at + i < count ? x[at + i] : -INFINITY;
    }
  }
}

__device__ __forceinline__ void store_piece(const LogSoftmaxParams &p, float *out, int64_t count,
                                            float most, float log_sum,
                                            const float (&x)[kSoftmaxHeld]) {
#pragma unroll
  for (int j = 0; j < kSoftmaxHeld; j += 4) {
    const int at = softmax_element(j);
    if (p.vectors) {
      Vec<float, 4> v;
#pragma unroll
      for (int i = 0; i < 4; i++) v.at[i] = (x[j + i] - most) - log_sum;
      if (at < count) *reinterpret_cast<Vec<float, 4> *>(out + at) = v;
    } else {
#pragma unroll
      for (int i = 0; i < 4; i++)
        if (at + i < count) out[at + i] = (x[j + i] - most) - log_sum;
    }
  }
}

// exp(x - most), where a piece of nothing but -Inf weighs 0.
__device__ __forceinline__ float exp_below(float x, float most) {
  return exp2_fast((x - (most == -INFINITY ? 0.0f : most)) * 1.44269504f);
}

__device__ __forceinline__ Exponentials sum_piece(LogSoftmaxShared &s,
                                                  const float (&x)[kSoftmaxHeld]) {
  float most = x[0], sum = 0;
#pragma unroll
  for (int j = 1; j < kSoftmaxHeld; j++) most = Max{}(most, x[j]);
  most = block_reduce<kSoftmaxThreads>(most, Max{}, s.room);
#pragma unroll
  for (int j = 0; j < kSoftmaxHeld; j++) sum += exp_below(x[j], most);
  return Exponentials{most, block_reduce<kSoftmaxThreads>(sum, Sum{}, s.second_room)};
}

// Every warp adds up the pieces of its row for itself.
__device__ __forceinline__ Exponentials sum_row(const Exponentials *parts, int64_t pieces) {
  float most = -INFINITY, sum = 0;
  for (int64_t i = lane_id(); i < pieces; i += kWarp) most = Max{}(most, parts[i].most);
  most = warp_reduce(most, Max{});
  for (int64_t i = lane_id(); i < pieces; i += kWarp)
    sum += parts[i].sum * exp_below(parts[i].most, most);
  return Exponentials{most, warp_reduce(sum, Sum{})};
}

__global__ void __launch_bounds__(kSoftmaxThreads)
    log_softmax_pieces_kernel(const LogSoftmaxParams p) {
  auto &s = shared_memory<LogSoftmaxShared>();
  const int64_t row = block_id().x, begin = int64_t{kSoftmaxPiece} * block_id().y;
  const int64_t count = p.n - begin;
  float x[kSoftmaxHeld];
  load_piece(p, p.x + row * p.n + begin, count, x);
  const Exponentials e = sum_piece(s, x);
  if (p.parts) {
    if (thread_id() == 0) p.parts[row * p.pieces + block_id().y] = e;
  } else {
    store_piece(p, p.out + row * p.n, count, e.most, logf(e.sum), x);
  }
}

__global__ void __launch_bounds__(kSoftmaxThreads)
    log_softmax_combine_kernel(const LogSoftmaxParams p) {
  const int64_t row = block_id().x, begin = int64_t{kSoftmaxPiece} * block_id().y;
  const int64_t at = row * p.n + begin, count = p.n - begin;
  float x[kSoftmaxHeld];
  load_piece(p, p.x + at, count, x);
  const Exponentials e = sum_row(p.parts + row * p.pieces, p.pieces);
  store_piece(p, p.out + at, count, e.most, logf(e.sum), x);
}

}  // namespace ll4::cuda
