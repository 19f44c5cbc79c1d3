package llama4

import (
	"context"
	"errors"
	"fmt"

	"github.com/llama4go/llama4go/llama4/chat"
)

// Prompt is a prompt as the model takes it.
type Prompt struct {
	Tokens []int32
	// Images are the pictures in the prompt. Their patches take the places of the
	// tokens Config.ImagePatch, of which there are as many, in order. Without images
	// such a token is one like any other.
	Images []*Image
}

// Len returns the number of tokens.
func (p *Prompt) Len() int { return len(p.Tokens) }

// Encode returns a request's prompt.
func (m *Model) Encode(ctx context.Context, r *Request) (*Prompt, error) {
	given := 0
	for _, is := range []bool{r.Prompt != "", r.Messages != nil, r.Tokens != nil} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, errors.New("the request has more than one of Prompt, Messages and Tokens")
	case r.Messages != nil && len(r.Messages) == 0:
		return nil, errors.New("the request has an empty list of Messages")
	case r.Tokens != nil && len(r.Tokens) == 0:
		return nil, errors.New("the request has an empty list of Tokens")
	case r.Tools != nil && r.Messages == nil:
		return nil, errors.New("the request has Tools without Messages")
	case r.Images != nil && r.Tokens == nil:
		return nil, errors.New("the request has Images without Tokens: those of Messages are in their parts")
	case len(r.Tokens) > 0:
		p := &Prompt{Tokens: r.Tokens, Images: r.Images}
		return p, m.checkPrompt(p)
	case m.tokenizer == nil:
		return nil, errors.New("the checkpoint has no tokenizer.json or tokenizer.model: give tokens")
	case len(r.Messages) > 0:
		return m.encodeMessages(ctx, r)
	}
	var ids []int32
	if bos, ok := m.BOS(); ok && !r.NoBOS {
		ids = append(ids, bos)
	}
	ids = m.tokenizer.AppendEncode(ids, r.Prompt)
	if len(ids) == 0 {
		return nil, errors.New("the prompt has no tokens")
	}
	return &Prompt{Tokens: ids}, m.checkTokens(ids)
}

// encodeMessages renders a conversation, and lays a picture out in the place of
// each placeholder that the template writes.
func (m *Model) encodeMessages(ctx context.Context, r *Request) (*Prompt, error) {
	if m.template == nil {
		return nil, errors.New("the checkpoint has no chat template: give a prompt or tokens")
	}
	pictures, err := m.messageImages(ctx, r)
	if err != nil {
		return nil, err
	}
	rendered, err := m.template.Render(ctx, chat.Input{
		Messages: r.Messages, Tools: r.Tools, AddGenerationPrompt: true,
	})
	if err != nil {
		return nil, err
	}
	placeholders := 0
	ids := rendered.EncodeFunc(m.tokenizer, func(dst []int32, name string, id int32) []int32 {
		if name != imagePlaceholder {
			return append(dst, id)
		}
		placeholders++
		if placeholders > len(pictures) {
			return dst
		}
		return m.images.layout.append(dst, pictures[placeholders-1].Tiles)
	})
	switch {
	case len(ids) == 0:
		return nil, errors.New("the chat template gives an empty prompt")
	case placeholders != len(pictures):
		return nil, fmt.Errorf("the messages have %d images, but the chat template shows %d", len(pictures), placeholders)
	}
	p := &Prompt{Tokens: ids, Images: pictures}
	return p, m.checkPrompt(p)
}

// checkPrompt refuses tokens that are not in the vocabulary, and images whose
// patches do not fit the tokens.
func (m *Model) checkPrompt(p *Prompt) error {
	if err := m.checkTokens(p.Tokens); err != nil || len(p.Images) == 0 {
		return err
	}
	if m.images.err != nil {
		return m.images.err
	}
	patches := 0
	for i, one := range p.Images {
		if one == nil {
			return fmt.Errorf("image %d is nil", i)
		}
		patches += m.patchesOf(one)
	}
	if n := m.countPatches(p.Tokens); n != patches {
		return fmt.Errorf("the prompt has %d patch tokens, but its images have %d patches", n, patches)
	}
	return nil
}

// patchesOf returns the number of tokens that an image's patches take.
func (m *Model) patchesOf(i *Image) int { return i.Tiles.Count() * m.config.Vision.Tokens() }

func (m *Model) countPatches(tokens []int32) int {
	n := 0
	for _, id := range tokens {
		if id == m.config.ImagePatch {
			n++
		}
	}
	return n
}
