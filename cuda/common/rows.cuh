// Eight neighbouring elements of a row at a time, as fp32: in 16-byte accesses where `vectors` says
// that rows allow it, else one by one up to the row's end.
#pragma once

#include "ptx.cuh"

namespace ll4::cuda {

// Elements [first, first + 8) of a row of n; zero past its end.
__device__ __forceinline__ void load8(const bf16 *row, int64_t first, int64_t n, bool vectors,
                                      float (&out)[8]) {
  if (vectors) {
    const auto v = *reinterpret_cast<const Vec<uint32_t, 4> *>(row + first);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      out[2 * i] = low_float(v.at[i]);
      out[2 * i + 1] = high_float(v.at[i]);
    }
  } else {
#pragma unroll
    for (int i = 0; i < 8; i++) out[i] = first + i < n ? to_float(row[first + i]) : 0.0f;
  }
}

__device__ __forceinline__ void load8(const float *row, int64_t first, int64_t n, bool vectors,
                                      float (&out)[8]) {
  if (vectors) {
#pragma unroll
    for (int h = 0; h < 2; h++) {
      const auto v = *reinterpret_cast<const Vec<float, 4> *>(row + first + 4 * h);
#pragma unroll
      for (int i = 0; i < 4; i++) out[4 * h + i] = v.at[i];
    }
  } else {
#pragma unroll
    for (int i = 0; i < 8; i++) out[i] = first + i < n ? row[first + i] : 0.0f;
  }
}

// Stores them, and leaves in x what was stored.
__device__ __forceinline__ void store8(bf16 *row, int64_t first, int64_t n, bool vectors,
                                       float (&x)[8]) {
  Vec<uint32_t, 4> v;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    v.at[i] = pack_bf16(x[2 * i], x[2 * i + 1]);
    x[2 * i] = low_float(v.at[i]);
    x[2 * i + 1] = high_float(v.at[i]);
  }
  if (vectors) {
    *reinterpret_cast<Vec<uint32_t, 4> *>(row + first) = v;
  } else {
#pragma unroll
    for (int i = 0; i < 8; i++)
      if (first + i < n) row[first + i].bits = static_cast<uint16_t>(v.at[i / 2] >> 16 * (i % 2));
  }
}

__device__ __forceinline__ void store8(float *row, int64_t first, int64_t n, bool vectors,
                                       float (&x)[8]) {
  if (vectors) {
#pragma unroll
    for (int h = 0; h < 2; h++) {
      Vec<float, 4> v;
#pragma unroll
      for (int i = 0; i < 4; i++) v.at[i] = x[4 * h + i];
      *reinterpret_cast<Vec<float, 4> *>(row + first + 4 * h) = v;
    }
  } else {
#pragma unroll
    for (int i = 0; i < 8; i++)
      if (first + i < n) row[first + i] = x[i];
  }
}

}  // namespace ll4::cuda
