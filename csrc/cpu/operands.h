// What the matrix products of several operations share: activations made ready, weights cut into
// blocks.
#pragma once

#include "../plan/tiles.h"
#include "device.h"

namespace ll4::cpu {

// A weight matrix, or one expert's of a stack.
struct Matrix {
  const char *data;
  int32_t layout;
  int64_t columns;  // N
  int64_t depth;    // K
};

// Matrix number `expert` of a weight whose first axis is `rank - 2` deep.
inline Matrix matrix(const ll4_weight &w, int64_t expert) {
  const int64_t *shape = w.data.shape + (w.data.rank - 2);
  const bool nk = w.layout == LL4_LAYOUT_NK;
  return Matrix{data<const char>(w.data) + expert * shape[0] * shape[1] * 2, w.layout,
                nk ? shape[0] : shape[1], nk ? shape[1] : shape[0]};
}

// out[rows, columns] = x[first_row ..] times columns `column` .. of w, whatever its layout.
inline void multiply(const Kernels &kernels, const Activations &x, int64_t first_row, int64_t rows,
                     const Matrix &w, int64_t column, int64_t columns, float *out) {
  Block b{};
  b.x = x.row(first_row, w.depth);
  b.ldx = w.depth;
  b.out = out;
  b.ldo = columns;
  b.rows = rows;
  b.columns = columns;
  b.depth = w.depth;
  if (w.layout == LL4_LAYOUT_NK) {
    b.w = w.data + column * w.depth * 2;
    b.ldw = w.depth;
    kernels.dot[x.with(true)](b);
  } else {
    b.w = w.data + column * 2;
    b.ldw = w.columns;
    std::memset(out, 0, static_cast<size_t>(rows * columns) * sizeof *out);
    kernels.outer[x.with(true)](b);
  }
}

}  // namespace ll4::cpu
