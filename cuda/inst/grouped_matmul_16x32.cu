#include "../grouped_matmul.cuh"

namespace ll4::cuda {
template void launch_grouped_matmul<0>(Stream &, const GroupedParams &, int64_t, bool, bool);
}
