// mma.m16n8k16 and ldmatrix against fragments.txt, which has the PTX manual's tables.
#include <map>
#include <random>

#include "../../common/ptx.cuh"
#include "test.h"

namespace {

using namespace ll4::cuda;
using ll4::simt::test::Array;
using ll4::simt::test::expect;
using ll4::simt::test::must;
using ll4::simt::test::Stream;

struct Holder {
  int lane, element;
};
struct Table {
  int rows, columns;
  std::vector<Holder> holders;
  const Holder &at(int r, int c) const { return holders[static_cast<size_t>(r * columns + c)]; }
};

std::map<std::string, Table> read_tables() {
  std::string path = __FILE__;
  path.replace(path.rfind("fragments_test.cu"), std::string::npos, "fragments.txt");
  std::ifstream file(path);
  std::map<std::string, Table> tables;
  std::string line;
  while (std::getline(file, line) && (line.empty() || line[0] == '#')) {
  }
  do {
    if (line.empty()) continue;
    char name[32];
    Table t{};
    std::sscanf(line.c_str(), "%31s %d %d", name, &t.rows, &t.columns);
    for (int i = 0; i < t.rows * t.columns; i++) {
      Holder h{};
      char dot;
      file >> h.lane >> dot >> h.element;
      t.holders.push_back(h);
    }
    tables[name] = t;
  } while (std::getline(file, line));
  return tables;
}

// ---- mma ----

struct MmaParams {
  const uint32_t *a, *b;  // a lane's registers are neighbours
  const float *c;
  float *d;
};

void mma_kernel(const MmaParams p) {
  uint32_t a[4], b[2];
  float d[4];
  for (int i = 0; i < 4; i++) a[i] = p.a[4 * lane_id() + i];
  for (int i = 0; i < 2; i++) b[i] = p.b[2 * lane_id() + i];
  for (int i = 0; i < 4; i++) d[i] = p.c[4 * lane_id() + i];
  mma_bf16(d, a, b);
  for (int i = 0; i < 4; i++) p.d[4 * lane_id() + i] = d[i];
}

uint32_t bf16_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits >> 16;
}

// Puts a matrix of bf16 into the lanes' registers.
std::vector<uint32_t> pack(const Table &table, const std::vector<float> &matrix, int registers) {
  std::vector<uint32_t> words(static_cast<size_t>(32 * registers));
  for (size_t i = 0; i < matrix.size(); i++) {
    const Holder h = table.holders[i];
    words[static_cast<size_t>(h.lane * registers + h.element / 2)] |= bf16_bits(matrix[i])
                                                                      << h.element % 2 * 16;
  }
  return words;
}

void test_mma(std::map<std::string, Table> &tables) {
  std::mt19937 random(1);
  // Whole numbers whose products and sums are exact.
  const auto fill = [&random](size_t n) {
    std::vector<float> values(n);
    for (float &x : values) x = static_cast<float>(static_cast<int>(random() % 101) - 50);
    return values;
  };
  for (int round = 0; round < 4; round++) {
    const std::vector<float> a = fill(256), b = fill(128), c = fill(128);
    std::vector<float> c_lanes(128);
    for (size_t i = 0; i < c.size(); i++) {
      const Holder h = tables["C"].holders[i];
      c_lanes[static_cast<size_t>(4 * h.lane + h.element)] = c[i];
    }
    const Array<uint32_t> a_words(pack(tables["A"], a, 4)), b_words(pack(tables["B"], b, 2));
    const Array<float> c_floats(c_lanes), d_floats(128);
    Stream stream;
    must(put(stream, mma_kernel, 1, 32, 0,
             MmaParams{a_words.get(), b_words.get(), c_floats.get(), d_floats.get()}));
    expect(stream.wait().empty(), "mma runs");
    const std::vector<float> d = d_floats.read();
    for (int i = 0; i < 16; i++) {
      for (int j = 0; j < 8; j++) {
        float sum = c[static_cast<size_t>(8 * i + j)];
        for (int k = 0; k < 16; k++)
          sum += a[static_cast<size_t>(16 * i + k)] * b[static_cast<size_t>(8 * k + j)];
        const Holder h = tables["C"].at(i, j);
        const float got = d[static_cast<size_t>(4 * h.lane + h.element)];
        expect(got == sum, "mma [" + std::to_string(i) + "][" + std::to_string(j) + "] is " +
                               std::to_string(got) + ", not " + std::to_string(sum));
      }
    }
  }
}

// ---- ldmatrix ----

struct LoadParams {
  uint32_t *out;  // four registers a lane
  int count;
  bool transpose;
};
struct Matrices {
  uint16_t rows[32][24];  // eight elements of each are a row; the others keep rows apart
};

// Element c of row r of matrix i is 64 i + 8 r + c. Matrices are stored in rows of any order: the
// lanes' addresses decide.
void load_kernel(const LoadParams p) {
  auto &s = shared_memory<Matrices>();
  const int lane = lane_id(), slot = (lane * 5 + 3) % 32;
  for (int c = 0; c < 8; c++) s.rows[slot][8 + c] = static_cast<uint16_t>(8 * lane + c);
  sync_warp();
  // Lanes whose address is not used may pass any.
  const void *row = lane < 8 * p.count ? &s.rows[slot][8] : nullptr;
  const ll4::simt::Words4 words =
      ll4::simt::load_matrix(p.count, p.transpose, row, {__FILE__, __LINE__});
  for (int i = 0; i < p.count; i++) p.out[4 * lane + i] = words[i];
}

void wrapper_kernel(const LoadParams p) {
  auto &s = shared_memory<Matrices>();
  const int lane = lane_id();
  for (int c = 0; c < 8; c++) s.rows[lane][8 + c] = static_cast<uint16_t>(8 * lane + c);
  sync_warp();
  uint32_t words[4];
  if (p.transpose)
    load_matrix_transposed(words, &s.rows[lane][8]);
  else
    load_matrix(words, &s.rows[lane][8]);
  for (int i = 0; i < 4; i++) p.out[4 * lane + i] = words[i];
}

void test_load(void (*kernel)(LoadParams), const Table &table, int count, bool transpose) {
  const Array<uint32_t> out(128);
  Stream stream;
  must(put(stream, kernel, 1, 32, sizeof(Matrices), LoadParams{out.get(), count, transpose}));
  const std::string report = stream.wait();
  expect(report.empty(), "ldmatrix runs: " + report);
  const std::vector<uint32_t> words = out.read();
  for (int i = 0; i < count; i++) {
    for (int r = 0; r < 8; r++) {
      for (int c = 0; c < 8; c++) {
        const Holder h = transpose ? table.at(c, r) : table.at(r, c);
        const uint32_t got = words[static_cast<size_t>(4 * h.lane + i)] >> h.element * 16 & 0xffff;
        expect(got == static_cast<uint32_t>(64 * i + 8 * r + c),
               "ldmatrix.x" + std::to_string(count) + (transpose ? ".trans" : "") + ": element " +
                   std::to_string(r) + ", " + std::to_string(c) + " of matrix " +
                   std::to_string(i) + " is " + std::to_string(got));
      }
    }
  }
}

}  // namespace

int main() {
  std::map<std::string, Table> tables = read_tables();
  expect(tables.size() == 4, "fragments.txt has four tables");
  test_mma(tables);
  for (const bool transpose : {false, true}) {
    for (const int count : {1, 2, 4}) test_load(load_kernel, tables["ldmatrix"], count, transpose);
    test_load(wrapper_kernel, tables["ldmatrix"], 4, transpose);
  }
  return ll4::simt::test::finish("fragments");
}
