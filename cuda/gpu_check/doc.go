// Package gpucheck holds the check of the CUDA kernels on a real GPU, for machines
// that have one but neither Go nor a network. It has no code in Go but its tests.
//
// bundle.sh makes one file of the libraries, the test programs, their data and
// run.sh. There, `sh gpu-check.sh` runs these steps, and fails if one fails; a
// tool that is missing is said, and its step skipped:
//
//	kernels      every operation on the GPU against the float64 references
//	model        whole models on the GPU against the goldens: demo model and testdata,
//	             graphs and sampling; the CPU of that machine in fp32 as well
//	memcheck     the kernel tests, with -short, under each tool of
//	racecheck    compute-sanitizer
//	synccheck
//	initcheck
//	cuinterop    memory and a stream shared with gorgonia.org/cu
//	bench        every kernel at Llama 4's shapes, as package bench describes
//	peers        the same shapes with cuBLAS, PyTorch's attention and flash_attn
//
// All goes to results-CARD: report.txt (the card, its clocks and what became of each
// step), bench.json, bench.txt, and the output of the steps in logs. To publish
// figures, copy bench.txt, which is Markdown, to bench/results/CARD.md and bench.json
// beside it. No figure of a GPU is in this repository that did not come from such a
// run.
//
// LLAMA4_GPU_CHECK_DEVICE=simt makes and runs a bundle for the emulated GPU: all but
// what needs CUDA itself.
package gpucheck
