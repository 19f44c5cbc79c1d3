// The device side of the emulator: what cuda/common/ calls where nvcc would emit an instruction.
//
// A CUDA thread is a fiber; the threads of a block take turns on one host thread, and blocks run on
// several. Collectives of a warp meet by mask: the last lane to arrive does the work of all.
// Every memory access of a kernel passes through checks.cpp, because kernels are compiled with
// -fsanitize=thread and the emulator answers the hooks that the compiler puts there.
#pragma once

#include <cstdint>

namespace ll4::simt {

// Where in the sources a collective stands: two lanes meet only at the same place.
struct Where {
  const char *file;
  int line;
};

// Constant within a thread, so that the compiler asks once.
#define LL4_SIMT_CONSTANT __attribute__((const))

struct Index {
  unsigned x, y, z;
};
LL4_SIMT_CONSTANT Index thread_index();
LL4_SIMT_CONSTANT Index block_index();
LL4_SIMT_CONSTANT Index block_shape();
LL4_SIMT_CONSTANT Index grid_shape();

// The block's dynamic shared memory; a kernel that uses more than it was launched with is reported.
LL4_SIMT_CONSTANT void *shared_memory(int64_t bytes);

#undef LL4_SIMT_CONSTANT

void sync_threads(Where where);
void sync_warp(uint32_t mask, Where where);
// The value of lane `source`, one a calling lane.
uint32_t shuffle(uint32_t mask, uint32_t value, uint32_t source, Where where);
uint32_t ballot(uint32_t mask, bool predicate, Where where);

// A load or store of 2, 4, 8 or 16 bytes at once, which must be aligned to that.
void copy_vector(void *to, const void *from, int bytes);

// cp.async: `bytes` of `from`, then zeros up to 16 (or 4, 8). Lands at the wait that covers it.
void copy_async(void *shared, const void *from, int size, int bytes);
void copy_async_commit();
void copy_async_wait(int pending);

// Registers of a lane are handed over by value: a local variable whose address is taken is checked
// at every access.
using Words2 = uint32_t __attribute__((vector_size(8)));
using Words4 = uint32_t __attribute__((vector_size(16)));
using Floats4 = float __attribute__((vector_size(16)));

// ldmatrix .x1 .x2 .x4 (count), .trans; all 32 lanes.
Words4 load_matrix(int count, bool transpose, const void *row, Where where);
// mma.sync.m16n8k16 of bf16 with fp32 accumulators; all 32 lanes.
Floats4 mma_bf16(Floats4 d, Words4 a, Words2 b, Where where);

// Atomics, in shared or device memory.
int32_t atomic_compare_exchange(int32_t *address, int32_t expected, int32_t desired);
uint32_t atomic_add(uint32_t *address, uint32_t x);
uint64_t atomic_add(uint64_t *address, uint64_t x);

}  // namespace ll4::simt
