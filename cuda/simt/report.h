// Names for addresses of code, for reports.
#pragma once

#include <string>

namespace ll4::simt {

// "cuda/rms_norm.cuh:42" of the code that an access was made from: the innermost place that is not
// in common/, through inlined calls.
std::string source_of(const void *return_address);
// "ll4::cuda::embed_kernel<float>".
std::string function_at(const void *address);
// Whether an address lies in this library's constants, which kernels may read.
bool is_constant(const void *address);
// A path from "cuda/" on.
std::string short_path(std::string path);

}  // namespace ll4::simt
