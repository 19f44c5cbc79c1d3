#include "../attention.cuh"

template void ll4::cuda::launch_quantized_attention<8, 64>(Stream &, const AttentionParams &,
                                                           int64_t, bool);
