// What the emulator's tests share: device memory and streams that are given back, launches, and
// expectations about reports.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace ll4::simt::test {

inline int failures = 0;

inline void expect(bool held, const std::string &what) {
  if (held) return;
  std::printf("FAILED: %s\n", what.c_str());
  failures++;
}

inline void expect_error(cudaError_t got, cudaError_t wanted, const std::string &what) {
  expect(got == wanted, what + ": got error " + std::to_string(got) + " (" +
                            cudaGetErrorString(got) + "), not " + std::to_string(wanted));
  if (got != cudaSuccess) cudaGetLastError();
}

inline void must(cudaError_t error) {
  expect_error(error, cudaSuccess, "a call of the test itself");
}

inline int finish(const char *name) {
  if (failures == 0) std::printf("%s: ok\n", name);
  return failures == 0 ? 0 : 1;
}

// "cuda/simt/test/x.cu:12: " for the one line of the file that ends in "// <mark>".
inline std::string line_of(const std::string &file, const std::string &mark) {
  std::ifstream source(file);
  std::string line;
  for (int n = 1; std::getline(source, line); n++) {
    const std::string end = "// " + mark;
    if (line.size() < end.size() || line.compare(line.size() - end.size(), end.size(), end) != 0)
      continue;
    return file.substr(file.rfind("/cuda/") + 1) + ":" + std::to_string(n) + ": ";
  }
  return "no line of " + file + " is marked " + mark;
}

class Stream {
 public:
  Stream() { must(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() { must(cudaStreamDestroy(stream_)); }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;
  cudaStream_t get() const { return stream_; }

  // What waiting for the stream reports, and empty when nothing is wrong.
  std::string wait() {
    const cudaError_t error = cudaStreamSynchronize(stream_);
    if (error == cudaSuccess) return "";
    const std::string report = cudaGetErrorString(error);
    cudaGetLastError();
    return report;
  }

 private:
  cudaStream_t stream_ = nullptr;
};

// n elements of device memory, unwritten.
template <class T>
class Array {
 public:
  explicit Array(int64_t n) : n_(n) {
    void *p = nullptr;
    must(cudaMalloc(&p, static_cast<size_t>(n) * sizeof(T)));
    at_ = static_cast<T *>(p);
  }
  explicit Array(const std::vector<T> &values) : Array(static_cast<int64_t>(values.size())) {
    Stream stream;
    write(values, stream);
    must(cudaStreamSynchronize(stream.get()));
  }
  ~Array() { must(cudaFree(at_)); }
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;
  T *get() const { return at_; }

  void write(const std::vector<T> &values, Stream &stream) {
    must(cudaMemcpyAsync(at_, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice,
                         stream.get()));
  }
  std::vector<T> read() const {
    Stream stream;
    std::vector<T> values(static_cast<size_t>(n_));
    must(cudaMemcpyAsync(values.data(), at_, values.size() * sizeof(T), cudaMemcpyDeviceToHost,
                         stream.get()));
    must(cudaStreamSynchronize(stream.get()));
    return values;
  }

 private:
  T *at_ = nullptr;
  int64_t n_;
};

template <class Kernel, class... Args>
cudaError_t put(Stream &stream, Kernel kernel, dim3 grid, dim3 threads, int64_t shared,
                const Args &...args) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = threads;
  config.dynamicSmemBytes = static_cast<size_t>(shared);
  config.stream = stream.get();
  return cudaLaunchKernelEx(&config, kernel, args...);
}

}  // namespace ll4::simt::test
