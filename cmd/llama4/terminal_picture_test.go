package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/llama4go/llama4go/llama4/vision"
)

// environment looks names up in a list NAME=value.
func environment(list string) func(string) string {
	return func(name string) string {
		for _, entry := range strings.Fields(list) {
			if value, ok := strings.CutPrefix(entry, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

const (
	withSixel    = "\x1b[?62;4;22c"
	withoutSixel = "\x1b[?62;22c"
)

func TestPictureProtocol(t *testing.T) {
	const notAsked = "-"
	for _, row := range []struct{ environment, reply, want string }{
		{"", notAsked, "off"},
		{"TERM=dumb TERM_PROGRAM=iTerm.app", notAsked, "off"},
		{"TERM=xterm-kitty KITTY_WINDOW_ID=1", notAsked, "kitty"},
		{"TERM=xterm-256color KITTY_WINDOW_ID=1", notAsked, "kitty"},
		{"TERM=xterm-kitty TERM_PROGRAM=WezTerm", notAsked, "kitty"}, // kitty, started there
		{"TERM=xterm-ghostty TERM_PROGRAM=ghostty", notAsked, "kitty"},
		{"TERM=xterm-256color TERM_PROGRAM=ghostty", notAsked, "kitty"},
		{"TERM=xterm-256color TERM_PROGRAM=WezTerm", notAsked, "iterm2"},
		{"TERM=xterm-256color TERM_PROGRAM=iTerm.app KITTY_WINDOW_ID=1", notAsked, "iterm2"},
		{"TERM=xterm-256color LC_TERMINAL=iTerm2 SSH_TTY=/dev/pts/1", notAsked, "iterm2"},
		{"TERM=xterm-256color TERM_PROGRAM=vscode KITTY_WINDOW_ID=1", withSixel, "sixel"},
		{"TERM=xterm-256color TERM_PROGRAM=vscode", withoutSixel, "off"},
		{"TERM=foot", withSixel, "sixel"},
		{"TERM=xterm", withoutSixel, "off"},
		{"TERM=xterm", "", "off"},
		{"TERM=xterm-kitty TMUX=/tmp/tmux", withSixel, "sixel"},
		{"TERM=tmux-256color KITTY_WINDOW_ID=1", withoutSixel, "off"},
		{"TERM=screen TERM_PROGRAM=iTerm.app STY=1", "", "off"},
		{"TERM=xterm-ghostty ZELLIJ=0", withSixel, "sixel"},
	} {
		t.Run(row.environment, func(t *testing.T) {
			asked := false
			s := &pictureScreen{protocol: picturesAuto, ask: func() (string, bool) {
				asked = true
				return row.reply, true
			}}
			s.detect(environment(row.environment))
			require.Equal(t, row.want, s.protocol)
			require.Equal(t, row.reply != notAsked, asked)
		})
	}
	busy := &pictureScreen{protocol: picturesAuto, ask: func() (string, bool) { return "", false }}
	busy.detect(environment("TERM=xterm"))
	require.Equal(t, picturesAuto, busy.protocol, "the next picture tries again")
	require.Equal(t, 200*time.Millisecond, replyWait(environment("TERM=xterm")))
	require.Equal(t, time.Second, replyWait(environment("SSH_TTY=/dev/pts/1")))
}

func TestTakesSixel(t *testing.T) {
	for reply, want := range map[string]bool{
		withSixel:         true,
		withoutSixel:      false,
		"\x1b[?1;2;4c":    true, // tmux
		"\x1b[?63;1;4c":   true,
		"\x1b[?4;6c":      false, // VT132
		"\x1b[?6c":        false,
		"\x1b[?62;14;44c": false,
		"\x1b[>62;4c":     false, // DA2
		"\x1b[?62;4":      false,
		"x" + withSixel:   true, // after a key
		"":                false,
	} {
		require.Equal(t, want, takesSixel(reply), "%q", reply)
	}
}

func FuzzTakesSixel(f *testing.F) {
	for _, reply := range []string{withSixel, withoutSixel, "\x1b[?", "\x1b[?;;4c"} {
		f.Add(reply)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		if takesSixel(reply) {
			require.Contains(t, reply, ";4")
			require.True(t, strings.HasSuffix(reply, "c"))
		}
	})
}

func TestWindow(t *testing.T) {
	for _, row := range []struct {
		size          unix.Winsize
		want          window
		width, height int // the room
	}{
		{unix.Winsize{}, window{80, 24, 10, 20}, 400, 300},
		{unix.Winsize{Row: 40, Col: 100}, window{100, 40, 10, 20}, 400, 300},
		{unix.Winsize{Row: 40, Col: 100, Xpixel: 900, Ypixel: 720}, window{100, 40, 9, 18}, 360, 270},
		{unix.Winsize{Row: 40, Col: 100, Xpixel: 3000, Ypixel: 2400}, window{100, 40, 30, 60}, 800, 600},
		{unix.Winsize{Row: 40, Col: 100, Xpixel: 100, Ypixel: 40}, window{100, 40, 10, 20}, 400, 300}, // no pixels
		{unix.Winsize{Row: 5, Col: 20}, window{20, 5, 10, 20}, 200, 100},
		{unix.Winsize{Row: 1, Col: 1, Xpixel: 65535, Ypixel: 65535}, window{1, 1, 10, 20}, 10, 20},
	} {
		got := newWindow(&row.size)
		require.Equal(t, row.want, got)
		width, height := got.room()
		require.Equal(t, []int{row.width, row.height}, []int{width, height})
	}
}

func TestFit(t *testing.T) {
	for _, row := range []struct{ width, height, toWidth, toHeight, columns, rows int }{
		{112, 112, 112, 112, 0, 6},
		{400, 300, 400, 300, 40, 0},
		{800, 600, 400, 300, 40, 0},
		{401, 300, 400, 299, 40, 0},
		{1000, 100, 400, 40, 40, 0},
		{100, 1000, 30, 300, 0, 15},
		{20, 10, 200, 100, 20, 0}, // 10 times
		{1, 1, 150, 150, 0, 8},
		{vision.MaxSide, 1, 400, 1, 40, 0},
		{1, vision.MaxSide, 1, 300, 0, 15},
	} {
		w := newWindow(&unix.Winsize{})
		width, height := fit(row.width, row.height, 400, 300)
		columns, rows := w.cells(width, height)
		require.Equal(t, []int{row.toWidth, row.toHeight, row.columns, row.rows}, []int{width, height, columns, rows},
			"%dx%d", row.width, row.height)
	}
}

func TestResized(t *testing.T) {
	p := &vision.RGB{Width: 3, Height: 2, Pix: []byte{
		10, 0, 0, 20, 0, 0, 31, 0, 255,
		10, 1, 0, 20, 2, 0, 31, 2, 254,
	}}
	one := resized(p, 1, 1)
	require.Equal(t, []byte{20, 1, 85, 255}, one.Pix, "the mean, rounded")
	double := resized(p, 6, 4)
	for y := range 4 {
		for x := range 6 {
			at := 3 * (y/2*3 + x/2)
			require.Equal(t, append(bytes.Clone(p.Pix[at:at+3]), 255), double.Pix[4*(6*y+x):][:4])
		}
	}
}

// The largest picture is drawn while a person hardly waits, in little memory.
func BenchmarkLargestPicture(b *testing.B) {
	const width, height = 10922, vision.MaxPixels / 10922
	p := &vision.RGB{Width: width, Height: height, Pix: make([]byte, 3*width*height)}
	b.ReportAllocs()
	for b.Loop() {
		_, err := drawPicture(p, picturesKitty, newWindow(&unix.Winsize{}))
		require.NoError(b, err)
	}
}

func TestPicturesFlag(t *testing.T) {
	requireFailure(t, llama4Run(t, "", "chat", "--pictures", "png"), statusUsage,
		`--pictures "png": want auto, kitty, iterm2, sixel or off`)
	require.Equal(t, "auto\nkitty\niterm2\nsixel\noff\n:4\n", succeed(t, "", "__complete", "chat", "--pictures", "").stdout)
}

func TestPicturesOff(t *testing.T) {
	var out bytes.Buffer
	s := newPictureScreen(picturesKitty, strings.NewReader(""), &out)
	require.NoError(t, s.show([]byte("not decoded")))
	require.Empty(t, out.String(), "a buffer is no terminal")
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	require.NoError(t, newPictureScreen(picturesKitty, file, file).show([]byte("not decoded")))
	o := succeed(t, lines("What is in the picture?"), "chat", "--pictures", "kitty", "--image", square)
	require.Equal(t, "A red square.\n", o.stdout)
}
