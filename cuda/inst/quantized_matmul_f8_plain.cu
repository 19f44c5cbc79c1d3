#include "../quantized_matmul.cuh"

namespace ll4::cuda {
template QuantizedLaunch launch_quantized_matmul<ByteTile<Float8Plain, 32>>;
}
