// grouped_matmul: every expert's rows against its own matrix.
//
// Without scatter a task is a block of an expert's rows by a block of columns. With scatter a task
// is a block of columns over all experts, in ascending order, so that a token's rows are summed in
// one order whatever the threads do.
#include "operands.h"

namespace ll4::cpu {

namespace {

struct Job {
  const ll4_grouped_matmul_args &args;
  Device &device;
  WeightActivations x;
  const int32_t *offsets;
  int64_t experts;
  int64_t width;  // columns of out
  int64_t rows;
};

// A token's rows must lie inside the tensors before anything is read through them.
void check_indices(const char *field, const ll4_tensor &t, int64_t end) {
  const int32_t *index = data<const int32_t>(t);
  for (int64_t r = 0; index && r < t.shape[0]; r++)
    if (index[r] < 0 || index[r] >= end)
      fail(LL4_INVALID_ARGUMENT, "%s[%lld] is %d, not in 0 to %lld", field,
           static_cast<long long>(r), index[r], static_cast<long long>(end - 1));
}

void check_offsets(const Job &job) {
  bool good = job.offsets[0] == 0 && job.offsets[job.experts] == job.rows;
  for (int64_t e = 0; e < job.experts; e++) good &= job.offsets[e] <= job.offsets[e + 1];
  if (!good)
    fail(LL4_INVALID_ARGUMENT, "offsets do not ascend from 0 to the %lld rows",
         static_cast<long long>(job.rows));
}

// Rows `row` .. of expert e, columns `column` .. of out, into a tile.
void compute(const Job &job, int64_t e, int64_t row, int64_t rows, int64_t column, int64_t columns,
             float *tile) {
  const Kernels &kernels = job.device.kernels;
  const Matrix w = matrix(job.args.weight, e);
  multiply(kernels, job.x, row, rows, w, column, columns, tile);
  if (!job.args.swiglu) return;
  alignas(64) float up[plan::kTileFloats];
  multiply(kernels, job.x, row, rows, w, job.width + column, columns, up);
  kernels.swiglu(tile, up, tile, rows * columns);
}

struct Task {
  int64_t expert, row, rows, column, columns;
};

void run_rows(const Job &job) {
  std::vector<Task> tasks;
  for (int64_t e = 0; e < job.experts; e++) {
    const int64_t first = job.offsets[e], count = job.offsets[e + 1] - first;
    if (count == 0) continue;
    const plan::Tiles t = plan::tiles(count, job.width, job.device.pool.threads());
    for (int64_t c = 0; c < t.column_blocks; c++)
      for (int64_t r = 0; r < t.row_blocks; r++)
        tasks.push_back(Task{e, first + r * t.rows, std::min(t.rows, count - r * t.rows),
                             c * t.columns, std::min(t.columns, job.width - c * t.columns)});
  }
  const Rows32 out(job.device.kernels, job.args.out, job.width);
  job.device.pool.run(static_cast<int64_t>(tasks.size()), [&](int64_t i) {
    const Task &t = tasks[static_cast<size_t>(i)];
    alignas(64) float tile[plan::kTileFloats];
    compute(job, t.expert, t.row, t.rows, t.column, t.columns, tile);
    for (int64_t r = 0; r < t.rows; r++)
      out.store(t.row + r, t.column, tile + r * t.columns, t.columns);
  });
}

void run_scatter(const Job &job) {
  const int32_t *scatter = data<const int32_t>(job.args.scatter);
  const int64_t tokens = job.args.out.shape[0];
  const Rows32 out(job.device.kernels, job.args.out, job.width);
  // Sums are kept in fp32 until all experts are in, then rounded once.
  const plan::Tiles t = plan::tiles(job.rows, job.width, job.device.pool.threads());
  float *sums = job.device.scratch.take<float>(t.column_blocks * tokens * t.columns);
  job.device.pool.run(t.column_blocks, [&](int64_t block) {
    const int64_t column = block * t.columns;
    const int64_t columns = std::min(t.columns, job.width - column);
    float *sum = sums + block * tokens * t.columns;
    std::memset(sum, 0, static_cast<size_t>(tokens * columns) * sizeof *sum);
    alignas(64) float tile[plan::kTileFloats];
    for (int64_t e = 0; e < job.experts; e++)
      for (int64_t row = job.offsets[e]; row < job.offsets[e + 1]; row += t.rows) {
        const int64_t rows = std::min<int64_t>(t.rows, job.offsets[e + 1] - row);
        compute(job, e, row, rows, column, columns, tile);
        for (int64_t r = 0; r < rows; r++)
          job.device.kernels.add(tile + r * columns, sum + scatter[row + r] * columns, columns);
      }
    for (int64_t token = 0; token < tokens; token++)
      out.store(token, column, sum + token * columns, columns);
  });
}

}  // namespace

void grouped_matmul(ll4_stream &stream, const ll4_grouped_matmul_args &a) {
  Running running(stream);
  Job job{a,
          running.device,
          WeightActivations{},
          data<const int32_t>(a.offsets),
          a.offsets.shape[0] - 1,
          a.out.shape[1],
          a.gather.buffer ? a.gather.shape[0] : a.x.shape[0]};
  check_offsets(job);
  check_indices("gather", a.gather, a.x.shape[0]);
  check_indices("scatter", a.scatter, a.out.shape[0]);
  job.x =
      make_activations(job.device, a.x, a.compute, matrix(a.weight, 0),
                       data<const int32_t>(a.gather), data<const float>(a.row_scores), job.rows);
  if (a.scatter.buffer)
    run_scatter(job);
  else
    run_rows(job);
}

}  // namespace ll4::cpu
