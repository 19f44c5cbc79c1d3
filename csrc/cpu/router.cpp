// router: logits in fp32, the best experts of each token, then rows in order of expert.
#include <cmath>

#include "operands.h"

namespace ll4::cpu {

namespace {

// A NaN is less than any number.
bool larger(float a, float b) { return a > b || (std::isnan(b) && !std::isnan(a)); }

// The k largest of a row of logits, ties to the lowest expert: k passes, since k is 1 in Llama 4.
void choose(const float *logits, int64_t experts, int64_t k, int32_t *chosen, float *scores) {
  for (int64_t i = 0; i < k; i++) {
    int32_t best = -1;
    for (int32_t e = 0; e < experts; e++) {
      bool taken = false;
      for (int64_t j = 0; j < i; j++) taken |= chosen[j] == e;
      if (!taken && (best < 0 || larger(logits[e], logits[best]))) best = e;
    }
    chosen[i] = best;
    scores[i] = 1.0f / (1.0f + std::exp(-logits[best]));
  }
}

}  // namespace

void router(ll4_stream &stream, const ll4_router_args &a) {
  Running running(stream);
  Device &device = running.device;
  const Kernels &kernels = device.kernels;
  const int64_t tokens = a.x.shape[0], experts = a.weight.shape[0], k = a.top_k;
  float *logits = data<float>(a.logits);
  int32_t *chosen = data<int32_t>(a.experts);
  float *scores = data<float>(a.scores);
  const Matrix w{data<const char>(a.weight), LL4_LAYOUT_NK, experts, a.x.shape[1]};
  const WeightActivations x =
      make_activations(device, a.x, LL4_COMPUTE_F32, w, nullptr, nullptr, tokens);

  constexpr int64_t kRowsATask = 16;
  device.pool.run(plan::blocks(tokens, kRowsATask), [&](int64_t task) {
    const int64_t row = task * kRowsATask, rows = std::min(kRowsATask, tokens - row);
    multiply(kernels, x, row, rows, w, 0, experts, logits + row * experts);
    for (int64_t t = row; t < row + rows; t++)
      choose(logits + t * experts, experts, k, chosen + t * k, scores + t * k);
  });

  int32_t *offsets = data<int32_t>(a.offsets);
  std::memset(offsets, 0, static_cast<size_t>(experts + 1) * sizeof *offsets);
  for (int64_t i = 0; i < tokens * k; i++) offsets[chosen[i] + 1]++;
  for (int64_t e = 0; e < experts; e++) offsets[e + 1] += offsets[e];
  int32_t *next = device.scratch.take<int32_t>(experts);
  std::memcpy(next, offsets, static_cast<size_t>(experts) * sizeof *next);
  for (int64_t i = 0; i < tokens * k; i++) {
    const int32_t row = next[chosen[i]]++;
    data<int32_t>(a.row_tokens)[row] = static_cast<int32_t>(i / k);
    data<float>(a.row_scores)[row] = scores[i];
  }
}

}  // namespace ll4::cpu
