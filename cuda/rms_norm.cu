#include "rms_norm.cuh"

#include "device.h"

namespace ll4::cuda {

namespace {

template <class X, class Weight, int threads>
void run(Stream &stream, const ll4_rms_norm_args &a) {
  const int64_t hidden = a.x.shape[1];
  const bool rows = vectors(a.x, hidden) && vectors(a.weight, hidden) && vectors(a.out, hidden) &&
                    (!a.add.buffer || vectors(a.add, hidden)) &&
                    (!a.unrounded.buffer || vectors(a.unrounded, hidden));
  const RmsNormParams<X, Weight> params{data<X>(a.x),
                                        data<const void>(a.add),
                                        data<const Weight>(a.weight),
                                        data<bf16>(a.out),
                                        data<float>(a.unrounded),
                                        hidden,
                                        a.eps,
                                        a.add.dtype == LL4_F32,
                                        rows};
  launch(stream, "rms_norm", rms_norm_kernel<X, Weight, threads>,
         dim3(static_cast<unsigned>(a.x.shape[0])), threads, sizeof(RmsNormShared<threads>),
         params);
}

// 320 threads hold rows of 7,680 columns, two groups each of Llama 4's 5,120; short rows leave most
// of so many idle. The choice depends on the row alone: so do the bits.
template <class X, class Weight>
void run(Stream &stream, const ll4_rms_norm_args &a) {
  if (a.x.shape[1] <= 8 * kHeldGroups * 64)
    run<X, Weight, 64>(stream, a);
  else
    run<X, Weight, 320>(stream, a);
}

template <class X>
void run(Stream &stream, const ll4_rms_norm_args &a) {
  if (a.weight.dtype == LL4_F32)
    run<X, float>(stream, a);
  else
    run<X, bf16>(stream, a);
}

}  // namespace

void rms_norm(ll4_stream &stream, const ll4_rms_norm_args &a) {
  Stream &s = begin(stream);
  require_bf16(a.out, "out");
  if (a.x.shape[0] == 0) return;
  if (a.x.dtype == LL4_F32)
    run<float>(s, a);
  else
    run<bf16>(s, a);
}

}  // namespace ll4::cuda
