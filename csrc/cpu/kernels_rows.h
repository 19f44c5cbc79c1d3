// Loops over one row, for any vector type V. Sums run in kLanes x 4 lanes, in one fixed order.
#pragma once

#include <cmath>

#include "kernels_matmul.h"
#include "kernels_quantize.h"
#include "kernels_quantized.h"

// Unnamed: each instruction set has its own copy, which the linker must not merge.
namespace ll4::cpu {
namespace {

// e^x to about 1 ulp on [-87.3, 88.3], exactly 0 below it; the polynomial is Cephes' expf.
template <class V>
typename V::F exp(typename V::F x) {
  using F = typename V::F;
  const F lowest = V::set1(-87.33654f);
  const F clamped = V::min(V::set1(88.37f), V::max(lowest, x));
  const F magic = V::set1(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  const F n = V::sub(V::fma(clamped, V::set1(1.44269504f), magic), magic);
  F r = V::fma(n, V::set1(-0.693359375f), clamped);
  r = V::fma(n, V::set1(2.12194440e-4f), r);
  F p = V::set1(1.9875691500e-4f);
  p = V::fma(p, r, V::set1(1.3981999507e-3f));
  p = V::fma(p, r, V::set1(8.3334519073e-3f));
  p = V::fma(p, r, V::set1(4.1665795894e-2f));
  p = V::fma(p, r, V::set1(1.6666665459e-1f));
  p = V::fma(p, r, V::set1(5.0000001201e-1f));
  p = V::fma(p, V::mul(r, r), V::add(r, V::set1(1.0f)));
  return V::keep_unless_lt(x, lowest, V::mul(p, V::pow2(n)));
}

// x (1 + erf(x / sqrt(2))) / 2 as max(x, 0) - |x| P(-|x|), P the normal distribution's, which is
// exp(-x^2 / 2) times a quotient of polynomials: fitted to a relative 5e-9 on [0, 14], where the
// exponential has vanished. Positive coefficients, so nothing cancels: the result is off by less
// than 2.5 units of 2^-24 |x|, and above -3 by less than 10 of its own size.
template <class V>
typename V::F gelu(typename V::F x) {
  using F = typename V::F;
  // The order of the operands keeps a NaN.
  const F a = V::min(V::set1(14.0f), V::max(V::sub(V::zero(), x), x));
  F p = V::set1(4.038052168e-3f);
  p = V::fma(p, a, V::set1(4.010508582e-2f));
  p = V::fma(p, a, V::set1(1.816664487e-1f));
  p = V::fma(p, a, V::set1(4.361736476e-1f));
  p = V::fma(p, a, V::set1(0.5f));
  F q = V::set1(1.012175716e-2f);
  q = V::fma(q, a, V::set1(1.005357504e-1f));
  q = V::fma(q, a, V::set1(4.653296769e-1f));
  q = V::fma(q, a, V::set1(1.195981145f));
  q = V::fma(q, a, V::set1(1.670232296f));
  q = V::fma(q, a, V::set1(1.0f));
  const F density = exp<V>(V::mul(V::set1(-0.5f), V::mul(a, a)));
  const F tail = V::mul(V::mul(a, density), V::div(p, q));
  // As the formula has it, -Inf becomes a NaN rather than the 0 that it would be hidden by.
  const F zero = V::zero();
  return V::sub(V::fma(V::min(zero, x), zero, V::max(zero, x)), tail);
}

// Calls body(offset, lanes) over n elements: full vectors, then the rest.
template <class V, class Body>
void each_vector(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) body(i, V::kLanes);
  if (i < n) body(i, static_cast<int>(n - i));
}

template <class V>
struct Rows {
  using F = typename V::F;

  static void widen(const uint16_t *x, float *out, int64_t n) {
    each_vector<V>(n,
                   [&](int64_t i, int m) { store_lanes<V>(out + i, load_lanes<V>(x + i, m), m); });
  }

  static void narrow(const float *x, uint16_t *out, int64_t n) {
    each_vector<V>(n,
                   [&](int64_t i, int m) { store_lanes<V>(out + i, load_lanes<V>(x + i, m), m); });
  }

  static void add(const float *x, float *out, int64_t n) {
    each_vector<V>(n, [&](int64_t i, int m) {
      store_lanes<V>(out + i, V::add(load_lanes<V>(out + i, m), load_lanes<V>(x + i, m)), m);
    });
  }

  static void scale(const float *x, float s, float *out, int64_t n) {
    const F factor = V::set1(s);
    each_vector<V>(n, [&](int64_t i, int m) {
      store_lanes<V>(out + i, V::mul(load_lanes<V>(x + i, m), factor), m);
    });
  }

  static void scale_by(const float *x, float s, const float *w, float *out, int64_t n) {
    const F factor = V::set1(s);
    each_vector<V>(n, [&](int64_t i, int m) {
      const F scaled = V::mul(load_lanes<V>(x + i, m), factor);
      store_lanes<V>(out + i, V::mul(scaled, load_lanes<V>(w + i, m)), m);
    });
  }

  static float sum_squares(const float *x, int64_t n) {
    F acc[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    int next = 0;
    each_vector<V>(n, [&](int64_t i, int m) {
      const F v = load_lanes<V>(x + i, m);
      acc[next] = V::fma(v, v, acc[next]);
      next = (next + 1) & 3;
    });
    return V::sum(V::add(V::add(acc[0], acc[2]), V::add(acc[1], acc[3])));
  }

  static float max(const float *x, int64_t n) {
    F most = V::set1(x[0]);
    int64_t i = 0;
    for (; i + V::kLanes <= n; i += V::kLanes) most = V::max(most, V::load(x + i));
    float result = V::max_lane(most);
    for (; i < n; i++) result = x[i] > result ? x[i] : result;
    return result;
  }

  static float exp_sum(const float *x, float shift, float *out, int64_t n) {
    const F by = V::set1(shift);
    F acc = V::zero();
    each_vector<V>(n, [&](int64_t i, int m) {
      const F e = exp<V>(V::sub(load_lanes<V>(x + i, m), by));
      store_lanes<V>(out + i, e, m);
      acc = V::add(acc, m == V::kLanes ? e : V::load_n(out + i, m));
    });
    return V::sum(acc);
  }

  static void swiglu(const float *gate, const float *up, float *out, int64_t n) {
    const F one = V::set1(1.0f);
    each_vector<V>(n, [&](int64_t i, int m) {
      // Below -88 silu is under the smallest normal number, and exp(-g) would be clamped. The order
      // of the operands keeps a NaN.
      const F g = V::max(V::set1(-88.0f), load_lanes<V>(gate + i, m));
      const F silu = V::div(g, V::add(one, exp<V>(V::sub(V::zero(), g))));
      store_lanes<V>(out + i, V::mul(silu, load_lanes<V>(up + i, m)), m);
    });
  }

  static void gelu(const float *x, float *out, int64_t n) {
    each_vector<V>(n, [&](int64_t i, int m) {
      store_lanes<V>(out + i, cpu::gelu<V>(load_lanes<V>(x + i, m)), m);
    });
  }

  // Differences from x[0] first, so that a large mean costs no precision: what is summed is as
  // large as the spread of the row.
  static void layer_norm(const float *x, float eps, const float *w, const float *b, float *out,
                         int64_t n) {
    const float count = static_cast<float>(n);
    const float mean = subtract(x, x[0], out, n, false) / count;
    const float variance = subtract(out, mean, out, n, true) / count;
    const F scale = V::set1(1.0f / std::sqrt(variance + eps));
    each_vector<V>(n, [&](int64_t i, int m) {
      const F normed = V::mul(load_lanes<V>(out + i, m), scale);
      const F weight = load_lanes<V>(w + i, m), bias = load_lanes<V>(b + i, m);
      store_lanes<V>(out + i, V::fma(normed, weight, bias), m);
    });
  }

 private:
  // out = x - by; returns the sum of out, or of its squares.
  static float subtract(const float *x, float by, float *out, int64_t n, bool squares) {
    const F shift = V::set1(by), one = V::set1(1.0f);
    F acc[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    int next = 0;
    each_vector<V>(n, [&](int64_t i, int m) {
      const F difference = V::sub(load_lanes<V>(x + i, m), shift);
      store_lanes<V>(out + i, difference, m);
      const F d = m == V::kLanes ? difference : V::load_n(out + i, m);
      acc[next] = V::fma(d, squares ? d : one, acc[next]);
      next = (next + 1) & 3;
    });
    return V::sum(V::add(V::add(acc[0], acc[2]), V::add(acc[1], acc[3])));
  }
};

template <class V>
Kernels make_kernels(const char *isa) {
  Kernels k{};
  k.isa = isa;
  k.bf16_dot = V::kBf16Dot;
  k.dot[kF32xF32] = dot<V, WideOperands<V, float>>;
  k.dot[kF32xBf16] = dot<V, WideOperands<V, uint16_t>>;
  k.outer[kF32xF32] = outer<V, WideOuter<V, float>>;
  k.outer[kF32xBf16] = outer<V, WideOuter<V, uint16_t>>;
  if constexpr (V::kBf16Dot) {
    k.dot[kBf16xBf16] = dot<V, PairOperands<V>>;
    k.outer[kBf16xBf16] = outer<V, PairOuter<V>>;
  }
  k.widen = Rows<V>::widen;
  k.narrow = Rows<V>::narrow;
  k.add = Rows<V>::add;
  k.scale = Rows<V>::scale;
  k.scale_by = Rows<V>::scale_by;
  k.sum_squares = Rows<V>::sum_squares;
  k.max = Rows<V>::max;
  k.exp_sum = Rows<V>::exp_sum;
  k.swiglu = Rows<V>::swiglu;
  k.gelu = Rows<V>::gelu;
  k.layer_norm = Rows<V>::layer_norm;
  k.max_abs = max_abs;
  k.max_abs_bf16 = max_abs_bf16;
  k.raise_max_abs_bf16 = raise_max_abs_bf16;
  k.round_f8 = round_f8;
  k.quantize_f8 = quantize_f8;
  k.quantize_i4 = quantize_i4;
  k.dequantize_f8 = dequantize_f8;
  k.dequantize_i8 = dequantize_i8;
  k.dequantize_i4 = dequantize_i4;
  k.quantized[kI8xI4] = i8_kernel<V, I4Operands<V>>();
  k.quantized[kI8xI8] = i8_kernel<V, I8Operands<V>>();
  if constexpr (V::kBlocksI8) k.quantized[kI8xI8Blocks] = i8_kernel<V, I8BlockOperands<V>>();
  k.quantized[kF32xF8] = f8_kernel<V, F8Operands<V>>(pack_f32);
  if constexpr (V::kBf16Dot) k.quantized[kBf16xF8] = f8_kernel<V, F8PairOperands<V>>(pack_pairs<V>);
  k.make_i8 = make_i8;
  return k;
}

}  // namespace
}  // namespace ll4::cpu
