// Shared memory: races, and reads of what nobody wrote.
#include "shadow.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>

namespace ll4::simt {

namespace {

constexpr uint32_t kLatestBegin = uint32_t{1} << 30;
constexpr const char *kInFlight =
    "shared memory that a cp.async has yet to fill: no wait covers it";
constexpr const char *kUnwritten = "unwritten shared memory";
constexpr const char *kOutside = "out of bounds of shared memory";

uint32_t when(uint64_t stamp) { return static_cast<uint32_t>(stamp >> 16); }
uint16_t who(uint64_t stamp) { return static_cast<uint16_t>(stamp); }

// Calls body(n) with the number of cells of an access, which is constant for all usual ones: the
// loops over them are then straight code.
template <class Body>
inline __attribute__((always_inline)) auto with_count(int64_t n, Body body) {
  switch (n) {
    case 1:
      return body(std::integral_constant<int64_t, 1>{});
    case 2:
      return body(std::integral_constant<int64_t, 2>{});
    case 4:
      return body(std::integral_constant<int64_t, 4>{});
    case 8:
      return body(std::integral_constant<int64_t, 8>{});
    default:
      return body(n);
  }
}

// Whether all stamps are the same, as they are where threads move vectors.
inline bool uniform(const uint64_t *stamps, int64_t n) {
  uint64_t difference = 0;
  for (int64_t i = 1; i < n; i++) difference |= stamps[i] ^ stamps[0];
  return difference == 0;
}

}  // namespace

SharedShadow::SharedShadow()
    : written_(new Stamp[kRoom / kCell]()), read_(new Stamp[kRoom / kCell]()) {
  void *p = mmap(nullptr, kRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<char *>(p);
}

SharedShadow::~SharedShadow() {
  munmap(memory_, kRoom);
  delete[] written_;
  delete[] read_;
}

void SharedShadow::begin(int64_t bytes) {
  bytes_ = bytes;
  if (clock_ > kLatestBegin) {
    std::fill_n(written_, kRoom / kCell, 0);
    std::fill_n(read_, kRoom / kCell, 0);
    std::fill_n(warp_since_, 32, 0);
    std::fill_n(some_since_, 1024, 0);
    std::fill_n(seen_[0], 1024 * 32, 0);
    clock_ = 1;
  }
  begun_ = block_since_ = ++clock_;
  // NaNs in fp32 and bf16, should a read of them ever pass unseen.
  std::memset(memory_, 0xff, static_cast<size_t>(bytes));
}

void SharedShadow::sync_warp(int warp, uint32_t mask) {
  clock_++;
  if (mask == 0xffffffffu) {
    warp_since_[warp] = clock_;
    return;
  }
  // Each of them has now seen what any of them had.
  uint32_t seen[32] = {};
  const auto each = [&](auto body) {
    for (int lane = 0; lane < 32; lane++)
      if (mask >> lane & 1) body(lane, warp * 32 + lane);
  };
  each([&](int, int id) {
    for (int other = 0; other < 32; other++) seen[other] = std::max(seen[other], seen_[id][other]);
  });
  each([&](int lane, int) { seen[lane] = clock_; });
  each([&](int, int id) {
    std::copy_n(seen, 32, seen_[id]);
    some_since_[id] = clock_;
  });
}

inline bool SharedShadow::ordered(int id, Stamp stamp) const {
  const uint32_t at = when(stamp);
  const int other = who(stamp), warp = id / 32;
  if (at < block_since_ || other == id) return true;
  if (other < 1024)
    return other / 32 == warp && at < std::max(warp_since_[warp], seen_[id][other % 32]);
  // Some lanes, but not which: a meeting of others than them is taken for one of theirs.
  return other < kAtomics && (other & 0x3fff) == warp &&
         at < std::max(warp_since_[warp], some_since_[id]);
}

inline const char *SharedShadow::read_of(int id, Stamp written, int *other) const {
  if (when(written) < begun_) return kUnwritten;
  if (written & kCopying) return kInFlight;
  if (ordered(id, written)) return nullptr;
  *other = who(written);
  return "a race in shared memory: no barrier since the write";
}

// A reader that comes after all others stands for them: what is ordered after it is after them.
inline SharedShadow::Stamp SharedShadow::add_reader(int id, Stamp readers) const {
  if (ordered(id, readers)) return now(static_cast<uint16_t>(id));
  const int warp = id / 32, other = who(readers);
  const bool same_warp = other < 1024 ? other / 32 == warp : other == (kManyOfWarp | warp);
  return now(same_warp ? static_cast<uint16_t>(kManyOfWarp | warp) : kMany);
}

const char *SharedShadow::read(int id, const void *address, int64_t bytes, int *other) {
  const int64_t at = static_cast<const char *>(address) - memory_;
  if (at + bytes > bytes_) return kOutside;
  const auto [first, count] = cells(at, bytes);
  const Stamp *w = written_ + first;
  Stamp *r = read_ + first;
  return with_count(count, [=](auto n) -> const char * {
    if (!uniform(w, n) || !uniform(r, n)) return read_each(id, w, r, n, other);
    if (const char *wrong = read_of(id, w[0], other)) return wrong;
    std::fill_n(r, n, add_reader(id, r[0]));
    return nullptr;
  });
}

const char *SharedShadow::read_each(int id, const Stamp *written, Stamp *readers, int64_t n,
                                    int *other) {
  for (int64_t i = 0; i < n; i++) {
    if (const char *wrong = read_of(id, written[i], other)) return wrong;
    readers[i] = add_reader(id, readers[i]);
  }
  return nullptr;
}

inline const char *SharedShadow::write_over(int id, Stamp written, Stamp readers, bool atomic,
                                            int *other) const {
  if (when(written) >= begun_) {
    if (written & kCopying) return kInFlight;
    const uint16_t writer = who(written);
    const bool was_atomic =
        writer == kAtomics || (writer >= kAtomicsOfWarp && writer < kManyOfWarp);
    if (!(atomic && was_atomic) && !ordered(id, written)) {
      *other = writer;
      return "a race in shared memory: no barrier since the write";
    }
  }
  if (when(readers) < begun_ || ordered(id, readers)) return nullptr;
  *other = who(readers);
  return "a race in shared memory: no barrier since the read";
}

const char *SharedShadow::take(int id, const void *address, int64_t bytes, bool atomic, Stamp flag,
                               int *other) {
  const int64_t at = static_cast<const char *>(address) - memory_;
  if (at + bytes > bytes_) return kOutside;
  const auto [first, count] = cells(at, bytes);
  Stamp *w = written_ + first;
  const Stamp *r = read_ + first;
  return with_count(count, [=](auto n) -> const char * {
    const int64_t different = uniform(w, n) && uniform(r, n) ? 1 : int64_t{n};
    for (int64_t i = 0; i < different; i++)
      if (const char *wrong = write_over(id, w[i], r[i], atomic, other)) return wrong;
    auto writer = static_cast<uint16_t>(id);
    if (atomic) {
      writer = static_cast<uint16_t>(kAtomicsOfWarp | id / 32);
      if (!ordered(id, w[0]) && who(w[0]) != writer) writer = kAtomics;
    }
    std::fill_n(w, n, now(writer) | flag);
    return nullptr;
  });
}

const char *SharedShadow::write(int id, const void *address, int64_t bytes, int *other) {
  return take(id, address, bytes, false, 0, other);
}

const char *SharedShadow::update(int id, const void *address, int64_t bytes, int *other) {
  const int64_t at = static_cast<const char *>(address) - memory_;
  if (at + bytes > bytes_) return kOutside;
  const auto [first, count] = cells(at, bytes);
  for (int64_t i = first; i < first + count; i++)
    if (when(written_[i]) < begun_) return kUnwritten;
  return take(id, address, bytes, true, 0, other);
}

const char *SharedShadow::begin_copy(int id, const void *address, int64_t bytes, int *other) {
  return take(id, address, bytes, false, kCopying, other);
}

void SharedShadow::end_copy(int id, const void *address, int64_t bytes) {
  const auto [first, count] = cells(static_cast<const char *>(address) - memory_, bytes);
  std::fill_n(written_ + first, count, now(static_cast<uint16_t>(id)));
}

}  // namespace ll4::simt
