// How many blocks of `size` n things fill.
#pragma once

#include <cstdint>

namespace ll4::plan {

constexpr int64_t blocks(int64_t n, int64_t size) { return (n + size - 1) / size; }

}  // namespace ll4::plan
