package vision

import (
	"slices"
	"strconv"

	"github.com/llama4go/llama4go/llama4/internal/fields"
)

// oneOf checks a string.
func oneOf(f *fields.Object, name string, choice ...string) {
	if v := f.Text(name, choice[0]); !slices.Contains(choice, v) {
		f.Wrong(name, strconv.Quote(choice[0]))
	}
}

// square reads a number or an object with an equal height and width.
func square(f *fields.Object, name string, def int) int {
	if !f.Begins(name, '{') {
		return f.Integer(name, def)
	}
	size := section(f, name)
	height, width := size.Integer("height", 0), size.Integer("width", -1)
	if height != width {
		f.Wrong(name, "an equal height and width")
	}
	return height
}

// channels reads a number for each of three channels, or one for all.
func channels(f *fields.Object, name string, def [3]float64) [3]float64 {
	if f.Absent(name) {
		return def
	}
	const want = "a number, or one for each of 3 channels"
	list := make([]*float64, 1) // pointers, since a float64 would take null for 0
	if f.Begins(name, '[') {
		f.Decode(name, want, &list)
	} else {
		f.Decode(name, want, &list[0])
	}
	if len(list) != 1 && len(list) != 3 || slices.Contains(list, nil) {
		f.Wrong(name, want)
		return def
	}
	for c := range def {
		def[c] = *list[c%len(list)]
	}
	return def
}
