#include <cmath>

#include "attention_combine.cuh"

namespace ll4::cuda {

namespace {

struct Variant {
  int padded_dim;
  void (*launch)(Stream &, const AttentionParams &, int64_t rows, bool vectors);
};
constexpr Variant kVariants[] = {{32, launch_attention<32>},
                                 {64, launch_attention<64>},
                                 {96, launch_attention<96>},
                                 {128, launch_attention<128>}};

constexpr Variant kF8Variants[] = {{64, launch_quantized_attention<8, 64>},
                                   {128, launch_quantized_attention<8, 128>}};
constexpr Variant kI4Variants[] = {{64, launch_quantized_attention<4, 64>},
                                   {128, launch_quantized_attention<4, 128>}};

template <size_t n>
const Variant &first_for(const Variant (&variants)[n], int64_t head_dim) {
  for (const Variant &v : variants)
    if (head_dim <= v.padded_dim) return v;
  fail(LL4_UNSUPPORTED, "q has a head dimension of %lld: this device computes up to %d",
       static_cast<long long>(head_dim), kMaxHeadDim);
}

const Variant &variant_for(int32_t cache, int64_t head_dim) {
  if (cache == LL4_F8) return first_for(kF8Variants, head_dim);
  if (cache == LL4_I4) return first_for(kI4Variants, head_dim);
  return first_for(kVariants, head_dim);
}

// The scale of scores in base 2, for softmax: positive, as the largest score gives the largest
// exponent then. Of 0 it is so small that every finite score counts alike.
float base2_scale(float scale) {
  constexpr double kLog2e = 1.4426950408889634;
  return scale == 0 ? 0x1p-120f : static_cast<float>(std::fabs(scale) * kLog2e);
}

void check_supported(const ll4_attention_args &a) {
  require_bf16(a.q, "q");
  if (!is_quantized(a.kv)) require_bf16(a.kv.k, "kv.k");
  if (a.compute == LL4_COMPUTE_F32)
    fail(LL4_UNSUPPORTED, "compute is f32: this device rounds the weights of values to bf16");
  const int64_t rows = int64_t{a.batch.max_new} * (a.q.shape[1] / a.kv.k.shape[1]);
  if (rows > INT32_MAX - 256)
    fail(LL4_UNSUPPORTED, "batch.max_new is too large: %lld queries of a KV head",
         static_cast<long long>(rows));
}

void combine(Stream &stream, const AttentionParams &p, int padded_dim, bool vectors) {
  const int64_t rows = int64_t{p.batch.tokens} * p.heads;
  launch(stream, "attention_combine",
         vectors ? attention_combine_kernel<true> : attention_combine_kernel<false>,
         dim3(static_cast<unsigned>(ceil_div(rows, kCombineWarps))), kCombineWarps * kWarp, 0, p,
         padded_dim);
}

}  // namespace

void attention(ll4_stream &ll4_stream_, const ll4_attention_args &a) {
  Stream &stream = begin(ll4_stream_);
  check_supported(a);
  const int64_t heads = a.q.shape[1], kv_heads = a.kv.k.shape[1], head_dim = a.q.shape[2];
  const Variant &variant = variant_for(a.kv.k.dtype, head_dim);
  const bool fast = vectors(a.q, head_dim) && vectors(a.kv.k, head_dim) &&
                    vectors(a.kv.v, head_dim) && vectors(a.out, head_dim);
  const int64_t cache_bits = a.kv.k.dtype == LL4_F8 ? 8 : a.kv.k.dtype == LL4_I4 ? 4 : 16;
  const plan::AttentionPlan plan = plan::attention(
      {a.batch.tokens, a.batch.max_new, a.batch.max_context, a.chunk, a.batch.sequences, heads,
       kv_heads, variant.padded_dim, fast, stream.multiprocessors(),
       static_cast<int64_t>(stream.cuda().properties.sharedMemPerBlockOptin), cache_bits});
  if (plan.tiles * plan.splits * kv_heads > INT32_MAX)
    fail(LL4_UNSUPPORTED, "batch.tokens are too many for one launch: %d", a.batch.tokens);

  AttentionParams p{};
  p.batch = view(a.batch);
  p.pages = view(a.kv);
  p.page_size = Divisor(p.pages.page_size);
  p.group = Divisor(static_cast<int32_t>(heads / kv_heads));
  p.chunk = Divisor(a.chunk ? a.chunk : 1);
  p.key_rows = a.bidirectional ? Divisor(INT32_MAX) : p.group;
  p.q = data<const bf16>(a.q);
  p.k = data<const void>(a.kv.k);
  p.v = data<const void>(a.kv.v);
  p.out = data<bf16>(a.out);
  p.heads = static_cast<int32_t>(heads);
  p.head_dim = static_cast<int32_t>(head_dim);
  p.chunked = a.chunk != 0;
  p.bidirectional = a.bidirectional != 0;
  p.negate = a.scale < 0;
  p.tiles = static_cast<int32_t>(plan.tiles);
  p.splits = static_cast<int32_t>(plan.splits);
  p.one_tile = plan.one_tile;
  p.scale = base2_scale(a.scale);
  p.fault = stream.fault();
  p.k_scale = data<const float>(a.kv.k_scale);
  p.v_scale = data<const float>(a.kv.v_scale);
  p.row_bytes = static_cast<int32_t>(row_bytes(a.kv.k.dtype, head_dim));
  if (plan.splits > 1) {
    const int64_t parts = int64_t{a.batch.tokens} * heads * plan.splits;
    p.partial = stream.scratch<float>(parts * (variant.padded_dim + 2));
    p.partial_softmax = reinterpret_cast<Vec<float, 2> *>(p.partial + parts * variant.padded_dim);
  }
  variant.launch(stream, p, plan.rows, fast);
  if (plan.splits > 1) combine(stream, p, variant.padded_dim, fast);
}

}  // namespace ll4::cuda
