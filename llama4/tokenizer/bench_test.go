package tokenizer

import (
	"go/build"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The texts are files of the Go distribution: Newton's Opticks and net/http.
func corpus(b *testing.B, name string) string {
	b.Helper()
	data, err := os.ReadFile(filepath.Join(build.Default.GOROOT, "src", name))
	if err != nil {
		b.Skip(err)
	}
	return string(data)
}

func vocabularies(b *testing.B, f func(b *testing.B, t *Tokenizer)) {
	b.Run("demo", func(b *testing.B) { f(b, demo(b)) })
	b.Run("real", func(b *testing.B) { f(b, realTokenizer(b)) })
}

func BenchmarkEncode(b *testing.B) {
	texts := map[string]func(b *testing.B) string{
		"prose": func(b *testing.B) string { return corpus(b, "testdata/Isaac.Newton-Opticks.txt") },
		"code":  func(b *testing.B) string { return corpus(b, "net/http/server.go") },
		"chinese": func(*testing.B) string {
			return strings.Repeat("你好，世界！我们在测试分词器的速度，看看中文要多久。", 2000)
		},
		"russian": func(*testing.B) string {
			return strings.Repeat("Мы измеряем скорость разбора русского текста. ", 2000)
		},
		"run":    func(*testing.B) string { return strings.Repeat("a", 1<<20) },
		"base64": func(*testing.B) string { return strings.Repeat("aGVsbG8gd29ybGQhIHRoaXMgaXMgYmFzZTY0IHRleHQ", 5000) },
	}
	for _, name := range []string{"prose", "code", "chinese", "russian", "run", "base64"} {
		b.Run(name, func(b *testing.B) {
			vocabularies(b, func(b *testing.B, t *Tokenizer) {
				text := texts[name](b)
				var ids []int32
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					ids = t.AppendEncode(ids[:0], text)
				}
				b.ReportMetric(float64(len(text))/float64(len(ids)), "B/token")
			})
		})
	}
}

func BenchmarkEncodeSpecial(b *testing.B) {
	vocabularies(b, func(b *testing.B, t *Tokenizer) {
		text := strings.Repeat("<|header_start|>user<|header_end|>\n\nWhat is <|this|>?<|eot|>", 1000)
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			_ = t.EncodeSpecial(text)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	text := bytesOf(corpus(b, "testdata/Isaac.Newton-Opticks.txt"))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		for i := 0; i < len(text); {
			i = pieceEnd(text, i)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	vocabularies(b, func(b *testing.B, t *Tokenizer) {
		text := corpus(b, "testdata/Isaac.Newton-Opticks.txt")
		ids := t.Encode(text)
		b.Run("whole", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				_ = t.Decode(ids)
			}
		})
		b.Run("stream", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			d := NewDecoder(t)
			for b.Loop() {
				for _, id := range ids {
					_ = d.Next(id)
				}
			}
		})
	})
}

func BenchmarkLoad(b *testing.B) {
	demoData, err := os.ReadFile(demoFile)
	require.NoError(b, err)
	load := func(name string, data []byte, parse func([]byte) (*Tokenizer, error)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := parse(data)
				require.NoError(b, err)
			}
		})
	}
	load("demo", demoData, ParseJSON)
	model, err := os.ReadFile(realFile(b))
	require.NoError(b, err)
	load("model", model, ParseTiktoken)
	load("json", convert(b, realTokenizer(b)), ParseJSON)
}
