#include "fiber.h"

#include <cstdint>
#include <cstring>

// Saves what the calling convention lets a function rely on, changes stacks, and restores it.
#if defined(__aarch64__)
asm(R"(
.text
.hidden ll4_simt_switch
.globl ll4_simt_switch
.type ll4_simt_switch, @function
ll4_simt_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x2, sp
  str x2, [x0]
  ldr x2, [x1]
  mov sp, x2
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size ll4_simt_switch, .-ll4_simt_switch
)");

extern "C" void ll4_simt_switch(ll4::simt::Context *from, const ll4::simt::Context *to);

namespace ll4::simt {
void switch_context(Context &from, const Context &to) { ll4_simt_switch(&from, &to); }
}  // namespace ll4::simt

#elif !defined(__x86_64__)
#error "the emulator switches fibers on x86-64 and arm64"
#endif

namespace ll4::simt {

void make_context(Context &context, void *end, void (*entry)()) {
  char *top = static_cast<char *>(end);
  top -= reinterpret_cast<uintptr_t>(top) % 16;
#if defined(__x86_64__)
  // The address that the switch jumps to, and a return address of 0 for entry's own frame, which
  // leaves the stack as a call would: 8 bytes off a multiple of 16.
  constexpr size_t kFrame = 2 * 8;
  char *frame = top - kFrame;
  std::memset(frame, 0, kFrame);
  std::memcpy(frame, &entry, sizeof entry);
#else
  constexpr size_t kFrame = 160;
  char *frame = top - kFrame;
  std::memset(frame, 0, kFrame);
  std::memcpy(frame + 88, &entry, sizeof entry);  // x30, where `ret` goes
#endif
  context.stack_pointer = frame;
}

}  // namespace ll4::simt
