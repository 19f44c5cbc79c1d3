// Conversions of common/narrow.cuh for every number there is, and products of e4m3 as fragments of
// the PTX manual have them, by either instruction.
#include <cmath>
#include <random>

#include "../../common/narrow.cuh"
#include "test.h"

namespace {

using namespace ll4::cuda;
using ll4::simt::test::Array;
using ll4::simt::test::expect;
using ll4::simt::test::must;
using ll4::simt::test::Stream;

// e4m3fn by its definition.
double f8_value(unsigned code) {
  const int exponent = static_cast<int>(code >> 3 & 15), fraction = static_cast<int>(code & 7);
  if ((code & 0x7f) == 0x7f) return NAN;
  const double size = exponent ? std::ldexp(8 + fraction, exponent - 10) : std::ldexp(fraction, -9);
  return code & 0x80 ? -size : size;
}

double f16_value(unsigned code) {
  const int exponent = static_cast<int>(code >> 10 & 31), fraction = static_cast<int>(code & 1023);
  double size = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
  if (exponent == 31) size = fraction ? NAN : INFINITY;
  return code & 0x8000 ? -size : size;
}

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

void expect_same(double got, double want, const char *what, unsigned code) {
  expect(same(got, want), std::string(what) + " of " + std::to_string(code) + " is " +
                              std::to_string(got) + ", not " + std::to_string(want));
}

// ---- numbers of a byte or a nibble ----

// Every number in every place of a word, beside others.
void test_words() {
  for (unsigned code = 0; code < 256; code++) {
    for (unsigned place = 0; place < 4; place++) {
      const uint32_t others = 0x5a96c37eu ^ code * 0x01030507u;
      const uint32_t word = (others & ~(0xffu << 8 * place)) | code << 8 * place;
      uint32_t pairs[4];
      float floats[8];
      const auto from_pairs = [&](unsigned i) {
        return i % 2 ? high_float(pairs[i / 2]) : low_float(pairs[i / 2]);
      };
      const auto check = [&](double want, unsigned i, const char *what) {
        expect_same(from_pairs(i), want, what, code);
        expect_same(floats[i], want, what, code);
      };
      i4_pairs(word, pairs);
      to_floats_i4(word, floats);
      check(static_cast<double>(code & 15) - 8, 2 * place, "i4");
      check(static_cast<double>(code >> 4) - 8, 2 * place + 1, "i4");

      uint32_t(&two)[2] = reinterpret_cast<uint32_t(&)[2]>(pairs);
      float(&four)[4] = reinterpret_cast<float(&)[4]>(floats);
      i8_pairs(word, two);
      to_floats_i8(word, four);
      check(static_cast<int8_t>(code), place, "i8");
      f8_pairs(word, two);
      to_floats_f8<true>(word, four);
      check(f8_value(code), place, "f8");
      to_floats_f8<false>(word, four);
      check(f8_value(code), place, "f8 without its instructions");
    }
  }
}

// Every f8 and every middle of two neighbours, and what is just beside those, is rounded right.
void test_round_f8() {
  for (unsigned code = 0; code < 0x7f; code++) {
    const auto low = static_cast<float>(f8_value(code));
    expect(round_f8(low) == code, "f8 " + std::to_string(code) + " stays");
    expect(round_f8(-low) == (code | 0x80), "-f8 " + std::to_string(code) + " stays");
    if (code == 0x7e) break;
    const auto middle = static_cast<float>((f8_value(code) + f8_value(code + 1)) / 2);
    expect(round_f8(middle) == code + code % 2, "ties go to even");
    expect(round_f8(std::nextafterf(middle, 0)) == code, "below the middle");
    expect(round_f8(std::nextafterf(middle, 1e9f)) == code + 1, "above the middle");
  }
  expect(round_f8(449) == 0x7e && round_f8(1e30f) == 0x7e, "what is too large saturates");
  expect(round_f8(-INFINITY) == 0xfe, "-Inf saturates");
  expect(round_f8(NAN) % 0x80 == 0x7f, "NaN stays NaN");
  expect(round_f8(0x1p-140f) == 0 && round_f8(-0.0f) == 0x80, "what is too small is 0");
}

void test_f16() {
  for (unsigned code = 0; code < 0x10000; code++) {
    const double value = f16_value(code);
    expect_same(f16_to_float(code), value, "f16", code);
    if (!std::isnan(value)) expect(round_f16(static_cast<float>(value)) == code, "f16 stays");
    if (code >= 0x7bff) continue;
    const auto middle = static_cast<float>((value + f16_value(code + 1)) / 2);
    expect(round_f16(middle) == code + code % 2, "ties go to even");
    expect(round_f16(std::nextafterf(middle, 0)) == code, "below the middle");
    expect(round_f16(std::nextafterf(middle, 1e9f)) == code + 1, "above the middle");
  }
  expect(round_f16(65519) == 0x7bff && round_f16(65520) == 0x7c00, "the largest");
}

// ---- products ----

struct MmaParams {
  const uint32_t *a, *b;  // a lane's registers are neighbours
  float *d;
  bool native;
};

void mma_kernel(const MmaParams p) {
  uint32_t a[4], b[2];
  float d[4] = {1, 2, 3, 4};
  for (int i = 0; i < 4; i++) a[i] = p.a[4 * lane_id() + i];
  for (int i = 0; i < 2; i++) b[i] = p.b[2 * lane_id() + i];
  if (p.native)
    mma_f8<true>(d, a, b);
  else
    mma_f8<false>(d, a, b);
  for (int i = 0; i < 4; i++) p.d[4 * lane_id() + i] = d[i];
}

// "Matrix Fragments for mma.m16n8k32" of the PTX ISA manual, .e4m3: with groupID = lane / 4 and
// threadID_in_group = lane % 4, element i of a lane's a is at row groupID, + 8 for i in 4 .. 7 and
// 12 .. 15, and column 4 threadID_in_group + i % 4, + 16 for i from 8 on; element i of b is at row
// 4 threadID_in_group + i % 4, + 16 for i from 4 on, and column groupID.
void test_mma(bool native) {
  std::mt19937 random(1);
  std::vector<uint8_t> a(16 * 32), b(32 * 8);
  // Multiples of 1/8 up to 15, whose products and sums are exact.
  for (uint8_t &x : a) x = static_cast<uint8_t>(random() % 0x58 | (random() & 0x80));
  for (uint8_t &x : b) x = static_cast<uint8_t>((0x20 + random() % 0x38) | (random() & 0x80));
  for (uint8_t &x : a)
    if ((x & 0x7f) < 0x20) x = 0;
  std::vector<uint32_t> a_words(32 * 4), b_words(32 * 2);
  for (unsigned lane = 0; lane < 32; lane++) {
    for (unsigned i = 0; i < 16; i++) {
      const unsigned row = lane / 4 + (i / 4 % 2 ? 8 : 0), k = lane % 4 * 4 + i % 4 + i / 8 * 16;
      a_words[4 * lane + i / 4] |= uint32_t{a[32 * row + k]} << 8 * (i % 4);
    }
    for (unsigned i = 0; i < 8; i++) {
      const unsigned k = lane % 4 * 4 + i % 4 + i / 4 * 16;
      b_words[2 * lane + i / 4] |= uint32_t{b[8 * k + lane / 4]} << 8 * (i % 4);
    }
  }
  const Array<uint32_t> a_lanes(a_words), b_lanes(b_words);
  const Array<float> d_lanes(128);
  Stream stream;
  must(put(stream, mma_kernel, 1, 32, 0,
           MmaParams{a_lanes.get(), b_lanes.get(), d_lanes.get(), native}));
  expect(stream.wait().empty(), "mma runs");
  const std::vector<float> d = d_lanes.read();
  for (unsigned lane = 0; lane < 32; lane++) {
    for (unsigned i = 0; i < 4; i++) {
      const unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      double sum = i + 1;
      for (unsigned k = 0; k < 32; k++)
        sum += f8_value(a[32 * row + k]) * f8_value(b[8 * k + column]);
      expect_same(d[4 * lane + i], sum, native ? "mma_f8" : "mma_f8 as bf16", lane);
    }
  }
}

}  // namespace

int main() {
  test_words();
  test_round_f8();
  test_f16();
  test_mma(true);
  test_mma(false);
  return ll4::simt::test::finish("narrow");
}
