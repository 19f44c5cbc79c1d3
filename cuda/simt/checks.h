// The checks of every access that a kernel makes. Each ends the block with a report when the access
// is wrong.
#pragma once

#include <cstdint>

#include "simt.h"

namespace ll4::simt {

// A row of ldmatrix.
void check_matrix_row(const void *row, Where where);
void check_copy_vector(const void *to, const void *from, int bytes, const void *caller);
// An atomic access.
void check_update(const void *address, int64_t bytes, const void *caller);
// A cp.async of `size` bytes to shared memory, `bytes` of them from `from`.
void check_copy(const void *shared, const void *from, int size, int bytes, const void *caller);

}  // namespace ll4::simt
