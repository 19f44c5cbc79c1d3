// The ragged batch and the paged cache as blocks read them: every number from device memory is
// checked before it leads to memory, and what is wrong is reported.
#pragma once

#include "common/divisor.cuh"
#include "device.h"

namespace ll4::cuda {

constexpr int kMaxHeadDim = 128;

// Whether the cache's heads have scales: it is of f8 or i4.
inline bool is_quantized(const ll4_kv &kv) { return kv.k.dtype == LL4_F8 || kv.k.dtype == LL4_I4; }

// One sequence's new tokens, and where its pages begin.
struct Span {
  int32_t start, tokens;  // rows of [T, ...] tensors
  int32_t past;
  int32_t first_page;
};

// False, and a fault, when the numbers of `sequence` are not what they must be.
__device__ __forceinline__ bool find_span(const BatchView &batch, const PageView &pages,
                                          int32_t sequence, Fault *fault, Span *span) {
  const int32_t start = batch.seq_start[sequence], end = batch.seq_start[sequence + 1];
  const int32_t past = batch.past[sequence];
  const int32_t first_page = pages.first ? pages.first[sequence] : 0;
  *span = Span{start, end - start, past, first_page};
  const bool last = sequence == batch.sequences - 1;
  FaultCode code = FaultCode::kNone;
  int32_t index = sequence, value = 0;
  if (start < 0 || start > batch.tokens || (sequence == 0 && start != 0)) {
    code = FaultCode::kSeqStart, value = start;
  } else if (end < start || end > batch.tokens || end - start > batch.max_new ||
             (last && end != batch.tokens)) {
    code = FaultCode::kSeqStart, index = sequence + 1, value = end;
  } else if (past < 0 || past > batch.max_context - (end - start)) {
    code = FaultCode::kPast, value = past;
  } else if (first_page < 0) {
    code = FaultCode::kFirstPage, value = first_page;
  }
  if (code == FaultCode::kNone) return true;
  report(fault, code, index, value);
  return false;
}

// Reports what is wrong with any sequence, in one block of a launch: one that finds its own
// sequence to be right does not see the others.
__device__ __forceinline__ void check_spans(const BatchView &batch, const PageView &pages,
                                            Fault *fault) {
  Span span;
  for (int32_t b = thread_id(); b < batch.sequences; b += block_threads())
    find_span(batch, pages, b, fault, &span);
}

// The last sequence for which `before`, which holds up to some sequence, does. A warp calls it
// together.
template <class Before>
__device__ __forceinline__ int32_t last_sequence(const BatchView &batch, Before before) {
  int32_t count = 0;
  for (int32_t first = 1; first < batch.sequences; first += kWarp) {
    const int32_t b = first + lane_id();
    count += popcount(ballot(b < batch.sequences && before(b)));
  }
  return count;
}

// The sequence that row `token` belongs to: the last that starts at or before it.
__device__ __forceinline__ int32_t find_sequence(const BatchView &batch, int32_t token) {
  return last_sequence(batch, [&](int32_t b) { return batch.seq_start[b] <= token; });
}

// What the page table has for a position of a sequence; negative where it has no such column.
__device__ __forceinline__ int32_t page_entry(const PageView &pages, const Divisor &page_size,
                                              int32_t sequence, int32_t first_page,
                                              int32_t position) {
  const int32_t column = page_size.divide(position) - first_page;
  if (static_cast<uint32_t>(column) >= static_cast<uint32_t>(pages.columns)) return -1;
  return pages.table[int64_t{sequence} * pages.columns + column];
}

// The row of the cache, [P, Hkv, page_size], for a position on page `entry`; negative, and a fault,
// when there is no such page.
__device__ __forceinline__ int64_t cache_row(const PageView &pages, const Divisor &page_size,
                                             int32_t entry, int32_t sequence, int32_t kv_head,
                                             int32_t position, Fault *fault) {
  if (entry < 0 || entry >= pages.pages) {
    report(fault, FaultCode::kPage, sequence, position);
    return -1;
  }
  const int32_t slot = position - page_size.divide(position) * pages.page_size;
  return (int64_t{entry} * pages.heads + kv_head) * pages.page_size + slot;
}

}  // namespace ll4::cuda
