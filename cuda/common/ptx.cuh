// Everything that is PTX: one function an instruction, for nvcc and for the emulator. Nothing
// else in cuda/ tells them apart.
#pragma once

#include "types.cuh"

#ifndef __CUDACC__
#include <cmath>
#include <cstring>

#include "../simt/simt.h"
#endif

namespace ll4::cuda {

#ifdef __CUDACC__

__device__ __forceinline__ int thread_id() { return static_cast<int>(threadIdx.x); }
__device__ __forceinline__ int block_threads() { return static_cast<int>(blockDim.x); }
__device__ __forceinline__ uint3 block_id() { return blockIdx; }
__device__ __forceinline__ dim3 grid_size() { return gridDim; }

// The block's dynamic shared memory.
template <class Layout>
__device__ __forceinline__ Layout &shared_memory() {
  extern __shared__ __align__(1024) unsigned char ll4_shared[];
  return *reinterpret_cast<Layout *>(ll4_shared);
}

__device__ __forceinline__ void sync_threads() { __syncthreads(); }
__device__ __forceinline__ void sync_warp(uint32_t mask = kAllLanes) { __syncwarp(mask); }
__device__ __forceinline__ uint32_t ballot(bool predicate, uint32_t mask = kAllLanes) {
  return __ballot_sync(mask, predicate);
}
// The value of lane `source`.
template <class T>
__device__ __forceinline__ T shuffle(T value, int source, uint32_t mask = kAllLanes) {
  return __shfl_sync(mask, value, source);
}
// The value of the lane whose number differs in the bits of `lanes`.
template <class T>
__device__ __forceinline__ T shuffle_xor(T value, int lanes) {
  return __shfl_xor_sync(kAllLanes, value, lanes);
}

__device__ __forceinline__ float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ float reciprocal_fast(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ float as_float(uint32_t bits) { return __uint_as_float(bits); }
__device__ __forceinline__ uint32_t as_bits(float x) { return __float_as_uint(x); }

// Two fp32 as bf16, rounded to nearest even: `low` in the lower half.
__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

// An fp32 as f16, rounded to nearest even, and back.
__device__ __forceinline__ uint32_t round_f16(float x) {
  uint16_t bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}
__device__ __forceinline__ float f16_to_float(uint32_t bits) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(static_cast<uint16_t>(bits)));
  return x;
}

// Rounded each, never fused: the CPU backend computes the same bits.
__device__ __forceinline__ float mul_rn(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ float add_rn(float a, float b) { return __fadd_rn(a, b); }
__device__ __forceinline__ float div_rn(float a, float b) { return __fdiv_rn(a, b); }
__device__ __forceinline__ int popcount(uint32_t x) { return __popc(x); }
// The same number, but not to the compiler: what is computed from it in a loop is not kept in
// registers from before the loop.
__device__ __forceinline__ int opaque(int x) {
  asm volatile("" : "+r"(x));
  return x;
}

__device__ __forceinline__ uint32_t shared_address(const void *p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// cp.async of 16 bytes to shared memory; only the first `bytes` (0 or 16) are read, zeros follow.
__device__ __forceinline__ void copy_async(void *shared, const void *from, int bytes = 16) {
  asm volatile(
      "cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
      "l"(from), "r"(bytes)
      : "memory");
}
// The same of 4 bytes.
__device__ __forceinline__ void copy_async_word(void *shared, const void *from, int bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)),
               "l"(from), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void copy_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits until at most `pending` groups of this thread are on their way.
template <int pending>
__device__ __forceinline__ void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

// Four 8 x 8 matrices of 16-bit elements: lane 8 i + r gives the address of row r of matrix i.
__device__ __forceinline__ void load_matrix(uint32_t (&out)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(shared_address(row))
               : "memory");
}
__device__ __forceinline__ void load_matrix_transposed(uint32_t (&out)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(shared_address(row))
               : "memory");
}

// d += a b for a [16, 16] and b [16, 8] of bf16, spread over the warp as the PTX manual says.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const uint32_t (&a)[4],
                                         const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
      "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// The same for e4m3, a [16, 32] and b [32, 8]: where kMultipliesF8.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 890
constexpr bool kMultipliesF8 = false;
#else
constexpr bool kMultipliesF8 = true;
#endif
__device__ __forceinline__ void mma_f8_native(float (&d)[4], const uint32_t (&a)[4],
                                              const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0, %1, %2, %3}, "
      "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// The e4m3 in the lower two bytes as a pair of f16, which has all of them.
__device__ __forceinline__ uint32_t f8_to_f16_native(uint32_t pair) {
  uint32_t halves;
  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(halves) : "h"(static_cast<uint16_t>(pair)));
  return halves;
}

// a b + c for pairs of bf16.
__device__ __forceinline__ uint32_t fma_bf16x2(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t d;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}
// Byte i is the one that hexadecimal digit i of `selector` names: 0 to 3 of a, 4 to 7 of b.
__device__ __forceinline__ uint32_t permute_bytes(uint32_t a, uint32_t b, uint32_t selector) {
  return __byte_perm(a, b, selector);
}

// A 16-byte load of what no kernel writes and nobody reads twice: weights of a decode step.
__device__ __forceinline__ Vec<uint32_t, 4> load_streaming(const void *from) {
  Vec<uint32_t, 4> v;
  asm("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
      : "=r"(v.at[0]), "=r"(v.at[1]), "=r"(v.at[2]), "=r"(v.at[3])
      : "l"(from));
  return v;
}

__device__ __forceinline__ int32_t atomic_compare_exchange(int32_t *address, int32_t expected,
                                                           int32_t desired) {
  return atomicCAS(address, expected, desired);
}
// Integers only: the order of additions does not change their sum. Returns the value before.
__device__ __forceinline__ uint32_t atomic_add(uint32_t *address, uint32_t x) {
  return atomicAdd(address, x);
}
__device__ __forceinline__ uint64_t atomic_add(uint64_t *address, uint64_t x) {
  return atomicAdd(reinterpret_cast<unsigned long long *>(address), x);
}

#else  // the emulator

inline int thread_id() { return static_cast<int>(simt::thread_index().x); }
inline int block_threads() { return static_cast<int>(simt::block_shape().x); }
inline simt::Index block_id() { return simt::block_index(); }
inline simt::Index grid_size() { return simt::grid_shape(); }

template <class Layout>
inline Layout &shared_memory() {
  return *static_cast<Layout *>(simt::shared_memory(sizeof(Layout)));
}

// Default arguments are evaluated at the call, so these name the kernel's own line.
inline void sync_threads(const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
  simt::sync_threads({file, line});
}
inline void sync_warp(uint32_t mask = kAllLanes, const char *file = __builtin_FILE(),
                      int line = __builtin_LINE()) {
  simt::sync_warp(mask, {file, line});
}
inline uint32_t ballot(bool predicate, uint32_t mask = kAllLanes,
                       const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
  return simt::ballot(mask, predicate, {file, line});
}
template <class T>
inline T shuffle(T value, int source, uint32_t mask = kAllLanes,
                 const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
  static_assert(sizeof(T) == 4, "a lane hands over 32 bits");
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits = simt::shuffle(mask, bits, static_cast<uint32_t>(source), {file, line});
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}
template <class T>
inline T shuffle_xor(T value, int lanes, const char *file = __builtin_FILE(),
                     int line = __builtin_LINE()) {
  return shuffle(value, thread_id() % kWarp ^ lanes, kAllLanes, file, line);
}

inline float exp2_fast(float x) { return std::exp2(x); }
inline float reciprocal_fast(float x) { return 1.0f / x; }
inline float as_float(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
inline uint32_t as_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

inline float mul_rn(float a, float b) { return a * b; }
inline float add_rn(float a, float b) { return a + b; }
inline float div_rn(float a, float b) { return a / b; }
inline int popcount(uint32_t x) { return __builtin_popcount(x); }
inline int opaque(int x) { return x; }

inline uint32_t round_bf16(float x) {
  const uint32_t bits = as_bits(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffu;  // as cvt.rn.bf16 makes every NaN
  return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}
inline uint32_t pack_bf16(float low, float high) {
  return round_bf16(low) | round_bf16(high) << 16;
}

inline uint32_t round_f16(float x) {
  const uint32_t sign = as_bits(x) >> 16 & 0x8000u, bits = as_bits(x) & 0x7fffffffu;
  if (bits > 0x7f800000u) return 0x7fffu;          // as cvt.rn.f16 makes every NaN
  if (bits >= 0x477ff000u) return sign | 0x7c00u;  // 65,520, from where on numbers become infinity
  // Below 2^-14 numbers are multiples of 2^-24, and so is the last place of 1/2.
  if (bits < 0x38800000u) return sign | (as_bits(as_float(bits) + 0.5f) - 0x3f000000u);
  return sign | (((bits + 0xfffu + (bits >> 13 & 1u)) >> 13) - (112u << 10));
}
inline float f16_to_float(uint32_t bits) {
  const uint32_t sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
  if (rest >= 0x7c00u) return as_float(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  return as_float(sign | as_bits(as_float(rest << 13) * 0x1p112f));
}

inline void copy_async(void *shared, const void *from, int bytes = 16) {
  simt::copy_async(shared, from, 16, bytes);
}
inline void copy_async_word(void *shared, const void *from, int bytes) {
  simt::copy_async(shared, from, 4, bytes);
}
inline void copy_async_commit() { simt::copy_async_commit(); }
template <int pending>
inline void copy_async_wait() {
  simt::copy_async_wait(pending);
}
inline void load_matrix(uint32_t (&out)[4], const void *row, const char *file = __builtin_FILE(),
                        int line = __builtin_LINE()) {
  const simt::Words4 words = simt::load_matrix(4, false, row, {file, line});
  for (int i = 0; i < 4; i++) out[i] = words[i];
}
inline void load_matrix_transposed(uint32_t (&out)[4], const void *row,
                                   const char *file = __builtin_FILE(),
                                   int line = __builtin_LINE()) {
  const simt::Words4 words = simt::load_matrix(4, true, row, {file, line});
  for (int i = 0; i < 4; i++) out[i] = words[i];
}
inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                     const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
  const simt::Floats4 sums =
      simt::mma_bf16(simt::Floats4{d[0], d[1], d[2], d[3]}, simt::Words4{a[0], a[1], a[2], a[3]},
                     simt::Words2{b[0], b[1]}, {file, line});
  for (int i = 0; i < 4; i++) d[i] = sums[i];
}
constexpr bool kMultipliesF8 = true;
inline uint32_t f8_to_f16_native(uint32_t pair) {
  uint32_t halves = 0;
  for (int i = 0; i < 2; i++) {
    const uint32_t code = pair >> 8 * i & 0xffu, rest = code & 0x7fu;
    // Its bits as those of an f16 are 2^-8 times the number.
    const uint32_t half =
        rest == 0x7fu ? 0x7fffu : round_f16(f16_to_float(rest << 7) * 256.0f) | (code & 0x80u) << 8;
    halves |= half << 16 * i;
  }
  return halves;
}
// Lanes' registers hold the same rows and columns as those of two products of bf16 whose depths
// come in another order.
inline void mma_f8_native(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                          const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
  const auto pair = [](uint32_t word, int i) {
    const uint32_t halves = f8_to_f16_native(word >> 16 * i);
    return pack_bf16(f16_to_float(halves & 0xffffu), f16_to_float(halves >> 16));
  };
  for (int i = 0; i < 2; i++) {
    const uint32_t rows[4] = {pair(a[2 * i], 0), pair(a[2 * i + 1], 0), pair(a[2 * i], 1),
                              pair(a[2 * i + 1], 1)};
    const uint32_t columns[2] = {pair(b[i], 0), pair(b[i], 1)};
    mma_bf16(d, rows, columns, file, line);
  }
}
inline uint32_t fma_bf16x2(uint32_t a, uint32_t b, uint32_t c) {
  const auto low = [](uint32_t x) { return as_float(x << 16); };
  const auto high = [](uint32_t x) { return as_float(x & 0xffff0000u); };
  return pack_bf16(low(a) * low(b) + low(c), high(a) * high(b) + high(c));
}
inline uint32_t permute_bytes(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t bytes = static_cast<uint64_t>(b) << 32 | a;
  uint32_t out = 0;
  for (int i = 0; i < 4; i++)
    out |= static_cast<uint32_t>(bytes >> 8 * (selector >> 4 * i & 7u) & 0xffu) << 8 * i;
  return out;
}
inline Vec<uint32_t, 4> load_streaming(const void *from) {
  return *static_cast<const Vec<uint32_t, 4> *>(from);
}
inline int32_t atomic_compare_exchange(int32_t *address, int32_t expected, int32_t desired) {
  return simt::atomic_compare_exchange(address, expected, desired);
}
inline uint32_t atomic_add(uint32_t *address, uint32_t x) { return simt::atomic_add(address, x); }
inline uint64_t atomic_add(uint64_t *address, uint64_t x) { return simt::atomic_add(address, x); }

#endif

// ---- on top of these, the same for both ----

__device__ __forceinline__ int lane_id() { return thread_id() % kWarp; }
__device__ __forceinline__ int warp_id() { return thread_id() / kWarp; }

// The value of lane `source`, in two halves.
__device__ __forceinline__ uint64_t shuffle(uint64_t value, int source) {
  const uint32_t low = shuffle(static_cast<uint32_t>(value), source);
  const uint32_t high = shuffle(static_cast<uint32_t>(value >> 32), source);
  return static_cast<uint64_t>(high) << 32 | low;
}

__device__ __forceinline__ float to_float(bf16 x) {
  return as_float(static_cast<uint32_t>(x.bits) << 16);
}
__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ void store(bf16 *to, float x) {
  to->bits = static_cast<uint16_t>(pack_bf16(x, 0.0f));
}
__device__ __forceinline__ void store(float *to, float x) { *to = x; }

// The halves of a packed pair.
__device__ __forceinline__ float low_float(uint32_t pair) { return as_float(pair << 16); }
__device__ __forceinline__ float high_float(uint32_t pair) { return as_float(pair & 0xffff0000u); }

}  // namespace ll4::cuda
