#include "pixel_shuffle.cuh"

#include <cmath>

#include "device.h"

namespace ll4::cuda {

namespace {

template <class T>
void run(Stream &stream, const ll4_pixel_shuffle_args &a) {
  const int64_t columns = a.x.shape[2] * 2 / static_cast<int64_t>(sizeof(T));
  const auto across = std::llround(std::sqrt(static_cast<double>(a.out.shape[1])));
  PixelShuffleParams<T> p{};
  p.x = data<const T>(a.x);
  p.out = data<T>(a.out);
  p.tile = a.x.shape[1] * columns;
  p.piece = a.factor * columns;
  p.across = Divisor(static_cast<int32_t>(across));
  p.factor = Divisor(a.factor);
  const int64_t pieces = a.out.shape[0] * a.out.shape[1] * a.factor;
  launch(stream, "pixel_shuffle", pixel_shuffle_kernel<T>, dim3(static_cast<unsigned>(pieces)),
         kPixelShuffleThreads, 0, p);
}

}  // namespace

void pixel_shuffle(ll4_stream &stream, const ll4_pixel_shuffle_args &a) {
  Stream &s = begin(stream);
  require_bf16(a.x, "x");
  const int64_t columns = a.x.shape[2];
  if (a.x.shape[0] == 0 || columns == 0) return;
  if (vectors(a.x, columns) && vectors(a.out, columns))
    run<Chunk>(s, a);
  else
    run<bf16>(s, a);
}

}  // namespace ll4::cuda
