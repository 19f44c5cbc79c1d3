package main

import (
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/llama4go/llama4go/llama4/vision"
)

// How a terminal is given a picture, the values of --pictures.
const (
	picturesAuto   = "auto" // as the terminal is found to take them
	picturesKitty  = "kitty"
	picturesITerm2 = "iterm2"
	picturesSixel  = "sixel"
	picturesOff    = "off"
)

// picturesFlag registers --pictures.
func picturesFlag(cmd *cobra.Command, protocol *string) {
	*protocol = picturesAuto
	known := []string{picturesAuto, picturesKitty, picturesITerm2, picturesSixel, picturesOff}
	cmd.Flags().Var(&value{text: picturesAuto, kind: "name", set: func(text string) error {
		if !slices.Contains(known, text) {
			return errors.New("want auto, kitty, iterm2, sixel or off")
		}
		*protocol = text
		return nil
	}}, "pictures", "show pictures on the terminal: auto, kitty, iterm2, sixel or off")
	complete(cmd, "pictures", known...)
}

// pictureScreen shows pictures where a person sees them.
type pictureScreen struct {
	out      io.Writer
	protocol string
	ask      func() (reply string, asked bool) // for the terminal's attributes
	window   func() window
}

// newPictureScreen shows pictures on standard output if it is a terminal.
func newPictureScreen(protocol string, stdin io.Reader, stdout io.Writer) *pictureScreen {
	if !isTerminal(stdout) {
		return &pictureScreen{protocol: picturesOff}
	}
	out := stdout.(*os.File) // isTerminal says so
	s := &pictureScreen{out: out, protocol: protocol, window: func() window { return windowOf(out) }}
	s.ask = func() (string, bool) { return "", true }
	if isTerminal(stdin) {
		s.ask = func() (string, bool) { return deviceAttributes(stdin.(*os.File), out, replyWait(os.Getenv)) }
	}
	return s
}

// show shows a picture of a file's bytes, and leaves the cursor on a line of its own.
func (s *pictureScreen) show(data []byte) error {
	if s.protocol == picturesAuto {
		s.detect(os.Getenv)
	}
	if s.protocol == picturesOff || s.protocol == picturesAuto {
		return nil
	}
	rgb, err := vision.Decode(data)
	if err != nil {
		return err
	}
	drawn, err := drawPicture(rgb, s.protocol, s.window())
	if err != nil {
		return err
	}
	_, err = s.out.Write(append(drawn, '\n'))
	return err
}

// detect finds out how the terminal takes pictures. If it cannot be asked now, the
// next picture tries again.
func (s *pictureScreen) detect(getenv func(string) string) {
	protocol := protocolOf(getenv)
	if protocol == picturesAuto {
		reply, asked := s.ask()
		switch {
		case !asked:
			return
		case takesSixel(reply):
			protocol = picturesSixel
		default:
			protocol = picturesOff
		}
	}
	s.protocol = protocol
}

// protocolOf says what the environment tells of a terminal: how it takes pictures, that
// it does not, or "auto": ask it. TERM is the terminal's own word, while other variables
// may have been inherited from a terminal in which this one was started.
func protocolOf(getenv func(string) string) string {
	name, program := getenv("TERM"), getenv("TERM_PROGRAM")
	switch {
	case name == "" || name == "dumb":
		return picturesOff
	case multiplexed(getenv):
		// What it shows is drawn anew at will, so only pictures that it knows of last.
		return picturesAuto
	case name == "xterm-kitty" || name == "xterm-ghostty":
		return picturesKitty
	case program == "ghostty":
		return picturesKitty
	case program == "WezTerm" || program == "iTerm.app":
		return picturesITerm2
	case program != "":
		return picturesAuto // some, as vscode, show pictures if their settings say so
	case getenv("KITTY_WINDOW_ID") != "":
		return picturesKitty
	case getenv("LC_TERMINAL") == "iTerm2": // ssh passes it on
		return picturesITerm2
	}
	return picturesAuto
}

// multiplexed says whether tmux or the like is between this program and the terminal.
func multiplexed(getenv func(string) string) bool {
	for _, name := range []string{"TMUX", "STY", "ZELLIJ"} {
		if getenv(name) != "" {
			return true
		}
	}
	name := getenv("TERM")
	return strings.HasPrefix(name, "tmux") || strings.HasPrefix(name, "screen")
}

// attributesReply is what a terminal answers to DA1. The first number is its kind, the
// others are what it can do.
var attributesReply = regexp.MustCompile(`\x1b\[\?[0-9]{1,4}((?:;[0-9]{1,4}){0,64})c$`)

// takesSixel says whether a reply to DA1 lists sixel graphics.
func takesSixel(reply string) bool {
	found := attributesReply.FindStringSubmatch(reply)
	return found != nil && slices.Contains(strings.Split(found[1], ";"), "4")
}

// replyWait is how long a terminal has for an answer. Nearly all answer at once, and
// only before the first picture is anything asked, so that a far one may take its time.
func replyWait(getenv func(string) string) time.Duration {
	if getenv("SSH_CONNECTION") != "" || getenv("SSH_TTY") != "" {
		return time.Second
	}
	return 200 * time.Millisecond
}

// deviceAttributes asks a terminal for its device attributes and returns the reply, ""
// if none came in time. While keys wait to be read, it does not ask, as they would be
// lost on the way to the reply.
func deviceAttributes(in, out *os.File, wait time.Duration) (reply string, asked bool) {
	fd := int(in.Fd())
	if readable(fd, 0) {
		return "", false
	}
	state, err := term.MakeRaw(fd) // the reply is not echoed, and no line that Enter ends
	if err != nil {
		return "", true
	}
	defer func() { _ = term.Restore(fd, state) }()
	if _, err := io.WriteString(out, ansi.RequestPrimaryDeviceAttributes); err != nil {
		return "", true
	}
	return readReply(fd, time.Now().Add(wait)), true
}

// readReply reads a reply to DA1 and not a byte more, which would be a key.
func readReply(fd int, deadline time.Time) string {
	const most = 512 // bytes of a reply
	var reply []byte
	for len(reply) < most && readable(fd, time.Until(deadline)) {
		var next [1]byte
		if n, err := unix.Read(fd, next[:]); n != 1 || err != nil {
			break
		}
		reply = append(reply, next[0])
		if next[0] == 'c' && attributesReply.Match(reply) {
			return string(reply)
		}
	}
	return ""
}

// readable waits until something can be read.
func readable(fd int, wait time.Duration) bool {
	deadline := time.Now().Add(wait)
	for {
		left := max(0, time.Until(deadline))
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int((left+time.Millisecond-1)/time.Millisecond))
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n == 1 && fds[0].Revents&unix.POLLIN != 0
		}
	}
}
