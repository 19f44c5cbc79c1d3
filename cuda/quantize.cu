#include "quantize.cuh"

#include <algorithm>
#include <limits>

#include "device.h"

namespace ll4::cuda {

namespace {

// Values of a row that a block makes: whole groups, an even number of values or all.
int64_t span_of(int64_t depth, int64_t group) {
  const int64_t unit = group % 2 == 0 ? group : 2 * group;
  return std::min(depth, std::max<int64_t>(1, kQuantizeDepth / unit) * unit);
}

}  // namespace

void quantize(ll4_stream &stream, const ll4_quantize_args &a) {
  Stream &s = begin(stream);
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const int rank = a.out.data.rank;
  const int64_t matrices = rank == 3 ? a.out.data.shape[0] : 1;
  const int64_t depth = a.out.data.shape[rank - 1];
  QuantizeParams p{};
  p.rows = a.out.data.shape[rank - 2];
  if (matrices == 0 || p.rows == 0 || depth == 0) return;
  if (depth > kMost / 4) fail(LL4_UNSUPPORTED, "x has rows of more than 2^29");
  const int64_t group = std::min(a.out.group, depth), span = span_of(depth, group);
  p.x = data<const bf16>(a.x.data);
  p.out = data<uint8_t>(a.out.data);
  p.scale = numbers(a.out.scale);
  p.i4 = a.out.data.dtype == LL4_I4;
  p.row_bytes = row_bytes(a.out.data.dtype, depth);
  p.groups = ceil_div(depth, group);
  p.row_blocks = ceil_div(p.rows, kQuantizeRows);
  p.depth = static_cast<int32_t>(depth);
  p.span = static_cast<int32_t>(span);
  p.spans = static_cast<int32_t>(ceil_div(depth, span));
  p.group = Divisor(static_cast<int32_t>(group));
  p.kn = a.x.layout == LL4_LAYOUT_KN;
  p.vectors = vectors(a.x.data, p.kn ? p.rows : depth);
  const int64_t blocks = matrices * p.row_blocks;
  if (blocks > kMost / p.spans) fail(LL4_UNSUPPORTED, "x has more than 2^31 blocks");
  launch(s, "quantize", quantize_kernel, dim3(static_cast<unsigned>(blocks * p.spans)),
         kQuantizeThreads, sizeof(QuantizeShared), p);
}

}  // namespace ll4::cuda
