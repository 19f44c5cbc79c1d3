// Package jpeg decodes JPEG files to the very bytes that libjpeg-turbo gives,
// which is what Pillow, and so the reference implementation, reads pictures with.
//
// The standard library's decoder cannot be the base: its inverse DCT rounds in
// other places, so of its planes about one sample in sixty is off by one; it
// leaves the upsampling to a nearest-sample At, and it refuses sampling factors
// that libjpeg accepts. This one does what libjpeg does by default: the "islow"
// integer DCT, triangle-filter ("fancy") upsampling where a component has half
// the samples in a direction, its fixed-point colour conversion, and Pillow's
// CMYK to RGB.
//
// Baseline, extended sequential and progressive files with Huffman coding and 8
// bits a sample are read: any order of scans, restart intervals, sampling factors
// 1 to 4 in whole ratios, gray, YCbCr, RGB, CMYK and YCCK. Arithmetic coding,
// lossless and 12-bit files are refused by name.
//
// Damage is an error. libjpeg warns and guesses instead; a picture that is half
// gray is not what the user asked about. A progressive file whose scans stop
// short of the last bits is whole, and smoothed as libjpeg does it.
package jpeg
