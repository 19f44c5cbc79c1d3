// Package webp decodes WebP files to the very bytes that libwebp gives, which is
// what Pillow, and so the reference implementation, reads pictures with.
//
// The bit streams are decoded by golang.org/x/image, whose VP8 planes and VP8L
// pixels are libwebp's. What it does with the planes is not: as image.YCbCr they are
// taken for full-range samples of JPEG, while WebP's have a limited range, and their
// chroma is not interpolated. So this package reads the container itself, for the
// metadata and the first frame of an animation, and converts the planes with
// libwebp's "fancy" upsampling and fixed-point colour conversion.
package webp
