// Whole or partial vectors, for any vector type V.
#pragma once

#include <cstdint>

// Unnamed: each instruction set has its own copy, which the linker must not merge.
namespace ll4::cpu {
namespace {

// The first n lanes from memory, all of them when n is at least kLanes; the others are zero.
template <class V, class T>
typename V::F load_lanes(const T *p, int64_t n) {
  if (n >= V::kLanes) return V::load(p);
  return n > 0 ? V::load_n(p, static_cast<int>(n)) : V::zero();
}

template <class V, class T>
void store_lanes(T *p, typename V::F v, int64_t n) {
  if (n >= V::kLanes)
    V::store(p, v);
  else if (n > 0)
    V::store_n(p, v, static_cast<int>(n));
}

}  // namespace
}  // namespace ll4::cpu
