// Division by what is known at launch: a product and a shift instead of a division.
#pragma once

#include "types.cuh"

namespace ll4::cuda {

// Exact for 0 <= n < 2^31: the factor is 2^(31 + log2 d) / d rounded up, whose excess is too small
// to reach the next quotient.
class Divisor {
 public:
  Divisor() = default;
  explicit Divisor(int32_t divisor) : divisor_(divisor) {
    int log2 = 0;
    while ((int64_t{1} << log2) < divisor) log2++;
    shift_ = 31 + log2;
    factor_ = static_cast<uint32_t>(ceil_div(int64_t{1} << shift_, divisor));
  }
  __device__ __forceinline__ int32_t divide(int32_t n) const {
    return static_cast<int32_t>(uint64_t{static_cast<uint32_t>(n)} * factor_ >> shift_);
  }
  __device__ __forceinline__ int32_t divisor() const { return divisor_; }

 private:
  int32_t divisor_ = 1;
  uint32_t factor_ = 1u << 31;
  int shift_ = 31;
};

}  // namespace ll4::cuda
