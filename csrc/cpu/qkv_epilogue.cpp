// qkv_epilogue: rotation, weightless QK norm, temperature and the write to the paged cache, a few
// tokens a task.
#include <cmath>

#include "../dtype.h"
#include "device.h"
#include "small_floats.h"

namespace ll4::cpu {

namespace {

// cos and sin of x[i] * by. The angle is an fp32 product, as the reference has it; the functions
// are evaluated in fp64 so that large angles lose nothing more.
void turns(const float *x, int64_t half, float by, float *cosines, float *sines) {
  for (int64_t i = 0; i < half; i++) {
    const double angle = x[i] * by;
    cosines[i] = static_cast<float>(std::cos(angle));
    sines[i] = static_cast<float>(std::sin(angle));
  }
}

void rotate(float *x, int64_t half, const float *cosines, const float *sines) {
  for (int64_t i = 0; i < half; i++) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cosines[i] - b * sines[i];
    x[2 * i + 1] = a * sines[i] + b * cosines[i];
  }
}

struct Job {
  const ll4_qkv_epilogue_args &args;
  const Kernels &kernels;
  PageView pages;
  int64_t heads, kv_heads, head_dim;

  void token(int32_t sequence, int64_t position, int64_t row, float *room) const;
  void cache(const ll4_tensor &t, const ll4_tensor &scale, int64_t page, int64_t slot,
             const float *x) const;
};

// Stores a head as numbers of f8 or i4 and returns their scale. One that has a value that is not
// finite is NaN as its scale is; there, and where the scale is too small for fp32, numbers are 0.
float store_quantized(const Kernels &kernels, const float *x, int64_t n, bool f8, uint8_t *out) {
  const float largest = kernels.max_abs(x, n);
  const float scale = !std::isfinite(largest) ? NAN : largest == 0 ? 1 : largest / (f8 ? 448 : 7);
  const auto quotient = [&](int64_t i) { return i < n && scale > 0 ? x[i] / scale : 0; };
  if (f8) {
    for (int64_t i = 0; i < n; i++) out[i] = f32_to_f8(quotient(i));
    return scale;
  }
  // A quotient is more than 7 where the scale is one of few bits.
  const auto nibble = [&](int64_t i) {
    return static_cast<uint32_t>(std::clamp(round_to_int(quotient(i)), -7, 7) + 8);
  };
  for (int64_t i = 0; i < n; i += 2)
    out[i / 2] = static_cast<uint8_t>(nibble(i) | nibble(i + 1) << 4);
  return scale;
}

void Job::cache(const ll4_tensor &t, const ll4_tensor &scale, int64_t page, int64_t slot,
                const float *x) const {
  const Rows32 rows(kernels, t, head_dim);
  for (int64_t h = 0; h < kv_heads; h++) {
    const int64_t row = (page * kv_heads + h) * pages.page_size() + slot;
    const float *head = x + h * head_dim;
    if (scale.buffer)
      data<float>(scale)[row] =
          store_quantized(kernels, head, head_dim, t.dtype == LL4_F8,
                          data<uint8_t>(t) + row * row_bytes(t.dtype, head_dim));
    else
      rows.store(row, 0, head, head_dim);
  }
}

void Job::token(int32_t sequence, int64_t position, int64_t row, float *room) const {
  const int64_t width = (heads + 2 * kv_heads) * head_dim;
  float *x = room, *cosines = room + width, *sines = cosines + head_dim / 2;
  const float *from = Rows32(kernels, args.qkv, width).read(row, x);
  if (from != x) std::memcpy(x, from, static_cast<size_t>(width) * sizeof *x);

  const int64_t half = head_dim / 2;
  const float *inv_freq = data<const float>(args.inv_freq);
  const float *angles = data<const float>(args.angles);
  if (inv_freq) turns(inv_freq, half, static_cast<float>(position), cosines, sines);
  if (angles) turns(angles + position * half, half, 1.0f, cosines, sines);
  for (int64_t h = 0; h < heads + kv_heads; h++) {
    float *head = x + h * head_dim;
    if (inv_freq || angles) rotate(head, half, cosines, sines);
    if (args.qk_norm) {
      const float mean = kernels.sum_squares(head, head_dim) / static_cast<float>(head_dim);
      kernels.scale(head, 1.0f / std::sqrt(mean + args.qk_norm_eps), head, head_dim);
    }
  }
  if (args.attn_scale != 0) {
    const float steps = std::floor((static_cast<float>(position) + 1.0f) / args.floor_scale);
    const float temperature = std::log(steps + 1.0f) * args.attn_scale + 1.0f;
    kernels.scale(x, temperature, x, heads * head_dim);
  }
  Rows32(kernels, args.q, heads * head_dim).store(row, 0, x, heads * head_dim);
  const int64_t page = pages.page(sequence, position), slot = position % pages.page_size();
  cache(args.kv.k, args.kv.k_scale, page, slot, x + heads * head_dim);
  cache(args.kv.v, args.kv.v_scale, page, slot, x + (heads + kv_heads) * head_dim);
}

}  // namespace

void qkv_epilogue(ll4_stream &stream, const ll4_qkv_epilogue_args &a) {
  Running running(stream);
  Device &device = running.device;
  const BatchView batch(a.batch);
  const Job job{a, device.kernels, PageView(a.kv), a.q.shape[1], a.kv.k.shape[1], a.q.shape[2]};

  // Which sequence and position a row is.
  const int64_t tokens = a.batch.tokens;
  int32_t *sequence = device.scratch.take<int32_t>(tokens);
  for (int32_t b = 0; b < batch.sequences; b++)
    for (int32_t t = batch.seq_start[b]; t < batch.seq_start[b + 1]; t++) sequence[t] = b;

  constexpr int64_t kRowsATask = 4;
  each_row(device, tokens, kRowsATask, a.qkv.shape[1] + job.head_dim, [&](int64_t t, float *room) {
    const int32_t b = sequence[t];
    job.token(b, int64_t{batch.past[b]} + (t - batch.seq_start[b]), t, room);
  });
}

}  // namespace ll4::cpu
