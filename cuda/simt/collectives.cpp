// What the lanes of a warp do together, and what a thread does with shared memory beside loads and
// stores. The fragment layouts are those of the PTX manual (mma.m16n8k16, ldmatrix).
#include <cstring>

#include "block.h"
#include "checks.h"

// The products of mma are most of the emulator's arithmetic.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define LL4_SIMT_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define LL4_SIMT_CLONES
#endif

namespace ll4::simt {

namespace {

void meet_sync(Warp &, const Meeting &m) {
  Block &block = *current_block();
  block.shared.sync_warp(block.thread() / 32, m.mask);
}

void meet_shuffle(Warp &warp, const Meeting &m) {
  for (unsigned lane = 0; lane < kWarpLanes; lane++)
    if (m.mask >> lane & 1) warp.result[lane] = warp.value[warp.source[lane]];
}

void meet_ballot(Warp &warp, const Meeting &m) {
  uint32_t votes = 0;
  for (unsigned lane = 0; lane < kWarpLanes; lane++)
    if (m.mask >> lane & 1) votes |= warp.value[lane] << lane;
  for (unsigned lane = 0; lane < kWarpLanes; lane++)
    if (m.mask >> lane & 1) warp.result[lane] = votes;
}

// Register i of lane l holds two elements of matrix i: of row l / 4, columns 2 (l % 4) and the
// next; transposed, of column l / 4.
template <int count, bool transpose>
void meet_load_matrix(Warp &warp, const Meeting &) {
  for (int i = 0; i < count; i++) {
    if constexpr (transpose) {
      uint16_t matrix[8][8];
      for (int r = 0; r < 8; r++) std::memcpy(matrix[r], warp.row[8 * i + r], sizeof matrix[r]);
      for (unsigned lane = 0; lane < kWarpLanes; lane++) {
        const unsigned row = lane % 4 * 2, column = lane / 4;
        warp.matrices[lane][i] =
            matrix[row][column] | static_cast<uint32_t>(matrix[row + 1][column]) << 16;
      }
    } else {
      for (int r = 0; r < 8; r++) {
        uint32_t pairs[4];
        std::memcpy(pairs, warp.row[8 * i + r], sizeof pairs);
        for (int pair = 0; pair < 4; pair++) warp.matrices[4 * r + pair][i] = pairs[pair];
      }
    }
  }
}

// d [16, 8] += a [16, 16] b [16, 8]. A product of two bf16 is exact in fp32, so that it makes no
// difference whether the compiler fuses it with the sum.
LL4_SIMT_CLONES void multiply(Warp &warp) {
  using Row = float __attribute__((vector_size(32)));
  constexpr int kRows = 8;  // sums at once
  alignas(64) float a[16][16];
  Row b[16];
  for (int i = 0; i < 16; i++) {
    uint32_t wide[16];
    for (int j = 0; j < 8; j++) {
      wide[2 * j] = warp.a[i][j] << 16;
      wide[2 * j + 1] = warp.a[i][j] & 0xffff0000u;
    }
    std::memcpy(a[i], wide, sizeof wide);
  }
  for (int k = 0; k < 16; k++) {
    uint32_t wide[8];
    for (int j = 0; j < 8; j++) wide[j] = static_cast<uint32_t>(warp.b[k][j]) << 16;
    std::memcpy(&b[k], wide, sizeof wide);
  }
  for (int first = 0; first < 16; first += kRows) {
    Row sum[kRows];
    std::memcpy(sum, warp.d[first], sizeof sum);
    for (int k = 0; k < 16; k++)
      for (int i = 0; i < kRows; i++) sum[i] += a[first + i][k] * b[k];
    std::memcpy(warp.d[first], sum, sizeof sum);
  }
}

void meet_mma(Warp &warp, const Meeting &) { multiply(warp); }

}  // namespace

Index thread_index() { return current_block()->thread_index(); }
Index block_index() { return current_block()->index(); }
Index block_shape() { return current_block()->launch().block; }
Index grid_shape() { return current_block()->launch().grid; }

void *shared_memory(int64_t bytes) {
  Block &b = *current_block();
  if (bytes > b.shared.bytes())
    b.stop("uses " + std::to_string(bytes) + " bytes of shared memory, but was launched with " +
               std::to_string(b.shared.bytes()),
           __builtin_return_address(0));
  return b.shared.memory();
}

void sync_threads(Where where) { current_block()->sync_threads(where); }

void sync_warp(uint32_t mask, Where where) { current_block()->arrive<meet_sync>(mask, where); }

uint32_t shuffle(uint32_t mask, uint32_t value, uint32_t source, Where where) {
  Block &b = *current_block();
  source %= kWarpLanes;
  if (!(mask >> source & 1))
    b.stop("shuffles from lane " + std::to_string(source) + ", which is not in the mask", where);
  Warp &warp = b.warp();
  const int lane = b.lane();
  warp.value[lane] = value;
  warp.source[lane] = source;
  b.arrive<meet_shuffle>(mask, where);
  return warp.result[lane];
}

uint32_t ballot(uint32_t mask, bool predicate, Where where) {
  Block &b = *current_block();
  Warp &warp = b.warp();
  const int lane = b.lane();
  warp.value[lane] = predicate;
  b.arrive<meet_ballot>(mask, where);
  return warp.result[lane];
}

Words4 load_matrix(int count, bool transpose, const void *row, Where where) {
  Block &b = *current_block();
  Warp &warp = b.warp();
  const int lane = b.lane();
  if (lane < 8 * count) check_matrix_row(row, where);
  warp.row[lane] = row;
  const int variant = count + (transpose ? 8 : 0);
  switch (variant) {
    case 1:
      b.arrive<meet_load_matrix<1, false>>(kFullWarp, where);
      break;
    case 2:
      b.arrive<meet_load_matrix<2, false>>(kFullWarp, where);
      break;
    case 4:
      b.arrive<meet_load_matrix<4, false>>(kFullWarp, where);
      break;
    case 9:
      b.arrive<meet_load_matrix<1, true>>(kFullWarp, where);
      break;
    case 10:
      b.arrive<meet_load_matrix<2, true>>(kFullWarp, where);
      break;
    case 12:
      b.arrive<meet_load_matrix<4, true>>(kFullWarp, where);
      break;
  }
  Words4 words;
  std::memcpy(&words, warp.matrices[lane], sizeof words);
  return words;
}

Floats4 mma_bf16(Floats4 d, Words4 a, Words2 b, Where where) {
  Block &block = *current_block();
  Warp &warp = block.warp();
  const unsigned lane = static_cast<unsigned>(block.lane()), group = lane / 4, pair = lane % 4 * 2;
  for (int i = 0; i < 4; i++) warp.a[group + i % 2 * 8][pair / 2 + i / 2 * 4] = a[i];
  for (int i = 0; i < 2; i++) {
    warp.b[pair + i * 8][group] = static_cast<uint16_t>(b[i]);
    warp.b[pair + i * 8 + 1][group] = static_cast<uint16_t>(b[i] >> 16);
  }
  float *const own = &warp.d[group][pair];
  using Half = float __attribute__((vector_size(8)));
  const Half upper = {d[0], d[1]}, lower = {d[2], d[3]};
  std::memcpy(own, &upper, sizeof upper);
  std::memcpy(own + 8 * 8, &lower, sizeof lower);
  block.arrive<meet_mma>(kFullWarp, where);
  return Floats4{own[0], own[1], own[64], own[65]};
}

void copy_vector(void *to, const void *from, int bytes) {
  check_copy_vector(to, from, bytes, __builtin_return_address(0));
  switch (bytes) {
    case 2:
      std::memcpy(to, from, 2);
      return;
    case 4:
      std::memcpy(to, from, 4);
      return;
    case 8:
      std::memcpy(to, from, 8);
      return;
    default:
      std::memcpy(to, from, static_cast<size_t>(bytes));
  }
}

void copy_async(void *shared, const void *from, int size, int bytes) {
  check_copy(shared, from, size, bytes, __builtin_return_address(0));
  current_block()->current().copies.push_back(
      {static_cast<char *>(shared), static_cast<const char *>(from), size, bytes});
}

void copy_async_commit() {
  Thread &t = current_block()->current();
  t.groups.push_back(t.copies.size());
}

void copy_async_wait(int pending) {
  Block &b = *current_block();
  Thread &t = b.current();
  while (t.groups.size() - t.waited > static_cast<size_t>(pending)) {
    for (const size_t end = t.groups[t.waited++]; t.landed < end; t.landed++) {
      const Copy &c = t.copies[t.landed];
      std::memcpy(c.to, c.from, static_cast<size_t>(c.bytes));
      std::memset(c.to + c.bytes, 0, static_cast<size_t>(c.size - c.bytes));
      b.shared.end_copy(b.thread(), c.to, c.size);
    }
  }
  if (t.landed < t.copies.size() || t.waited < t.groups.size()) return;
  t.copies.clear();
  t.groups.clear();
  t.landed = t.waited = 0;
}

int32_t atomic_compare_exchange(int32_t *address, int32_t expected, int32_t desired) {
  check_update(address, sizeof *address, __builtin_return_address(0));
  __atomic_compare_exchange_n(address, &expected, desired, false, __ATOMIC_SEQ_CST,
                              __ATOMIC_SEQ_CST);
  return expected;
}

uint32_t atomic_add(uint32_t *address, uint32_t x) {
  check_update(address, sizeof *address, __builtin_return_address(0));
  return __atomic_fetch_add(address, x, __ATOMIC_SEQ_CST);
}

uint64_t atomic_add(uint64_t *address, uint64_t x) {
  check_update(address, sizeof *address, __builtin_return_address(0));
  return __atomic_fetch_add(address, x, __ATOMIC_SEQ_CST);
}

}  // namespace ll4::simt
