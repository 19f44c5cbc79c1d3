#include "log_softmax.cuh"

#include "device.h"

namespace ll4::cuda {

void log_softmax(ll4_stream &stream, const ll4_log_softmax_args &a) {
  Stream &s = begin(stream);
  const int64_t rows = a.x.shape[0], n = a.x.shape[1];
  if (rows == 0 || n == 0) return;
  const int64_t pieces = ceil_div(n, kSoftmaxPiece);
  const LogSoftmaxParams params{data<const float>(a.x),
                                data<float>(a.out),
                                pieces > 1 ? s.scratch<Exponentials>(rows * pieces) : nullptr,
                                n,
                                pieces,
                                vectors(a.x, n) && vectors(a.out, n)};
  const dim3 grid(static_cast<unsigned>(rows), static_cast<unsigned>(pieces));
  launch(s, "log_softmax (pieces)", log_softmax_pieces_kernel, grid, kSoftmaxThreads,
         sizeof(LogSoftmaxShared), params);
  if (pieces > 1)
    launch(s, "log_softmax (combine)", log_softmax_combine_kernel, grid, kSoftmaxThreads, 0,
           params);
}

}  // namespace ll4::cuda
