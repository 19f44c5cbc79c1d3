// Package optest is the judge of every backend: an independent float64 reference
// of each operation of package bindings, written from the formulas of llama4.h,
// and a comparator that holds results to bounds derived from number formats.
//
// A reference returns [Values]: what each element should be, and how far off it
// may be. The bound is not a guess but follows the computation: a sum of n
// products in fp32 is off by at most about n*2^-24 times the sum of the absolute
// products (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1),
// an operand or result rounded to bf16 by 2^-8 of itself. So a bound holds for any
// order of summation, and an error of the algorithm is almost always beyond it.
//
// The tests of this package run every operation on the CPU with each instruction
// set that it has, and on the emulated GPU where it was built, against the
// references. LLAMA4_TEST_DEVICES names other devices instead, separated by commas.
// With -short they run the CPU's best instruction set alone.
package optest
