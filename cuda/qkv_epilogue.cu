#include "qkv_epilogue.cuh"

#include <algorithm>

namespace ll4::cuda {

namespace {

// Whether four elements from a tensor's start can be read at a time.
bool aligned(const ll4_tensor &t) {
  const int64_t bytes = t.dtype == LL4_F32    ? 16
                        : t.dtype == LL4_BF16 ? 8
                        : t.dtype == LL4_F8   ? 4
                                              : 2;
  return reinterpret_cast<uintptr_t>(data<char>(t)) % bytes == 0;
}

using Kernel = void (*)(QKVEpilogueParams);
constexpr Kernel kKernels[2][2] = {
    {qkv_epilogue_kernel<bf16>, qkv_epilogue_quantized_kernel<bf16>},
    {qkv_epilogue_kernel<float>, qkv_epilogue_quantized_kernel<float>}};

// Heads a warp takes one after the other: with many tokens its angles serve several.
int64_t heads_a_warp(int64_t tokens, int64_t multiprocessors) {
  return tokens >= 4 * multiprocessors ? 8 : 1;
}

}  // namespace

void qkv_epilogue(ll4_stream &ll4_stream_, const ll4_qkv_epilogue_args &a) {
  Stream &stream = begin(ll4_stream_);
  require_bf16(a.q, "q");
  const bool quantized = is_quantized(a.kv);
  if (!quantized) require_bf16(a.kv.k, "kv.k");
  const int64_t heads = a.q.shape[1], head_dim = a.q.shape[2];
  if (head_dim > kMaxHeadDim)
    fail(LL4_UNSUPPORTED, "q has a head dimension of %lld: this device computes up to %d",
         static_cast<long long>(head_dim), kMaxHeadDim);

  QKVEpilogueParams p{};
  p.batch = view(a.batch);
  p.pages = view(a.kv);
  p.page_size = Divisor(p.pages.page_size);
  p.qkv = data<const void>(a.qkv);
  p.by_position = a.inv_freq.buffer != nullptr;
  p.angles = data<const float>(p.by_position ? a.inv_freq : a.angles);
  p.q = data<bf16>(a.q);
  p.k = data<void>(a.kv.k);
  p.v = data<void>(a.kv.v);
  p.heads = static_cast<int32_t>(heads);
  p.head_dim = static_cast<int32_t>(head_dim);
  p.qk_norm = a.qk_norm != 0;
  p.vectors =
      head_dim % 4 == 0 && aligned(a.qkv) && aligned(a.q) && aligned(a.kv.k) && aligned(a.kv.v);
  p.qk_norm_eps = a.qk_norm_eps;
  p.attn_scale = a.attn_scale;
  p.floor_scale = a.floor_scale;
  p.fault = stream.fault();
  p.k_scale = data<float>(a.kv.k_scale);
  p.v_scale = data<float>(a.kv.v_scale);
  p.row_bytes = static_cast<int32_t>(row_bytes(a.kv.k.dtype, head_dim));
  p.i4 = a.kv.k.dtype == LL4_I4;
  const int64_t block_heads =
      kEpilogueWarps * heads_a_warp(a.batch.tokens, stream.multiprocessors());
  const int64_t across = std::min<int64_t>(ceil_div(heads + 2 * p.pages.heads, block_heads), 65535);
  launch(stream, "qkv_epilogue", kKernels[a.qkv.dtype == LL4_F32][quantized],
         dim3(static_cast<unsigned>(a.batch.tokens), static_cast<unsigned>(across)),
         kEpilogueWarps * kWarp, 0, p);
}

}  // namespace ll4::cuda
