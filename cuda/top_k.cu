#include "top_k.cuh"

#include <algorithm>

#include "device.h"

namespace ll4::cuda {

namespace {

void few(Stream &stream, TopKParams p, int64_t rows) {
  if (p.pieces > 1) {
    p.lists = stream.scratch<int32_t>(rows * p.pieces * p.k);
    launch(stream, "top_k (pieces)", top_k_pieces_kernel,
           dim3(static_cast<unsigned>(rows), static_cast<unsigned>(p.pieces)), kTopKThreads,
           sizeof(TopKShared), p);
  }
  launch(stream, "top_k (merge)", top_k_merge_kernel, dim3(static_cast<unsigned>(rows)),
         kTopKThreads, sizeof(TopKShared), p);
}

// As many rows at a time as fit a bound of scratch memory.
void many(Stream &stream, TopKParams p, int64_t rows) {
  constexpr int64_t kMostScratch = int64_t{8} << 20;  // words
  const int64_t row_words = int64_t{2} * p.n;
  const int64_t step = std::clamp<int64_t>(kMostScratch / row_words, 1, rows);
  p.sorted = stream.scratch<uint64_t>(step * row_words);
  for (int64_t row = 0; row < rows; row += step) {
    const int64_t now = std::min(step, rows - row);
    launch(stream, "top_k (sort)", top_k_sort_kernel, dim3(static_cast<unsigned>(now)),
           kTopKSortThreads, sizeof(TopKSortShared), p);
    p.x += now * p.n;
    p.values += now * p.k;
    p.indices += now * p.k;
  }
}

}  // namespace

void top_k(ll4_stream &stream, const ll4_top_k_args &a) {
  Stream &s = begin(stream);
  const int64_t rows = a.x.shape[0], n = a.x.shape[1], k = a.values.shape[1];
  if (rows == 0) return;
  const TopKParams params{data<const float>(a.x),
                          data<float>(a.values),
                          data<int32_t>(a.indices),
                          nullptr,
                          nullptr,
                          static_cast<uint32_t>(n),
                          static_cast<uint32_t>(k),
                          static_cast<uint32_t>(ceil_div(n, kTopKPiece))};
  if (params.k <= kTopKFew)
    few(s, params, rows);
  else
    many(s, params, rows);
}

}  // namespace ll4::cuda
