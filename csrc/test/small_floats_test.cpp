// Conversions of e4m3, fp16 and bf16: every number of a format comes back, and what lies between
// two goes to the nearer, from the middle to the even one.
#include "cpu/small_floats.h"

#include <cmath>
#include <cstdio>
#include <initializer_list>
#include <limits>

namespace {

int failures = 0;

void expect(bool holds, const char *what, double x) {
  if (holds) return;
  failures++;
  std::printf("FAIL %s: %a\n", what, x);
}

struct F8 {
  static constexpr const char *kName = "e4m3";
  static constexpr uint32_t kMagnitudes = 0x80, kLargest = 0x7e;
  static constexpr int kMantissa = 3, kBias = 7;
  static float widen(uint32_t q) { return ll4::cpu::f8_to_f32(static_cast<uint8_t>(q)); }
  static uint32_t narrow(float x) { return ll4::cpu::f32_to_f8(x); }
  static uint32_t beyond() { return kLargest; }
};

struct F16 {
  static constexpr const char *kName = "fp16";
  static constexpr uint32_t kMagnitudes = 0x8000, kLargest = 0x7bff;
  static constexpr int kMantissa = 10, kBias = 15;
  static float widen(uint32_t q) { return ll4::cpu::f16_to_f32(static_cast<uint16_t>(q)); }
  static uint32_t narrow(float x) { return ll4::cpu::f32_to_f16(x); }
  static uint32_t beyond() { return kLargest + 1; }
};

struct Bf16 {
  static constexpr const char *kName = "bf16";
  static constexpr uint32_t kMagnitudes = 0x8000, kLargest = 0x7f7f;
  static constexpr int kMantissa = 7, kBias = 127;
  static float widen(uint32_t q) { return ll4::cpu::bf16_to_f32(static_cast<uint16_t>(q)); }
  static uint32_t narrow(float x) { return ll4::cpu::f32_to_bf16(x); }
  static uint32_t beyond() { return kLargest + 1; }
};

// A finite number of a format by the definition of floating point.
template <class Format>
double value(uint32_t q) {
  const int exponent = static_cast<int>(q >> Format::kMantissa);
  const double one = std::ldexp(1.0, Format::kMantissa);
  const double fraction = q & ((1u << Format::kMantissa) - 1);
  const int scale = 1 - Format::kBias - Format::kMantissa;
  return exponent ? std::ldexp(one + fraction, exponent - 1 + scale) : std::ldexp(fraction, scale);
}

template <class Format>
void check() {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const uint32_t sign = Format::kMagnitudes;
  for (uint32_t q = 0; q <= Format::kLargest; q++) {
    const auto x = static_cast<float>(value<Format>(q));
    expect(Format::widen(q) == x && Format::widen(q | sign) == -x, Format::kName, x);
    expect(Format::narrow(x) == q && Format::narrow(-x) == (q | sign), Format::kName, x);
    if (q == Format::kLargest) break;
    const auto next = static_cast<float>(value<Format>(q + 1));
    const float middle = x + (next - x) / 2;
    expect(Format::narrow(middle) == q + (q & 1), Format::kName, middle);
    expect(Format::narrow(std::nextafter(middle, 0.0f)) == q, Format::kName, middle);
    expect(Format::narrow(std::nextafter(middle, kInfinity)) == q + 1, Format::kName, middle);
    expect(Format::narrow(-middle) == ((q + (q & 1)) | sign), Format::kName, -middle);
  }
  for (float x : {std::numeric_limits<float>::max(), kInfinity}) {
    expect(Format::narrow(x) == Format::beyond(), Format::kName, x);
    expect(Format::narrow(-x) == (Format::beyond() | sign), Format::kName, -x);
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  expect(std::isnan(Format::widen(Format::narrow(nan))), Format::kName, nan);
  expect(std::isnan(Format::widen(Format::narrow(-nan))), Format::kName, nan);
  for (uint32_t q = Format::kLargest + 1; q < sign; q++) {
    const bool infinite = q == Format::beyond();
    const float x = Format::widen(q), y = Format::widen(q | sign);
    expect(infinite ? x == kInfinity && y == -kInfinity : std::isnan(x) && std::isnan(y),
           Format::kName, x);
  }
}

void check_whole_numbers() {
  for (int i = -300; i < 300; i++) {
    const auto x = static_cast<float>(i);
    expect(ll4::cpu::round_to_int(x) == i, "a whole number", x);
    expect(ll4::cpu::round_to_int(x + 0.5f) == i + (i & 1), "a half", x + 0.5f);
    expect(ll4::cpu::round_to_int(x + 0.4999f) == i, "less than a half", x + 0.4999f);
  }
}

}  // namespace

int main() {
  check<F8>();
  check<F16>();
  check<Bf16>();
  check_whole_numbers();
  std::printf("small_floats_test: %d failures\n", failures);
  return failures ? 1 : 0;
}
