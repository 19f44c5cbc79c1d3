// The runtime API of include/cuda_runtime.h. Streams hold their work until something waits for it;
// then it runs on the thread that waits, the blocks of a launch on all cores.
#include <cuda_runtime.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "../../csrc/cpu/pool.h"
#include "block.h"
#include "checks.h"
#include "runtime.h"

namespace ll4::simt {

namespace {

using Clock = std::chrono::steady_clock;

// What an event waits for: a point in a stream's work.
struct Mark {
  SimtStream *stream;
  bool reached = false;
  Clock::time_point when;
};

struct Node;
using Nodes = std::vector<Node>;

// One piece of work of a stream or of a graph.
struct Node {
  enum Kind { kLaunch, kCopy, kSet, kForget, kReach, kWait, kGraph };
  explicit Node(Kind k) : kind(k) {}

  Kind kind;
  std::shared_ptr<const Launch> launch;
  char *to = nullptr;
  const char *from = nullptr;
  int64_t bytes = 0, room = 0;  // room: kForget's memory, of which `bytes` are taken
  int value = 0;
  cudaMemcpyKind direction = cudaMemcpyDeviceToDevice;
  std::shared_ptr<std::vector<char>> staged;  // of a copy from the host
  std::shared_ptr<Mark> mark;
  std::shared_ptr<const Nodes> graph;
};

// Everything the API keeps; one thread at a time.
struct Runtime {
  std::recursive_mutex mutex;
  std::set<SimtStream *> streams;
  std::set<SimtEvent *> events;
  std::set<SimtGraph *> graphs;
  std::map<const void *, int> shared_limits;
  int open_devices = 0;
  Live leaked{};  // and reported
  // What was found wrong, until somebody has been told: cudaGetLastError() is what acknowledges.
  std::string report;
  bool failed = false;
  int64_t failures = 0;
};

Runtime &runtime() {
  static auto *r = new Runtime;  // outlives every thread
  return *r;
}

// The last error of a host thread, and the report that it means.
thread_local cudaError_t last_error = cudaSuccess;
thread_local std::string last_report;
thread_local int64_t last_failure = 0;

constexpr int kMultiprocessors = 8;
constexpr int64_t kSharedLimit = 99 * 1024;  // what one block may have on sm_86, 89 and 120

}  // namespace
}  // namespace ll4::simt

struct SimtStream {
  std::deque<ll4::simt::Node> work;
  std::shared_ptr<ll4::simt::Nodes> capture;
  bool capture_broken = false;
};

struct SimtEvent {
  std::shared_ptr<ll4::simt::Mark> mark;
};

struct SimtGraph {
  std::shared_ptr<const ll4::simt::Nodes> nodes;
};

namespace ll4::simt {
namespace {

cpu::Pool &workers() {
  static auto *pool =
      new cpu::Pool(static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  return *pool;
}

Block &own_block() {
  thread_local std::unique_ptr<Block> block;
  if (!block) block = std::make_unique<Block>();
  return *block;
}

void fail(std::string report) {
  runtime().report = std::move(report);
  runtime().failed = true;
  runtime().failures++;
}

void run_launch(const Launch &launch) {
  const Index g = launch.grid;
  std::atomic<bool> stopped{false};
  std::mutex mutex;
  std::string report;
  workers().run(int64_t{g.x} * g.y * g.z, [&](int64_t i) {
    if (stopped.load(std::memory_order_relaxed)) return;
    const auto id = static_cast<unsigned>(i);
    Block &block = own_block();
    if (block.run(launch, {id % g.x, id / g.x % g.y, id / g.x / g.y})) return;
    std::lock_guard<std::mutex> lock(mutex);
    if (!stopped.exchange(true)) report = block.report();
  });
  if (stopped) fail(report);
}

// A copy's or a fill's memory must be allocated. Reading unwritten memory back is no error.
void check_memory(const void *p, int64_t bytes, const char *what) {
  if (runtime().failed) return;
  if (!in_device(p)) return fail(std::string(what) + " memory of the host");
  const int64_t at = first_unallocated(p, bytes);
  if (at < 0) return;
  fail(std::string(what) + " out of bounds, " + place_in_device(static_cast<const char *>(p) + at));
}

void run_copy(const Node &n) {
  if (n.direction != cudaMemcpyDeviceToHost) check_memory(n.to, n.bytes, "a copy writes");
  if (n.direction != cudaMemcpyHostToDevice) check_memory(n.from, n.bytes, "a copy reads");
  if (runtime().failed) return;
  std::memmove(n.to, n.staged ? n.staged->data() : n.from, static_cast<size_t>(n.bytes));
  if (n.direction == cudaMemcpyHostToDevice) mark_written(n.to, n.bytes);
  if (n.direction == cudaMemcpyDeviceToDevice) copy_written(n.to, n.from, n.bytes);
}

void run_until(SimtStream *stream, const Mark *mark);

void run_node(const Node &n) {
  switch (n.kind) {
    case Node::kLaunch:
      return run_launch(*n.launch);
    case Node::kCopy:
      return run_copy(n);
    case Node::kSet:
      check_memory(n.to, n.bytes, "a fill writes");
      if (runtime().failed) return;
      std::memset(n.to, n.value, static_cast<size_t>(n.bytes));
      return mark_written(n.to, n.bytes);
    case Node::kForget:
      mark_unwritten(n.to, n.bytes);
      return mark_given_back(n.to + n.bytes, n.room - n.bytes);
    case Node::kReach:
      n.mark->reached = true;
      n.mark->when = Clock::now();
      return;
    case Node::kWait:
      if (!n.mark->reached) run_until(n.mark->stream, n.mark.get());
      return;
    case Node::kGraph:
      for (const Node &inner : *n.graph) {
        run_node(inner);
        if (runtime().failed) return;
      }
  }
}

// Runs a stream's work, all of it or until a mark is reached. After a failure marks are still
// reached, but nothing else runs until a call has reported it.
void run_until(SimtStream *stream, const Mark *mark) {
  while (!stream->work.empty() && !(mark && mark->reached)) {
    const Node n = std::move(stream->work.front());
    stream->work.pop_front();
    if (!runtime().failed || n.kind == Node::kReach) run_node(n);
  }
}

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

// The outcome of a call that has waited. A failure is told to every call until one acknowledges it:
// the first may be one that cleans up and listens to nothing.
cudaError_t waited() {
  if (!runtime().failed) return cudaSuccess;
  last_report = runtime().report;
  last_failure = runtime().failures;
  return result(cudaErrorLaunchFailure);
}

bool known(cudaStream_t stream) { return runtime().streams.count(stream) != 0; }
bool known(cudaEvent_t event) { return runtime().events.count(event) != 0; }
bool known(cudaGraph_t graph) { return runtime().graphs.count(graph) != 0; }

cudaError_t put(cudaStream_t stream, Node node) {
  if (!known(stream)) return result(cudaErrorInvalidResourceHandle);
  if (stream->capture)
    stream->capture->push_back(std::move(node));
  else
    stream->work.push_back(std::move(node));
  return cudaSuccess;
}

// For what waits for all of the device.
cudaError_t run_everything() {
  for (SimtStream *stream : runtime().streams) {
    if (!stream->capture) continue;
    stream->capture_broken = true;
    return result(cudaErrorStreamCaptureUnsupported);
  }
  for (SimtStream *stream : runtime().streams) run_until(stream, nullptr);
  return waited();
}

std::unique_lock<std::recursive_mutex> lock() {
  return std::unique_lock<std::recursive_mutex>(runtime().mutex);
}

// What cannot be part of a graph spoils the recording.
cudaError_t refuse_in_capture(cudaStream_t stream) {
  if (!stream->capture) return cudaSuccess;
  stream->capture_broken = true;
  return result(cudaErrorStreamCaptureUnsupported);
}

}  // namespace

cudaError_t put_launch(const cudaLaunchConfig_t &config, const void *kernel, Invoke invoke,
                       const void *parameters, size_t bytes) {
  const auto guard = lock();
  const dim3 g = config.gridDim, b = config.blockDim;
  const int64_t threads = int64_t{b.x} * b.y * b.z;
  const auto shared = static_cast<int64_t>(config.dynamicSmemBytes);
  const auto limit = runtime().shared_limits.find(kernel);
  const int64_t allowed = limit == runtime().shared_limits.end() ? 48 * 1024 : limit->second;
  if (threads < 1 || threads > kMostThreads || threads % kWarpLanes || !g.x || !g.y || !g.z ||
      g.x > 0x7fffffffu || g.y > 65535 || g.z > 65535 || shared > allowed)
    return result(cudaErrorInvalidConfiguration);
  auto launch = std::make_shared<Launch>();
  launch->grid = {g.x, g.y, g.z};
  launch->block = {b.x, b.y, b.z};
  launch->shared_bytes = shared;
  launch->kernel = kernel;
  launch->invoke = invoke;
  const char *values = static_cast<const char *>(parameters);
  launch->parameters.assign(values, values + bytes);
  Node node(Node::kLaunch);
  node.launch = std::move(launch);
  return put(config.stream, std::move(node));
}

cudaError_t set_shared_limit(const void *kernel, int bytes) {
  const auto guard = lock();
  if (bytes < 0 || bytes > kSharedLimit) return result(cudaErrorInvalidValue);
  runtime().shared_limits[kernel] = bytes;
  return cudaSuccess;
}

void put_unwritten(cudaStream_t stream, void *address, int64_t bytes, int64_t room) {
  const auto guard = lock();
  Node node(Node::kForget);
  node.to = static_cast<char *>(address);
  node.bytes = bytes;
  node.room = room;
  put(stream, std::move(node));
}

Live live() {
  const auto guard = lock();
  const auto size = [](const auto &set) { return static_cast<int64_t>(set.size()); };
  return {device_allocations(), size(runtime().streams), size(runtime().events),
          size(runtime().graphs)};
}

void device_opened() {
  const auto guard = lock();
  Runtime &r = runtime();
  r.open_devices++;
  const Live now = live();
  r.leaked = {std::min(r.leaked.allocations, now.allocations),
              std::min(r.leaked.streams, now.streams), std::min(r.leaked.events, now.events),
              std::min(r.leaked.graphs, now.graphs)};
}

cudaError_t device_closed() {
  const auto guard = lock();
  Runtime &r = runtime();
  r.open_devices--;
  if (r.failed) return waited();  // of work that nobody has waited for
  if (r.open_devices > 0) return cudaSuccess;
  const Live now = live(), before = std::exchange(r.leaked, now);
  if (now.allocations <= before.allocations && now.streams <= before.streams &&
      now.events <= before.events && now.graphs <= before.graphs)
    return cudaSuccess;
  fail("not given back: " + std::to_string(now.allocations) + " allocations, " +
       std::to_string(now.streams) + " streams, " + std::to_string(now.events) + " events, " +
       std::to_string(now.graphs) + " graphs");
  return waited();
}

}  // namespace ll4::simt

using namespace ll4::simt;

const char *cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid launch configuration";
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
      return "no such device";
    case cudaErrorInvalidResourceHandle:
      return "invalid handle";
    case cudaErrorNotReady:
      return "not ready";
    case cudaErrorStreamCaptureUnsupported:
      return "not permitted while a graph is recorded";
    case cudaErrorStreamCaptureInvalidated:
      return "the recording failed earlier";
    case cudaErrorLaunchFailure:
      return last_report.c_str();
    default:
      return "unknown error";
  }
}

cudaError_t cudaGetLastError() {
  const auto guard = lock();
  if (last_error == cudaErrorLaunchFailure && last_failure == runtime().failures)
    runtime().failed = false;
  return std::exchange(last_error, cudaSuccess);
}

cudaError_t cudaGetDeviceCount(int *count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  return device == 0 ? cudaSuccess : result(cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
  if (device != 0) return result(cudaErrorInvalidDevice);
  *properties = cudaDeviceProp{};
  std::strncpy(properties->name, "SIMT emulator on this machine's CPU",
               sizeof properties->name - 1);
  properties->multiProcessorCount = kMultiprocessors;
  properties->totalGlobalMem =
      static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  properties->sharedMemPerBlockOptin = kSharedLimit;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  const auto guard = lock();
  return run_everything();
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  *total = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * page;
  *free = static_cast<size_t>(sysconf(_SC_AVPHYS_PAGES)) * page;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void **address, size_t bytes) {
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  *address = bytes > total ? nullptr : allocate_device(static_cast<int64_t>(bytes), false);
  return *address ? cudaSuccess : result(cudaErrorMemoryAllocation);
}

// Waits for the device, as CUDA's does.
cudaError_t cudaFree(void *address) {
  if (!address) return cudaSuccess;
  const auto guard = lock();
  const cudaError_t error = run_everything();
  if (error == cudaErrorStreamCaptureUnsupported) return error;
  return free_device(address) ? error : result(cudaErrorInvalidValue);
}

cudaError_t cudaMallocHost(void **address, size_t bytes) {
  *address = allocate_device(static_cast<int64_t>(bytes), true);
  return *address ? cudaSuccess : result(cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void *address) { return cudaFree(address); }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
  const auto guard = lock();
  *stream = new SimtStream;
  runtime().streams.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const auto guard = lock();
  if (!known(stream)) return result(cudaErrorInvalidResourceHandle);
  run_until(stream, nullptr);
  runtime().streams.erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamGetDevice(cudaStream_t, int *device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const auto guard = lock();
  if (!known(stream)) return result(cudaErrorInvalidResourceHandle);
  if (stream->capture) return refuse_in_capture(stream);
  run_until(stream, nullptr);
  return waited();
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const auto guard = lock();
  if (!known(stream) || !known(event)) return result(cudaErrorInvalidResourceHandle);
  if (stream->capture) return refuse_in_capture(stream);
  if (!event->mark) return cudaSuccess;
  Node node(Node::kWait);
  node.mark = event->mark;
  return put(stream, std::move(node));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) {
  const auto guard = lock();
  *event = new SimtEvent;
  runtime().events.insert(*event);
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const auto guard = lock();
  if (!runtime().events.erase(event)) return result(cudaErrorInvalidResourceHandle);
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const auto guard = lock();
  if (!known(stream) || !known(event)) return result(cudaErrorInvalidResourceHandle);
  if (stream->capture) return refuse_in_capture(stream);
  event->mark = std::make_shared<Mark>();
  event->mark->stream = stream;
  Node node(Node::kReach);
  node.mark = event->mark;
  return put(stream, std::move(node));
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const auto guard = lock();
  if (!known(event)) return result(cudaErrorInvalidResourceHandle);
  if (event->mark && !event->mark->reached) run_until(event->mark->stream, event->mark.get());
  return waited();
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const auto guard = lock();
  if (!known(start) || !known(end) || !start->mark || !end->mark)
    return result(cudaErrorInvalidResourceHandle);
  if (!start->mark->reached || !end->mark->reached) return result(cudaErrorNotReady);
  *milliseconds =
      std::chrono::duration<float, std::milli>(end->mark->when - start->mark->when).count();
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *attributes, const void *address) {
  attributes->type = in_device(address) ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const auto guard = lock();
  if (!known(stream)) return result(cudaErrorInvalidResourceHandle);
  if (kind != cudaMemcpyDeviceToDevice && stream->capture) return refuse_in_capture(stream);
  Node node(Node::kCopy);
  node.to = static_cast<char *>(to);
  node.from = static_cast<const char *>(from);
  node.bytes = static_cast<int64_t>(bytes);
  node.direction = kind;
  if (kind == cudaMemcpyHostToDevice)
    node.staged = std::make_shared<std::vector<char>>(node.from, node.from + bytes);
  return put(stream, std::move(node));
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
  const auto guard = lock();
  Node node(Node::kSet);
  node.to = static_cast<char *>(to);
  node.value = value;
  node.bytes = static_cast<int64_t>(bytes);
  return put(stream, std::move(node));
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const auto guard = lock();
  if (!known(stream)) return result(cudaErrorInvalidResourceHandle);
  if (stream->capture) return result(cudaErrorStreamCaptureUnsupported);
  stream->capture = std::make_shared<Nodes>();
  stream->capture_broken = false;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  const auto guard = lock();
  *graph = nullptr;
  if (!known(stream)) return result(cudaErrorInvalidResourceHandle);
  if (!stream->capture) return result(cudaErrorInvalidValue);
  const std::shared_ptr<const Nodes> nodes = std::exchange(stream->capture, nullptr);
  if (stream->capture_broken) return result(cudaErrorStreamCaptureInvalidated);
  *graph = new SimtGraph{nodes};
  runtime().graphs.insert(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long) {
  const auto guard = lock();
  if (!known(graph)) return result(cudaErrorInvalidValue);
  *exec = new SimtGraph{graph->nodes};
  runtime().graphs.insert(*exec);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  const auto guard = lock();
  if (!known(exec)) return result(cudaErrorInvalidValue);
  if (!known(stream)) return result(cudaErrorInvalidResourceHandle);
  if (stream->capture) return refuse_in_capture(stream);
  Node node(Node::kGraph);
  node.graph = exec->nodes;
  return put(stream, std::move(node));
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const auto guard = lock();
  if (!runtime().graphs.erase(graph)) return result(cudaErrorInvalidValue);
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { return cudaGraphDestroy(exec); }
