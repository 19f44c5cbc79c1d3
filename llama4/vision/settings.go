package vision

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/llama4go/llama4go/llama4/internal/fields"
)

// Limits on Settings. They hold a picture's tiles to 256 MB.
const (
	maxSize         = 2048
	maxMaxPatches   = 256
	maxCanvasPixels = 1 << 26
)

// Settings are how pictures become tiles: the fields of preprocessor_config.json,
// and of processor_config.json those that say how many tokens a tile is.
type Settings struct {
	Size              int        // side of a tile in pixels (size)
	MaxPatches        int        // most tiles of a canvas, "patches" in the file only (max_patches)
	ResizeToMaxCanvas bool       // take the largest canvas that the picture fits (resize_to_max_canvas)
	Rescale           float64    // what bytes are multiplied by (rescale_factor)
	Mean, Std         [3]float64 // then normalized with, by channel (image_mean, image_std)
	PatchSize         int        // side of a patch of a tile in pixels (patch_size)
	Shuffle           int        // a square of Shuffle x Shuffle patches is one token (1/pixel_shuffle_ratio)
}

// Default returns the published settings of Llama 4.
func Default() *Settings {
	half := [3]float64{0.5, 0.5, 0.5}
	return &Settings{Size: 336, MaxPatches: 16, Rescale: 1.0 / 255, Mean: half, Std: half, PatchSize: 14, Shuffle: 2}
}

// Tokens returns the number of tokens of a tile.
func (s *Settings) Tokens() int {
	side := s.Size / s.PatchSize
	return side * side / (s.Shuffle * s.Shuffle)
}

// LoadSettings reads preprocessor_config.json and processor_config.json in the root
// of fsys. The picture's settings are in the former or, as newer libraries write
// it, under image_processor in the latter; as in the reference, the former is
// preferred. What neither file says has the value of Default. Fields that do not
// matter here are ignored. Settings that ask for something else than this package
// does are an error that names the field and its value.
func LoadSettings(fsys fs.FS) (*Settings, error) {
	const imageFile, tokenFile, processor = "preprocessor_config.json", "processor_config.json", "image_processor"
	tokens, err := readFields(fsys, tokenFile)
	if err != nil {
		return nil, err
	}
	picture, err := readFields(fsys, imageFile)
	if err != nil {
		return nil, err
	}
	if picture == nil && tokens != nil {
		picture = section(tokens, processor)
	} else if picture != nil && !picture.Absent(processor) {
		picture = section(picture, processor)
	}
	s := Default()
	if err := s.readPicture(picture); err != nil {
		return nil, err
	}
	if err := s.readTokens(tokens); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("%s, %s: %w", imageFile, tokenFile, err)
	}
	return s, nil
}

// readFields reads a file, nil if there is none. A null is the default, as in the
// reference.
func readFields(fsys fs.FS, name string) (*fields.Object, error) {
	const most = 1 << 20 // bytes: published files have less than 2 kB
	raw, err := fields.Read(fsys, name, most)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	f, err := fields.Parse(raw, name+": ")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f.DropNulls()
	return f, nil
}

// section returns a nested object, nil if it is not there.
func section(f *fields.Object, name string) *fields.Object {
	if f.Absent(name) {
		return nil
	}
	s := f.Section(name, "")
	s.DropNulls()
	return s
}

// readPicture takes over the settings of an image processor.
func (s *Settings) readPicture(f *fields.Object) error {
	if f == nil {
		return nil
	}
	oneOf(f, "image_processor_type", "Llama4ImageProcessorFast", "Llama4ImageProcessor")
	for _, name := range []string{"do_convert_rgb", "do_resize", "do_rescale", "do_normalize"} {
		if !f.Boolean(name, true) {
			f.Wrong(name, "true")
		}
	}
	if f.Integer("resample", bilinear) != bilinear {
		f.Wrong("resample", "2 (bilinear)")
	}
	oneOf(f, "data_format", "channels_first")
	s.Size = square(f, "size", s.Size)
	s.MaxPatches = f.Integer("max_patches", s.MaxPatches)
	s.ResizeToMaxCanvas = f.Boolean("resize_to_max_canvas", s.ResizeToMaxCanvas)
	s.Rescale = f.Number("rescale_factor", s.Rescale)
	s.Mean = channels(f, "image_mean", s.Mean)
	s.Std = channels(f, "image_std", s.Std)
	return f.Err()
}

// bilinear is PIL's number of the filter.
const bilinear = 2

// readTokens takes over the settings of a processor.
func (s *Settings) readTokens(f *fields.Object) error {
	if f == nil {
		return nil
	}
	s.PatchSize = f.Integer("patch_size", s.PatchSize)
	s.Shuffle = f.Reciprocal("pixel_shuffle_ratio", 1/float64(s.Shuffle))
	return f.Err()
}

// Validate reports the first setting that is out of bounds.
func (s *Settings) Validate() error {
	switch {
	case s.Size < 1 || s.Size > maxSize:
		return fmt.Errorf("size is %d, want 1 to %d", s.Size, maxSize)
	case s.MaxPatches < 1 || s.MaxPatches > maxMaxPatches:
		return fmt.Errorf("max_patches is %d, want 1 to %d", s.MaxPatches, maxMaxPatches)
	case s.MaxPatches*s.Size*s.Size > maxCanvasPixels:
		return fmt.Errorf("max_patches is %d, want at most %d for tiles of size %d",
			s.MaxPatches, maxCanvasPixels/(s.Size*s.Size), s.Size)
	case !(s.Rescale > 0 && s.Rescale <= 1e6):
		return fmt.Errorf("rescale_factor is %v, want above 0 to 1e6", s.Rescale)
	case s.PatchSize < 1 || s.PatchSize > s.Size:
		return fmt.Errorf("patch_size is %d, want 1 to the size of a tile, %d", s.PatchSize, s.Size)
	case s.Shuffle < 1 || s.Shuffle > s.Size/s.PatchSize:
		return fmt.Errorf("pixel_shuffle_ratio is 1/%d, want 1 to 1/%d, the patches of a side", s.Shuffle, s.Size/s.PatchSize)
	}
	for c := range s.Mean {
		if !(s.Mean[c] >= -1e6 && s.Mean[c] <= 1e6) {
			return fmt.Errorf("image_mean is %v, want -1e6 to 1e6", s.Mean[c])
		} else if !(s.Std[c] >= 1e-6 && s.Std[c] <= 1e6) {
			return fmt.Errorf("image_std is %v, want 1e-6 to 1e6", s.Std[c])
		}
	}
	return nil
}
