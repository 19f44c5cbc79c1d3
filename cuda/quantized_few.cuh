// x W^T for up to kFewMatmulRows rows of x and W of fewer bits: few.cuh with other numbers.
//
// A block computes eight columns for all rows; its warps share the depth. A step of a lane is 16
// bytes of each of eight columns, 16 or 32 numbers, all of one group: their products with x are
// added up in fp32, then multiplied by the scale. x comes through L1, as do the scales, which
// neighbouring lanes share.
//
// AnyQuantized is for what cannot be read so: rows that do not begin at multiples of 16 bytes, and
// groups of any other length. A step of a lane is one number of each of eight columns then, which
// becomes scale * q + offset before it is multiplied. It also serves for more rows, by blocks of
// them.
#pragma once

#include <type_traits>

#include "few.cuh"
#include "quantized.cuh"

namespace ll4::cuda {

struct AnyQuantized {};

template <int rows, int sets, class format>
struct QuantizedFew : Few<rows, sets, false, true> {
  using Format = format;
  // A multiprocessor's blocks: 168 registers a thread, or what it takes.
  static constexpr int kBlocks = rows * sets == 1 ? 3 : 2;
};

// The depth of a lane's step.
template <class Format>
constexpr int few_values = 128 / Format::kBits;
template <>
constexpr int few_values<AnyQuantized> = 1;

// Rows of x that a block multiplies: of bf16, or of f8 with their scales.
template <int rows>
struct FewRows {
  const void *row[rows];
  const float *scale[rows];  // null: they are bf16
  int64_t scales;            // of a row
};

// A matrix from a block's first column on.
struct FewQuantizedWeight {
  int64_t row;    // of the matrix in the weight
  int64_t first;  // column of the block
  int64_t end;    // columns that a set has
  int64_t up;     // from the first set to the second

  // The row of the weight that is column i of a set. Columns past the end are the last one: they
  // are computed for nothing.
  __device__ __forceinline__ int64_t at(int set, int i) const {
    return row + (set ? up : 0) + (first + i < end ? first + i : end - 1);
  }
};

// One number of any type.
__device__ __forceinline__ float number_at(const QuantizedWeight &w, int64_t row, int64_t k) {
  const uint8_t *data = w.data + row * w.row_bytes;
  float out[4];
  switch (w.type) {
    case WeightType::kI4:
      return static_cast<float>(static_cast<int>(data[k / 2] >> k % 2 * 4 & 15) - 8);
    case WeightType::kI8:
      return static_cast<float>(static_cast<int8_t>(data[k]));
    default:
      to_floats_f8(data[k], out);
      return out[0];
  }
}

// Element k of row m of x, with its scale.
template <int rows>
__device__ __forceinline__ float x_at(const FewRows<rows> &x, int m, int64_t k, int64_t group) {
  if (!x.scale[m]) return to_float(static_cast<const bf16 *>(x.row[m])[k]);
  float out[4];
  to_floats_f8(static_cast<const uint8_t *>(x.row[m])[k], out);
  return out[0] * x.scale[m][x.scales > 1 ? group : 0];
}

template <class F>
__device__ __forceinline__ void multiply_lane_any(const FewRows<F::kRows> &x, int64_t depth,
                                                  const QuantizedWeight &w,
                                                  const FewQuantizedWeight &columns,
                                                  typename F::Sums &sums) {
#pragma unroll 1
  for (int64_t k = thread_id(); k < depth; k += block_threads()) {
    const int64_t group = k / w.group;
    float values[F::kRows];
#pragma unroll
    for (int m = 0; m < F::kRows; m++) values[m] = x_at(x, m, k, group);
#pragma unroll
    for (int s = 0; s < F::kSets; s++)
#pragma unroll 1
      for (int i = 0; i < 8; i++) {
        const int64_t row = columns.at(s, i), at = row * w.groups + group;
        float number = w.scale.load(at) * number_at(w, row, k);
        if (w.offset.data) number += w.offset.load(at);
#pragma unroll
        for (int m = 0; m < F::kRows; m++)
#pragma unroll
          for (int c = 0; c < 8; c++)
            if (c == i) sums[m][s][c] += values[m] * number;
      }
  }
}

// The elements of a row of x that belong to a word of numbers.
__device__ __forceinline__ void load_word(const void *row, int64_t k, Int4, float (&out)[8]) {
  const Chunk chunk = *reinterpret_cast<const Chunk *>(static_cast<const bf16 *>(row) + k);
#pragma unroll
  for (int i = 0; i < 8; i++) out[i] = element(chunk, i);
}
template <class Format>
__device__ __forceinline__ void load_word(const void *row, int64_t k, Format, float (&out)[4]) {
  if constexpr (Format::kActivationBits == 8) {
    to_floats_f8(*reinterpret_cast<const uint32_t *>(static_cast<const uint8_t *>(row) + k), out);
  } else {
    const auto two =
        *reinterpret_cast<const Vec<uint32_t, 2> *>(static_cast<const bf16 *>(row) + k);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      out[2 * i] = low_float(two.at[i]);
      out[2 * i + 1] = high_float(two.at[i]);
    }
  }
}

// Adds a lane's share of what is of depth k on to its sums of set s.
template <class F>
__device__ __forceinline__ void multiply_chunks(const FewRows<F::kRows> &x, int64_t k,
                                                const QuantizedWeight &w,
                                                const FewQuantizedWeight &columns, int s,
                                                int64_t group, typename F::Sums &sums) {
  using Format = typename F::Format;
  constexpr int kWord = 32 / Format::kBits;
  Chunk chunks[8];
#pragma unroll
  for (int c = 0; c < 8; c++)
    chunks[c] = load_streaming(w.data + columns.at(s, c) * w.row_bytes + k * Format::kBits / 8);
  float partial[F::kRows][8] = {}, x_sum[F::kRows] = {};
#pragma unroll
  for (int word = 0; word < 4; word++) {
    float values[F::kRows][kWord];
#pragma unroll
    for (int m = 0; m < F::kRows; m++) {
      load_word(x.row[m], k + kWord * word, Format(), values[m]);
#pragma unroll
      for (int i = 0; i < kWord; i++)
        if (Format::kOffsets) x_sum[m] += values[m][i];
    }
#pragma unroll
    for (int c = 0; c < 8; c++) {
      float numbers[kWord];
      Format::floats(chunks[c].at[word], numbers);
#pragma unroll
      for (int m = 0; m < F::kRows; m++)
#pragma unroll
        for (int i = 0; i < kWord; i++) partial[m][c] += values[m][i] * numbers[i];
    }
  }
  float x_scale[F::kRows];
#pragma unroll
  for (int m = 0; m < F::kRows; m++)
    x_scale[m] = Format::kActivationBits == 8 ? x.scale[m][x.scales > 1 ? group : 0] : 1.0f;
  const bool offsets = Format::kOffsets && w.offset.data;
#pragma unroll
  for (int c = 0; c < 8; c++) {
    const int64_t at = columns.at(s, c) * w.groups + group;
    const float scale = w.scale.load(at);
    const float offset = offsets ? w.offset.load(at) : 0.0f;
#pragma unroll
    for (int m = 0; m < F::kRows; m++) {
      const float factor = Format::kActivationBits == 8 ? scale * x_scale[m] : scale;
      sums[m][s][c] += factor * partial[m][c];
      if (offsets) sums[m][s][c] += offset * x_sum[m];
    }
  }
}

// Computes the block's columns of rows of x and calls body as reduce_few does.
template <class F, class Body>
__device__ __forceinline__ void multiply_quantized_few(typename F::Shared &shared,
                                                       const FewRows<F::kRows> &x, int64_t depth,
                                                       const QuantizedWeight &w,
                                                       const FewQuantizedWeight &columns,
                                                       Body body) {
  using Format = typename F::Format;
  typename F::Sums sums = {};
  if constexpr (std::is_same_v<Format, AnyQuantized>) {
    multiply_lane_any<F>(x, depth, w, columns, sums);
  } else {
    constexpr int kValues = few_values<Format>;
#pragma unroll 1
    for (int64_t k = kValues * thread_id(); k < depth; k += int64_t{kValues} * block_threads()) {
      const int32_t group = w.divide.divide(static_cast<int32_t>(k));
#pragma unroll
      for (int s = 0; s < F::kSets; s++) multiply_chunks<F>(x, k, w, columns, s, group, sums);
    }
  }
  reduce_few<F>(shared, sums, body);
}

}  // namespace ll4::cuda
