// Streams, events, graphs, memory and launches: what runs when, and what is refused.
#include <thread>

#include "../../common/annotate.h"
#include "../../common/ptx.cuh"
#include "../runtime.h"
#include "test.h"

namespace {

using namespace ll4::cuda;
using ll4::simt::test::Array;
using ll4::simt::test::expect;
using ll4::simt::test::expect_error;
using ll4::simt::test::must;
using ll4::simt::test::put;
using ll4::simt::test::Stream;

constexpr int kThreads = 32;
using Values = std::vector<int32_t>;

void expect_report(const std::string &report, const std::string &part) {
  expect(report.find(part) != std::string::npos, "\"" + report + "\" lacks \"" + part + "\"");
}

struct Params {
  int32_t *to;
  const int32_t *from;
  int32_t factor;
};
void scale(const Params p) { p.to[thread_id()] = p.from[thread_id()] * p.factor; }
void add(const Params p) { p.to[thread_id()] += p.from[thread_id()]; }
void fail_always(const Params p) { p.to[1 << 20] = 1; }

void launch(Stream &stream, void (*kernel)(Params), const Array<int32_t> &to,
            const Array<int32_t> &from, int32_t factor = 1) {
  must(put(stream, kernel, 1, kThreads, 0, Params{to.get(), from.get(), factor}));
}

void read_back(Stream &stream, Values &to, const Array<int32_t> &from) {
  must(cudaMemcpyAsync(to.data(), from.get(), to.size() * sizeof(int32_t), cudaMemcpyDeviceToHost,
                       stream.get()));
}

const Values kOnes(kThreads, 1), kTwos(kThreads, 2);

// ---- streams ----

void test_order() {
  const Array<int32_t> x(kOnes), y(kThreads);
  Stream stream;
  for (int i = 0; i < 5; i++) {
    launch(stream, scale, y, x, 2);
    launch(stream, scale, x, y, 3);
  }
  must(cudaStreamSynchronize(stream.get()));
  expect(x.read() == Values(kThreads, 7776), "work of a stream runs in order");
}

// Nothing runs before something waits: a read back that nobody waited for has changed nothing.
void test_deferral() {
  const Array<int32_t> x(kOnes);
  Array<int32_t> y(kOnes);
  Values host(kThreads, 5);
  Stream stream, other;
  launch(stream, scale, y, x, 2);
  read_back(stream, host, y);
  must(cudaStreamSynchronize(other.get()));
  expect(host == Values(kThreads, 5), "a read back has not happened before a wait");
  must(cudaStreamSynchronize(stream.get()));
  expect(host == kTwos, "a read back has happened after a wait");
  // What is written from the host is taken at the call.
  Values source = kTwos;
  y.write(source, stream);
  source.assign(kThreads, 9);
  must(cudaStreamSynchronize(stream.get()));
  expect(y.read() == kTwos, "a write takes the host's bytes at the call");
}

// The second stream does not wait for the first, and reads what is not written yet.
void test_missing_wait() {
  const Array<int32_t> x(kOnes), y(kThreads), z(kThreads);
  Stream first, second;
  launch(first, scale, y, x);
  launch(second, scale, z, y);
  expect_report(second.wait(), "reads 4 bytes: unwritten device memory at byte 0 of an allocation");
  expect(first.wait().empty(), "the first stream is well");
}

void test_events() {
  const Array<int32_t> x(kOnes), y(kThreads), z(kThreads);
  Stream first, second;
  cudaEvent_t start = nullptr, end = nullptr;
  must(cudaEventCreateWithFlags(&start, cudaEventDefault));
  must(cudaEventCreateWithFlags(&end, cudaEventDefault));
  float ms = -1;
  expect_error(cudaEventElapsedTime(&ms, start, end), cudaErrorInvalidResourceHandle,
               "elapsed of events that were not recorded");
  must(cudaStreamWaitEvent(second.get(), end));  // never recorded: no wait
  must(cudaEventRecord(start, first.get()));
  launch(first, scale, y, x, 2);
  must(cudaEventRecord(end, first.get()));
  launch(first, scale, y, x, 100);
  must(cudaStreamWaitEvent(second.get(), end));
  launch(second, scale, z, y);
  // Recording again does not move the wait.
  must(cudaEventRecord(end, first.get()));
  expect_error(cudaEventElapsedTime(&ms, start, end), cudaErrorNotReady, "elapsed before an end");
  must(cudaStreamSynchronize(second.get()));
  expect(z.read() == kTwos, "the first stream ran up to the event and no further");
  must(cudaEventSynchronize(end));
  expect(y.read() == Values(kThreads, 100), "the event was waited for");
  must(cudaEventElapsedTime(&ms, start, end));
  expect(ms > 0, "time elapsed");
  // Streams that wait for each other in turns.
  launch(first, scale, y, x, 2);
  for (int i = 0; i < 4; i++) {
    must(cudaEventRecord(start, first.get()));
    must(cudaStreamWaitEvent(second.get(), start));
    launch(second, scale, z, y, 2);
    must(cudaEventRecord(end, second.get()));
    must(cudaStreamWaitEvent(first.get(), end));
    must(cudaStreamWaitEvent(first.get(), start));  // of its own
    launch(first, scale, y, z, 1);
  }
  must(cudaStreamSynchronize(first.get()));
  expect(y.read() == Values(kThreads, 32), "streams take turns");
  must(cudaEventDestroy(start));
  must(cudaEventDestroy(end));
  expect_error(cudaEventDestroy(end), cudaErrorInvalidResourceHandle, "an event destroyed twice");
  expect_error(cudaEventRecord(end, first.get()), cudaErrorInvalidResourceHandle, "a dead event");
}

// An event outlives the stream it was recorded on.
void test_event_of_a_dead_stream() {
  const Array<int32_t> x(kOnes), y(kThreads);
  cudaEvent_t event = nullptr;
  must(cudaEventCreateWithFlags(&event, cudaEventDefault));
  Stream second;
  {
    Stream first;
    launch(first, scale, y, x, 2);
    must(cudaEventRecord(event, first.get()));
    must(cudaStreamWaitEvent(second.get(), event));
  }
  must(cudaStreamSynchronize(second.get()));
  must(cudaEventSynchronize(event));
  expect(y.read() == kTwos, "a stream's work is done when it is destroyed");
  must(cudaEventDestroy(event));
}

// ---- graphs ----

cudaGraphExec_t record(Stream &stream, const Array<int32_t> &x, const Array<int32_t> &y) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  must(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeRelaxed));
  launch(stream, scale, y, x, 2);
  launch(stream, add, y, x);
  must(cudaStreamEndCapture(stream.get(), &graph));
  must(cudaGraphInstantiate(&exec, graph));
  must(cudaGraphDestroy(graph));
  return exec;
}

void test_graph() {
  Array<int32_t> x(kOnes), y(Values(kThreads, 7));
  Stream stream;
  const cudaGraphExec_t exec = record(stream, x, y);
  must(cudaStreamSynchronize(stream.get()));
  expect(y.read() == Values(kThreads, 7), "recorded work does not run");
  must(cudaGraphLaunch(exec, stream.get()));
  must(cudaStreamSynchronize(stream.get()));
  expect(y.read() == Values(kThreads, 3), "a graph runs");
  x.write(Values(kThreads, 5), stream);
  must(cudaGraphLaunch(exec, stream.get()));
  x.write(Values(kThreads, 6), stream);
  must(cudaStreamSynchronize(stream.get()));
  expect(y.read() == Values(kThreads, 15), "a graph reads what is there when it runs");
  Stream other;
  must(cudaGraphLaunch(exec, other.get()));
  must(cudaGraphExecDestroy(exec));
  must(cudaStreamSynchronize(other.get()));
  expect(y.read() == Values(kThreads, 18), "a graph runs on any stream, and may be destroyed then");
  expect_error(cudaGraphLaunch(exec, stream.get()), cudaErrorInvalidValue, "a destroyed graph");
}

void test_capture_refusals() {
  const Array<int32_t> x(kOnes);
  Values host(kThreads);
  cudaEvent_t event = nullptr;
  must(cudaEventCreateWithFlags(&event, cudaEventDefault));
  Stream s;
  Array<int32_t> y(kOnes);
  const cudaGraphExec_t exec = record(s, x, y);
  const auto spoils = [&](const char *what, auto call) {
    must(cudaStreamBeginCapture(s.get(), cudaStreamCaptureModeRelaxed));
    expect_error(call(), cudaErrorStreamCaptureUnsupported, what);
    cudaGraph_t graph = nullptr;
    expect_error(cudaStreamEndCapture(s.get(), &graph), cudaErrorStreamCaptureInvalidated, what);
    expect(graph == nullptr, what);
  };
  const size_t bytes = host.size() * sizeof(int32_t);
  spoils("synchronize", [&] { return cudaStreamSynchronize(s.get()); });
  spoils("wait for the device", [] { return cudaDeviceSynchronize(); });
  spoils("read", [&] {
    return cudaMemcpyAsync(host.data(), x.get(), bytes, cudaMemcpyDeviceToHost, s.get());
  });
  spoils("write", [&] {
    return cudaMemcpyAsync(x.get(), host.data(), bytes, cudaMemcpyHostToDevice, s.get());
  });
  spoils("record an event", [&] { return cudaEventRecord(event, s.get()); });
  spoils("wait for an event", [&] { return cudaStreamWaitEvent(s.get(), event); });
  spoils("launch a graph", [&] { return cudaGraphLaunch(exec, s.get()); });
  void *memory = nullptr;
  must(cudaMalloc(&memory, 64));
  spoils("free", [&] { return cudaFree(memory); });
  must(cudaFree(memory));
  must(cudaStreamBeginCapture(s.get(), cudaStreamCaptureModeRelaxed));
  expect_error(cudaStreamBeginCapture(s.get(), cudaStreamCaptureModeRelaxed),
               cudaErrorStreamCaptureUnsupported, "recording twice");
  cudaGraph_t graph = nullptr;
  must(cudaStreamEndCapture(s.get(), &graph));
  must(cudaGraphDestroy(graph));
  expect_error(cudaStreamEndCapture(s.get(), &graph), cudaErrorInvalidValue, "nothing is recorded");
  must(cudaGraphExecDestroy(exec));
  must(cudaEventDestroy(event));
}

// ---- memory ----

void test_memory() {
  const Array<int32_t> x(kOnes), y(kThreads), small(4);
  Stream stream;
  expect(reinterpret_cast<uintptr_t>(small.get()) % 256 == 0, "allocations are aligned to 256");
  void *memory = nullptr;
  must(cudaMalloc(&memory, kThreads * sizeof(int32_t)));
  expect_error(cudaFree(static_cast<char *>(memory) + 4), cudaErrorInvalidValue, "half a free");
  must(cudaFree(memory));
  must(put(stream, scale, 1, kThreads, 0, Params{y.get(), static_cast<int32_t *>(memory), 1}));
  expect_report(stream.wait(), "reads 4 bytes: out of bounds");  // use after free
  expect_error(cudaFree(memory), cudaErrorInvalidValue, "a double free");
  expect_error(cudaMalloc(&memory, size_t{1} << 50), cudaErrorMemoryAllocation, "2^50 bytes");
  launch(stream, scale, small, x);
  expect_report(stream.wait(), "writes 4 bytes: out of bounds, at byte 16 of an allocation of 16");
  // Unwritten memory stays so over a copy, but may be read back.
  Values host(kThreads);
  const size_t bytes = kThreads * sizeof(int32_t);
  const Array<int32_t> fresh(kThreads), copied(kThreads);
  must(cudaMemcpyAsync(fresh.get() + 1, x.get(), 8, cudaMemcpyDeviceToDevice, stream.get()));
  must(cudaMemcpyAsync(copied.get(), fresh.get(), bytes, cudaMemcpyDeviceToDevice, stream.get()));
  must(cudaMemcpyAsync(host.data(), copied.get(), bytes, cudaMemcpyDeviceToHost, stream.get()));
  must(cudaStreamSynchronize(stream.get()));
  expect(host[1] == 1 && host[2] == 1, "a copy copies");
  launch(stream, scale, y, copied);
  expect_report(stream.wait(), "unwritten device memory at byte 0 of");
  must(put(stream, scale, 1, kThreads, 0, Params{y.get(), copied.get() + 1, 1}));
  expect_report(stream.wait(), "unwritten device memory at byte 12 of");
  const Array<int32_t> written(kOnes);
  must(cudaMemcpyAsync(written.get(), fresh.get(), bytes, cudaMemcpyDeviceToDevice, stream.get()));
  launch(stream, scale, y, written);
  expect_report(stream.wait(), "unwritten device memory at byte 0 of");
  must(cudaMemsetAsync(copied.get(), 0, bytes, stream.get()));
  launch(stream, scale, y, copied);
  expect(stream.wait().empty(), "a fill writes");
  // Copies are checked like accesses.
  must(cudaMemcpyAsync(small.get(), x.get(), 20, cudaMemcpyDeviceToDevice, stream.get()));
  expect_report(stream.wait(), "a copy writes out of bounds, at byte 16 of an allocation of 16");
  must(cudaMemcpyAsync(host.data(), small.get(), 20, cudaMemcpyDeviceToHost, stream.get()));
  expect_report(stream.wait(), "a copy reads out of bounds, at byte 16 of an allocation of 16");
  must(cudaMemcpyAsync(y.get(), host.data(), 20, cudaMemcpyDeviceToDevice, stream.get()));
  expect_report(stream.wait(), "a copy reads memory of the host");
  must(cudaMemsetAsync(small.get(), 0, 20, stream.get()));
  expect_report(stream.wait(), "a fill writes out of bounds");
}

// Memory that is kept for reuse: nobody's until it is taken again, and unwritten then.
void test_kept_memory() {
  const Array<int32_t> x(kOnes), y(Values(kThreads, 1));
  const int64_t half = kThreads / 2 * sizeof(int32_t);
  Stream stream;
  annotate_given_back(x.get(), 2 * half);
  launch(stream, scale, y, x);
  expect_report(stream.wait(), "out of bounds, at byte 0 of an allocation of 128, given back");
  annotate_undefined(x.get(), 2 * half);
  launch(stream, scale, y, x);
  expect_report(stream.wait(), "unwritten device memory at byte 0");
  // Scratch memory of which only a part was asked for.
  launch(stream, scale, x, y);
  annotate_undefined(stream.get(), x.get(), half, 2 * half);
  launch(stream, scale, x, y);
  expect_report(stream.wait(), "writes 4 bytes: out of bounds, at byte 64 of an allocation of 128");
}

// ---- launches ----

void test_limits() {
  const Array<int32_t> x(kOnes), y(kThreads);
  Stream stream;
  const Params p{y.get(), x.get(), 1};
  const auto refused = [&](const char *what, dim3 grid, dim3 threads, int64_t shared) {
    expect_error(put(stream, scale, grid, threads, shared, p), cudaErrorInvalidConfiguration, what);
  };
  refused("no threads", 1, dim3(0, 1, 1), 0);
  refused("half a warp", 1, 48, 0);
  refused("1,056 threads", 1, 1056, 0);
  refused("no blocks", dim3(1, 0, 1), 32, 0);
  refused("65,536 blocks in y", dim3(1, 65536, 1), 32, 0);
  refused("65,536 blocks in z", dim3(1, 1, 65536), 32, 0);
  refused("49,153 bytes of shared memory without asking", 1, 32, 49153);
  must(put(stream, scale, 1, 32, 48 * 1024, p));
  expect_error(cudaFuncSetAttribute(scale, cudaFuncAttributeMaxDynamicSharedMemorySize, 101377),
               cudaErrorInvalidValue, "more shared memory than a block has");
  must(cudaFuncSetAttribute(scale, cudaFuncAttributeMaxDynamicSharedMemorySize, 99 * 1024));
  must(put(stream, scale, 1, 32, 99 * 1024, p));
  must(cudaStreamSynchronize(stream.get()));
  expect_error(cudaSetDevice(1), cudaErrorInvalidDevice, "a second device");
  Stream *gone = new Stream;
  const cudaStream_t dead = gone->get();
  delete gone;
  for (const cudaStream_t bad : {cudaStream_t{nullptr}, dead}) {
    expect_error(cudaStreamSynchronize(bad), cudaErrorInvalidResourceHandle, "a bad stream");
    expect_error(cudaMemsetAsync(y.get(), 0, 4, bad), cudaErrorInvalidResourceHandle,
                 "a bad stream");
    expect_error(cudaStreamBeginCapture(bad, cudaStreamCaptureModeRelaxed),
                 cudaErrorInvalidResourceHandle, "a bad stream");
    expect_error(cudaStreamDestroy(bad), cudaErrorInvalidResourceHandle, "a bad stream");
  }
}

// A failure is not lost when the first call to see it ignores it, and ends when it was
// acknowledged.
void test_failure_is_told() {
  const Array<int32_t> x(kOnes), y(Values(kThreads, 3));
  Stream stream, other;
  launch(stream, fail_always, y, x);
  launch(stream, scale, y, x, 2);
  void *memory = nullptr;
  must(cudaMalloc(&memory, 4));
  (void)cudaFree(memory);  // waits for the device, and is ignored
  launch(other, scale, y, x, 2);
  expect_report(other.wait(), "fail_always");
  expect(y.read() == Values(kThreads, 3), "nothing runs after a failure that nobody was told of");
  expect(cudaGetLastError() == cudaSuccess, "an acknowledged error is gone");
  launch(stream, scale, y, x, 2);
  expect(stream.wait().empty(), "work goes on after an acknowledged failure");
  expect(y.read() == kTwos, "work after a failure runs");
}

// Every host thread has its own last error; work from several runs.
void test_host_threads() {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int t = 0; t < 4; t++)
    threads.emplace_back([&wrong, t] {
      const Array<int32_t> x(kOnes), y(kThreads);
      Stream stream;
      for (int i = 0; i < 20; i++) {
        launch(stream, scale, y, x, 10 * t + i);
        must(cudaStreamSynchronize(stream.get()));
        wrong[static_cast<size_t>(t)] += y.read() == Values(kThreads, 10 * t + i) ? 0 : 1;
      }
    });
  for (std::thread &t : threads) t.join();
  expect(wrong == std::vector<int>(4), "host threads run their own work");
}

// ---- leaks ----

void test_leaks() {
  const auto closes = [](const char *report) {
    const cudaError_t error = annotate_closed();
    const std::string text = error == cudaSuccess ? "" : cudaGetErrorString(error);
    cudaGetLastError();
    if (*report)
      expect_report(text, report);
    else
      expect(text.empty(), "closing: " + text);
  };
  annotate_opened();
  closes("");
  annotate_opened();
  annotate_opened();
  void *memory = nullptr, *host = nullptr;
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  cudaGraph_t graph = nullptr;
  must(cudaMalloc(&memory, 4));
  must(cudaMallocHost(&host, 4));
  must(cudaStreamCreateWithFlags(&stream, 0));
  must(cudaEventCreateWithFlags(&event, 0));
  must(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  must(cudaStreamEndCapture(stream, &graph));
  closes("");  // another device is open
  closes("not given back: 2 allocations, 1 streams, 1 events, 1 graphs");
  annotate_opened();
  closes("");  // that has been reported
  must(cudaFree(memory));
  must(cudaFreeHost(host));
  must(cudaStreamDestroy(stream));
  must(cudaEventDestroy(event));
  must(cudaGraphDestroy(graph));
  const ll4::simt::Live live = ll4::simt::live();
  expect(live.allocations + live.streams + live.events + live.graphs == 0,
         "the tests leak nothing");
  annotate_opened();
  must(cudaStreamCreateWithFlags(&stream, 0));
  closes("not given back: 0 allocations, 1 streams");
  must(cudaStreamDestroy(stream));
  // A failure that nobody waited for.
  annotate_opened();
  {
    const Array<int32_t> x(kOnes), y(kOnes);
    must(cudaStreamCreateWithFlags(&stream, 0));
    cudaLaunchConfig_t config{};
    config.blockDim = dim3(kThreads);
    config.stream = stream;
    must(cudaLaunchKernelEx(&config, fail_always, Params{y.get(), x.get(), 1}));
    must(cudaStreamDestroy(stream));
    closes("fail_always");
  }
}

}  // namespace

int main() {
  test_order();
  test_deferral();
  test_missing_wait();
  test_events();
  test_event_of_a_dead_stream();
  test_graph();
  test_capture_refusals();
  test_memory();
  test_kept_memory();
  test_limits();
  test_failure_is_told();
  test_host_threads();
  test_leaks();
  return ll4::simt::test::finish("streams");
}
