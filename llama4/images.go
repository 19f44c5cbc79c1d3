package llama4

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"strings"
	"sync"

	"github.com/llama4go/llama4go/llama4/chat"
	"github.com/llama4go/llama4go/llama4/vision"
)

// Image is a picture cut into tiles, as the vision tower takes them. It may be
// used by several requests.
type Image struct {
	Tiles *vision.Tiles
	key   imageKey
}

// imageKey is the hash of what a picture was made from.
type imageKey [sha256.Size]byte

// images is what a model needs to make pictures part of prompts.
type images struct {
	settings   *vision.Settings
	normalized [3][256]uint16
	layout     imageLayout
	err        error // why there are no images in prompts

	mu    sync.Mutex
	tiles *lru[imageKey, *Image] // of pictures seen lately
}

var errNoVision = errors.New("the model reads text only: leave out the image")

// newImages prepares for pictures. What a model that reads text needs not is said
// when there is a picture.
func (m *Model) newImages(fsys fs.FS) (*images, error) {
	i := &images{tiles: newLRU[imageKey, *Image](m.options.ImageCacheBytes, nil)}
	v := m.config.Vision
	if v == nil {
		i.err = errNoVision
		return i, nil
	}
	settings, err := vision.LoadSettings(fsys)
	if err != nil {
		return nil, err
	}
	i.settings = settings
	switch {
	case settings.Size != v.ImageSize:
		i.err = fmt.Errorf("images: preprocessor_config.json makes tiles of %d pixels, but vision_config.image_size is %d",
			settings.Size, v.ImageSize)
	case settings.Tokens() != v.Tokens():
		i.err = fmt.Errorf("images: the processor's files give a tile %d tokens, but vision_config %d",
			settings.Tokens(), v.Tokens())
	default:
		i.normalized = settings.Normalized()
		i.layout, i.err = m.newImageLayout()
	}
	return i, nil
}

// DecodeImage makes an Image of the bytes of a JPEG, PNG, WebP or GIF file.
func (m *Model) DecodeImage(data []byte) (*Image, error) {
	return m.images.get(hashOf("encoded", data), func() (*vision.RGB, error) { return vision.Decode(data) })
}

// NewImage makes an Image of a picture that is decoded; what is transparent
// becomes white.
func (m *Model) NewImage(p image.Image) (*Image, error) {
	if m.images.err != nil {
		return nil, m.images.err
	}
	rgb, err := vision.FromImage(p)
	if err != nil {
		return nil, err
	}
	size := binary.LittleEndian.AppendUint64(nil, uint64(rgb.Width))
	return m.images.get(hashOf("rgb", size, rgb.Pix), func() (*vision.RGB, error) { return rgb, nil })
}

func hashOf(kind string, parts ...[]byte) (key imageKey) {
	h := sha256.New()
	_, _ = h.Write([]byte(kind))
	for _, part := range parts {
		_, _ = h.Write(part)
	}
	h.Sum(key[:0])
	return key
}

// get returns the picture of a key, if need be by making it.
func (i *images) get(key imageKey, decode func() (*vision.RGB, error)) (*Image, error) {
	if i.err != nil {
		return nil, i.err
	}
	i.mu.Lock()
	known, ok := i.tiles.get(key)
	i.mu.Unlock()
	if ok {
		return known, nil
	}
	rgb, err := decode()
	if err != nil {
		return nil, err
	}
	made := &Image{Tiles: i.settings.Tiles(rgb), key: key}
	i.mu.Lock()
	defer i.mu.Unlock()
	if known, ok := i.tiles.get(key); ok {
		return known, nil // somebody else made it meanwhile
	}
	i.tiles.add(key, made, int64(len(made.Tiles.Pix)))
	return made, nil
}

// messageImages returns the pictures of a conversation, in order.
func (m *Model) messageImages(ctx context.Context, r *Request) ([]*Image, error) {
	var found []*Image
	for i := range r.Messages {
		parts := r.Messages[i].Content.Parts
		for j := range parts {
			if parts[j].Type != chat.TypeImage {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			one, err := m.partImage(r, &parts[j])
			if err != nil {
				return nil, fmt.Errorf("messages[%d].content[%d]: %w", i, j, err)
			}
			found = append(found, one)
		}
	}
	return found, nil
}

func (m *Model) partImage(r *Request, p *chat.Part) (*Image, error) {
	switch {
	case m.images.err != nil:
		return nil, m.images.err
	case p.Picture != nil:
		return m.NewImage(p.Picture)
	}
	data, err := partData(r, p)
	if err != nil {
		return nil, err
	}
	return m.DecodeImage(data)
}

// partData returns the file of a part's picture.
func partData(r *Request, p *chat.Part) ([]byte, error) {
	switch {
	case p.Data != nil:
		return p.Data, nil
	case p.Path != "":
		return readImage(r, p.Path)
	case p.URL != "":
		return addressData(r, p.URL)
	case p.Image == "":
		return nil, errors.New("the image has no path, url or data")
	}
	data, err := addressData(r, p.Image)
	if err == nil {
		return data, nil
	}
	if plain, bad := base64.StdEncoding.DecodeString(p.Image); bad == nil {
		return plain, nil
	}
	return nil, err
}

// addressData returns what an address names: data: addresses hold it.
func addressData(r *Request, address string) ([]byte, error) {
	scheme, rest, _ := strings.Cut(address, ":")
	switch strings.ToLower(scheme) {
	case "http", "https":
		return nil, errors.New("the image is an address of the web, which is not fetched: give a path or the data")
	case "data":
		head, data, ok := strings.Cut(rest, ",")
		if !ok || !strings.HasSuffix(head, ";base64") {
			return nil, errors.New("the image's data: address is not base64")
		}
		plain, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return nil, fmt.Errorf("the image's data: address: %w", err)
		}
		return plain, nil
	}
	return readImage(r, address)
}

func readImage(r *Request, path string) ([]byte, error) {
	if r.ReadImage == nil {
		return nil, errors.New("the image is a path, and the request has no ReadImage: set it or give the data")
	}
	return r.ReadImage(path)
}
