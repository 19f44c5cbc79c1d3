// embed: a block gathers one row of the table, 16 bytes a thread where rows allow it.
#pragma once

#include "common/fault.cuh"

namespace ll4::cuda {

template <class Out>
struct EmbedParams {
  const int32_t *ids;
  const bf16 *table;
  Out *out;
  int64_t vocab, hidden;
  bool vectors;  // rows of table and out are multiples of 16 bytes
  Fault *fault;
};

constexpr int kEmbedThreads = 128;

template <class Out>
__global__ void __launch_bounds__(kEmbedThreads) embed_kernel(const EmbedParams<Out> p) {
  const int64_t token = block_id().x;
  const int64_t id = p.ids[token];
  if (id < 0 || id >= p.vocab) {
    if (thread_id() == 0) report(p.fault, FaultCode::kTokenId, token, id);
    return;
  }
  const bf16 *from = p.table + id * p.hidden;
  Out *to = p.out + token * p.hidden;
  if (!p.vectors) {
    for (int64_t i = thread_id(); i < p.hidden; i += kEmbedThreads)
      store(to + i, to_float(from[i]));
    return;
  }
  using In = Vec<bf16, 8>;
  using Half = Vec<Out, 16 / sizeof(Out)>;
  constexpr int kHalves = 8 / (16 / static_cast<int>(sizeof(Out)));
  for (int64_t i = thread_id(); i < p.hidden / 8; i += kEmbedThreads) {
    const In in = reinterpret_cast<const In *>(from)[i];
#pragma unroll
    for (int h = 0; h < kHalves; h++) {
      Half half;
#pragma unroll
      for (int j = 0; j < 8 / kHalves; j++)
        store(&half.at[j], to_float(in.at[h * (8 / kHalves) + j]));
      reinterpret_cast<Half *>(to)[i * kHalves + h] = half;
    }
  }
}

}  // namespace ll4::cuda
