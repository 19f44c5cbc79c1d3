#include "router.cuh"

#include "device.h"

namespace ll4::cuda {

namespace {

template <class X, int expert_tiles, int token_tiles, int ahead>
void run_logits(Stream &stream, const RouterParams &p) {
  const dim3 grid(static_cast<unsigned>(ceil_div(p.tokens, 8 * token_tiles)),
                  static_cast<unsigned>(ceil_div(p.num_experts, 16 * expert_tiles)));
  launch(stream, "router (logits)", router_logits_kernel<X, expert_tiles, token_tiles, ahead>, grid,
         kRouterThreads, sizeof(RouterLogitsShared<expert_tiles, token_tiles>), p);
}

// Few tokens wait for weights: small tiles make many blocks, and loads go ahead. Neither changes
// the order of a sum. Two tiles of experts by four of fp32 tokens take more than 128 registers.
template <class X>
void run_logits(Stream &stream, const RouterParams &p) {
  if (p.tokens > 64 && p.num_experts > 16)
    run_logits<X, 2, sizeof(X) == sizeof(bf16) ? 4 : 2, 1>(stream, p);
  else if (p.tokens > 64)
    run_logits<X, 1, 4, 1>(stream, p);
  else if (p.tokens > 0)
    run_logits<X, 1, 1, 4>(stream, p);
}

int32_t bits_of(int32_t most) {
  int32_t bits = 0;
  while (most >> bits) bits++;
  return bits;
}

}  // namespace

void router(ll4_stream &stream, const ll4_router_args &a) {
  Stream &s = begin(stream);
  const int64_t tokens = a.x.shape[0], hidden = a.x.shape[1], experts = a.weight.shape[0];
  if (experts > kRouterExperts)
    fail(LL4_UNSUPPORTED, "weight has %lld experts; this device sorts by up to %d",
         static_cast<long long>(experts), kRouterExperts);
  const int64_t blocks = tokens > kRouterTokens ? ceil_div(tokens, kRouterTokens) : 1;
  const RouterParams params{data<const void>(a.x),
                            data<const bf16>(a.weight),
                            data<float>(a.logits),
                            data<int32_t>(a.experts),
                            data<float>(a.scores),
                            data<int32_t>(a.offsets),
                            data<int32_t>(a.row_tokens),
                            data<float>(a.row_scores),
                            blocks > 1 ? s.scratch<uint32_t>(blocks * experts) : nullptr,
                            tokens,
                            hidden,
                            static_cast<int32_t>(experts),
                            a.top_k,
                            bits_of(static_cast<int32_t>(experts) - 1),
                            vectors(a.x, hidden) && vectors(a.weight, hidden)};
  if (a.x.dtype == LL4_F32)
    run_logits<float>(s, params);
  else
    run_logits<bf16>(s, params);
  const dim3 grid(static_cast<unsigned>(blocks));
  const int64_t shared_bytes = router_shared_bytes(experts);
  launch(s, "router (choose)", router_choose_kernel, grid, kRouterThreads, shared_bytes, params);
  if (blocks > 1)
    launch(s, "router (place)", router_place_kernel, grid, kRouterThreads, shared_bytes, params);
}

}  // namespace ll4::cuda
