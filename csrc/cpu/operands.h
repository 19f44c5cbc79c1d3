// What the matrix products of several operations share: activations made ready, weights cut into
// blocks.
#pragma once

#include "../dtype.h"
#include "../plan/tiles.h"
#include "device.h"

namespace ll4::cpu {

// Scales or offsets of a quantized weight; all zero where there are none.
struct Numbers {
  const char *data;
  int32_t dtype;

  float at(int64_t i) const;
  // From number i on.
  const char *from(int64_t i) const { return data + row_bytes(dtype, i); }
};

// A weight matrix, or one expert's of a stack.
struct Matrix {
  const char *data;
  int32_t layout;
  int64_t columns;  // N
  int64_t depth;    // K

  // Where dtype is not LL4_BF16: see ll4_weight.
  int32_t dtype = LL4_BF16;
  int32_t activations = LL4_ACTIVATIONS_PLAIN;
  float limit = 0;
  int64_t group = 0;
  int64_t groups = 0;  // of a row
  Numbers scale{};
  Numbers offset{};

  bool quantized() const { return dtype != LL4_BF16; }
  const uint8_t *row(int64_t n) const {
    return reinterpret_cast<const uint8_t *>(data) + n * row_bytes(dtype, depth);
  }
  // Whether a product with this makes the same of x as one with w.
  bool takes_activations_of(const Matrix &w) const {
    return dtype == w.dtype && activations == w.activations && limit == w.limit &&
           group == w.group && !offset.data == !w.offset.data;
  }
};

// Matrix number `expert` of a weight whose first axis is `rank - 2` deep.
Matrix matrix(const ll4_weight &w, int64_t expert);

// The activations of a product with a matrix that may be quantized.
struct WeightActivations : Activations {
  // What multiplies W as it is; null: W is bf16, or taken apart into fp32.
  const QuantizedKernel *kernel = nullptr;
  // For it: data is packed, and f8 has a scale for all of a row or for its groups.
  int64_t row_bytes = 0;
  const float *scale = nullptr;
  int64_t scales = 0;
  const float *sums = nullptr;  // [rows, groups], if W has offsets: the sums of x over its groups
};

// Row `row` of x in fp32, times *s if there is one: x itself or `room`.
const float *scaled_row(const Kernels &kernels, const ll4_tensor &x, int64_t row, const float *s,
                        float *room);

// Rows a task of what makes activations: they are cheap beside the product that they feed.
inline int64_t rows_a_task(int64_t depth) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(depth, 1));
}

// Makes them from rows `rows[i]` (or i) of x, each times scores[i] (or 1).
WeightActivations make_activations(Device &device, const ll4_tensor &x, int32_t compute,
                                   const Matrix &w, const int32_t *rows, const float *scores,
                                   int64_t count);
WeightActivations make_quantized_activations(Device &device, const ll4_tensor &x, int32_t compute,
                                             const Matrix &w, const int32_t *rows,
                                             const float *scores, int64_t count);

// out[rows, columns] = x[first_row ..] times columns `column` .. of w, whatever its layout.
void multiply(const Kernels &kernels, const WeightActivations &x, int64_t first_row, int64_t rows,
              const Matrix &w, int64_t column, int64_t columns, float *out);
void multiply_quantized(const Kernels &kernels, const WeightActivations &x, int64_t first_row,
                        int64_t rows, const Matrix &w, int64_t column, int64_t columns, float *out);

}  // namespace ll4::cpu
