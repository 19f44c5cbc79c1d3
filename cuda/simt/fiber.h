// Fibers: stacks that take turns on one host thread.
#pragma once

#include <cstddef>

namespace ll4::simt {

// Where a fiber stands while it does not run: its stack pointer, everything else is on its stack.
struct Context {
  void *stack_pointer = nullptr;
};

// Makes `context` start at entry() on the stack that ends at `top` when it is first switched to.
// entry never returns.
void make_context(Context &context, void *top, void (*entry)());

#if defined(__x86_64__)

// Stops running `from` here and continues `to`. Inline, and with a jump instead of a return: lanes
// that wait at the same place then return to where the processor predicts. Registers that are in
// use are saved by the compiler, because all of them are said to change.
inline __attribute__((always_inline)) void switch_context(Context &from, const Context &to) {
  void **save = &from.stack_pointer;
  void *const *load = &to.stack_pointer;
  asm volatile(
      "leaq -128(%%rsp), %%rsp\n\t"  // what the compiler may have put below the stack pointer
      "pushq %%rbp\n\t"
      "leaq 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "movq %%rsp, (%%rdi)\n\t"
      "movq (%%rsi), %%rsp\n\t"
      "popq %%rax\n\t"
      "jmpq *%%rax\n"
      "1:\n\t"
      "popq %%rbp\n\t"
      "leaq 128(%%rsp), %%rsp"
      : "+D"(save), "+S"(load)
      :
      : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0",
        "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
        "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory");
}

#else

void switch_context(Context &from, const Context &to);

#endif

}  // namespace ll4::simt
