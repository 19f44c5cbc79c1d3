/* cuda.h - CUDA 13's header as gorgonia.org/cu v0.9.6 expects it.
 *
 * CUDA 13.0 maps five names to newer functions with other parameters. Their
 * predecessors, which cu calls, are still in the driver under the names below
 * (cuda.h itself lists them under __CUDA_API_VERSION_INTERNAL). This folder comes
 * first on the include path; the headers of CUDA 11 and 12 pass unchanged. */
#ifndef LLAMA4_COMPAT13_CUDA_H
#define LLAMA4_COMPAT13_CUDA_H

#include_next <cuda.h>

#if CUDA_VERSION >= 13000

#undef cuCtxCreate
#undef cuGraphAddDependencies
#undef cuGraphGetEdges
#undef cuMemAdvise
#undef cuMemPrefetchAsync

#ifdef __cplusplus
extern "C" {
#endif

#define cuCtxCreate cuCtxCreate_v2
CUresult CUDAAPI cuCtxCreate_v2(CUcontext *pctx, unsigned int flags, CUdevice dev);
CUresult CUDAAPI cuGraphAddDependencies(CUgraph hGraph, const CUgraphNode *from,
                                        const CUgraphNode *to, size_t numDependencies);
CUresult CUDAAPI cuGraphGetEdges(CUgraph hGraph, CUgraphNode *from, CUgraphNode *to,
                                 size_t *numEdges);
CUresult CUDAAPI cuMemAdvise(CUdeviceptr devPtr, size_t count, CUmem_advise advice,
                             CUdevice device);
CUresult CUDAAPI cuMemPrefetchAsync(CUdeviceptr devPtr, size_t count, CUdevice dstDevice,
                                    CUstream hStream);

#ifdef __cplusplus
}
#endif

#endif /* CUDA_VERSION >= 13000 */
#endif /* LLAMA4_COMPAT13_CUDA_H */
