// embed: rows of the embedding table, and of the features of pictures, gathered.
#include "device.h"

namespace ll4::cpu {

void embed(ll4_stream &stream, const ll4_embed_args &a) {
  Running running(stream);
  const Kernels &kernels = running.device.kernels;
  const int64_t tokens = a.ids.shape[0], vocabulary = a.table.shape[0], hidden = a.table.shape[1];
  const int64_t features = a.features.buffer ? a.features.shape[0] : 0;
  const int32_t *ids = data<const int32_t>(a.ids);
  for (int64_t t = 0; t < tokens; t++)
    if (ids[t] < 0 || ids[t] >= vocabulary + features)
      fail(LL4_INVALID_ARGUMENT, "ids[%lld] is %d: the vocabulary has %lld and features %lld",
           static_cast<long long>(t), ids[t], static_cast<long long>(vocabulary),
           static_cast<long long>(features));
  for (int64_t t = 0; t < tokens; t++) {
    const bool word = ids[t] < vocabulary;
    const int64_t row = word ? ids[t] : ids[t] - vocabulary;
    copy_values(kernels, word ? a.table : a.features, row * hidden, a.out, t * hidden, hidden);
  }
}

}  // namespace ll4::cpu
