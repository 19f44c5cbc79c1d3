// Products with quantized weights.
//
// A kernel multiplies W as it is: i4 and i8 by activations of eight bits, f8 by its like as bf16 or
// fp32. In LL4_COMPUTE_F32, and where W has groups that no kernel takes, panels of W are taken
// apart into fp32 and multiplied as such: each output is a sum over panels in order, whatever rows
// and columns are beside it.
#include "operands.h"
#include "small_floats.h"

namespace ll4::cpu {

float Numbers::at(int64_t i) const {
  if (dtype == LL4_F32) return reinterpret_cast<const float *>(data)[i];
  const uint16_t half = reinterpret_cast<const uint16_t *>(data)[i];
  return dtype == LL4_BF16 ? bf16_to_f32(half) : f16_to_f32(half);
}

namespace {

// ---- activations ----

// The kernel for W as it is, if there is one.
const QuantizedKernel *find_kernel(const Kernels &kernels, const Matrix &w, int32_t compute) {
  if (compute == LL4_COMPUTE_F32) return nullptr;
  const auto fits = [&](QuantizedOperands operands) {
    const QuantizedKernel &kernel = kernels.quantized[operands];
    const bool good = kernel.dot && (w.groups <= 1 || w.group % kernel.group == 0);
    return good ? &kernel : nullptr;
  };
  if (w.dtype == LL4_I4) return fits(kI8xI4);
  if (w.dtype == LL4_F8) return fits(kernels.bf16_dot ? kBf16xF8 : kF32xF8);
  const QuantizedKernel *blocks = fits(kI8xI8Blocks);
  return blocks ? blocks : fits(kI8xI8);
}

// Makes rows of x what W wants to meet: whole numbers of eight bits, f8, or rounded to bf16; packed
// for a kernel, or as fp32 that has these values.
class Maker {
 public:
  Maker(Device &device, const Matrix &w, int32_t compute, int64_t count);

  // Row `i` of the result, from a row of x in fp32, which may lie in the first `depth` of room.
  void make(int64_t i, const float *row, float *room) const;
  // Floats of room.
  int64_t room() const { return padded_ + padded_ / 4 + padded_ / kI8Block; }
  WeightActivations result() const;

 private:
  void make_i8(int64_t i, const float *row, float *room) const;
  void make_f8(int64_t i, const float *row, float *room) const;
  void store(int64_t i, float *row) const;
  void sum_groups(const int8_t *q, const float *scale, float *sums) const;

  const Kernels &kernels_;
  const Matrix &w_;
  const QuantizedKernel *kernel_;
  bool i8_;
  bool f8_;
  bool round_;
  int64_t padded_;  // depth
  int64_t row_bytes_;
  int64_t scales_;
  char *data_;
  float *scale_ = nullptr;
  float *sums_ = nullptr;
};

Maker::Maker(Device &device, const Matrix &w, int32_t compute, int64_t count)
    : kernels_(device.kernels),
      w_(w),
      kernel_(find_kernel(kernels_, w, compute)),
      i8_(w.dtype != LL4_F8 && compute != LL4_COMPUTE_F32),
      f8_(w.activations != LL4_ACTIVATIONS_PLAIN),
      round_(compute == LL4_COMPUTE_BF16 || (compute == LL4_COMPUTE_AUTO && kernels_.bf16_dot)),
      padded_(plan::blocks(w.depth, kPackedValues) * kPackedValues),
      row_bytes_(kernel_ ? padded_ / kPackedValues * kernel_->packed : w.depth * 4),
      scales_(w.activations == LL4_ACTIVATIONS_F8_GROUP ? w.groups : 1),
      data_(device.scratch.take<char>(count * row_bytes_)) {
  if (f8_) scale_ = device.scratch.take<float>(count * scales_);
  if (i8_ && kernel_ && w.offset.data) sums_ = device.scratch.take<float>(count * w.groups);
}

WeightActivations Maker::result() const {
  WeightActivations out{Activations{data_, false}};
  out.kernel = kernel_;
  out.row_bytes = row_bytes_;
  out.scale = scale_;
  out.scales = scales_;
  out.sums = sums_;
  return out;
}

void Maker::make(int64_t i, const float *row, float *room) const {
  if (i8_) return make_i8(i, row, room);
  if (f8_) return make_f8(i, row, room);
  if (row != room) std::memcpy(room, row, static_cast<size_t>(w_.depth) * sizeof *room);
  if (round_) round_to_bf16(kernels_, room, w_.depth);
  store(i, room);
}

void Maker::make_i8(int64_t i, const float *row, float *room) const {
  auto *q = reinterpret_cast<int8_t *>(room + padded_);
  float *scale = room + padded_ + padded_ / 4;
  kernels_.make_i8(row, q, scale, w_.depth);
  if (sums_) sum_groups(q, scale, sums_ + i * w_.groups);
  if (kernel_) {
    std::fill(q + w_.depth, q + padded_, int8_t{0});
    std::fill(scale + plan::blocks(w_.depth, kI8Block), scale + padded_ / kI8Block, 0.0f);
    return kernel_->pack_i8(q, scale, padded_, data_ + i * row_bytes_);
  }
  auto *to = reinterpret_cast<float *>(data_ + i * row_bytes_);
  for (int64_t k = 0; k < w_.depth; k++) to[k] = scale[k / kI8Block] * static_cast<float>(q[k]);
}

void Maker::sum_groups(const int8_t *q, const float *scale, float *sums) const {
  for (int64_t g = 0; g < w_.groups; g++) {
    const int64_t end = std::min(w_.depth, (g + 1) * w_.group);
    float sum = 0;
    for (int64_t k = g * w_.group; k < end;) {
      const int64_t block = k / kI8Block, stop = std::min(end, (block + 1) * kI8Block);
      int32_t whole = 0;
      for (; k < stop; k++) whole += q[k];
      sum += scale[block] * static_cast<float>(whole);
    }
    sums[g] = sum;
  }
}

void Maker::make_f8(int64_t i, const float *row, float *room) const {
  const int64_t group = scales_ > 1 ? w_.group : w_.depth;
  for (int64_t g = 0; g < scales_; g++) {
    const int64_t k = g * group, n = std::min(group, w_.depth - k);
    float scale = w_.limit;
    if (w_.activations != LL4_ACTIVATIONS_F8_TENSOR) {
      const float most = kernels_.max_abs(row + k, n);
      scale = (w_.limit > 0 && most > w_.limit ? w_.limit : most) / 448;
    }
    scale_[i * scales_ + g] = scale;
    if (scale == 0)
      std::memset(room + k, 0, static_cast<size_t>(n) * sizeof *room);
    else
      kernels_.round_f8(row + k, scale, room + k, n);
    if (!kernel_) kernels_.scale(room + k, scale, room + k, n);
  }
  store(i, room);
}

void Maker::store(int64_t i, float *row) const {
  char *to = data_ + i * row_bytes_;
  if (!kernel_) {
    std::memcpy(to, row, static_cast<size_t>(row_bytes_));
    return;
  }
  std::fill(row + w_.depth, row + padded_, 0.0f);
  kernel_->pack_f32(row, padded_, to);
}

}  // namespace

WeightActivations make_quantized_activations(Device &device, const ll4_tensor &x, int32_t compute,
                                             const Matrix &w, const int32_t *rows,
                                             const float *scores, int64_t count) {
  const Maker maker(device, w, compute, count);
  each_row(device, count, rows_a_task(w.depth), maker.room(), [&](int64_t i, float *room) {
    const float *score = scores ? scores + i : nullptr;
    maker.make(i, scaled_row(device.kernels, x, rows ? rows[i] : i, score, room), room);
  });
  return maker.result();
}

namespace {

// ---- products ----

constexpr int64_t kPanelColumns = 32;
constexpr int64_t kPanelDepth = 512;

// out += x W^T, or = if `fresh`, for W of fp32 that load(column, k, n, panel) makes a piece of a
// row at a time.
template <class Load>
void multiply_panels(const Kernels &kernels, const float *x, int64_t rows, int64_t columns,
                     int64_t depth, bool fresh, Load load, float *out) {
  alignas(64) float panel[kPanelColumns * kPanelDepth];
  alignas(64) float part[plan::kBlockRows * kPanelColumns];
  if (fresh) std::memset(out, 0, static_cast<size_t>(rows * columns) * sizeof *out);
  for (int64_t column = 0; column < columns; column += kPanelColumns) {
    Block b{};
    b.ldx = depth;
    b.w = panel;
    b.out = part;
    b.rows = rows;
    b.columns = b.ldo = std::min(kPanelColumns, columns - column);
    for (int64_t k = 0; k < depth; k += kPanelDepth) {
      b.x = x + k;
      b.depth = b.ldw = std::min(kPanelDepth, depth - k);
      for (int64_t c = 0; c < b.columns; c++) load(column + c, k, b.depth, panel + c * b.ldw);
      kernels.dot[kF32xF32](b);
      for (int64_t r = 0; r < rows; r++)
        kernels.add(part + r * b.ldo, out + r * columns + column, b.columns);
    }
  }
}

// n weights of output `column` from k on, which share a scale.
void dequantize(const Kernels &kernels, const Matrix &w, int64_t column, int64_t k, int64_t n,
                float *out) {
  const int64_t g = column * w.groups + k / w.group;
  const float scale = w.scale.at(g), offset = w.offset.data ? w.offset.at(g) : 0;
  const uint8_t *q = w.row(column);
  if (w.dtype == LL4_F8) return kernels.dequantize_f8(q + k, scale, offset, out, n);
  if (w.dtype == LL4_I8) return kernels.dequantize_i8(q + k, scale, offset, out, n);
  if (k % 2) {  // the second half of a byte
    const auto high = static_cast<uint8_t>(q[k / 2] >> 4);
    kernels.dequantize_i4(&high, scale, offset, out, 1);
    out++, k++, n--;
  }
  kernels.dequantize_i4(q + k / 2, scale, offset, out, n);
}

void multiply_dequantized(const Kernels &kernels, const WeightActivations &x, int64_t first_row,
                          int64_t rows, const Matrix &w, int64_t column, int64_t columns,
                          float *out) {
  const auto load = [&](int64_t c, int64_t first, int64_t n, float *panel) {
    for (int64_t k = first; k < first + n;) {
      const int64_t end = std::min(first + n, (k / w.group + 1) * w.group);
      dequantize(kernels, w, column + c, k, end - k, panel + k - first);
      k = end;
    }
  };
  const auto *from = static_cast<const float *>(x.row(first_row, w.depth));
  multiply_panels(kernels, from, rows, columns, w.depth, true, load, out);
}

// Adds what offsets make of the sums of x.
void add_offsets(const Kernels &kernels, const WeightActivations &x, int64_t first_row,
                 int64_t rows, const Matrix &w, int64_t column, int64_t columns, float *out) {
  const auto load = [&](int64_t c, int64_t g, int64_t n, float *panel) {
    const int64_t first = (column + c) * w.groups + g;
    for (int64_t i = 0; i < n; i++) panel[i] = w.offset.at(first + i);
  };
  multiply_panels(kernels, x.sums + first_row * w.groups, rows, columns, w.groups, false, load,
                  out);
}

}  // namespace

void multiply_quantized(const Kernels &kernels, const WeightActivations &x, int64_t first_row,
                        int64_t rows, const Matrix &w, int64_t column, int64_t columns,
                        float *out) {
  if (!x.kernel) return multiply_dequantized(kernels, x, first_row, rows, w, column, columns, out);
  QuantizedBlock b{};
  b.x = static_cast<const char *>(x.data) + first_row * x.row_bytes;
  b.ldx = x.row_bytes;
  b.x_scale = x.scale ? x.scale + first_row * x.scales : nullptr;
  b.x_scales = x.scales;
  b.w = w.row(column);
  b.ldw = row_bytes(w.dtype, w.depth);
  b.scale = w.scale.from(column * w.groups);
  b.scale_dtype = w.scale.dtype;
  b.group = w.group;
  b.groups = w.groups;
  b.out = out;
  b.ldo = columns;
  b.rows = rows;
  b.columns = columns;
  b.depth = w.depth;
  x.kernel->dot(b);
  if (x.sums) add_offsets(kernels, x, first_row, rows, w, column, columns, out);
}

}  // namespace ll4::cpu
