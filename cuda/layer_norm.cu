#include "layer_norm.cuh"

#include "device.h"

namespace ll4::cuda {

namespace {

Elements<const void> elements(const ll4_tensor &t) {
  return {data<const void>(t), t.dtype == LL4_F32};
}

template <int threads>
void run(Stream &stream, const ll4_layer_norm_args &a) {
  const int64_t hidden = a.x.shape[1];
  const bool rows = hidden % 8 == 0 && vectors(a.x, hidden) && vectors(a.weight, hidden) &&
                    vectors(a.bias, hidden) && vectors(a.out, hidden);
  const LayerNormParams params{elements(a.x),
                               elements(a.weight),
                               elements(a.bias),
                               {data<void>(a.out), a.out.dtype == LL4_F32},
                               hidden,
                               a.eps,
                               rows};
  launch(stream, "layer_norm", layer_norm_kernel<threads>,
         dim3(static_cast<unsigned>(a.x.shape[0])), threads, sizeof(LayerNormShared<threads>),
         params);
}

}  // namespace

// 64 threads hold the 1,408 columns of Llama 4's vision tower. The choice depends on the row alone:
// so do the bits.
void layer_norm(ll4_stream &stream, const ll4_layer_norm_args &a) {
  Stream &s = begin(stream);
  if (a.x.shape[0] == 0) return;
  if (a.x.shape[1] <= 8 * kLayerNormGroups * 64)
    run<64>(s, a);
  else
    run<320>(s, a);
}

}  // namespace ll4::cuda
