/* The library as a C program sees it, compiled as C11: some operations, errors. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "llama4.h"

static int failures = 0;

#define EXPECT(condition)                                         \
  do {                                                            \
    if (!(condition)) {                                           \
      failures++;                                                 \
      printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #condition); \
    }                                                             \
  } while (0)

static ll4_error error = {.size = sizeof(ll4_error)};

static void expect_ok(ll4_status status) {
  if (status == LL4_OK) return;
  failures++;
  printf("FAIL %s: %s\n", error.operation, error.message);
}

static ll4_tensor tensor(const ll4_buffer *buffer, int32_t dtype, int rank, const int64_t *shape) {
  ll4_tensor t = {.buffer = buffer, .dtype = dtype, .rank = rank};
  for (int i = 0; i < rank; i++) t.shape[i] = shape[i];
  return t;
}

#define TENSOR(buffer, dtype, ...)                                                 \
  tensor(buffer, dtype, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), \
         (const int64_t[]){__VA_ARGS__})

static ll4_buffer *filled(ll4_device *device, ll4_stream *stream, const void *data, int64_t bytes) {
  ll4_buffer *buffer = NULL;
  expect_ok(ll4_buffer_create(device, bytes, &buffer, &error));
  expect_ok(ll4_write(stream, buffer, 0, data, bytes, &error));
  return buffer;
}

/* Small whole numbers are exact in bf16, and so are these products. */
static uint16_t bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (uint16_t)(bits >> 16);
}

static void test_matmul(ll4_device *device, ll4_stream *stream) {
  const float x[2 * 3] = {1, 2, 3, -1, 0, 4};
  uint16_t w[2 * 3];
  for (int i = 0; i < 6; i++) w[i] = bf16((float)(i + 1)); /* rows 1 2 3 and 4 5 6 */
  float out[4] = {0};
  ll4_buffer *xb = filled(device, stream, x, sizeof x), *wb = filled(device, stream, w, sizeof w);
  ll4_buffer *ob = filled(device, stream, out, sizeof out);
  ll4_matmul_args args = {.size = sizeof args, .parts = 1, .x = TENSOR(xb, LL4_F32, 2, 3)};
  args.weight[0].data = TENSOR(wb, LL4_BF16, 2, 3);
  args.out = TENSOR(ob, LL4_F32, 2, 2);
  expect_ok(ll4_matmul(stream, &args, &error));
  expect_ok(ll4_read(stream, ob, 0, out, sizeof out, &error));
  EXPECT(out[0] == 14 && out[1] == 32 && out[2] == 11 && out[3] == 20);

  args.x.shape[1] = 4; /* more than the buffer holds */
  EXPECT(ll4_matmul(stream, &args, &error) == LL4_INVALID_ARGUMENT);
  EXPECT(strcmp(error.operation, "matmul") == 0 && strstr(error.message, "x ") == error.message);
  args.size = 0;
  EXPECT(ll4_matmul(stream, &args, NULL) == LL4_INVALID_ARGUMENT);
  EXPECT(ll4_device_close(device, &error) == LL4_INVALID_ARGUMENT); /* buffers are open */
  ll4_buffer_destroy(xb);
  ll4_buffer_destroy(wb);
  ll4_buffer_destroy(ob);
}

/* One sequence with one cached token and one new one, one head of four: the new token's query
 * sees both keys, with chunk 1 only its own. */
static void test_attention(ll4_device *device, ll4_stream *stream) {
  const float q[4] = {1, 0, 0, 0};
  const float k[2][4] = {{2, 0, 0, 0}, {1, 0, 0, 0}}, v[2][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
  const int32_t seq_start[2] = {0, 1}, past[1] = {1}, table[1] = {0};
  float out[4] = {0};
  ll4_buffer *qb = filled(device, stream, q, sizeof q), *kb = filled(device, stream, k, sizeof k);
  ll4_buffer *vb = filled(device, stream, v, sizeof v);
  ll4_buffer *sb = filled(device, stream, seq_start, sizeof seq_start);
  ll4_buffer *pb = filled(device, stream, past, sizeof past);
  ll4_buffer *tb = filled(device, stream, table, sizeof table);
  ll4_buffer *ob = filled(device, stream, out, sizeof out);
  ll4_attention_args args = {.size = sizeof args, .scale = 1};
  args.batch = (ll4_batch){.sequences = 1, .tokens = 1, .max_new = 1, .max_context = 2};
  args.batch.seq_start = TENSOR(sb, LL4_I32, 2);
  args.batch.past = TENSOR(pb, LL4_I32, 1);
  args.q = TENSOR(qb, LL4_F32, 1, 1, 4);
  args.kv.k = TENSOR(kb, LL4_F32, 1, 1, 2, 4);
  args.kv.v = TENSOR(vb, LL4_F32, 1, 1, 2, 4);
  args.kv.page_table = TENSOR(tb, LL4_I32, 1, 1);
  args.out = TENSOR(ob, LL4_F32, 1, 1, 4);
  expect_ok(ll4_attention(stream, &args, &error));
  expect_ok(ll4_read(stream, ob, 0, out, sizeof out, &error));
  const double first = 1 / (1 + exp(-1.0)); /* scores 2 and 1 */
  for (int i = 0; i < 4; i++)
    EXPECT(fabs(out[i] - (first * v[0][i] + (1 - first) * v[1][i])) < 1e-5);

  args.chunk = 1;
  expect_ok(ll4_attention(stream, &args, &error));
  expect_ok(ll4_read(stream, ob, 0, out, sizeof out, &error));
  for (int i = 0; i < 4; i++) EXPECT(out[i] == v[1][i]);
  ll4_buffer *all[] = {qb, kb, vb, sb, pb, tb, ob};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) ll4_buffer_destroy(all[i]);
}

/* Rows of logits with rules of their own: greedy, a draw, and one that nothing can be drawn of. */
static void test_sample(ll4_device *device, ll4_stream *stream) {
  const float x[3][4] = {{0, 3, 3, 1}, {5, 5, -9, 5}, {(float)NAN, 0, 0, 0}};
  const float temperature[3] = {0, 1, 1}, top_p[3] = {1, 1, 1}, min_p[3] = {0, 0.5f, 0};
  const float draw[3] = {0.9f, 0.5f, 0};
  const int32_t top_k[3] = {0, 3, 0};
  int32_t ids[3] = {9, 9, 9};
  ll4_buffer *xb = filled(device, stream, x, sizeof x);
  ll4_buffer *tb = filled(device, stream, temperature, sizeof temperature);
  ll4_buffer *kb = filled(device, stream, top_k, sizeof top_k);
  ll4_buffer *pb = filled(device, stream, top_p, sizeof top_p);
  ll4_buffer *mb = filled(device, stream, min_p, sizeof min_p);
  ll4_buffer *db = filled(device, stream, draw, sizeof draw);
  ll4_buffer *ib = filled(device, stream, ids, sizeof ids);
  ll4_sample_args args = {.size = sizeof args, .x = TENSOR(xb, LL4_F32, 3, 4)};
  args.temperature = TENSOR(tb, LL4_F32, 3);
  args.top_k = TENSOR(kb, LL4_I32, 3);
  args.top_p = TENSOR(pb, LL4_F32, 3);
  args.min_p = TENSOR(mb, LL4_F32, 3);
  args.draw = TENSOR(db, LL4_F32, 3);
  args.ids = TENSOR(ib, LL4_I32, 3);
  expect_ok(ll4_sample(stream, &args, &error));
  expect_ok(ll4_read(stream, ib, 0, ids, sizeof ids, &error));
  EXPECT(ids[0] == 1 && ids[1] == 1 && ids[2] == -1);
  ll4_buffer *all[] = {xb, tb, kb, pb, mb, db, ib};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) ll4_buffer_destroy(all[i]);
}

/* The CPU has no graphs, and says so. */
static void test_graphs(ll4_device *device, ll4_stream *stream) {
  ll4_device_info info = {.size = sizeof info};
  expect_ok(ll4_device_get_info(device, &info, &error));
  EXPECT(info.graphs == 0);
  ll4_graph *graph = NULL;
  EXPECT(ll4_graph_begin(stream, &error) == LL4_UNSUPPORTED);
  EXPECT(ll4_graph_end(stream, &graph, &error) == LL4_UNSUPPORTED && !graph);
  EXPECT(ll4_graph_launch(NULL, stream, &error) == LL4_INVALID_ARGUMENT);
  EXPECT(strcmp(error.operation, "graph_launch") == 0);
  ll4_graph_destroy(NULL);
  EXPECT(ll4_stream_native(NULL) == NULL);
}

static void test_loading(void) {
  const ll4_api *api = ll4_get_api(LL4_ABI_VERSION);
  EXPECT(api && api->size == sizeof *api && api->matmul == ll4_matmul);
  EXPECT(ll4_get_api(LL4_ABI_VERSION + 1) == NULL);
  ll4_device *device = NULL;
  EXPECT(ll4_device_open("abacus", NULL, &device, &error) == LL4_NO_DEVICE && !device);
  EXPECT(ll4_device_open("cuda:", NULL, &device, &error) == LL4_NO_DEVICE && !device);
  EXPECT(ll4_device_open(NULL, NULL, &device, &error) == LL4_INVALID_ARGUMENT);
  ll4_device_options options = {.size = sizeof options, .isa = "mmx"};
  EXPECT(ll4_device_open("cpu", &options, &device, &error) == LL4_UNSUPPORTED);
}

/* A newer caller's larger struct is taken as long as it does not use what it added. */
static void test_sizes(void) {
  struct {
    ll4_device_options known;
    int64_t added;
  } newer = {{.size = sizeof newer}, 0};
  ll4_device *device = NULL;
  expect_ok(ll4_device_open("cpu", &newer.known, &device, &error));
  expect_ok(ll4_device_close(device, &error));
  newer.added = 1;
  EXPECT(ll4_device_open("cpu", &newer.known, &device, &error) == LL4_INVALID_ARGUMENT);
}

int main(void) {
  test_loading();
  test_sizes();
  ll4_device *device = NULL;
  ll4_stream *stream = NULL;
  expect_ok(ll4_device_open("cpu", NULL, &device, &error));
  expect_ok(ll4_stream_create(device, &stream, &error));
  if (failures == 0) {
    test_matmul(device, stream);
    test_attention(device, stream);
    test_sample(device, stream);
    test_graphs(device, stream);
  }
  ll4_stream_destroy(stream);
  expect_ok(ll4_device_close(device, &error));
  printf("abi_test: %d failures\n", failures);
  return failures ? 1 : 0;
}
