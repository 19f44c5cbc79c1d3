// Device memory: what is allocated, and what was written.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "shadow.h"

namespace ll4::simt {

namespace {

constexpr int64_t kAlignment = 256;
constexpr int64_t kGap = 256;  // unallocated bytes behind every allocation, and before the first
constexpr int64_t kGranule = 16;
constexpr uint16_t kWhole = 0xffff;

template <class T>
T *reserve(int64_t bytes) {
  void *p = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  return static_cast<T *>(p);
}

struct Allocations {
  std::mutex mutex;
  std::map<int64_t, int64_t> bytes;  // by where they begin
};

Allocations &allocations() {
  static auto *all = new Allocations;  // outlives every thread
  return *all;
}

uint16_t bits(int64_t first, int64_t n) { return static_cast<uint16_t>(((1u << n) - 1) << first); }

// Calls body(granule, bits) for the bytes [at, at + n) until it returns false.
template <class Body>
inline void each_granule(int64_t at, int64_t n, Body body) {
  for (const int64_t end = at + n; at < end;) {
    const int64_t first = at % kGranule, count = std::min(kGranule - first, end - at);
    if (!body(at / kGranule, bits(first, count))) return;
    at += count;
  }
}

uint16_t load(const uint16_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

// Sets or clears bits. Blocks that run at the same time may mark bytes of the same word, but not
// clear any: that is done for all of an allocation, or for work that runs alone.
template <bool value>
void mark(uint16_t *map, int64_t at, int64_t n) {
  each_granule(at, n, [map](int64_t granule, uint16_t mask) {
    uint16_t *word = map + granule;
    if (mask == kWhole)
      __atomic_store_n(word, value ? kWhole : uint16_t{0}, __ATOMIC_RELAXED);
    else if (value)
      __atomic_fetch_or(word, mask, __ATOMIC_RELAXED);
    else
      __atomic_fetch_and(word, static_cast<uint16_t>(~mask), __ATOMIC_RELAXED);
    return true;
  });
}

// As above, for memory of some size.
template <bool value>
void mark_range(uint16_t *map, int64_t at, int64_t n) {
  const int64_t begin = (at + kGranule - 1) / kGranule, end = (at + n) / kGranule;
  if (begin >= end) return mark<value>(map, at, n);
  mark<value>(map, at, begin * kGranule - at);
  std::fill(map + begin, map + end, value ? kWhole : uint16_t{0});
  mark<value>(map, end * kGranule, at + n - end * kGranule);
}

int64_t first_clear(const uint16_t *map, int64_t at, int64_t n) {
  int64_t found = -1;
  // Most bytes of a long range are set.
  for (; at % kGranule == 0 && n >= 4 * kGranule; at += 4 * kGranule, n -= 4 * kGranule) {
    uint64_t words;
    std::memcpy(&words, map + at / kGranule, sizeof words);
    if (~words) break;
  }
  each_granule(at, n, [&](int64_t granule, uint16_t mask) {
    const unsigned missing = mask & ~static_cast<unsigned>(load(map + granule));
    if (!missing) return true;
    found = granule * kGranule + __builtin_ctz(missing);
    return false;
  });
  return found;
}

int64_t offset_of(const void *address) {
  return static_cast<const char *>(address) - device_map.base;
}

// Gives whole pages back to the system; they read as zero afterwards.
void forget(char *begin, int64_t bytes) {
  const uintptr_t page = 4096;
  const uintptr_t from = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const uintptr_t to =
      (reinterpret_cast<uintptr_t>(begin) + static_cast<uintptr_t>(bytes)) / page * page;
  if (from < to) madvise(reinterpret_cast<void *>(from), to - from, MADV_DONTNEED);
}

}  // namespace

DeviceMap device_map;

void reserve_device_memory() {
  Allocations &all = allocations();
  std::lock_guard<std::mutex> lock(all.mutex);
  if (device_map.base) return;
  device_map.allocated = reserve<uint16_t>(kDeviceRoom / kGranule * 2);
  device_map.written = reserve<uint16_t>(kDeviceRoom / kGranule * 2);
  device_map.base = reserve<char>(kDeviceRoom);
}

void *allocate_device(int64_t bytes, bool written) {
  reserve_device_memory();
  Allocations &all = allocations();
  std::lock_guard<std::mutex> lock(all.mutex);
  const int64_t need = (bytes + kGap + kAlignment - 1) / kAlignment * kAlignment;
  int64_t at = kAlignment;
  for (const auto &[begin, size] : all.bytes) {
    if (begin - at >= need) break;
    at = (begin + size + kGap + kAlignment - 1) / kAlignment * kAlignment;
  }
  if (need > kDeviceRoom - at) return nullptr;
  all.bytes[at] = bytes;
  mark_range<true>(device_map.allocated, at, bytes);
  if (written) mark_range<true>(device_map.written, at, bytes);
  return device_map.base + at;
}

bool free_device(void *address) {
  Allocations &all = allocations();
  std::lock_guard<std::mutex> lock(all.mutex);
  const auto block = all.bytes.find(offset_of(address));
  if (block == all.bytes.end()) return false;
  mark_given_back(address, block->second);
  forget(static_cast<char *>(address), block->second);
  all.bytes.erase(block);
  return true;
}

int64_t device_allocations() {
  std::lock_guard<std::mutex> lock(allocations().mutex);
  return static_cast<int64_t>(allocations().bytes.size());
}

int64_t first_unallocated(const void *address, int64_t bytes) {
  const int64_t at = first_clear(device_map.allocated, offset_of(address), bytes);
  return at < 0 ? -1 : at - offset_of(address);
}

int64_t first_unwritten(const void *address, int64_t bytes) {
  const int64_t at = first_clear(device_map.written, offset_of(address), bytes);
  return at < 0 ? -1 : at - offset_of(address);
}

void mark_written(const void *address, int64_t bytes) {
  mark<true>(device_map.written, offset_of(address), bytes);
}

void mark_given_back(const void *address, int64_t bytes) {
  mark_range<false>(device_map.allocated, offset_of(address), bytes);
  mark_range<false>(device_map.written, offset_of(address), bytes);
}

void mark_unwritten(const void *address, int64_t bytes) {
  mark_range<true>(device_map.allocated, offset_of(address), bytes);
  mark_range<false>(device_map.written, offset_of(address), bytes);
}

void copy_written(const void *to, const void *from, int64_t bytes) {
  const int64_t target = offset_of(to), source = offset_of(from);
  for (int64_t done = 0; done < bytes;) {
    // Up to the next unwritten byte of the source, then over unwritten ones.
    const int64_t gap = first_clear(device_map.written, source + done, bytes - done);
    const int64_t end = gap < 0 ? bytes : gap - source;
    mark_range<true>(device_map.written, target + done, end - done);
    for (done = end; done < bytes && first_unwritten(device_map.base + source + done, 1) == 0;
         done++)
      mark_range<false>(device_map.written, target + done, 1);
  }
}

std::string place_in_device(const void *address) {
  Allocations &all = allocations();
  std::lock_guard<std::mutex> lock(all.mutex);
  const int64_t at = offset_of(address);
  auto next = all.bytes.upper_bound(at);
  char text[160] = "in no allocation";
  if (next != all.bytes.begin()) {
    const auto &[begin, bytes] = *std::prev(next);
    if (at < begin + bytes + (int64_t{1} << 20))
      std::snprintf(text, sizeof text, "at byte %lld of an allocation of %lld%s",
                    static_cast<long long>(at - begin), static_cast<long long>(bytes),
                    at < begin + bytes && first_unallocated(address, 1) == 0
                        ? ", given back or not asked for"
                        : "");
  }
  return text;
}

}  // namespace ll4::simt
