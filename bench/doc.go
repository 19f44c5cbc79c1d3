// Package bench measures the kernels and whole models, as Go benchmarks:
//
//	go test -bench . ./bench                         every kernel on the CPU
//	LLAMA4_DEVICE=cuda go test -bench Attention ./bench
//	LLAMA4_MODEL=DIR go test -bench Model ./bench    a checkpoint, else the demo model
//
// Kernel benchmarks use the shapes of Scout (hidden 5120, 40 query and 8
// key-value heads of 128, experts of 8192, vocabulary 202,048) and report, beside
// the time, GFLOP/s and GB/s of the operands that must move. To compare two
// commits, save the output of each with -count 10 and run `make compare`.
package bench
