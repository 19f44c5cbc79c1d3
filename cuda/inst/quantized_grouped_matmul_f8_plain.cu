#include "../quantized_grouped_matmul.cuh"

namespace ll4::cuda {
template QuantizedGroupedLaunch launch_quantized_grouped_matmul<ByteTile<Float8Plain, 32>>;
}
