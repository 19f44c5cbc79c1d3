// quantize: a task makes some rows of out.
//
// Of x [N, K] these are rows, too. Of x [K, N] they are columns: a block of them is read a group at
// a time, once for the largest of each column and, turned around in small panels, to be rounded.
#include "operands.h"
#include "small_floats.h"

namespace ll4::cpu {

namespace {

constexpr int64_t kRowsATask = 16;
constexpr int64_t kColumnsATask = 128;
constexpr int64_t kPanelDepth = 64;

using Row8 = uint16_t __attribute__((vector_size(16)));

// to[c][r] = from[r][c] of 8 x 8: three times, rows of the upper and the lower half are zipped.
void transpose8(const uint16_t *from, int64_t ld_from, uint16_t *to, int64_t ld_to) {
  Row8 row[8], zipped[8];
  for (int i = 0; i < 8; i++) std::memcpy(&row[i], from + i * ld_from, sizeof row[i]);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 4; i++) {
      const Row8 a = row[i], b = row[i + 4];
      zipped[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
      zipped[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    }
    std::memcpy(row, zipped, sizeof row);
  }
  for (int i = 0; i < 8; i++) std::memcpy(to + i * ld_to, &row[i], sizeof row[i]);
}

// The same of rows x columns.
void transpose(const uint16_t *from, int64_t ld_from, int64_t rows, int64_t columns, uint16_t *to,
               int64_t ld_to) {
  for (int64_t r = 0; r < rows; r += 8)
    for (int64_t c = 0; c < columns; c += 8) {
      const uint16_t *block = from + r * ld_from + c;
      if (r + 8 <= rows && c + 8 <= columns) {
        transpose8(block, ld_from, to + c * ld_to + r, ld_to);
        continue;
      }
      for (int64_t i = 0; i < std::min<int64_t>(8, rows - r); i++)
        for (int64_t j = 0; j < std::min<int64_t>(8, columns - c); j++)
          to[(c + j) * ld_to + r + i] = block[i * ld_from + j];
    }
}

struct Job {
  explicit Job(const Kernels &table, const ll4_quantize_args &a)
      : kernels(table), in(matrix(a.x, 0)), out(matrix(a.out, 0)) {}

  const uint16_t *x(int64_t expert) const {
    return reinterpret_cast<const uint16_t *>(in.data) + expert * in.columns * in.depth;
  }
  int64_t row(int64_t expert, int64_t n) const { return expert * in.columns + n; }

  float store_scale(int64_t row, int64_t group, int16_t largest) const;
  void round(const uint16_t *w, float scale, int64_t row, int64_t k, int64_t n) const;
  void rows_of_nk(int64_t expert, int64_t first) const;
  void rows_of_kn(int64_t expert, int64_t first) const;

  const Kernels &kernels;
  const Matrix in;
  const Matrix out;
};

// The scale of a group whose largest |w| has the bits `largest`, as it is stored.
float Job::store_scale(int64_t row, int64_t group, int16_t largest) const {
  const float most = bf16_to_f32(static_cast<uint16_t>(largest));
  float scale = out.dtype == LL4_I4 ? std::max(most, 1e-6f) / 8 : most == 0 ? 1 : most / 448;
  if (largest >= 0x7f80) scale = bits_float(0x7fc00000);  // not finite
  char *to = const_cast<char *>(out.scale.data);
  const int64_t i = row * out.groups + group;
  if (out.scale.dtype == LL4_F32)
    reinterpret_cast<float *>(to)[i] = scale;
  else
    reinterpret_cast<uint16_t *>(to)[i] =
        out.scale.dtype == LL4_BF16 ? f32_to_bf16(scale) : f32_to_f16(scale);
  const float stored = out.scale.at(i);
  return stored == 0 ? 1 : stored;  // it was too small for its type
}

// Stores n values from k on, which share a scale.
void Job::round(const uint16_t *w, float scale, int64_t row, int64_t k, int64_t n) const {
  auto *to = reinterpret_cast<uint8_t *>(const_cast<char *>(out.data)) +
             row * row_bytes(out.dtype, out.depth);
  if (out.dtype == LL4_F8) return kernels.quantize_f8(w, scale, to + k, n);
  if (k % 2 && n > 0) {  // the second half of a byte
    uint8_t high;
    kernels.quantize_i4(w, scale, &high, 1);
    to[k / 2] = static_cast<uint8_t>(to[k / 2] | high << 4);
    w++, k++, n--;
  }
  kernels.quantize_i4(w, scale, to + k / 2, n);
}

void Job::rows_of_nk(int64_t expert, int64_t first) const {
  for (int64_t n = first; n < std::min(out.columns, first + kRowsATask); n++) {
    const uint16_t *w = x(expert) + n * in.depth;
    for (int64_t g = 0; g < out.groups; g++) {
      const int64_t k = g * out.group, count = std::min(out.group, in.depth - k);
      const int16_t largest = kernels.max_abs_bf16(w + k, count);
      round(w + k, store_scale(row(expert, n), g, largest), row(expert, n), k, count);
    }
  }
}

void Job::rows_of_kn(int64_t expert, int64_t first) const {
  const int64_t count = std::min(kColumnsATask, out.columns - first);
  const uint16_t *w = x(expert) + first;
  for (int64_t g = 0; g < out.groups; g++) {
    const int64_t start = g * out.group, end = std::min(in.depth, start + out.group);
    int16_t largest[kColumnsATask] = {};
    for (int64_t k = start; k < end; k++)
      kernels.raise_max_abs_bf16(w + k * in.columns, largest, count);
    float scale[kColumnsATask];
    for (int64_t c = 0; c < count; c++)
      scale[c] = store_scale(row(expert, first + c), g, largest[c]);
    for (int64_t k = start; k < end; k += kPanelDepth) {
      const int64_t depth = std::min(kPanelDepth, end - k);
      uint16_t panel[kColumnsATask][kPanelDepth];
      transpose(w + k * in.columns, in.columns, depth, count, panel[0], kPanelDepth);
      for (int64_t c = 0; c < count; c++)
        round(panel[c], scale[c], row(expert, first + c), k, depth);
    }
  }
}

}  // namespace

void quantize(ll4_stream &stream, const ll4_quantize_args &a) {
  Running running(stream);
  const Job job(running.device.kernels, a);
  const bool nk = a.x.layout == LL4_LAYOUT_NK;
  const int64_t experts = a.x.data.rank == 3 ? a.x.data.shape[0] : 1;
  const int64_t a_task = nk ? kRowsATask : kColumnsATask;
  const int64_t tasks = plan::blocks(job.out.columns, a_task);
  if (job.out.depth == 0) return;
  running.device.pool.run(experts * tasks, [&](int64_t task) {
    const int64_t expert = task / tasks, first = task % tasks * a_task;
    nk ? job.rows_of_nk(expert, first) : job.rows_of_kn(expert, first);
  });
}

}  // namespace ll4::cpu
