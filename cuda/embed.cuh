// embed: a block gathers one row of the table, or of the features that stand for ids from the
// vocabulary on, eight elements a thread at a time.
#pragma once

#include "common/fault.cuh"
#include "common/rows.cuh"

namespace ll4::cuda {

template <class Out>
struct EmbedParams {
  const int32_t *ids;
  const bf16 *table;     // [vocab, hidden]
  const void *features;  // [feature_rows, hidden] of fp32 or bf16
  Out *out;
  int64_t vocab, feature_rows, hidden;
  bool features_f32;
  bool vectors;  // rows of all of them are multiples of 16 bytes
  Fault *fault;
};

constexpr int kEmbedThreads = 128;

template <class In, class Out>
__device__ __forceinline__ void copy_row(const EmbedParams<Out> &p, const In *from, Out *to) {
  for (int64_t i = 8 * thread_id(); i < p.hidden; i += 8 * kEmbedThreads) {
    float x[8];
    load8(from, i, p.hidden, p.vectors, x);
    store8(to, i, p.hidden, p.vectors, x);
  }
}

template <class Out>
__global__ void __launch_bounds__(kEmbedThreads) embed_kernel(const EmbedParams<Out> p) {
  const int64_t token = block_id().x;
  const int64_t id = p.ids[token], feature = id - p.vocab;
  if (id < 0 || feature >= p.feature_rows) {
    if (thread_id() == 0) report(p.fault, FaultCode::kTokenId, token, id);
    return;
  }
  Out *to = p.out + token * p.hidden;
  if (feature < 0)
    copy_row(p, p.table + id * p.hidden, to);
  else if (p.features_f32)
    copy_row(p, static_cast<const float *>(p.features) + feature * p.hidden, to);
  else
    copy_row(p, static_cast<const bf16 *>(p.features) + feature * p.hidden, to);
}

}  // namespace ll4::cuda
