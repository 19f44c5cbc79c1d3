#include "quantized_plan.h"

#include <limits>

#include "quantize_rows.cuh"

namespace ll4::cuda {

QuantizedPlan quantized_plan(const ll4_weight &w, const ll4_tensor &x, int64_t depth) {
  const bool f8 = w.activations != LL4_ACTIVATIONS_PLAIN, i4 = w.data.dtype == LL4_I4;
  const int64_t values = 128 / dtype_bits(w.data.dtype);
  const auto whole = [&](int64_t n) { return w.group >= depth || w.group % n == 0; };
  if (!vectors(w.data, depth) || depth % values != 0 || depth == 0 || !(f8 || vectors(x, depth)) ||
      !whole(values))
    return {kFewAny, kNoTile};
  if (i4) return {kFewInt4, whole(64) ? kTileInt4By64 : kTileInt4By32};
  if (w.data.dtype == LL4_I8) return {kFewInt8, whole(32) ? kTileInt8By32 : kTileInt8By16};
  if (!whole(32)) return {f8 ? kFewFloat8 : kFewFloat8Plain, kNoTile};
  return f8 ? QuantizedPlan{kFewFloat8, kTileFloat8}
            : QuantizedPlan{kFewFloat8Plain, kTileFloat8Plain};
}

bool same_plan(const ll4_weight &a, const QuantizedPlan &plan_a, const ll4_weight &b,
               const QuantizedPlan &plan_b) {
  if (a.data.dtype != b.data.dtype || plan_a.few != plan_b.few || plan_a.tile != plan_b.tile ||
      a.activations != b.activations)
    return false;
  return a.activations == LL4_ACTIVATIONS_PLAIN ||
         (a.limit == b.limit && (a.activations != LL4_ACTIVATIONS_F8_GROUP || a.group == b.group));
}

QuantizedWeight quantized_weight(const ll4_weight &w) {
  const int64_t depth = w.data.shape[w.data.rank - 1];
  if (depth > std::numeric_limits<int32_t>::max() / 4)
    fail(LL4_UNSUPPORTED, "a quantized weight has rows of more than 2^29");
  QuantizedWeight out{};
  out.data = data<const uint8_t>(w.data);
  out.scale = numbers(w.scale);
  out.offset = numbers(w.offset);
  out.row_bytes = row_bytes(w.data.dtype, depth);
  out.group = w.group;
  out.groups = w.scale.shape[w.scale.rank - 1];
  out.divide = Divisor(static_cast<int32_t>(std::clamp<int64_t>(depth, 1, w.group)));
  out.type = w.data.dtype == LL4_I4   ? WeightType::kI4
             : w.data.dtype == LL4_I8 ? WeightType::kI8
                                      : WeightType::kF8;
  return out;
}

namespace {

int64_t row_scales(const ll4_weight &w, int64_t depth) {
  return w.activations == LL4_ACTIVATIONS_F8_GROUP ? ceil_div(depth, std::min(w.group, depth)) : 1;
}

// So that what comes after them is aligned.
int64_t rows_bytes(int64_t rows, int64_t bytes) { return ceil_div(rows * bytes, 16) * 16; }

}  // namespace

int64_t f8_rows_bytes(const ll4_weight &w, int64_t rows, int64_t depth) {
  if (w.activations == LL4_ACTIVATIONS_PLAIN || depth == 0) return 0;
  return rows_bytes(rows, depth) + rows_bytes(rows, row_scales(w, depth) * int64_t{sizeof(float)});
}

F8Rows quantize_rows(Stream &stream, const ll4_weight &w, const ll4_tensor &x,
                     const QuantizedRows &rows, void *scratch) {
  if (w.activations == LL4_ACTIVATIONS_PLAIN || x.shape[1] == 0 || rows.rows == 0) return {};
  QuantizeRowsParams p{};
  p.x = data<const bf16>(x);
  p.chosen = rows.chosen;
  p.scores = rows.scores;
  p.x_rows = x.shape[0];
  p.depth = x.shape[1];
  p.out.q = static_cast<uint8_t *>(scratch);
  p.out.scale = reinterpret_cast<float *>(p.out.q + rows_bytes(rows.rows, p.depth));
  p.out.groups = row_scales(w, p.depth);
  p.group = p.out.groups > 1 ? w.group : p.depth;
  p.limit = w.limit;
  p.fixed = w.activations == LL4_ACTIVATIONS_F8_TENSOR;
  p.vectors = vectors(x, p.depth) && p.group % 8 == 0;
  p.wrong = rows.wrong;
  p.fault = stream.fault();
  launch(stream, "quantize_rows", quantize_rows_kernel, dim3(static_cast<unsigned>(rows.rows)),
         kQuantizeRowsThreads, sizeof(QuantizeRowsShared), p);
  return p.out;
}

}  // namespace ll4::cuda
