#include "../attention.cuh"

template void ll4::cuda::launch_attention<128>(Stream &, const AttentionParams &, int64_t, bool);
