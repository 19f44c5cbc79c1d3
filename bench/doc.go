// Package bench measures the kernels and whole models, as Go benchmarks:
//
//	go test -bench . ./bench                                     every kernel on the CPU
//	LLAMA4_DEVICE=cuda go test -bench Kernels/Attention ./bench
//	LLAMA4_MODEL=DIR go test -bench Model ./bench                a checkpoint, else the demo model
//	go test -bench Kernels -benchtime 30x ./bench -report DIR    a table and JSON as well
//
// To compare two commits, save the output of each with -count 10 and run
// `make compare`.
//
// # Kernels
//
// The shapes are Llama 4's own, Scout's and Maverick's with 1, 2, 4 or 8 GPUs
// sharing a layer and 1 to 16,384 tokens, and those of their vision tower with 1 to
// 17 tiles: shapes_test.go and vision_test.go list them. A CPU gets the few that it
// can do in seconds; the emulated GPU gets tiny ones, whose times mean nothing and
// are said to.
//
// A sample is one call between two events of the device, so that what the host does
// meanwhile does not count. Before each, a copy larger than the last-level cache
// runs on the same stream: operands come from memory, as they do in a model whose
// other layers ran in between. ns/op is the median of the samples. Before the first
// sample, some outputs are held against the float64 references of package optest:
// a kernel that is wrong fails, and is not timed.
//
// GFLOP/s counts multiplications and additions that the result needs; GB/s counts
// each operand once: what must move.
//
// # Reports
//
// With -report DIR, DIR/bench.json and DIR/bench.txt are written. The latter is a
// table in Markdown, which -table FILE also makes of a bench.json that peers.py has
// added the times of other libraries to. The JSON is an object of
//
//	schema    1
//	commit    of this repository, as -commit says
//	started   when, in RFC 3339
//	device    name, description, isa, memory_total; driver and cuda of an NVIDIA GPU
//	emulated  true: times mean nothing
//	clocks    at the start and at the end: sm_mhz, max_sm_mhz, memory_mhz, power_state,
//	          watts, limit_watts; null where the driver does not tell
//	peak      tflops (dense bf16, fp32 sums), gb_s and source; null for cards that are
//	          not in peaks_test.go, for which no percentage is given
//	flush     bytes that are read and written before each sample
//	results   a list, one a kernel and shape, of
//	  name        as of the benchmark: "Matmul/qkv/tp=1/tokens=64"
//	  operation, model, shape   shape maps m, n, k, heads, ... to numbers
//	  flops, bytes              of a call
//	  us          samples, min, q1, median, q3, max: microseconds
//	  tflop_s, gb_s             at the median
//	  percent, bound            of the card's peak; "compute" or "memory": the one that
//	                            allows less for this shape
//	  skipped     instead of all these: why it was not measured
//	  failed      instead of all these: what was wrong
//	  peers       a list of other libraries at the same shape: library, us (as above),
//	              tflop_s, gb_s
package bench
