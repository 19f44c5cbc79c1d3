// A device that is closed with memory left in it says so. Programs cannot bring that about, only a
// backend that forgets what it took: here the emulated GPU, whose memory is taken behind the back
// of the ABI.
#include <cstdio>
#include <cstring>

#include "backend.h"

namespace {

int failures = 0;

void expect(bool holds, const char *what, const ll4_error &error) {
  if (holds) return;
  failures++;
  std::printf("FAIL %s: %d %s: %s\n", what, error.code, error.operation, error.message);
}

ll4_device *open() {
  ll4_error error{};
  error.size = sizeof error;
  ll4_device *device = nullptr;
  expect(ll4_device_open("simt", nullptr, &device, &error) == LL4_OK, "opens", error);
  return device;
}

void expect_close(ll4_device *device, const char *report) {
  ll4_error error{};
  error.size = sizeof error;
  const ll4_status status = ll4_device_close(device, &error);
  expect((status == LL4_OK) == !*report && std::strstr(error.message, report), report, error);
}

}  // namespace

int main() {
  ll4_device *device = open();
  if (!device) return 1;
  ll4_buffer *buffer = nullptr;
  ll4_stream *stream = nullptr;
  ll4_error error{};
  error.size = sizeof error;
  expect(ll4_buffer_create(device, 100, &buffer, &error) == LL4_OK, "a buffer", error);
  expect(ll4_stream_create(device, &stream, &error) == LL4_OK, "a stream", error);
  expect_close(device, "1 buffers, 1 streams, 0 events and 0 graphs are open");
  ll4_stream_destroy(stream);
  ll4_buffer_destroy(buffer);
  expect_close(device, "");

  device = open();
  if (!device) return 1;
  device->allocate(100);
  expect_close(device, "not given back: 1 allocations, 0 streams");
  expect_close(open(), "");  // that has been reported
  std::printf("leak_test: %d failures\n", failures);
  return failures ? 1 : 0;
}
