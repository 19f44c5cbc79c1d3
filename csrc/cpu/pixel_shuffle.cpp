// pixel_shuffle: squares of patches as rows. A task is one row of squares of a tile; the patches of
// a square that are side by side are so in both tensors, and are copied together.
#include <cmath>

#include "device.h"

namespace ll4::cpu {

void pixel_shuffle(ll4_stream &stream, const ll4_pixel_shuffle_args &a) {
  Running running(stream);
  Device &device = running.device;
  const int64_t tiles = a.x.shape[0], rows = a.x.shape[1], channels = a.x.shape[2];
  if (tiles == 0) return;
  const int64_t side = std::llround(std::sqrt(static_cast<double>(a.out.shape[1])));
  const int64_t factor = a.factor, g = side * factor, run = factor * channels;
  device.pool.run(tiles * side, [&](int64_t task) {
    const int64_t tile = task / side, y = task % side;
    int64_t to = task * side * factor * run;
    for (int64_t x = 0; x < side; x++)
      for (int64_t line = y * factor; line < (y + 1) * factor; line++, to += run) {
        const int64_t row = tile * rows + line * g + x * factor;
        copy_values(device.kernels, a.x, row * channels, a.out, to, run);
      }
  });
}

}  // namespace ll4::cpu
