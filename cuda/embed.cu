#include "embed.cuh"

#include "device.h"

namespace ll4::cuda {

namespace {

template <class Out>
void run(Stream &stream, const ll4_embed_args &a) {
  const int64_t tokens = a.ids.shape[0], hidden = a.table.shape[1];
  const bool features = a.features.buffer != nullptr;
  const bool rows = vectors(a.table, hidden) && vectors(a.out, hidden) &&
                    (!features || vectors(a.features, hidden));
  const EmbedParams<Out> params{data<const int32_t>(a.ids),
                                data<const bf16>(a.table),
                                data<const void>(a.features),
                                data<Out>(a.out),
                                a.table.shape[0],
                                features ? a.features.shape[0] : 0,
                                hidden,
                                a.features.dtype == LL4_F32,
                                rows,
                                stream.fault()};
  launch(stream, "embed", embed_kernel<Out>, dim3(static_cast<unsigned>(tokens)), kEmbedThreads, 0,
         params);
}

}  // namespace

void embed(ll4_stream &stream, const ll4_embed_args &a) {
  Stream &s = begin(stream);
  if (a.ids.shape[0] == 0 || a.table.shape[1] == 0) return;
  if (a.out.dtype == LL4_F32)
    run<float>(s, a);
  else
    run<bf16>(s, a);
}

}  // namespace ll4::cuda
