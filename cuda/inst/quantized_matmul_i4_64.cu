#include "../quantized_matmul.cuh"

namespace ll4::cuda {
template QuantizedLaunch launch_quantized_matmul<Int4Tile<64>>;
}
