// What the emulator does beside the runtime API.
#pragma once

#include <cstdint>

namespace ll4::simt {

// Objects that were made and not destroyed.
struct Live {
  int64_t allocations, streams, events, graphs;
};
Live live();

}  // namespace ll4::simt
