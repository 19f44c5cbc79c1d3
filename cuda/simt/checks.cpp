// Kernels are compiled with -fsanitize=thread, which calls a function before every access to memory
// that may be shared. Those functions are here instead of in ThreadSanitizer's library: they look
// at what the access touches.
#include "checks.h"

#include <cstring>
#include <string>

#include "block.h"
#include "report.h"

namespace ll4::simt {

namespace {

enum class Kind { kRead, kWrite, kUpdate };

const char *verb(Kind kind) {
  return kind == Kind::kRead ? "reads " : kind == Kind::kWrite ? "writes " : "updates ";
}

[[noreturn]] void stop(Block &block, Kind kind, int64_t bytes, const std::string &what,
                       Place place) {
  block.stop(verb(kind) + std::to_string(bytes) + " bytes: " + what, place);
}

[[noreturn]] void stop_shared(Block &b, Kind kind, const void *address, int64_t bytes,
                              const char *wrong, int other, Place place) {
  std::string what = wrong;
  if (other >= 0 && other < static_cast<int>(kMostThreads))
    what += " by thread " + std::to_string(other);
  what += ", byte " + std::to_string(static_cast<const char *>(address) - b.shared.memory()) +
          " of " + std::to_string(b.shared.bytes());
  stop(b, kind, bytes, what, place);
}

template <Kind kind>
void check_shared(Block &b, const void *address, int64_t bytes, Place place) {
  int other = -1;
  const int id = b.thread();
  const char *wrong = kind == Kind::kRead    ? b.shared.read(id, address, bytes, &other)
                      : kind == Kind::kWrite ? b.shared.write(id, address, bytes, &other)
                                             : b.shared.update(id, address, bytes, &other);
  if (wrong) stop_shared(b, kind, address, bytes, wrong, other, place);
}

// What is written is also allocated.
template <Kind kind>
void check_device(Block &b, const void *address, int64_t bytes, Place place) {
  if (is_written(address, bytes)) return;
  const int64_t unwritten = first_unwritten(address, bytes);
  const auto text = [address](int64_t at) {
    return place_in_device(static_cast<const char *>(address) + at);
  };
  const int64_t outside = first_unallocated(address, bytes);
  if (outside >= 0) stop(b, kind, bytes, "out of bounds, " + text(outside), place);
  if (kind != Kind::kWrite)
    stop(b, kind, bytes, "unwritten device memory " + text(unwritten), place);
  mark_written(address, bytes);
}

template <Kind kind>
__attribute__((noinline)) void check(Block &b, const void *address, int64_t bytes,
                                     int64_t alignment, Place place) {
  if (reinterpret_cast<uintptr_t>(address) & static_cast<uintptr_t>(alignment - 1))
    stop(b, kind, bytes, "a misaligned access", place);
  if (b.shared.holds(address)) return check_shared<kind>(b, address, bytes, place);
  if (in_device(address)) return check_device<kind>(b, address, bytes, place);
  if (b.on_a_stack(address))
    stop(b, kind, bytes, "outside of its own local variables, or of its stack", place);
  const auto &parameters = b.launch().parameters;
  const char *p = static_cast<const char *>(address);
  if (kind == Kind::kRead && p >= parameters.data() && p < parameters.data() + parameters.size())
    return;
  if (kind == Kind::kRead && is_constant(address)) return;
  stop(b, kind, bytes, "memory of the host", place);
}

// Inlined into each of the compiler's hooks: most accesses end at the first line.
template <Kind kind>
inline __attribute__((always_inline)) void hook(const void *address, int64_t bytes,
                                                int64_t alignment, const void *caller) {
  if (on_own_stack(address)) return;
  if (Block *block = current_block()) check<kind>(*block, address, bytes, alignment, caller);
}

}  // namespace

void check_matrix_row(const void *row, Where where) {
  Block &b = *current_block();
  if (!b.shared.holds(row)) b.stop("ldmatrix of what is not shared memory", where);
  check<Kind::kRead>(b, row, 16, 16, where);
}

void check_copy_vector(const void *to, const void *from, int bytes, const void *caller) {
  hook<Kind::kRead>(from, bytes, bytes, caller);
  hook<Kind::kWrite>(to, bytes, bytes, caller);
}

void check_update(const void *address, int64_t bytes, const void *caller) {
  check<Kind::kUpdate>(*current_block(), address, bytes, bytes, caller);
}

void check_copy(const void *shared, const void *from, int size, int bytes, const void *caller) {
  Block &b = *current_block();
  const auto misaligned = [size](const void *p) {
    return reinterpret_cast<uintptr_t>(p) % static_cast<uintptr_t>(size) != 0;
  };
  if (!b.shared.holds(shared))
    stop(b, Kind::kWrite, size, "cp.async to what is not shared memory", caller);
  if (misaligned(shared)) stop(b, Kind::kWrite, size, "a misaligned access", caller);
  int other = -1;
  if (const char *wrong = b.shared.begin_copy(b.thread(), shared, size, &other))
    stop_shared(b, Kind::kWrite, shared, size, wrong, other, caller);
  if (bytes == 0) return;
  if (misaligned(from)) stop(b, Kind::kRead, size, "a misaligned access", caller);
  if (!in_device(from))
    stop(b, Kind::kRead, bytes, "cp.async from what is not device memory", caller);
  check_device<Kind::kRead>(b, from, bytes, caller);
}

}  // namespace ll4::simt

using ll4::simt::hook;
constexpr auto kRead = ll4::simt::Kind::kRead, kWrite = ll4::simt::Kind::kWrite;

// The names are the compiler's.
extern "C" {
#define LL4_HOOK(name, kind, n, alignment) \
  void __tsan_##name##n(void *p) { hook<kind>(p, n, alignment, __builtin_return_address(0)); }
#define LL4_HOOKS(n)                      \
  LL4_HOOK(read, kRead, n, n)             \
  LL4_HOOK(write, kWrite, n, n)           \
  LL4_HOOK(unaligned_read, kRead, n, 1)   \
  LL4_HOOK(unaligned_write, kWrite, n, 1) \
  LL4_HOOK(volatile_read, kRead, n, n)    \
  LL4_HOOK(volatile_write, kWrite, n, n)
LL4_HOOKS(1)
LL4_HOOKS(2)
LL4_HOOKS(4)
LL4_HOOKS(8)
LL4_HOOKS(16)
#undef LL4_HOOKS
#undef LL4_HOOK
void __tsan_read_range(void *p, size_t n) {
  hook<kRead>(p, static_cast<int64_t>(n), 1, __builtin_return_address(0));
}
void __tsan_write_range(void *p, size_t n) {
  hook<kWrite>(p, static_cast<int64_t>(n), 1, __builtin_return_address(0));
}
// Clang's, for what it copies and fills at once.
void *__tsan_memcpy(void *to, const void *from, size_t n) {
  hook<kRead>(from, static_cast<int64_t>(n), 1, __builtin_return_address(0));
  hook<kWrite>(to, static_cast<int64_t>(n), 1, __builtin_return_address(0));
  return std::memcpy(to, from, n);
}
void *__tsan_memmove(void *to, const void *from, size_t n) {
  hook<kRead>(from, static_cast<int64_t>(n), 1, __builtin_return_address(0));
  hook<kWrite>(to, static_cast<int64_t>(n), 1, __builtin_return_address(0));
  return std::memmove(to, from, n);
}
void *__tsan_memset(void *to, int value, size_t n) {
  hook<kWrite>(to, static_cast<int64_t>(n), 1, __builtin_return_address(0));
  return std::memset(to, value, n);
}
void __tsan_init() {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}
}
