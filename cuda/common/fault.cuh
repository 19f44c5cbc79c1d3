// Values in device memory that cannot be right: a kernel notes the first it meets, and the next
// call that waits for the device reports it.
#pragma once

#include "ptx.cuh"

namespace ll4::cuda {

enum class FaultCode : int32_t {
  kNone = 0,
  kTokenId,    // embed: ids[index] = value is not a row of the table
  kSeqStart,   // batch.seq_start[index] = value: not from 0 to tokens, or descending
  kPast,       // batch.past[index] = value: negative, or past + new tokens beyond max_context
  kPage,       // kv.page_table: position `value` of sequence `index` has no page
  kFirstPage,  // kv.first_page[index] = value is negative or past the tokens
  kOffsets,    // offsets[index] = value: not from 0 to rows, or descending
  kGather,     // gather[index] = value is not a row of x
  kScatter,    // scatter[index] = value is not a row of out
  kRow,        // rows[index] = value is not a row of x
};

struct Fault {
  int32_t code;
  int32_t index;
  int32_t value;
};

__device__ inline void report(Fault *fault, FaultCode code, int64_t index, int64_t value) {
  if (atomic_compare_exchange(&fault->code, 0, static_cast<int32_t>(code)) != 0) return;
  fault->index = static_cast<int32_t>(index);
  fault->value = static_cast<int32_t>(value);
}

}  // namespace ll4::cuda
