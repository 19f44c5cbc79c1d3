// Sizes of elements.
#pragma once

#include <cstdint>

#include "llama4.h"

namespace ll4 {

// Bits of an element; 0 for an unknown dtype.
inline int64_t dtype_bits(int32_t dtype) {
  switch (dtype) {
    case LL4_F32:
    case LL4_I32:
      return 32;
    case LL4_BF16:
    case LL4_F16:
      return 16;
    case LL4_F8:
    case LL4_I8:
      return 8;
    case LL4_I4:
      return 4;
    default:
      return 0;
  }
}

// Bytes of n elements in a row, which begins at a byte of its own.
inline int64_t row_bytes(int32_t dtype, int64_t n) { return (n * dtype_bits(dtype) + 7) / 8; }

}  // namespace ll4
