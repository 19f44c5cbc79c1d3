// matmul: the parts' columns are cut into blocks, a task each; a block is computed in a tile of
// fp32, gets its bias and activation there, and is stored.
#include "operands.h"

namespace ll4::cpu {

void matmul(ll4_stream &stream, const ll4_matmul_args &a) {
  Running running(stream);
  Device &device = running.device;
  const Kernels &kernels = device.kernels;
  const int64_t tokens = a.x.shape[0];
  const Rows32 out(kernels, a.out, a.out.shape[1]);

  Matrix part[LL4_MAX_PARTS];
  WeightActivations x[LL4_MAX_PARTS];
  int64_t first_task[LL4_MAX_PARTS + 1] = {}, first_column[LL4_MAX_PARTS + 1] = {};
  plan::Tiles tiles[LL4_MAX_PARTS];
  for (int i = 0; i < a.parts; i++) {
    part[i] = matrix(a.weight[i], 0);
    x[i] = i > 0 && part[i].takes_activations_of(part[i - 1])
               ? x[i - 1]
               : make_activations(device, a.x, a.compute, part[i], nullptr, nullptr, tokens);
    tiles[i] = plan::tiles(tokens, part[i].columns, device.pool.threads());
    first_task[i + 1] = first_task[i] + tiles[i].row_blocks * tiles[i].column_blocks;
    first_column[i + 1] = first_column[i] + part[i].columns;
  }
  device.pool.run(first_task[a.parts], [&](int64_t task) {
    int p = 0;
    while (task >= first_task[p + 1]) p++;
    const plan::Tiles &t = tiles[p];
    const int64_t row = (task - first_task[p]) % t.row_blocks * t.rows;
    const int64_t column = (task - first_task[p]) / t.row_blocks * t.columns;
    const int64_t rows = std::min(t.rows, tokens - row);
    const int64_t columns = std::min(t.columns, part[p].columns - column);
    alignas(64) float tile[plan::kTileFloats];
    multiply(kernels, x[p], row, rows, part[p], column, columns, tile);
    if (const float *bias = data<const float>(a.bias[p]))
      for (int64_t r = 0; r < rows; r++) kernels.add(bias + column, tile + r * columns, columns);
    if (a.activation == LL4_ACTIVATION_GELU) kernels.gelu(tile, tile, rows * columns);
    for (int64_t r = 0; r < rows; r++) {
      if (a.accumulate)
        out.accumulate(row + r, first_column[p] + column, tile + r * columns, columns);
      else
        out.store(row + r, first_column[p] + column, tile + r * columns, columns);
    }
  });
}

}  // namespace ll4::cpu
