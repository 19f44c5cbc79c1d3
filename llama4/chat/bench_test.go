package chat

import "testing"

// BenchmarkRender renders a short conversation with the Llama 4 template.
func BenchmarkRender(b *testing.B) {
	tmpl := llamaTemplate(b)
	in := Input{AddGenerationPrompt: true, Messages: []Message{
		{Role: "system", Content: Text("Be brief.")},
		{Role: "user", Content: Text("What is 7 plus 12?")},
		{Role: "assistant", Content: Text("7 plus 12 is 19.")},
		{Role: "user", Content: Text("And 3 more?")},
	}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tmpl.Render(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}
