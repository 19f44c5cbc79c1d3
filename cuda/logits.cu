#include "quantized_matmul.cuh"

namespace ll4::cuda {

// The product of matmul, with rows of x picked by index and fp32 results.
void logits(ll4_stream &stream, const ll4_logits_args &a) {
  Stream &s = begin(stream);
  require_bf16(a.x, "x");
  const bool kn = a.weight.layout == LL4_LAYOUT_KN;
  MatmulParams p{};
  p.x = data<const bf16>(a.x);
  p.chosen = data<const int32_t>(a.rows);
  p.x_rows = a.x.shape[0];
  p.rows = a.rows.shape[0];
  p.depth = a.x.shape[1];
  p.out = data<float>(a.out);
  p.out_columns = a.out.shape[1];
  p.f32 = true;
  p.pairs = reinterpret_cast<uintptr_t>(p.out) % 8 == 0 && p.out_columns % 2 == 0;
  p.part[0] = {data<const bf16>(a.weight.data), nullptr, p.out_columns, 0, 0};
  p.fault = s.fault();
  if (a.weight.data.dtype != LL4_BF16)
    return run_quantized_matmul(s, "logits", p, a.x, &a.weight, 1);
  run_matmul(s, "logits", p, 1, kn,
             vectors(a.x, p.depth) && vectors(a.weight.data, kn ? p.out_columns : p.depth));
}

}  // namespace ll4::cuda
