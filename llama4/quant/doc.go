// Package quant describes quantized weights: their formats, the schemes that
// checkpoints can be quantized by while they are loaded, and what
// quantization_config says about those that are stored quantized.
//
// A matrix [N, K] of a linear layer, or a stack [E, N, K] of one an expert, is kept as
//
//	W[n, k] = scale[n, g] q[n, k] + offset[n, g],  g = k / group
//
// where q is an 8-bit float (e4m3), an 8-bit or a 4-bit integer. A [Format] says
// which, a [Scheme] adds what the layer's input is quantized to, and a [Source] is
// where the rows come from. [Presets] are the schemes by name.
//
// The package is Go alone. [Quantize] is the reference for what devices do.
package quant
