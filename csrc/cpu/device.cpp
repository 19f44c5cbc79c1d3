#include "device.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>

namespace ll4::cpu {

namespace {

constexpr size_t kAlignment = 256;

// Streams of the CPU run an operation when it is put on them, so order is the order of calls.
struct Stream final : ll4_stream {
  using ll4_stream::ll4_stream;
  void synchronize() override {}
  void write(void *to, const void *host, int64_t bytes) override { copy(to, host, bytes); }
  void read(const void *from, void *host, int64_t bytes) override { copy(host, from, bytes); }
  void copy(void *to, const void *from, int64_t bytes) override {
    std::memcpy(to, from, static_cast<size_t>(bytes));
  }
};

struct Event final : ll4_event {
  using ll4_event::ll4_event;
  using Clock = std::chrono::steady_clock;
  void record(ll4_stream &) override {
    at = Clock::now();
    recorded = true;
  }
  void wait(ll4_stream &) override {}
  void synchronize() override {}
  double milliseconds_since(const ll4_event &start) const override {
    const auto &from = static_cast<const Event &>(start);
    if (!recorded || !from.recorded) fail(LL4_INVALID_ARGUMENT, "an event was not recorded");
    return std::chrono::duration<double, std::milli>(at - from.at).count();
  }
  Clock::time_point at;
  bool recorded = false;
};

int64_t memory_total() {
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

int64_t memory_free() {
#if defined(_SC_AVPHYS_PAGES)
  return static_cast<int64_t>(sysconf(_SC_AVPHYS_PAGES)) * sysconf(_SC_PAGESIZE);
#else
  return memory_total();
#endif
}

int default_threads() {
  const unsigned cores = std::thread::hardware_concurrency();
  return cores == 0 ? 1 : static_cast<int>(std::min(cores, 256u));
}

ll4_device *open(int index, const ll4_device_options &options) {
  if (index != 0) fail(LL4_NO_DEVICE, "there is one CPU device");
  if (options.threads > 4096) fail(LL4_INVALID_ARGUMENT, "options.threads is over 4096");
  const Kernels &kernels = select_kernels(options.isa);
  return new Device(options.threads ? options.threads : default_threads(), kernels);
}

constexpr Operations kOperations = {
    embed,  rms_norm,    qkv_epilogue, attention, matmul,     router, grouped_matmul, swiglu,
    logits, log_softmax, top_k,        sample,    layer_norm, unfold, pixel_shuffle,  quantize,
};

bool has(const char *isa) {
#if defined(__x86_64__)
  const std::string name = isa;
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  if (name == "avx2") return avx2;
  if (name == "avx512") return avx512;
  if (name == "avx512bf16")
    return avx512 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
#else
  (void)isa;
#endif
  return true;  // "baseline", and "neon" on arm64
}

}  // namespace

const Kernels &select_kernels(const char *isa) {
  // The functions are compiled for their instruction set: none is called before `has` allows it.
  struct Entry {
    const char *isa;
    const Kernels *(*get)();
  };
  constexpr Entry kBestFirst[] = {{"avx512bf16", avx512bf16_kernels},
                                  {"avx512", avx512_kernels},
                                  {"avx2", avx2_kernels},
                                  {"neon", neon_kernels},
                                  {"baseline", baseline_kernels}};
  for (const Entry &entry : kBestFirst) {
    if ((isa && std::string(isa) != entry.isa) || !has(entry.isa)) continue;
    if (const Kernels *kernels = entry.get()) return *kernels;
  }
  fail(LL4_UNSUPPORTED, "this CPU or this build has no instruction set '%s'", isa);
}

const Backend &backend() {
  static const Backend cpu{LL4_ABI_VERSION, sizeof(Operations), "cpu", open};
  return cpu;
}

Device::Device(int threads, const Kernels &table)
    : ll4_device(kOperations), kernels(table), pool(threads) {}

void Device::get_info(ll4_device_info &info) {
  info.host_visible = 1;
  info.bf16_dot = kernels.bf16_dot ? 1 : 0;
  info.threads = pool.threads();
  info.memory_total = memory_total();
  info.memory_free = memory_free();
  std::strncpy(info.name, "cpu", sizeof info.name - 1);
  const std::string text = std::to_string(pool.threads()) +
                           (pool.threads() == 1 ? " thread, " : " threads, ") + kernels.isa;
  std::strncpy(info.description, text.c_str(), sizeof info.description - 1);
  std::strncpy(info.isa, kernels.isa, sizeof info.isa - 1);
}

void *Device::allocate(int64_t bytes) {
  // Not rounded up, so that a memory checker sees the first byte too many.
  void *memory = nullptr;
  if (posix_memalign(&memory, kAlignment, static_cast<size_t>(bytes)) != 0)
    fail(LL4_OUT_OF_MEMORY, "%lld bytes asked for, %lld free", static_cast<long long>(bytes),
         static_cast<long long>(memory_free()));
  return memory;
}

void Device::release(void *address) noexcept { std::free(address); }

ll4_stream *Device::new_stream() { return new Stream(*this); }

ll4_stream *Device::wrap_stream(void *) { fail(LL4_UNSUPPORTED, "the CPU has no native streams"); }

ll4_event *Device::new_event() { return new Event(*this); }

void Scratch::Free::operator()(char *p) const { std::free(p); }

void Scratch::reset() {
  // What took several slabs takes one the next time.
  if (slabs_.size() > 1) {
    int64_t bytes = 0;
    for (const Slab &slab : slabs_) bytes += slab.bytes;
    slabs_.clear();
    slab_ = 0;
    used_ = 0;
    take_bytes(bytes);
  }
  slab_ = 0;
  used_ = 0;
}

char *Scratch::take_bytes(int64_t bytes) {
  constexpr int64_t kSlab = int64_t{1} << 20;
  const int64_t rounded = (bytes + 63) / 64 * 64;
  while (slab_ < slabs_.size() && used_ + rounded > slabs_[slab_].bytes) {
    slab_++;
    used_ = 0;
  }
  if (slab_ == slabs_.size()) {
    const int64_t size = std::max(kSlab, rounded);
    void *memory = nullptr;
    if (posix_memalign(&memory, 64, static_cast<size_t>(size)) != 0) throw std::bad_alloc();
    slabs_.push_back(Slab{std::unique_ptr<char, Free>(static_cast<char *>(memory)), size});
    used_ = 0;
  }
  char *p = slabs_[slab_].memory.get() + used_;
  used_ += rounded;
  return p;
}

}  // namespace ll4::cpu

namespace ll4 {

const Backend &cpu_backend() { return cpu::backend(); }

}  // namespace ll4
