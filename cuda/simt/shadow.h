// What the emulator knows of each byte of memory: of device memory whether it is allocated and
// written, of shared memory who touched it when.
#pragma once

#include <cstdint>
#include <string>

namespace ll4::simt {

// ---- device memory: one range of addresses, so that an access is placed by a comparison ----

constexpr int64_t kDeviceRoom = int64_t{1} << 37;

// Addresses are reserved, memory is taken as it is touched. A bit a byte says "may be accessed" and
// another "written", which is never set where the first is not; 16 bytes share a word of bits, and
// no aligned access crosses it.
struct DeviceMap {
  char *base = nullptr;
  uint16_t *allocated = nullptr, *written = nullptr;
};
extern DeviceMap device_map;
void reserve_device_memory();

// Memory of exactly `bytes` bytes, aligned to 256, with unallocated bytes on both sides; null when
// there is no room. Its contents count as written from the start with `written`.
void *allocate_device(int64_t bytes, bool written);
// False when the address is not the beginning of an allocation.
bool free_device(void *address);
int64_t device_allocations();

inline bool in_device(const void *address) {
  return static_cast<uint64_t>(static_cast<const char *>(address) - device_map.base) <
         static_cast<uint64_t>(kDeviceRoom);
}
// The first byte of [address, address + bytes) that must not be accessed, or -1.
int64_t first_unallocated(const void *address, int64_t bytes);
// The first byte that was never written, or -1.
int64_t first_unwritten(const void *address, int64_t bytes);
// Whether all bytes were written. Few accesses are not within a word of bits.
inline __attribute__((always_inline)) bool is_written(const void *address, int64_t bytes) {
  const int64_t at = static_cast<const char *>(address) - device_map.base, first = at % 16;
  if (__builtin_expect(first + bytes > 16, 0)) return first_unwritten(address, bytes) < 0;
  const unsigned mask = ((1u << bytes) - 1u) << first;
  return (__atomic_load_n(&device_map.written[at / 16], __ATOMIC_RELAXED) & mask) == mask;
}
void mark_written(const void *address, int64_t bytes);
// Part of an allocation may no longer be accessed, or may again: it is then unwritten.
void mark_given_back(const void *address, int64_t bytes);
void mark_unwritten(const void *address, int64_t bytes);
// After a copy within the device: what was unwritten stays so.
void copy_written(const void *to, const void *from, int64_t bytes);
// "at byte 40 of an allocation of 32": where an address lies.
std::string place_in_device(const void *address);

// ---- shared memory of a block ----

// Whether accesses of two threads of a block are ordered by barriers between them. Time is counted
// in barriers: an access stores the clock, and a later one by another thread is ordered after it
// when a barrier that both took part in lies between.
class SharedShadow {
 public:
  SharedShadow();
  ~SharedShadow();
  SharedShadow(const SharedShadow &) = delete;
  SharedShadow &operator=(const SharedShadow &) = delete;
  // A block begins: nothing is written, its memory holds NaNs.
  void begin(int64_t bytes);
  char *memory() const { return memory_; }
  int64_t bytes() const { return bytes_; }
  bool holds(const void *address) const {
    return static_cast<uint64_t>(static_cast<const char *>(address) - memory_) <
           static_cast<uint64_t>(kRoom);
  }

  // What is wrong with an access by thread `id`, or null. `other` is the thread it meets, if that
  // is one.
  const char *read(int id, const void *address, int64_t bytes, int *other);
  const char *write(int id, const void *address, int64_t bytes, int *other);
  // An atomic: ordered among each other.
  const char *update(int id, const void *address, int64_t bytes, int *other);
  // A cp.async was issued to an address, and lands there.
  const char *begin_copy(int id, const void *address, int64_t bytes, int *other);
  void end_copy(int id, const void *address, int64_t bytes);

  void sync_block() { block_since_ = ++clock_; }
  // The lanes of `mask` of a warp have met.
  void sync_warp(int warp, uint32_t mask);

 private:
  static constexpr int64_t kRoom = 256 * 1024;
  static constexpr int64_t kCell = 2;  // bytes: the smallest element of kernels
  // The last write or read of a cell: when << 16 | who, and whether it is a cp.async on its way.
  using Stamp = uint64_t;
  static constexpr Stamp kCopying = Stamp{1} << 63;
  // Who: a thread, or one of these.
  static constexpr uint16_t kAtomicsOfWarp = 0x4000;  // | warp
  static constexpr uint16_t kManyOfWarp = 0x8000;     // | warp: several of its lanes
  static constexpr uint16_t kAtomics = 0xfffe;        // of several warps
  static constexpr uint16_t kMany = 0xffff;           // several warps

  struct Cells {
    int64_t first, count;
  };
  static Cells cells(int64_t at, int64_t bytes) {
    return {at / kCell, (at + bytes - 1) / kCell - at / kCell + 1};
  }
  Stamp now(uint16_t who) const { return Stamp{clock_} << 16 | who; }
  bool ordered(int id, Stamp stamp) const;
  const char *read_of(int id, Stamp written, int *other) const;
  const char *read_each(int id, const Stamp *written, Stamp *readers, int64_t n, int *other);
  Stamp add_reader(int id, Stamp readers) const;
  const char *write_over(int id, Stamp written, Stamp read, bool atomic, int *other) const;
  const char *take(int id, const void *address, int64_t bytes, bool atomic, Stamp flag, int *other);

  char *memory_;
  Stamp *written_, *read_;
  int64_t bytes_ = 0;
  uint32_t clock_ = 1, begun_ = 1, block_since_ = 1;
  uint32_t warp_since_[32] = {};  // when all lanes of a warp last met
  // Of meetings of some lanes of a warp: when a thread last took part in one, and up to when it has
  // seen what each lane of its warp did.
  uint32_t some_since_[1024] = {};
  uint32_t seen_[1024][32] = {};
};

}  // namespace ll4::simt
