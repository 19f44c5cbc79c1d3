#include "unfold.cuh"

#include "device.h"

namespace ll4::cuda {

namespace {

template <class X>
void run(Stream &stream, const ll4_unfold_args &a) {
  const int64_t *shape = a.x.shape, rows = a.out.shape[1], columns = a.out.shape[2];
  const int64_t area = int64_t{a.patch} * a.patch, across = shape[3] / a.patch;
  // A block goes past the end of a row.
  if (columns > INT32_MAX - 8 * kUnfoldThreads || area > INT32_MAX)
    fail(LL4_UNSUPPORTED, "out has rows of %lld elements: this device computes fewer than 2^31",
         static_cast<long long>(columns));
  UnfoldParams<X> p{};
  p.x = data<const X>(a.x);
  p.out = data<bf16>(a.out);
  p.columns = static_cast<int32_t>(columns);
  p.width = static_cast<int32_t>(shape[1] * area);
  p.side = static_cast<int32_t>(shape[3]);
  p.patches = static_cast<int32_t>(across * across);
  p.rows = Divisor(static_cast<int32_t>(rows));
  p.across = Divisor(static_cast<int32_t>(across));
  p.patch = Divisor(a.patch);
  p.patch_area = Divisor(static_cast<int32_t>(area));
  p.tile = shape[1] * shape[2] * shape[3];
  p.vectors = vectors(a.out, columns);
  launch(stream, "unfold", unfold_kernel<X>, dim3(static_cast<unsigned>(shape[0] * rows)),
         kUnfoldThreads, 0, p);
}

}  // namespace

void unfold(ll4_stream &stream, const ll4_unfold_args &a) {
  Stream &s = begin(stream);
  require_bf16(a.out, "out");
  if (a.x.shape[0] == 0) return;
  if (a.x.dtype == LL4_F32)
    run<float>(s, a);
  else
    run<bf16>(s, a);
}

}  // namespace ll4::cuda
