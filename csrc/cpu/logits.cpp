// logits: chosen rows, gathered, against the whole vocabulary.
#include "operands.h"

namespace ll4::cpu {

void logits(ll4_stream &stream, const ll4_logits_args &a) {
  Running running(stream);
  Device &device = running.device;
  const int64_t count = a.rows.shape[0], tokens = a.x.shape[0];
  const int32_t *chosen = data<const int32_t>(a.rows);
  for (int64_t r = 0; r < count; r++)
    if (chosen[r] < 0 || chosen[r] >= tokens)
      fail(LL4_INVALID_ARGUMENT, "rows[%lld] is %d: x has %lld rows", static_cast<long long>(r),
           chosen[r], static_cast<long long>(tokens));
  const Matrix w = matrix(a.weight, 0);
  const WeightActivations x = make_activations(device, a.x, a.compute, w, chosen, nullptr, count);
  const plan::Tiles t = plan::tiles(count, w.columns, device.pool.threads());
  device.pool.run(t.row_blocks * t.column_blocks, [&](int64_t task) {
    const int64_t row = task % t.row_blocks * t.rows;
    const int64_t column = task / t.row_blocks * t.columns;
    const int64_t rows = std::min(t.rows, count - row);
    const int64_t columns = std::min(t.columns, w.columns - column);
    alignas(64) float tile[plan::kTileFloats];
    multiply(device.kernels, x, row, rows, w, column, columns, tile);
    for (int64_t r = 0; r < rows; r++)
      std::memcpy(data<float>(a.out) + (row + r) * w.columns + column, tile + r * columns,
                  static_cast<size_t>(columns) * sizeof(float));
  });
}

}  // namespace ll4::cpu
