// unfold: patches of tiles as rows. A task is one row of patches of a tile, the last of a tile the
// rows that no patch fills.
#include "device.h"

namespace ll4::cpu {

namespace {

struct Job {
  const ll4_unfold_args &args;
  const Kernels &kernels;
  int64_t channels, side, patch, g, rows, columns;

  void patch_row(int64_t tile, int64_t y) const;
  void clear(int64_t tile, int64_t row, int64_t column, int64_t n) const;
};

void Job::clear(int64_t tile, int64_t row, int64_t column, int64_t n) const {
  const int64_t bytes = args.out.dtype == LL4_F32 ? 4 : 2;
  const int64_t first = (tile * rows + row) * columns + column;
  std::memset(data<char>(args.out) + first * bytes, 0, static_cast<size_t>(n * bytes));
}

void Job::patch_row(int64_t tile, int64_t y) const {
  const int64_t used = channels * patch * patch;
  for (int64_t x = 0; x < g; x++) {
    int64_t to = (tile * rows + y * g + x) * columns;
    for (int64_t c = 0; c < channels; c++)
      for (int64_t line = y * patch; line < (y + 1) * patch; line++, to += patch)
        copy_values(kernels, args.x, ((tile * channels + c) * side + line) * side + x * patch,
                    args.out, to, patch);
    clear(tile, y * g + x, used, columns - used);
  }
}

}  // namespace

void unfold(ll4_stream &stream, const ll4_unfold_args &a) {
  Running running(stream);
  Device &device = running.device;
  const int64_t tiles = a.x.shape[0];
  if (tiles == 0) return;
  const int64_t side = a.x.shape[2], g = side / a.patch;
  const Job job{a, device.kernels, a.x.shape[1], side, a.patch, g, a.out.shape[1], a.out.shape[2]};
  device.pool.run(tiles * (g + 1), [&](int64_t task) {
    const int64_t tile = task / (g + 1), y = task % (g + 1);
    if (y < g)
      job.patch_row(tile, y);
    else
      job.clear(tile, g * g, 0, (job.rows - g * g) * job.columns);
  });
}

}  // namespace ll4::cpu
