package vision

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// settingsFiles are a checkpoint's two files; "" is a file that is not there.
func settingsFiles(picture, tokens string) fstest.MapFS {
	files := fstest.MapFS{}
	if picture != "" {
		files["preprocessor_config.json"] = &fstest.MapFile{Data: []byte(picture)}
	}
	if tokens != "" {
		files["processor_config.json"] = &fstest.MapFile{Data: []byte(tokens)}
	}
	return files
}

func TestLoadSettings(t *testing.T) {
	changed := func(change func(s *Settings)) *Settings {
		s := Default()
		change(s)
		return s
	}
	small := changed(func(s *Settings) { s.Size, s.MaxPatches = 112, 4 })
	for name, c := range map[string]struct {
		picture, tokens string
		want            *Settings
	}{
		"no files":       {"", "", Default()},
		"nothing said":   {"{}", "{}", Default()},
		"nulls":          {`{"size":null,"image_mean":null,"do_resize":null}`, `{"patch_size":null,"image_processor":null}`, Default()},
		"an object":      {`{"size":{"height":112,"width":112},"max_patches":4}`, "", small},
		"a number":       {`{"size":112,"max_patches":4}`, "", small},
		"one file":       {"", `{"image_processor":{"size":112,"max_patches":4}}`, small},
		"nested":         {`{"image_processor":{"size":112,"max_patches":4}}`, "", small},
		"both":           {`{"size":112,"max_patches":4}`, `{"image_processor":{"size":56}}`, small},
		"a third":        {"", `{"pixel_shuffle_ratio":0.3333333,"patch_size":7}`, changed(func(s *Settings) { s.Shuffle, s.PatchSize = 3, 7 })},
		"one for all":    {`{"image_mean":0.25,"image_std":[2]}`, "", changed(func(s *Settings) { s.Mean, s.Std = [3]float64{.25, .25, .25}, [3]float64{2, 2, 2} })},
		"one a channel":  {`{"image_mean":[1,2,3],"rescale_factor":0.5}`, "", changed(func(s *Settings) { s.Mean, s.Rescale = [3]float64{1, 2, 3}, 0.5 })},
		"largest canvas": {`{"resize_to_max_canvas":true,"resample":2,"data_format":"channels_first"}`, "", changed(func(s *Settings) { s.ResizeToMaxCanvas = true })},
		"unknown fields": {`{"crop_size":7,"do_pad":"x","image_processor_type":"Llama4ImageProcessor"}`, `{"fake_image_token":1}`, Default()},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := LoadSettings(settingsFiles(c.picture, c.tokens))
			require.NoError(t, err)
			require.Equal(t, c.want, s)
		})
	}
}

func TestLoadSettingsFaults(t *testing.T) {
	const in, both = "preprocessor_config.json: ", "preprocessor_config.json, processor_config.json: "
	for _, c := range []struct{ picture, tokens, want string }{
		{`[1]`, "", in + "not a JSON object"},
		{`null`, "", in + "not a JSON object"},
		{`{"size":`, "", in + "not JSON: unexpected end of JSON input (byte 8)"},
		{`{"size":"336"}`, "", in + `size is "336", want an integer`},
		{`{"size":1.5}`, "", in + "size is 1.5, want an integer"},
		{`{"size":{"height":336,"width":224}}`, "", in + `size is {"height":336,"width":224}, want an equal height and width`},
		{`{"size":{"height":336}}`, "", in + `size is {"height":336}, want an equal height and width`},
		{`{"size":{"height":"a"}}`, "", in + `size.height is "a", want an integer`},
		{`{"do_resize":false}`, "", in + "do_resize is false, want true"},
		{`{"do_normalize":1}`, "", in + "do_normalize is 1, want true or false"},
		{`{"resample":3}`, "", in + "resample is 3, want 2 (bilinear)"},
		{`{"data_format":"channels_last"}`, "", in + `data_format is "channels_last", want "channels_first"`},
		{`{"image_processor_type":7}`, "", in + "image_processor_type is 7, want a string"},
		{`{"image_mean":[1,2]}`, "", in + "image_mean is [1,2], want a number, or one for each of 3 channels"},
		{`{"image_std":[1,null,2]}`, "", in + "image_std is [1,null,2], want a number, or one for each of 3 channels"},
		{`{"image_std":"x"}`, "", in + `image_std is "x", want a number, or one for each of 3 channels`},
		{`{"rescale_factor":"` + strings.Repeat("y", 99) + `"}`, "", in + `rescale_factor is "` + strings.Repeat("y", 59) + `..., want a number`},
		{`{"image_processor":3}`, "", in + "image_processor is 3, want an object"},
		{"", `{"image_processor":{"size":"a"}}`, `processor_config.json: image_processor.size is "a", want an integer`},
		{"", `{"pixel_shuffle_ratio":0.4}`, "processor_config.json: pixel_shuffle_ratio is 0.4, want 1, 1/2, 1/3 ..."},
		{"", `{"pixel_shuffle_ratio":0}`, "processor_config.json: pixel_shuffle_ratio is 0, want 1, 1/2, 1/3 ..."},
		{"", `{"patch_size":[]}`, "processor_config.json: patch_size is [], want an integer"},
		{`{"size":0}`, "", both + "size is 0, want 1 to 2048"},
		{`{"max_patches":257}`, "", both + "max_patches is 257, want 1 to 256"},
		{`{"size":2048,"max_patches":17}`, "", both + "max_patches is 17, want at most 16 for tiles of size 2048"},
		{`{"rescale_factor":0}`, "", both + "rescale_factor is 0, want above 0 to 1e6"},
		{`{"image_std":0}`, "", both + "image_std is 0, want 1e-6 to 1e6"},
		{"", `{"patch_size":337}`, both + "patch_size is 337, want 1 to the size of a tile, 336"},
		{"", `{"pixel_shuffle_ratio":0.04}`, both + "pixel_shuffle_ratio is 1/25, want 1 to 1/24, the patches of a side"},
		{strings.Repeat(" ", 1<<20+1), "", in + "over the limit of 1048576 bytes"},
	} {
		_, err := LoadSettings(settingsFiles(c.picture, c.tokens))
		require.EqualError(t, err, c.want)
	}
}

func FuzzLoadSettings(f *testing.F) {
	f.Add(`{"size":{"height":112,"width":112},"image_mean":[0.5,0.5,0.5]}`, `{"patch_size":14}`)
	f.Add(`{"image_processor":{"size":1}}`, `{"image_processor":{"pixel_shuffle_ratio":0.5}}`)
	f.Fuzz(func(t *testing.T, picture, tokens string) {
		s, err := LoadSettings(settingsFiles(picture, tokens))
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.NoError(t, s.Validate())
		require.Positive(t, s.Tokens())
	})
}
