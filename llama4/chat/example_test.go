package chat_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/llama4go/llama4go/llama4/chat"
)

func Example() {
	model := fstest.MapFS{
		"tokenizer_config.json": {Data: []byte(`{"bos_token": "<|begin_of_text|>"}`)},
		"chat_template.jinja": {Data: []byte(`{{ bos_token }}{% for m in messages %}
<|header_start|>{{ m.role }}<|header_end|> {{ m.content | trim }}<|eot|>{% endfor %}`)},
	}
	t, err := chat.Load(model)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := t.Render(context.Background(), chat.Input{Messages: []chat.Message{
		{Role: "user", Content: chat.Text(" Say <|eot|> ")},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range p.Segments(func(name string) bool { return name != "<|unknown|>" }) {
		fmt.Printf("%t %q\n", s.Special, s.Text)
	}
	// Output:
	// true "<|begin_of_text|>"
	// true "<|header_start|>"
	// false "user"
	// true "<|header_end|>"
	// false " Say <|eot|>"
	// true "<|eot|>"
}

func ExampleReadMessages() {
	msgs, err := chat.ReadMessages([]byte(`[{"role": "user", "content": [{"type": "image", "path": "cat.png"}, {"type": "text", "text": "What is it?"}]}]`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(msgs[0].Role, msgs[0].Content.Parts[0].Path)
	_, err = chat.ReadMessages([]byte(`[{"role": "user", "content": [{"type": "audio"}]}]`))
	fmt.Println(err)
	// Output:
	// user cat.png
	// messages[0]: content[0]: unknown part type "audio", want text or image
}
