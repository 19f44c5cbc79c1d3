package llama4

import (
	"errors"
	"fmt"

	"github.com/llama4go/llama4go/llama4/vision"
)

// imagePlaceholder is the token that a chat template writes for a picture.
const imagePlaceholder = "<|image|>"

// imageLayout is how the tokens of a picture are laid out (Llama4Processor of the
// reference): start; if there is more than one tile, their patches row by row,
// with x between the tiles of a row and y after it; then image, the patches of the
// whole picture in one tile, and end.
type imageLayout struct {
	start, end, x, y, image, patch int32
	patches                        int // of a tile
}

func (m *Model) newImageLayout() (imageLayout, error) {
	l := imageLayout{patches: m.config.Vision.Tokens()}
	if m.tokenizer == nil {
		return l, errors.New("images need a tokenizer, which the checkpoint does not have")
	}
	for _, token := range []struct {
		name string
		id   *int32
	}{
		{"<|image_start|>", &l.start}, {"<|image_end|>", &l.end}, {imagePlaceholder, &l.image},
		{"<|patch|>", &l.patch}, {"<|tile_x_separator|>", &l.x}, {"<|tile_y_separator|>", &l.y},
	} {
		id, ok := m.tokenizer.Special(token.name)
		if !ok {
			return l, fmt.Errorf("images need the token %s, which the tokenizer does not have", token.name)
		}
		*token.id = id
	}
	if l.patch != m.config.ImagePatch {
		return l, fmt.Errorf("images: <|patch|> is token %d, but image_token_index of config.json is %d",
			l.patch, m.config.ImagePatch)
	}
	return l, nil
}

// append appends the tokens of a picture.
func (l *imageLayout) append(dst []int32, t *vision.Tiles) []int32 {
	tile := func() {
		for range l.patches {
			dst = append(dst, l.patch)
		}
	}
	dst = append(dst, l.start)
	if t.Count() > 1 {
		for range t.Rows {
			for column := range t.Columns {
				if column > 0 {
					dst = append(dst, l.x)
				}
				tile()
			}
			dst = append(dst, l.y)
		}
	}
	dst = append(dst, l.image)
	tile()
	return append(dst, l.end)
}
