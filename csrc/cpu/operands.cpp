#include "operands.h"

#include <algorithm>

namespace ll4::cpu {

const float *as_f32(Device &device, const ll4_tensor &t, int64_t n) {
  if (t.dtype == LL4_F32) return data<const float>(t);
  float *wide = device.scratch.take<float>(n);
  device.kernels.widen(data<const uint16_t>(t), wide, n);
  return wide;
}

void copy_values(const Kernels &kernels, const ll4_tensor &from, int64_t first,
                 const ll4_tensor &to, int64_t to_first, int64_t n) {
  const bool wide = from.dtype == LL4_F32;
  if (from.dtype == to.dtype) {
    const int64_t bytes = wide ? 4 : 2;
    std::memcpy(data<char>(to) + to_first * bytes, data<const char>(from) + first * bytes,
                static_cast<size_t>(n * bytes));
  } else if (wide) {
    kernels.narrow(data<const float>(from) + first, data<uint16_t>(to) + to_first, n);
  } else {
    kernels.widen(data<const uint16_t>(from) + first, data<float>(to) + to_first, n);
  }
}

void round_to_bf16(const Kernels &kernels, float *x, int64_t n) {
  uint16_t room[256];
  for (int64_t i = 0; i < n; i += 256) {
    const int64_t m = std::min<int64_t>(256, n - i);
    kernels.narrow(x + i, room, m);
    kernels.widen(room, x + i, m);
  }
}

const float *scaled_row(const Kernels &kernels, const ll4_tensor &x, int64_t row, const float *s,
                        float *room) {
  const float *values = Rows32(kernels, x, x.shape[1]).read(row, room);
  if (!s) return values;
  kernels.scale(values, *s, room, x.shape[1]);
  return room;
}

namespace {

// One row: fp32, times s, rounded if asked; written as bf16 pairs or as fp32.
void make_row(const Kernels &kernels, const ll4_tensor &x, int64_t row, const float *s, bool round,
              Activations out, int64_t i, float *room) {
  const int64_t depth = x.shape[1];
  const float *values = scaled_row(kernels, x, row, s, room);
  void *to = const_cast<void *>(out.row(i, depth));
  if (out.bf16) {
    kernels.narrow(values, static_cast<uint16_t *>(to), depth);
    return;
  }
  auto *wide = static_cast<float *>(to);
  std::memcpy(wide, values, static_cast<size_t>(depth) * sizeof *wide);
  if (round) round_to_bf16(kernels, wide, depth);
}

}  // namespace

Activations make_activations(Device &device, const ll4_tensor &x, int32_t compute,
                             const int32_t *rows, const float *scores, int64_t count) {
  const Kernels &kernels = device.kernels;
  const int64_t depth = x.shape[1];
  const bool pairs = kernels.bf16_dot && compute != LL4_COMPUTE_F32;
  const bool round = !pairs && compute == LL4_COMPUTE_BF16;
  const bool wide = x.dtype == LL4_F32;
  if (!rows && !scores && !round && wide != pairs) return Activations{data<const void>(x), pairs};

  Activations out{nullptr, pairs};
  if (pairs)
    out.data = device.scratch.take<uint16_t>(count * depth);
  else
    out.data = device.scratch.take<float>(count * depth);
  each_row(device, count, rows_a_task(depth), depth, [&](int64_t i, float *room) {
    make_row(kernels, x, rows ? rows[i] : i, scores ? scores + i : nullptr, round, out, i, room);
  });
  return out;
}

Matrix matrix(const ll4_weight &w, int64_t expert) {
  const int64_t *shape = w.data.shape + (w.data.rank - 2);
  const bool nk = w.layout == LL4_LAYOUT_NK;
  Matrix m{};
  m.layout = w.layout;
  m.columns = nk ? shape[0] : shape[1];
  m.depth = nk ? shape[1] : shape[0];
  m.dtype = w.data.dtype;
  m.data = data<const char>(w.data) + expert * shape[0] * row_bytes(m.dtype, shape[1]);
  if (!m.quantized()) return m;
  m.activations = w.activations;
  m.limit = w.limit;
  m.group = std::clamp<int64_t>(w.group, 1, std::max<int64_t>(m.depth, 1));
  m.groups = plan::blocks(m.depth, m.group);
  const auto numbers = [&](const ll4_tensor &t) {
    if (!t.buffer) return Numbers{};
    return Numbers{data<const char>(t) + expert * m.columns * row_bytes(t.dtype, m.groups),
                   t.dtype};
  };
  m.scale = numbers(w.scale);
  m.offset = numbers(w.offset);
  return m;
}

WeightActivations make_activations(Device &device, const ll4_tensor &x, int32_t compute,
                                   const Matrix &w, const int32_t *rows, const float *scores,
                                   int64_t count) {
  if (w.quantized()) return make_quantized_activations(device, x, compute, w, rows, scores, count);
  return WeightActivations{make_activations(device, x, compute, rows, scores, count)};
}

void multiply(const Kernels &kernels, const WeightActivations &x, int64_t first_row, int64_t rows,
              const Matrix &w, int64_t column, int64_t columns, float *out) {
  if (w.quantized())
    return multiply_quantized(kernels, x, first_row, rows, w, column, columns, out);
  Block b{};
  b.x = x.row(first_row, w.depth);
  b.ldx = w.depth;
  b.out = out;
  b.ldo = columns;
  b.rows = rows;
  b.columns = columns;
  b.depth = w.depth;
  if (w.layout == LL4_LAYOUT_NK) {
    b.w = w.data + column * w.depth * 2;
    b.ldw = w.depth;
    kernels.dot[x.with(true)](b);
  } else {
    b.w = w.data + column * 2;
    b.ldw = w.columns;
    std::memset(out, 0, static_cast<size_t>(rows * columns) * sizeof *out);
    kernels.outer[x.with(true)](b);
  }
}

BatchView::BatchView(const ll4_batch &batch)
    : sequences(batch.sequences),
      seq_start(data<const int32_t>(batch.seq_start)),
      past(data<const int32_t>(batch.past)) {
  if (seq_start[0] != 0 || seq_start[sequences] != batch.tokens)
    fail(LL4_INVALID_ARGUMENT, "batch.seq_start does not run from 0 to %d", batch.tokens);
  for (int32_t b = 0; b < sequences; b++) {
    const int64_t fresh = int64_t{seq_start[b + 1]} - seq_start[b];
    if (fresh < 0 || fresh > batch.max_new)
      fail(LL4_INVALID_ARGUMENT, "batch.seq_start gives sequence %d %lld tokens, not 0 to %d", b,
           static_cast<long long>(fresh), batch.max_new);
    if (past[b] < 0 || past[b] + fresh > batch.max_context)
      fail(LL4_INVALID_ARGUMENT,
           "batch.past of sequence %d is %d: with %lld new tokens it is not in "
           "0 to %d",
           b, past[b], static_cast<long long>(fresh), batch.max_context);
  }
}

PageView::PageView(const ll4_kv &kv)
    : table_(data<const int32_t>(kv.page_table)),
      first_(data<const int32_t>(kv.first_page)),
      columns_(kv.page_table.shape[1]),
      pages_(kv.k.shape[0]),
      page_size_(kv.k.shape[2]),
      heads_(kv.k.shape[1]) {}

int64_t PageView::page(int32_t sequence, int64_t position) const {
  const int64_t column = position / page_size_ - (first_ ? first_[sequence] : 0);
  if (column < 0 || column >= columns_)
    fail(LL4_INVALID_ARGUMENT, "kv.page_table has no page for position %lld of sequence %d",
         static_cast<long long>(position), sequence);
  const int32_t page = table_[sequence * columns_ + column];
  if (page < 0 || page >= pages_)
    fail(LL4_INVALID_ARGUMENT,
         "kv.page_table names page %d for position %lld of sequence %d: there "
         "are %lld",
         page, static_cast<long long>(position), sequence, static_cast<long long>(pages_));
  return page;
}

}  // namespace ll4::cpu
