//go:build ignore

#include "check.h"

#include <cmath>
#include <initializer_list>

#include "dtype.h"

namespace ll4 {

namespace {

constexpr int64_t kAny = -1;
constexpr int64_t kMaxBytes = int64_t{1} << 56;

const char *dtype_name(int32_t dtype) {
  switch (dtype) {
    case LL4_F32:
      return "f32";
    case LL4_BF16:
      return "bf16";
    case LL4_F16:
      return "f16";
    case LL4_I32:
      return "i32";
    case LL4_F8:
      return "f8";
    case LL4_I8:
      return "i8";
    case LL4_I4:
      return "i4";
    default:
      return "unknown";
  }
}

std::string shape_text(const int64_t *shape, int rank) {
  std::string text = "[";
  for (int i = 0; i < rank; i++) {
    if (i) text += ", ";
    text += shape[i] == kAny ? "any" : std::to_string(shape[i]);
  }
  return text + "]";
}

void require(bool holds, const char *field, const char *expectation) {
  if (!holds) fail(LL4_INVALID_ARGUMENT, "%s %s", field, expectation);
}

bool present(const ll4_tensor &t) { return t.buffer != nullptr; }

// The memory of a tensor lies inside its buffer, on this device, aligned to its element.
void check_memory(ll4_device &device, const char *field, const ll4_tensor &t) {
  if (t.buffer->device != &device)
    fail(LL4_INVALID_ARGUMENT, "%s is on another device than the stream", field);
  const int64_t element = row_bytes(t.dtype, 1);
  int64_t bytes = 1;
  for (int i = t.rank - 1; i >= 0; i--) {
    const int64_t n = t.shape[i];
    if (n < 0 || n > kMaxBytes / 4 || (n > 0 && bytes > kMaxBytes / n))
      fail(LL4_INVALID_ARGUMENT, "%s has an impossible shape %s", field,
           shape_text(t.shape, t.rank).c_str());
    bytes *= i == t.rank - 1 ? row_bytes(t.dtype, n) : n;
  }
  if (t.offset < 0 || t.offset > t.buffer->bytes || bytes > t.buffer->bytes - t.offset)
    fail(LL4_INVALID_ARGUMENT, "%s needs %lld bytes at %lld of a buffer of %lld", field,
         static_cast<long long>(bytes), static_cast<long long>(t.offset),
         static_cast<long long>(t.buffer->bytes));
  if (reinterpret_cast<uintptr_t>(t.buffer->address + t.offset) % static_cast<uintptr_t>(element))
    fail(LL4_INVALID_ARGUMENT, "%s is not aligned to its %lld-byte elements", field,
         static_cast<long long>(element));
}

// `t` is present, of one of `dtypes`, and of `shape`, where kAny stands for any size.
void check_tensor(ll4_device &device, const char *field, const ll4_tensor &t,
                  std::initializer_list<int32_t> dtypes, std::initializer_list<int64_t> shape) {
  if (!present(t)) fail(LL4_INVALID_ARGUMENT, "%s is absent", field);
  bool known = false;
  std::string names;
  for (int32_t dtype : dtypes) {
    known |= t.dtype == dtype;
    names += (names.empty() ? "" : " or ") + std::string(dtype_name(dtype));
  }
  if (!known)
    fail(LL4_INVALID_ARGUMENT, "%s has dtype %s, not %s", field, dtype_name(t.dtype),
         names.c_str());
  bool same = t.rank == static_cast<int32_t>(shape.size());
  const int64_t *want = shape.begin();
  for (int i = 0; same && i < t.rank; i++) same = want[i] == kAny || t.shape[i] == want[i];
  if (!same) {
    const int rank = t.rank < 0 || t.rank > LL4_MAX_RANK ? 0 : t.rank;
    fail(LL4_INVALID_ARGUMENT, "%s has shape %s, not %s", field, shape_text(t.shape, rank).c_str(),
         shape_text(want, static_cast<int>(shape.size())).c_str());
  }
  check_memory(device, field, t);
}

void check_act(ll4_device &device, const char *field, const ll4_tensor &t,
               std::initializer_list<int64_t> shape) {
  check_tensor(device, field, t, {LL4_F32, LL4_BF16}, shape);
}

// All activations of a call share a dtype.
void check_same_dtype(const char *field, const ll4_tensor &t, const ll4_tensor &first) {
  if (t.dtype != first.dtype)
    fail(LL4_INVALID_ARGUMENT, "%s has dtype %s, the other activations %s", field,
         dtype_name(t.dtype), dtype_name(first.dtype));
}

// What is summed or rounded next may be f32 whatever the activations are.
void check_wide(const char *field, const ll4_tensor &t, const ll4_tensor &act) {
  if (t.dtype != LL4_F32) check_same_dtype(field, t, act);
}

void check_compute(int32_t compute) {
  require(compute >= LL4_COMPUTE_AUTO && compute <= LL4_COMPUTE_BF16, "compute",
          "is not an ll4_compute");
}

int64_t outputs(const ll4_weight &w, int first_axis) {
  return w.data.shape[first_axis + (w.layout == LL4_LAYOUT_NK ? 0 : 1)];
}

// A scale or an offset for every group of the rows of w.
void check_groups(ll4_device &device, const std::string &field, const ll4_tensor &t,
                  const ll4_weight &w) {
  const int64_t *shape = w.data.shape + (w.data.rank - 2);
  const int64_t groups = shape[1] / w.group + (shape[1] % w.group != 0);
  if (w.data.rank == 2)
    check_tensor(device, field.c_str(), t, {LL4_F32, LL4_BF16, LL4_F16}, {shape[0], groups});
  else
    check_tensor(device, field.c_str(), t, {LL4_F32, LL4_BF16, LL4_F16},
                 {w.data.shape[0], shape[0], groups});
}

void check_quantized(ll4_device &device, const char *field, const ll4_weight &w) {
  require(w.layout == LL4_LAYOUT_NK, field, "is quantized, and not NK");
  require(w.group > 0, field, "is quantized, and its group is not positive");
  check_groups(device, std::string(field) + ".scale", w.scale, w);
  const bool f8 = w.data.dtype == LL4_F8;
  if (present(w.offset)) {
    require(!f8, field, "is f8 and has an offset");
    check_groups(device, std::string(field) + ".offset", w.offset, w);
  }
  require(w.activations >= LL4_ACTIVATIONS_PLAIN && w.activations <= LL4_ACTIVATIONS_F8_TENSOR,
          field, "has unknown activations");
  require(f8 || w.activations == LL4_ACTIVATIONS_PLAIN, field,
          "has f8 activations, which only f8 has");
  require(std::isfinite(w.limit) && w.limit >= 0, field,
          "has a limit that is negative or no number");
  require(w.limit == 0 || w.activations != LL4_ACTIVATIONS_PLAIN, field,
          "has a limit, and plain activations");
  require(w.limit > 0 || w.activations != LL4_ACTIVATIONS_F8_TENSOR, field,
          "has no scale for its activations");
}

// A matrix [N, K] or [K, N], or with `experts` >= 0 a stack of them; returns N.
int64_t check_weight(ll4_device &device, const char *field, const ll4_weight &w, int64_t experts,
                     int64_t k) {
  require(w.layout == LL4_LAYOUT_NK || w.layout == LL4_LAYOUT_KN, field, "has an unknown layout");
  require(w.reserved == 0, field, "has a reserved field that is not 0");
  const bool nk = w.layout == LL4_LAYOUT_NK;
  const int64_t rows = nk ? kAny : k, columns = nk ? k : kAny;
  if (experts < 0)
    check_tensor(device, field, w.data, {LL4_BF16, LL4_F8, LL4_I8, LL4_I4}, {rows, columns});
  else
    check_tensor(device, field, w.data, {LL4_BF16, LL4_F8, LL4_I8, LL4_I4},
                 {experts, rows, columns});
  if (w.data.dtype == LL4_BF16)
    require(w.activations == 0 && w.group == 0 && !present(w.scale) && !present(w.offset) &&
                w.limit == 0,
            field, "is bf16 and has fields of a quantized weight");
  else
    check_quantized(device, field, w);
  return outputs(w, experts < 0 ? 0 : 1);
}

void check_batch(ll4_device &device, const ll4_batch &b) {
  require(b.sequences > 0, "batch.sequences", "is not positive");
  require(b.tokens > 0, "batch.tokens", "is not positive");
  require(b.max_new > 0 && b.max_new <= b.tokens, "batch.max_new", "is not in 1 .. tokens");
  require(b.max_context >= b.max_new, "batch.max_context", "is below max_new");
  check_tensor(device, "batch.seq_start", b.seq_start, {LL4_I32}, {b.sequences + int64_t{1}});
  check_tensor(device, "batch.past", b.past, {LL4_I32}, {b.sequences});
}

void check_kv(ll4_device &device, const ll4_kv &kv, const ll4_batch &batch, int64_t head_dim) {
  const int64_t *shape = kv.k.shape;
  check_tensor(device, "kv.k", kv.k, {LL4_F32, LL4_BF16, LL4_F8, LL4_I4},
               {kAny, kAny, kAny, head_dim});
  check_tensor(device, "kv.v", kv.v, {kv.k.dtype}, {shape[0], shape[1], shape[2], head_dim});
  if (kv.k.dtype == LL4_F8 || kv.k.dtype == LL4_I4) {
    check_tensor(device, "kv.k_scale", kv.k_scale, {LL4_F32}, {shape[0], shape[1], shape[2]});
    check_tensor(device, "kv.v_scale", kv.v_scale, {LL4_F32}, {shape[0], shape[1], shape[2]});
  } else {
    require(!present(kv.k_scale) && !present(kv.v_scale), "kv.k_scale",
            "and kv.v_scale are of f8 and i4 alone");
  }
  require(kv.k.shape[0] > 0 && kv.k.shape[1] > 0 && kv.k.shape[2] > 0, "kv.k", "is empty");
  check_tensor(device, "kv.page_table", kv.page_table, {LL4_I32}, {batch.sequences, kAny});
  if (present(kv.first_page))
    check_tensor(device, "kv.first_page", kv.first_page, {LL4_I32}, {batch.sequences});
}

}  // namespace

void check(ll4_device &d, const ll4_embed_args &a) {
  check_tensor(d, "ids", a.ids, {LL4_I32}, {kAny});
  check_tensor(d, "table", a.table, {LL4_BF16}, {kAny, kAny});
  check_act(d, "out", a.out, {a.ids.shape[0], a.table.shape[1]});
  if (present(a.features)) check_act(d, "features", a.features, {kAny, a.table.shape[1]});
}

void check(ll4_device &d, const ll4_rms_norm_args &a) {
  require(a.eps >= 0 && std::isfinite(a.eps), "eps", "is not a finite number of at least 0");
  check_act(d, "x", a.x, {kAny, kAny});
  const int64_t tokens = a.x.shape[0], hidden = a.x.shape[1];
  require(hidden > 0, "x", "has no columns");
  check_tensor(d, "weight", a.weight, {LL4_BF16, LL4_F32}, {hidden});
  check_act(d, "out", a.out, {tokens, hidden});
  check_wide("x", a.x, a.out);
  if (present(a.add)) {
    check_act(d, "add", a.add, {tokens, hidden});
    if (a.add.dtype != a.x.dtype) check_same_dtype("add", a.add, a.out);
  }
  if (present(a.unrounded)) check_tensor(d, "unrounded", a.unrounded, {LL4_F32}, {tokens, hidden});
}

void check(ll4_device &d, const ll4_qkv_epilogue_args &a) {
  require(a.reserved == 0, "reserved", "is not 0");
  require(!a.qk_norm || (a.qk_norm_eps >= 0 && std::isfinite(a.qk_norm_eps)), "qk_norm_eps",
          "is not a finite number of at least 0");
  require(std::isfinite(a.attn_scale), "attn_scale", "is not finite");
  require(a.attn_scale == 0 || (a.floor_scale > 0 && std::isfinite(a.floor_scale)), "floor_scale",
          "is not a positive number");
  check_batch(d, a.batch);
  check_act(d, "q", a.q, {a.batch.tokens, kAny, kAny});
  const int64_t heads = a.q.shape[1], head_dim = a.q.shape[2];
  require(heads > 0 && head_dim > 0, "q", "is empty");
  check_kv(d, a.kv, a.batch, head_dim);
  check_act(d, "qkv", a.qkv, {a.batch.tokens, (heads + 2 * a.kv.k.shape[1]) * head_dim});
  check_wide("qkv", a.qkv, a.q);
  require(!present(a.inv_freq) || !present(a.angles), "angles", "and inv_freq are both given");
  require(head_dim % 2 == 0 || !(present(a.inv_freq) || present(a.angles)), "q",
          "has an odd head dimension, which cannot be rotated");
  if (present(a.inv_freq)) check_tensor(d, "inv_freq", a.inv_freq, {LL4_F32}, {head_dim / 2});
  if (present(a.angles)) {
    check_tensor(d, "angles", a.angles, {LL4_F32}, {kAny, head_dim / 2});
    require(a.angles.shape[0] >= a.batch.max_context, "angles",
            "has fewer rows than batch.max_context");
  }
}

void check(ll4_device &d, const ll4_attention_args &a) {
  require(std::isfinite(a.scale), "scale", "is not finite");
  require(a.chunk >= 0, "chunk", "is negative");
  require(a.reserved == 0, "reserved", "is not 0");
  require(!a.bidirectional || a.chunk == 0, "chunk", "is not 0, which bidirectional needs");
  check_compute(a.compute);
  check_batch(d, a.batch);
  check_act(d, "q", a.q, {a.batch.tokens, kAny, kAny});
  require(a.q.shape[1] > 0 && a.q.shape[2] > 0, "q", "is empty");
  check_kv(d, a.kv, a.batch, a.q.shape[2]);
  require(a.q.shape[1] % a.kv.k.shape[1] == 0, "q", "has heads that the KV heads do not divide");
  check_act(d, "out", a.out, {a.batch.tokens, a.q.shape[1], a.q.shape[2]});
  check_same_dtype("out", a.out, a.q);
}

void check(ll4_device &d, const ll4_matmul_args &a) {
  require(a.parts >= 1 && a.parts <= LL4_MAX_PARTS, "parts", "is not in 1 .. 4");
  require(a.activation == LL4_ACTIVATION_NONE || a.activation == LL4_ACTIVATION_GELU, "activation",
          "is not an ll4_activation");
  require(a.reserved == 0, "reserved", "is not 0");
  check_compute(a.compute);
  check_act(d, "x", a.x, {kAny, kAny});
  int64_t n = 0;
  for (int i = 0; i < a.parts; i++) {
    const std::string field = "weight[" + std::to_string(i) + "]";
    const int64_t columns = check_weight(d, field.c_str(), a.weight[i], -1, a.x.shape[1]);
    const std::string bias = "bias[" + std::to_string(i) + "]";
    if (present(a.bias[i])) check_tensor(d, bias.c_str(), a.bias[i], {LL4_F32}, {columns});
    n += columns;
  }
  check_act(d, "out", a.out, {a.x.shape[0], n});
  check_wide("out", a.out, a.x);
}

void check(ll4_device &d, const ll4_router_args &a) {
  check_act(d, "x", a.x, {kAny, kAny});
  const int64_t tokens = a.x.shape[0];
  check_tensor(d, "weight", a.weight, {LL4_BF16}, {kAny, a.x.shape[1]});
  const int64_t experts = a.weight.shape[0], k = a.top_k;
  require(k >= 1 && k <= experts, "top_k", "is not in 1 .. experts");
  check_tensor(d, "logits", a.logits, {LL4_F32}, {tokens, experts});
  check_tensor(d, "experts", a.experts, {LL4_I32}, {tokens, k});
  check_tensor(d, "scores", a.scores, {LL4_F32}, {tokens, k});
  check_tensor(d, "offsets", a.offsets, {LL4_I32}, {experts + 1});
  check_tensor(d, "row_tokens", a.row_tokens, {LL4_I32}, {tokens * k});
  check_tensor(d, "row_scores", a.row_scores, {LL4_F32}, {tokens * k});
}

void check(ll4_device &d, const ll4_grouped_matmul_args &a) {
  require(a.reserved == 0, "reserved", "is not 0");
  check_compute(a.compute);
  check_act(d, "x", a.x, {kAny, kAny});
  check_tensor(d, "offsets", a.offsets, {LL4_I32}, {kAny});
  require(a.offsets.shape[0] >= 2, "offsets", "has no experts");
  const int64_t n = check_weight(d, "weight", a.weight, a.offsets.shape[0] - 1, a.x.shape[1]);
  require(!a.swiglu || n % 2 == 0, "weight", "has an odd number of outputs, which SwiGLU halves");
  int64_t rows = a.x.shape[0];
  if (present(a.gather)) {
    check_tensor(d, "gather", a.gather, {LL4_I32}, {kAny});
    rows = a.gather.shape[0];
  }
  if (present(a.row_scores)) check_tensor(d, "row_scores", a.row_scores, {LL4_F32}, {rows});
  if (present(a.scatter)) check_tensor(d, "scatter", a.scatter, {LL4_I32}, {rows});
  check_act(d, "out", a.out, {present(a.scatter) ? kAny : rows, a.swiglu ? n / 2 : n});
  check_wide("out", a.out, a.x);
}

void check(ll4_device &d, const ll4_swiglu_args &a) {
  check_act(d, "gate_up", a.gate_up, {kAny, kAny});
  require(a.gate_up.shape[1] % 2 == 0, "gate_up", "has an odd number of columns");
  check_act(d, "out", a.out, {a.gate_up.shape[0], a.gate_up.shape[1] / 2});
  check_same_dtype("out", a.out, a.gate_up);
}

void check(ll4_device &d, const ll4_logits_args &a) {
  check_compute(a.compute);
  check_act(d, "x", a.x, {kAny, kAny});
  check_tensor(d, "rows", a.rows, {LL4_I32}, {kAny});
  const int64_t n = check_weight(d, "weight", a.weight, -1, a.x.shape[1]);
  check_tensor(d, "out", a.out, {LL4_F32}, {a.rows.shape[0], n});
}

void check(ll4_device &d, const ll4_log_softmax_args &a) {
  check_tensor(d, "x", a.x, {LL4_F32}, {kAny, kAny});
  check_tensor(d, "out", a.out, {LL4_F32}, {a.x.shape[0], a.x.shape[1]});
}

void check(ll4_device &d, const ll4_top_k_args &a) {
  check_tensor(d, "x", a.x, {LL4_F32}, {kAny, kAny});
  check_tensor(d, "values", a.values, {LL4_F32}, {a.x.shape[0], kAny});
  const int64_t k = a.values.shape[1];
  require(k >= 1 && k <= a.x.shape[1], "values", "has no or more columns than x");
  check_tensor(d, "indices", a.indices, {LL4_I32}, {a.x.shape[0], k});
}

void check(ll4_device &d, const ll4_sample_args &a) {
  check_tensor(d, "x", a.x, {LL4_F32}, {kAny, kAny});
  const int64_t rows = a.x.shape[0];
  require(a.x.shape[1] > 0, "x", "has no columns");
  check_tensor(d, "temperature", a.temperature, {LL4_F32}, {rows});
  check_tensor(d, "top_k", a.top_k, {LL4_I32}, {rows});
  check_tensor(d, "top_p", a.top_p, {LL4_F32}, {rows});
  check_tensor(d, "min_p", a.min_p, {LL4_F32}, {rows});
  check_tensor(d, "draw", a.draw, {LL4_F32}, {rows});
  check_tensor(d, "ids", a.ids, {LL4_I32}, {rows});
}

void check(ll4_device &d, const ll4_layer_norm_args &a) {
  require(a.eps >= 0 && std::isfinite(a.eps), "eps", "is not a finite number of at least 0");
  check_act(d, "x", a.x, {kAny, kAny});
  const int64_t hidden = a.x.shape[1];
  require(hidden > 0, "x", "has no columns");
  check_tensor(d, "weight", a.weight, {LL4_BF16, LL4_F32}, {hidden});
  check_tensor(d, "bias", a.bias, {LL4_BF16, LL4_F32}, {hidden});
  check_act(d, "out", a.out, {a.x.shape[0], hidden});
}

void check(ll4_device &d, const ll4_unfold_args &a) {
  require(a.patch > 0, "patch", "is not positive");
  check_act(d, "x", a.x, {kAny, kAny, kAny, kAny});
  const int64_t channels = a.x.shape[1], side = a.x.shape[2];
  require(channels > 0 && side > 0, "x", "has no pixels");
  require(a.x.shape[3] == side, "x", "is not square");
  require(side % a.patch == 0, "patch", "does not divide the side of x");
  check_act(d, "out", a.out, {a.x.shape[0], kAny, kAny});
  // Quotients, since products could overflow where there are no tiles.
  const int64_t g = side / a.patch;
  require(a.out.shape[1] / g >= g, "out", "has fewer rows than a tile has patches");
  require(a.out.shape[2] / a.patch / a.patch >= channels, "out",
          "has fewer columns than a patch has values");
}

void check(ll4_device &d, const ll4_pixel_shuffle_args &a) {
  require(a.factor > 0, "factor", "is not positive");
  check_act(d, "x", a.x, {kAny, kAny, kAny});
  check_act(d, "out", a.out, {a.x.shape[0], kAny, kAny});
  check_same_dtype("out", a.out, a.x);
  const int64_t squares = a.out.shape[1], factor = a.factor;
  const int64_t side = std::llround(std::sqrt(static_cast<double>(squares)));
  require(side > 0 && squares % side == 0 && squares / side == side, "out",
          "has a number of rows that is no square");
  const int64_t area = factor * factor, g = side * factor;
  require(a.out.shape[2] % area == 0 && a.out.shape[2] / area == a.x.shape[2], "out",
          "does not have factor^2 times as many columns as x");
  require(a.x.shape[1] / g >= g, "x", "has fewer rows than out has patches");
}

void check(ll4_device &d, const ll4_quantize_args &a) {
  require(a.reserved == 0, "reserved", "is not 0");
  require(a.x.data.rank == 2 || a.x.data.rank == 3, "x", "is no matrix and no stack of them");
  const int64_t experts = a.x.data.rank == 3 ? a.x.data.shape[0] : -1;
  const int64_t k = a.x.data.shape[a.x.data.rank - (a.x.layout == LL4_LAYOUT_KN ? 2 : 1)];
  const int64_t n = check_weight(d, "x", a.x, experts, k);
  require(a.x.data.dtype == LL4_BF16, "x", "is not bf16");
  const int64_t outputs = check_weight(d, "out", a.out, experts, k);
  require(a.out.data.dtype == LL4_F8 || a.out.data.dtype == LL4_I4, "out", "is not f8 or i4");
  require(outputs == n, "out", "does not have the outputs of x");
  require(!present(a.out.offset), "out", "has an offset");
}

}  // namespace ll4
