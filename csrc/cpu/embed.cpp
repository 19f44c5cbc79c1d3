// embed: rows of the embedding table, gathered.
#include "device.h"

namespace ll4::cpu {

void embed(ll4_stream &stream, const ll4_embed_args &a) {
  Running running(stream);
  const Kernels &kernels = running.device.kernels;
  const int64_t tokens = a.ids.shape[0], vocabulary = a.table.shape[0], hidden = a.table.shape[1];
  const int32_t *ids = data<const int32_t>(a.ids);
  const uint16_t *table = data<const uint16_t>(a.table);
  for (int64_t t = 0; t < tokens; t++)
    if (ids[t] < 0 || ids[t] >= vocabulary)
      fail(LL4_INVALID_ARGUMENT, "ids[%lld] is %d: the vocabulary has %lld",
           static_cast<long long>(t), ids[t], static_cast<long long>(vocabulary));
  for (int64_t t = 0; t < tokens; t++) {
    const uint16_t *row = table + ids[t] * hidden;
    if (a.out.dtype == LL4_F32)
      kernels.widen(row, data<float>(a.out) + t * hidden, hidden);
    else
      std::memcpy(data<uint16_t>(a.out) + t * hidden, row, static_cast<size_t>(hidden) * 2);
  }
}

}  // namespace ll4::cpu
