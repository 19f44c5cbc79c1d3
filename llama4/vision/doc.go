// Package vision turns pictures into the tiles that Llama 4's vision tower takes,
// pixel for pixel as the reference implementation does.
//
//	rgb, err := vision.Decode(data)             // JPEG, PNG, WebP or GIF
//	settings, err := vision.LoadSettings(fsys)  // of a checkpoint's folder
//	tiles := settings.Tiles(rgb)
//
// [Decode] gives the pixels that Pillow gives: JPEG with libjpeg-turbo's integer
// transform and its smooth upsampling of colour, turned as its EXIF data says;
// what is transparent is laid over white. [Settings.Tiles] resizes as torchvision
// resizes bytes on a CPU with AVX2 (bilinear, antialiased, with weights of 16
// bits).
// [Settings.Normalized] is the last step, from bytes to bfloat16.
package vision
