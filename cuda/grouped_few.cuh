// grouped_matmul of few rows, as in decode: no tiles and no permutation, each row against its
// expert's columns with few.cuh.
//
// A block computes a group of columns of one row of out, gate and up of the same numbers together
// with swiglu: it multiplies the row, or with scatter all rows that go there, one after another in
// ascending order, and adds them up in registers. So nothing goes through scratch. Blocks of one
// group stand side by side: those whose rows have the same expert read its weights from the L2
// cache but for once.
#pragma once

#include "few.cuh"
#include "grouped_matmul.cuh"

namespace ll4::cuda {

// The expert of a row, where offsets ascend. All lanes of a warp ask together.
__device__ __forceinline__ int64_t expert_of(const GroupedParams &p, int64_t row) {
  int before = 0;
  for (int64_t base = 0; base < p.experts; base += kWarp) {
    const int64_t e = base + lane_id();
    before += popcount(ballot(e < p.experts && p.offsets[e + 1] <= row));
  }
  return before;
}

// The row of out that a row goes to; -1 for none.
__device__ __forceinline__ int64_t destination(const GroupedParams &p, int64_t row) {
  if (!p.scatter) return row;
  const int64_t to = p.scatter[row];
  if (to >= 0 && to < p.out_rows) return to;
  report(p.fault, FaultCode::kScatter, row, to);
  return -1;
}

// Computes a block's columns of its row of out: multiply(row, first column, body) multiplies a row
// and calls body as reduce_few does.
template <class F, class Multiply>
__device__ __forceinline__ void multiply_out_row(const GroupedParams &p, Multiply multiply) {
  static_assert(F::kRows * F::kColumns <= kWarp, "a thread has one sum");
  if (!offsets_ascend(p.offsets, p.experts, p.rows, p.fault)) return;
  const int64_t out_row = block_id().x % p.out_rows;
  const int64_t first = block_id().x / p.out_rows * F::kColumns;

  float total = 0;
  bool again = false;
  for (int64_t row = 0; row < p.rows; row++) {
    if (destination(p, row) != out_row) continue;
    if (again) sync_threads();
    again = true;
    const float score = p.scores ? p.scores[row] : 1.0f;
    multiply(row, first, [&](int, int, const float(&sums)[F::kSets]) {
      const float y = score * sums[0];
      total += F::kSets == 2 ? silu(y) * (score * sums[F::kSets - 1]) : y;
    });
  }
  const int64_t column = first + thread_id();
  if (thread_id() < F::kColumns && column < p.columns) store_out(p, out_row, column, total);
}

template <class F>
__global__ void __launch_bounds__(F::kThreads, F::kBlocks)
    grouped_few_kernel(const __grid_constant__ GroupedParams p) {
  auto &shared = shared_memory<typename F::Shared>();
  multiply_out_row<F>(p, [&](int64_t row, int64_t first, auto body) {
    const bf16 *x[1] = {row_address(p, row)};
    const FewWeight weight{p.weight + expert_of(p, row) * p.depth * p.weight_columns,
                           F::kn ? p.weight_columns : p.depth, first, p.columns, p.columns};
    multiply_few<F>(shared, x, x[0] ? p.depth : 0, weight, body);
  });
}

}  // namespace ll4::cuda
