// attention over the paged cache, online softmax over tiles of kTile positions.
//
// A task is the query heads of one KV head for consecutive tokens of a sequence, none of them
// across a chunk boundary, so all its rows share their first key. Tiles start there and are cut
// where pages end; a query's result therefore depends on its position and the cache alone, not on
// which tokens came with it.
//
// Keys and values of f8 and i4 are multiplied without their scales, for bf16 holds their numbers
// exactly. The scales of a tile's keys go into its scores, those of its values into the
// exponentials, which are in fp32 there.
#include <cmath>
#include <limits>

#include "../dtype.h"
#include "../plan/tiles.h"
#include "operands.h"

namespace ll4::cpu {

namespace {

constexpr int64_t kTile = 64;
constexpr int64_t kQueries = 16;  // tokens a task at least, where there are as many
constexpr int64_t kRows = 64;     // rows a task, where that takes more tokens: keys are reused
constexpr int64_t kFewQueries = 2;
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

struct Task {
  int32_t sequence;
  int32_t tokens;
  int64_t position;            // of its first token
  int64_t first_key, end_key;  // of the keys that any of its queries sees
  int64_t row;                 // of its first token in q and out
};

// What a task needs beside its queries, in floats.
struct Room {
  float *scores;      // [rows, kTile]
  float *out;         // [rows, D]
  float *most;        // [rows]: the largest score so far
  float *sum;         // [rows]: of exponentials
  uint16_t *rounded;  // [rows, kTile]: the exponentials as bf16
  float *wide;        // [kTile, D]: quantized keys or values
  uint16_t *narrow;   // [kTile, D]: the same as bf16
  float *k_scales;    // [kTile]
  float *v_scales;    // [kTile]
  static int64_t floats(int64_t rows, int64_t head_dim) {
    return rows * (kTile + head_dim + 2 + kTile / 2) + kTile * head_dim * 3 / 2 + 2 * kTile;
  }
  Room(float *p, int64_t rows, int64_t head_dim)
      : scores(p),
        out(p + rows * kTile),
        most(out + rows * head_dim),
        sum(most + rows),
        rounded(reinterpret_cast<uint16_t *>(sum + rows)),
        wide(sum + rows + rows * kTile / 2),
        narrow(reinterpret_cast<uint16_t *>(wide + kTile * head_dim)),
        k_scales(wide + kTile * head_dim * 3 / 2),
        v_scales(k_scales + kTile) {}
};

struct Job {
  const ll4_attention_args &args;
  const Kernels &kernels;
  PageView pages;
  int64_t heads, group, head_dim;
  int64_t row_bytes;  // of a key or a value
  bool kv_bf16;       // or quantized: numbers that bf16 holds

  void run(const Task &task, int64_t kv_head, const Activations &queries, float *room) const;
  void prefetch(int32_t sequence, int64_t first, int64_t end, int64_t kv_head) const;
  bool quantized() const { return args.kv.k_scale.buffer != nullptr; }
  // The row of the cache's pages that has a position.
  int64_t slot(int32_t sequence, int64_t position, int64_t kv_head) const;
  // `count` rows of keys or values from a slot on, as products want them. Quantized ones are
  // written to `room`, without their scales.
  const void *read(const ll4_tensor &cache, int64_t slot, int64_t count, bool pairs,
                   const Room &room) const;
};

int64_t Job::slot(int32_t sequence, int64_t position, int64_t kv_head) const {
  const int64_t page = pages.page(sequence, position);
  return (page * pages.heads() + kv_head) * pages.page_size() + position % pages.page_size();
}

const void *Job::read(const ll4_tensor &cache, int64_t slot, int64_t count, bool pairs,
                      const Room &room) const {
  const auto *from = data<const uint8_t>(cache) + slot * row_bytes;
  if (!quantized()) return from;
  if (cache.dtype == LL4_F8)
    kernels.dequantize_f8(from, 1, 0, room.wide, count * head_dim);
  else if (head_dim % 2 == 0)
    kernels.dequantize_i4(from, 1, 0, room.wide, count * head_dim);
  else
    for (int64_t i = 0; i < count; i++)
      kernels.dequantize_i4(from + i * row_bytes, 1, 0, room.wide + i * head_dim, head_dim);
  if (!pairs) return room.wide;
  kernels.narrow(room.wide, room.narrow, count * head_dim);
  return room.narrow;
}

// Calls body(offset in the tile, count, position) for each run of positions on one page.
template <class Body>
void each_run(const PageView &pages, int64_t first, int64_t end, Body body) {
  for (int64_t at = first; at < end;) {
    const int64_t page_end = (at / pages.page_size() + 1) * pages.page_size();
    const int64_t count = std::min(end, page_end) - at;
    body(at - first, count, at);
    at += count;
  }
}

// Fetches keys and values into L2 while earlier ones are worked on: with few queries attention
// runs at the memory's speed, and pages are too short for the hardware to follow.
void Job::prefetch(int32_t sequence, int64_t first, int64_t end, int64_t kv_head) const {
  constexpr int64_t kLine = 64;
  each_run(pages, first, end, [&](int64_t, int64_t count, int64_t position) {
    for (const ll4_tensor *cache : {&args.kv.k, &args.kv.v}) {
      const char *p = data<const char>(*cache) + slot(sequence, position, kv_head) * row_bytes;
      for (int64_t at = 0; at < count * row_bytes; at += kLine) __builtin_prefetch(p + at, 0, 2);
    }
  });
}

// One row of scores to exponentials; `valid` of them are visible, the rest become 0. Each may have
// a scale of its own. Returns by what the row's earlier sums shrink.
float softmax_row(const Kernels &kernels, float scale, const float *scales, float *scores,
                  int64_t valid, float &most, float &sum) {
  if (valid == 0) {
    std::memset(scores, 0, kTile * sizeof *scores);
    return 1.0f;
  }
  if (scales)
    kernels.scale_by(scores, scale, scales, scores, valid);
  else
    kernels.scale(scores, scale, scores, valid);
  const float highest = std::max(most, kernels.max(scores, valid));
  const float shrink = most == kMinusInfinity ? 0.0f : std::exp(most - highest);
  sum = sum * shrink + kernels.exp_sum(scores, highest, scores, valid);
  most = highest;
  std::memset(scores + valid, 0, static_cast<size_t>(kTile - valid) * sizeof *scores);
  return shrink;
}

void Job::run(const Task &task, int64_t kv_head, const Activations &queries, float *memory) const {
  const int64_t rows = task.tokens * group;
  const Room room(memory, rows, head_dim);
  std::memset(room.out, 0, static_cast<size_t>(rows * head_dim) * sizeof(float));
  std::fill(room.most, room.most + rows, kMinusInfinity);
  std::fill(room.sum, room.sum + rows, 0.0f);
  const int64_t end = task.end_key;
  const Operands operands = quantized() && !queries.bf16 ? kF32xF32 : queries.with(kv_bf16);
  const bool pairs = operands == kBf16xBf16;

  for (int64_t first = task.first_key; first < end; first += kTile) {
    const int64_t last = std::min(end, first + kTile);
    if (task.tokens <= kFewQueries)
      prefetch(task.sequence, last, std::min(end, last + kTile), kv_head);
    each_run(pages, first, last, [&](int64_t offset, int64_t count, int64_t position) {
      const int64_t at = slot(task.sequence, position, kv_head);
      if (quantized()) {
        const auto bytes = static_cast<size_t>(count) * sizeof(float);
        std::memcpy(room.k_scales + offset, data<const float>(args.kv.k_scale) + at, bytes);
        std::memcpy(room.v_scales + offset, data<const float>(args.kv.v_scale) + at, bytes);
      }
      kernels.dot[operands](Block{queries.data, head_dim, read(args.kv.k, at, count, pairs, room),
                                  head_dim, room.scores + offset, kTile, rows, count, head_dim});
    });
    for (int64_t r = 0; r < rows; r++) {
      const int64_t seen = args.bidirectional ? end : task.position + r / group + 1;
      const int64_t valid = std::clamp<int64_t>(seen - first, 0, last - first);
      float *scores = room.scores + r * kTile;
      const float shrink = softmax_row(kernels, args.scale, quantized() ? room.k_scales : nullptr,
                                       scores, valid, room.most[r], room.sum[r]);
      if (quantized()) kernels.scale_by(scores, 1.0f, room.v_scales, scores, valid);
      if (shrink != 1.0f)
        kernels.scale(room.out + r * head_dim, shrink, room.out + r * head_dim, head_dim);
    }
    if (pairs) kernels.narrow(room.scores, room.rounded, rows * kTile);
    each_run(pages, first, last, [&](int64_t offset, int64_t count, int64_t position) {
      const void *weights = pairs ? static_cast<const void *>(room.rounded + offset)
                                  : static_cast<const void *>(room.scores + offset);
      const int64_t at = slot(task.sequence, position, kv_head);
      kernels.outer[operands](Block{weights, kTile, read(args.kv.v, at, count, pairs, room),
                                    head_dim, room.out, head_dim, rows, head_dim, count});
    });
  }
  const Rows32 out(kernels, args.out, heads * head_dim);
  for (int64_t r = 0; r < rows; r++) {
    float *result = room.out + r * head_dim;
    kernels.scale(result, 1.0f / room.sum[r], result, head_dim);
    out.store(task.row + r / group, (kv_head * group + r % group) * head_dim, result, head_dim);
  }
}

std::vector<Task> plan_tasks(const BatchView &batch, const ll4_attention_args &args,
                             int64_t queries) {
  const int64_t chunk = args.chunk;
  std::vector<Task> tasks;
  for (int32_t b = 0; b < batch.sequences; b++) {
    const int64_t begin = batch.past[b];
    const int64_t end = begin + batch.seq_start[b + 1] - batch.seq_start[b];
    for (int64_t at = begin; at < end;) {
      const int64_t first_key = chunk ? at / chunk * chunk : 0;
      const int64_t stop = std::min({end, at + queries, chunk ? first_key + chunk : end});
      tasks.push_back(Task{b, static_cast<int32_t>(stop - at), at, first_key,
                           args.bidirectional ? end : stop, batch.seq_start[b] + (at - begin)});
      at = stop;
    }
  }
  return tasks;
}

// The rows of a task's queries, (token, head of the group) in order, in the operands' type.
Activations gather_queries(const Job &job, const Task &task, int64_t kv_head, int32_t compute,
                           float *wide, uint16_t *narrow) {
  const int64_t d = job.head_dim;
  const ll4_tensor &q = job.args.q;
  for (int64_t i = 0; i < task.tokens; i++) {
    const int64_t first = ((task.row + i) * job.heads + kv_head * job.group) * d;
    float *to = wide + i * job.group * d;
    if (q.dtype == LL4_BF16)
      job.kernels.widen(data<const uint16_t>(q) + first, to, job.group * d);
    else
      std::memcpy(to, data<const float>(q) + first, static_cast<size_t>(job.group * d) * 4);
  }
  const int64_t n = task.tokens * job.group * d;
  if (job.kernels.bf16_dot && job.kv_bf16 && compute != LL4_COMPUTE_F32) {
    job.kernels.narrow(wide, narrow, n);
    return Activations{narrow, true};
  }
  if (compute == LL4_COMPUTE_BF16) round_to_bf16(job.kernels, wide, n);
  return Activations{wide, false};
}

}  // namespace

void attention(ll4_stream &stream, const ll4_attention_args &a) {
  Running running(stream);
  Device &device = running.device;
  const BatchView batch(a.batch);
  const int64_t kv_heads = a.kv.k.shape[1];
  const Job job{a,
                device.kernels,
                PageView(a.kv),
                a.q.shape[1],
                a.q.shape[1] / kv_heads,
                a.q.shape[2],
                row_bytes(a.kv.k.dtype, a.q.shape[2]),
                a.kv.k.dtype != LL4_F32};
  const int64_t task_tokens = std::max(kQueries, kRows / job.group);
  const std::vector<Task> tasks = plan_tasks(batch, a, task_tokens);
  const int64_t count = static_cast<int64_t>(tasks.size()) * kv_heads;

  const int64_t most_rows = task_tokens * job.group;
  const int64_t queries = most_rows * job.head_dim;
  const int64_t floats = 2 * queries + Room::floats(most_rows, job.head_dim);
  device.pool.run(count, [&](int64_t i) {
    const Task &task = tasks[static_cast<size_t>(i / kv_heads)];
    thread_local std::vector<float> memory;
    if (static_cast<int64_t>(memory.size()) < floats) memory.resize(static_cast<size_t>(floats));
    float *wide = memory.data();
    auto *narrow = reinterpret_cast<uint16_t *>(wide + queries);
    const Activations q = gather_queries(job, task, i % kv_heads, a.compute, wide, narrow);
    job.run(task, i % kv_heads, q, wide + 2 * queries);
  });
}

}  // namespace ll4::cpu
