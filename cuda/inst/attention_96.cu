#include "../attention.cuh"

template void ll4::cuda::launch_attention<96>(Stream &, const AttentionParams &, int64_t, bool);
