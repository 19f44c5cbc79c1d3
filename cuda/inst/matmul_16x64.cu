#include "../matmul.cuh"

namespace ll4::cuda {
template void launch_matmul<1>(Stream &, const char *, const MatmulParams &, bool, bool);
}
