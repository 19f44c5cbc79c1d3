#include "sample.cuh"

#include "device.h"

namespace ll4::cuda {

namespace {

template <int threads>
void run(Stream &stream, const SampleParams &p, int64_t rows) {
  launch(stream, "sample", sample_kernel<threads>, dim3(static_cast<unsigned>(rows)), threads,
         sizeof(SampleShared<threads>), p);
}

}  // namespace

void sample(ll4_stream &stream, const ll4_sample_args &a) {
  Stream &s = begin(stream);
  const int64_t rows = a.x.shape[0], n = a.x.shape[1];
  if (rows == 0) return;
  const SampleParams params{
      data<const float>(a.x),     data<const float>(a.temperature), data<const int32_t>(a.top_k),
      data<const float>(a.top_p), data<const float>(a.min_p),       data<const float>(a.draw),
      data<int32_t>(a.ids),       static_cast<uint32_t>(n),         vectors(a.x, n)};
  // A row is read by one multiprocessor, which takes all the threads it has for a long one.
  if (n > 8192)
    run<1024>(s, params, rows);
  else
    run<128>(s, params, rows);
}

}  // namespace ll4::cuda
