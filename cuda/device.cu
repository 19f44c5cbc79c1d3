#include "device.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "common/annotate.h"

#ifndef LL4_BACKEND_NAME
#error "LL4_BACKEND_NAME, cuda or simt, is set by the build"
#endif

namespace ll4::cuda {

namespace {

constexpr int64_t kScratchStart = int64_t{1} << 20;
// Memory given back that is kept for reuse, at most.
constexpr int64_t kPoolFree = int64_t{1} << 30;

// Cleaning up must not throw, and there is nobody to tell.
void ignore(cudaError_t) {}

struct Event final : ll4_event {
  explicit Event(Device &owner) : ll4_event(owner) {
    owner.use();
    ll4::cuda::check(cudaEventCreateWithFlags(&event, cudaEventDefault), "cudaEventCreate");
  }
  ~Event() override { ignore(cudaEventDestroy(event)); }
  void use() const { static_cast<Device &>(device).use(); }
  void record(ll4_stream &stream) override {
    use();
    ll4::cuda::check(cudaEventRecord(event, static_cast<Stream &>(stream).get()),
                     "cudaEventRecord");
    recorded = true;
  }
  void wait(ll4_stream &stream) override {
    use();
    ll4::cuda::check(cudaStreamWaitEvent(static_cast<Stream &>(stream).get(), event, 0),
                     "cudaStreamWaitEvent");
  }
  void synchronize() override {
    use();
    ll4::cuda::check(cudaEventSynchronize(event), "cudaEventSynchronize");
  }
  double milliseconds_since(const ll4_event &start) const override {
    const auto &from = static_cast<const Event &>(start);
    if (!recorded || !from.recorded) fail(LL4_INVALID_ARGUMENT, "an event was not recorded");
    use();
    ll4::cuda::check(cudaEventSynchronize(event), "cudaEventSynchronize");
    float ms = 0;
    ll4::cuda::check(cudaEventElapsedTime(&ms, from.event, event), "cudaEventElapsedTime");
    return static_cast<double>(ms);
  }

  cudaEvent_t event = nullptr;
  bool recorded = false;
};

struct Graph final : ll4_graph {
  Graph(Device &owner, cudaGraph_t captured) : ll4_graph(owner) {
    const cudaError_t error = cudaGraphInstantiate(&exec, captured, 0);
    ignore(cudaGraphDestroy(captured));
    ll4::cuda::check(error, "cudaGraphInstantiate");
  }
  ~Graph() override { ignore(cudaGraphExecDestroy(exec)); }
  void launch(ll4_stream &stream) override {
    static_cast<Device &>(device).use();
    ll4::cuda::check(cudaGraphLaunch(exec, static_cast<Stream &>(stream).get()), "cudaGraphLaunch");
  }

  cudaGraphExec_t exec = nullptr;
};

// What a fault's numbers mean, in the words of the CPU's checks.
std::string fault_text(const Fault &f) {
  const std::string index = std::to_string(f.index), value = std::to_string(f.value);
  switch (static_cast<FaultCode>(f.code)) {
    case FaultCode::kTokenId:
      return "ids[" + index + "] is " + value +
             ", which is neither in the vocabulary nor a row of features";
    case FaultCode::kSeqStart:
      return "batch.seq_start[" + index + "] is " + value +
             ": it must run from 0 to the tokens, by at most max_new a sequence";
    case FaultCode::kPast:
      return "batch.past of sequence " + index + " is " + value +
             ": negative, or with the new tokens beyond max_context";
    case FaultCode::kPage:
      return "kv.page_table has no page for position " + value + " of sequence " + index;
    case FaultCode::kFirstPage:
      return "kv.first_page of sequence " + index + " is " + value +
             ": negative, or past the tokens";
    case FaultCode::kOffsets:
      return "offsets[" + index + "] is " + value + ": they do not ascend from 0 to the rows";
    case FaultCode::kGather:
      return "gather[" + index + "] is " + value + ", which is not a row of x";
    case FaultCode::kScatter:
      return "scatter[" + index + "] is " + value + ", which is not a row of out";
    case FaultCode::kRow:
      return "rows[" + index + "] is " + value + ", which is not a row of x";
    case FaultCode::kNone:
      break;
  }
  return "unknown fault " + std::to_string(f.code);
}

ll4_status status_of(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return LL4_OUT_OF_MEMORY;
    case cudaErrorInitializationError:
    case cudaErrorInsufficientDriver:
    case cudaErrorDevicesUnavailable:
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
      return LL4_NO_DEVICE;
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidPtx:
    case cudaErrorUnsupportedPtxVersion:
      return LL4_UNSUPPORTED;
    case cudaErrorIllegalState:
    case cudaErrorStreamCaptureUnsupported:
    case cudaErrorStreamCaptureInvalidated:
    case cudaErrorStreamCaptureIsolation:
    case cudaErrorStreamCaptureWrongThread:
      return LL4_INVALID_ARGUMENT;
    // After these every later call fails, too.
    case cudaErrorECCUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorContextIsDestroyed:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorUnknown:
      return LL4_DEVICE_LOST;
    default:
      return LL4_INTERNAL;
  }
}

}  // namespace

void check(cudaError_t error, const char *doing) {
  if (error == cudaSuccess) return;
  const std::string text = cudaGetErrorString(error);
  ignore(cudaGetLastError());
  fail(status_of(error), "%s: %s", doing, text.c_str());
}

// ---- memory ----

void *Pool::take(int64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto same = std::find_if(free_.begin(), free_.end(),
                                 [&](const Block &block) { return block.bytes == bytes; });
  if (same != free_.end()) {
    const Block block = *same;
    used_.push_back(block);
    free_.erase(same);
    free_bytes_ -= bytes;
    annotate_undefined(block.address, bytes);
    return block.address;
  }
  void *address = nullptr;
  cudaError_t error = cudaMalloc(&address, static_cast<size_t>(bytes));
  if (error == cudaErrorMemoryAllocation && !free_.empty()) {
    drop_free();
    ignore(cudaGetLastError());
    error = cudaMalloc(&address, static_cast<size_t>(bytes));
  }
  if (error == cudaErrorMemoryAllocation) {
    size_t free = 0, total = 0;
    ignore(cudaGetLastError());
    ignore(cudaMemGetInfo(&free, &total));
    fail(LL4_OUT_OF_MEMORY, "%lld bytes asked for, %lld free of %lld",
         static_cast<long long>(bytes), static_cast<long long>(free),
         static_cast<long long>(total));
  }
  check(error, "cudaMalloc");
  used_.push_back({address, bytes});
  return address;
}

// A wait for the device would spoil a graph that is being recorded on it, and fail: what is given
// back meanwhile, also by other threads, stays until none is.
void Pool::give(void *address) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto block = std::find_if(used_.begin(), used_.end(),
                                  [&](const Block &b) { return b.address == address; });
  if (block == used_.end()) return;
  waiting_.push_back(*block);
  *block = used_.back();
  used_.pop_back();
  reclaim();
}

void Pool::begin_recording() {
  std::lock_guard<std::mutex> lock(mutex_);
  recordings_++;
}

void Pool::end_recording() noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  recordings_--;
  reclaim();
}

void Pool::reclaim() noexcept {
  if (recordings_ > 0 || waiting_.empty() || cudaDeviceSynchronize() != cudaSuccess) return;
  for (const Block &block : waiting_) {
    if (free_bytes_ + block.bytes > kPoolFree) {
      ignore(cudaFree(block.address));
    } else {
      annotate_given_back(block.address, block.bytes);
      free_.push_back(block);
      free_bytes_ += block.bytes;
    }
  }
  waiting_.clear();
}

void Pool::drop_free() noexcept {
  reclaim();
  for (const Block &block : free_) ignore(cudaFree(block.address));
  free_.clear();
  free_bytes_ = 0;
}

// ---- the device ----

Device::Device(int number) : ll4_device(kOperations), index(number) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    const std::string text = cudaGetErrorString(error);
    ignore(cudaGetLastError());
    fail(LL4_NO_DEVICE, "no CUDA device: %s", text.c_str());
  }
  if (index >= count) fail(LL4_NO_DEVICE, "there are %d CUDA devices, from 0 on", count);
  use();
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  if (properties.major > 0 && properties.major < 8)  // the emulator has none
    fail(LL4_NO_DEVICE, "%s is of sm_%d%d: sm_80 or newer is needed", properties.name,
         properties.major, properties.minor);
  annotate_opened();
}

void Device::close() {
  use();
  pool.drop_free();
  check(annotate_closed(), "device_close");
}

void Device::get_info(ll4_device_info &info) {
  use();
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  info.bf16_dot = 1;
  info.graphs = 1;
  info.memory_total = static_cast<int64_t>(total);
  info.memory_free = static_cast<int64_t>(free);
  std::string name = LL4_BACKEND_NAME;
  if (name == "cuda") name += ":" + std::to_string(index);
  std::snprintf(info.name, sizeof info.name, "%s", name.c_str());
  std::snprintf(info.description, sizeof info.description, "%.127s", properties.name);
  const std::string isa =
      properties.major ? "sm_" + std::to_string(properties.major) + std::to_string(properties.minor)
                       : "simt";
  if (properties.major)
    std::snprintf(info.pci_bus_id, sizeof info.pci_bus_id, "%08X:%02X:%02X.0",
                  static_cast<unsigned>(properties.pciDomainID),
                  static_cast<unsigned>(properties.pciBusID),
                  static_cast<unsigned>(properties.pciDeviceID));
  std::snprintf(info.isa, sizeof info.isa, "%s", isa.c_str());
}

void *Device::allocate(int64_t bytes) {
  use();
  return pool.take(bytes);
}

void Device::release(void *address) noexcept {
  ignore(cudaSetDevice(index));
  pool.give(address);
}

ll4_stream *Device::new_stream() {
  use();
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return new Stream(*this, stream, true);
}

ll4_stream *Device::wrap_stream(void *native) {
  use();
  const auto stream = static_cast<cudaStream_t>(native);
  int owner = index;
  check(cudaStreamGetDevice(stream, &owner), "cudaStreamGetDevice");
  if (owner != index)
    fail(LL4_INVALID_ARGUMENT, "the stream is one of CUDA device %d, not %d", owner, index);
  return new Stream(*this, stream, false);
}

ll4_event *Device::new_event() { return new Event(*this); }

// ---- streams ----

Stream::Stream(Device &owner, cudaStream_t stream, bool owned)
    : ll4_stream(owner), native_(stream), owned_(owned) {
  try {
    fault_ = static_cast<Fault *>(owner.pool.take(sizeof(Fault)));
    ll4::cuda::check(cudaMemsetAsync(fault_, 0, sizeof(Fault), native_), "cudaMemsetAsync");
  } catch (...) {
    if (fault_) owner.pool.give(fault_);
    if (owned_) ignore(cudaStreamDestroy(native_));
    throw;
  }
}

Stream::~Stream() {
  ignore(cudaSetDevice(cuda().index));
  if (recording) {
    cudaGraph_t unfinished = nullptr;
    ignore(cudaStreamEndCapture(native_, &unfinished));
    if (unfinished) ignore(cudaGraphDestroy(unfinished));
    cuda().pool.end_recording();
  }
  ignore(cudaStreamSynchronize(native_));
  for (void *slab : scratch_) cuda().pool.give(slab);
  cuda().pool.give(fault_);
  if (owned_) ignore(cudaStreamDestroy(native_));
}

void Stream::synchronize() {
  cuda().use();
  Fault fault{};
  check(cudaMemcpyAsync(&fault, fault_, sizeof fault, cudaMemcpyDeviceToHost, native_),
        "cudaMemcpyAsync");
  check(cudaStreamSynchronize(native_), "cudaStreamSynchronize");
  if (fault.code == 0) return;
  check(cudaMemsetAsync(fault_, 0, sizeof(Fault), native_), "cudaMemsetAsync");
  fail(LL4_INVALID_ARGUMENT, "%s", fault_text(fault).c_str());
}

// The bytes are taken before it returns: CUDA does so by itself for ordinary memory alone.
void Stream::write(void *to, const void *host, int64_t bytes) {
  cuda().use();
  check(cudaMemcpyAsync(to, host, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, native_),
        "cudaMemcpyAsync");
  cudaPointerAttributes attributes{};
  check(cudaPointerGetAttributes(&attributes, host), "cudaPointerGetAttributes");
  if (attributes.type != cudaMemoryTypeUnregistered)
    check(cudaStreamSynchronize(native_), "cudaStreamSynchronize");
}

void Stream::read(const void *from, void *host, int64_t bytes) {
  cuda().use();
  check(cudaMemcpyAsync(host, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, native_),
        "cudaMemcpyAsync");
  synchronize();
}

void Stream::copy(void *to, const void *from, int64_t bytes) {
  cuda().use();
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, native_),
        "cudaMemcpyAsync");
}

void Stream::begin_graph() {
  cuda().use();
  // Relaxed: an operation may find its scratch memory too small while it is recorded.
  cuda().pool.begin_recording();
  const cudaError_t error = cudaStreamBeginCapture(native_, cudaStreamCaptureModeRelaxed);
  if (error != cudaSuccess) cuda().pool.end_recording();
  check(error, "cudaStreamBeginCapture");
}

ll4_graph *Stream::end_graph() {
  cuda().use();
  cudaGraph_t graph = nullptr;
  const cudaError_t error = cudaStreamEndCapture(native_, &graph);
  cuda().pool.end_recording();
  check(error, "cudaStreamEndCapture");
  return new Graph(cuda(), graph);
}

void *Stream::scratch(int64_t bytes) {
  if (bytes > scratch_bytes_ || scratch_.empty()) {
    // Earlier slabs stay: work in flight and graphs may use them.
    const int64_t size = std::max({kScratchStart, bytes, 2 * scratch_bytes_});
    scratch_.reserve(scratch_.size() + 1);
    scratch_.push_back(cuda().allocate(size));
    scratch_bytes_ = size;
  }
  annotate_undefined(native_, scratch_.back(), bytes, scratch_bytes_);
  return scratch_.back();
}

// ---- arguments ----

void require_bf16(const ll4_tensor &t, const char *field) {
  if (t.dtype != LL4_BF16)
    fail(LL4_UNSUPPORTED, "%s is f32: this device computes in bf16; f32 is for the CPU", field);
}

BatchView view(const ll4_batch &batch) {
  return {data<const int32_t>(batch.seq_start),
          data<const int32_t>(batch.past),
          batch.sequences,
          batch.tokens,
          batch.max_new,
          batch.max_context};
}

PageView view(const ll4_kv &kv) {
  return {data<const int32_t>(kv.page_table),           data<const int32_t>(kv.first_page),
          static_cast<int32_t>(kv.page_table.shape[1]), static_cast<int32_t>(kv.k.shape[2]),
          static_cast<int32_t>(kv.k.shape[1]),          kv.k.shape[0]};
}

// ---- the backend ----

namespace {

// Several threads may call a stream, whose scratch memory is one operation's at a time.
template <auto operation, class Args>
void alone(ll4_stream &stream, const Args &args) {
  std::lock_guard<std::mutex> lock(static_cast<Stream &>(stream).running);
  operation(stream, args);
}

}  // namespace

const Operations kOperations = {
    alone<embed>,      alone<rms_norm>,    alone<qkv_epilogue>,   alone<attention>,
    alone<matmul>,     alone<router>,      alone<grouped_matmul>, alone<swiglu>,
    alone<logits>,     alone<log_softmax>, alone<top_k>,          alone<sample>,
    alone<layer_norm>, alone<unfold>,      alone<pixel_shuffle>,  alone<quantize>,
};

const Backend &backend() {
  static const Backend table{
      LL4_ABI_VERSION, sizeof(Operations), LL4_BACKEND_NAME,
      [](int index, const ll4_device_options &) -> ll4_device * { return new Device(index); }};
  return table;
}

}  // namespace ll4::cuda

extern "C" LL4_EXPORT const ll4::Backend *ll4_backend_get() { return &ll4::cuda::backend(); }
