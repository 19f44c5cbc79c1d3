#include "../matmul.cuh"

namespace ll4::cuda {
template void launch_matmul<5>(Stream &, const char *, const MatmulParams &, bool, bool);
}
