// What is common to the operations that multiply with weights of fewer bits: which kernels a weight
// is for, its description for them, and the quantization of x that some ask for. Host side.
#pragma once

#include <algorithm>

#include "../csrc/plan/matmul.h"
#include "device.h"
#include "quantized.cuh"

namespace ll4::cuda {

// Formats of quantized.cuh and quantized_tile.cuh, in the order of the tables of kernels.
enum FewFormat { kFewAny, kFewInt4, kFewInt8, kFewFloat8Plain, kFewFloat8, kFewFormats };
enum TileFormat {
  kNoTile = -1,
  kTileInt4By64,
  kTileInt4By32,
  kTileInt8By32,
  kTileInt8By16,
  kTileFloat8Plain,
  kTileFloat8,
  kTileFormats
};

struct QuantizedPlan {
  FewFormat few;
  TileFormat tile;  // kNoTile: few serves for any number of rows
};

// The kernels for a weight and x of `depth` columns.
QuantizedPlan quantized_plan(const ll4_weight &w, const ll4_tensor &x, int64_t depth);

// Whether two weights may be parts of one launch.
bool same_plan(const ll4_weight &a, const QuantizedPlan &plan_a, const ll4_weight &b,
               const QuantizedPlan &plan_b);

QuantizedWeight quantized_weight(const ll4_weight &w);

// Threads of a block that multiplies few rows, where a thread's step is `values` of the depth: as
// many warps as share the steps most evenly.
inline int few_quantized_threads(int64_t depth, int values) {
  const int64_t steps = std::max<int64_t>(1, ceil_div(depth, 32 * values));
  const int64_t passes = ceil_div(steps, plan::few_most_warps(false));
  return 32 * static_cast<int>(ceil_div(steps, passes));
}

// Bytes of scratch that quantize_rows needs for a weight: none where x stays as it is.
int64_t f8_rows_bytes(const ll4_weight &w, int64_t rows, int64_t depth);

// Rows of a product, taken from those of x.
struct QuantizedRows {
  int64_t rows;
  const int32_t *chosen;  // null: all, in order
  const float *scores;    // factors; may be null
  FaultCode wrong;        // of a row that x does not have
};

// Puts them on the stream as f8; none where x stays as it is.
F8Rows quantize_rows(Stream &stream, const ll4_weight &w, const ll4_tensor &x,
                     const QuantizedRows &rows, void *scratch);

}  // namespace ll4::cuda
