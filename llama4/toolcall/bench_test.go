package toolcall

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkFeed streams one long answer in pieces of four bytes. The time for a piece must not grow with the answer.
func BenchmarkFeed(b *testing.B) {
	for name, head := range map[string]string{"content": "", "arguments": `[f(a="`, "list": "[f(a=[", "held": `[h(a="`} {
		for _, size := range []int{1 << 10, 1 << 14, 1 << 18} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				o := known
				if name == "held" {
					o = Options{}
				}
				piece := "abc "
				if name == "list" {
					piece = " 12,"
				}
				b.ReportAllocs()
				for b.Loop() {
					p := NewParser(o)
					p.Feed(head)
					for range size / 4 {
						p.Feed(piece)
					}
					p.Flush()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size/4), "ns/piece")
			})
		}
	}
}

// BenchmarkParse reads an answer with two calls.
func BenchmarkParse(b *testing.B) {
	text := `Let me look. [get_weather(city="Paris", days=[1, 2, 3]), now(zone="` + strings.Repeat("x", 100) + `")]`
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Parse(text, Options{})
	}
}
