package sample

import (
	"fmt"
	"unicode/utf8"
)

const (
	// MaxStops is the largest number of stop strings.
	MaxStops = 16
	// MaxStopBytes is the largest length of a stop string.
	MaxStopBytes = 1024
)

// A Stopper cuts streamed text at the first stop string, across the borders of the
// pieces. It serves one stream and is not safe for concurrent use.
//
// The first stop string is the one that is complete first, because the answer ends
// there; of several that end at the same byte it is the longest. So what comes out
// does not depend on how the text is cut into pieces.
type Stopper struct {
	stops []stop
	held  string
	done  bool
}

// stop is a stop string with its state in the Knuth-Morris-Pratt search.
type stop struct {
	text string
	// back[n] is the length of the longest proper prefix of text that ends text[:n],
	// for n >= 1.
	back []int
	n    int // how much of text the stream ends with
}

// NewStopper returns a stopper for the stop strings. With none, it lets all text
// pass. More than [MaxStops], an empty one, one longer than [MaxStopBytes] and one
// that is not UTF-8 are errors.
func NewStopper(stops []string) (*Stopper, error) {
	if len(stops) > MaxStops {
		return nil, fmt.Errorf("got %d stop strings, want at most %d", len(stops), MaxStops)
	}
	s := &Stopper{stops: make([]stop, len(stops))}
	for i, text := range stops {
		switch {
		case text == "":
			return nil, fmt.Errorf("stop string %d is empty; leave it out", i)
		case len(text) > MaxStopBytes:
			return nil, fmt.Errorf("stop string %d has %d bytes, want at most %d", i, len(text), MaxStopBytes)
		case !utf8.ValidString(text):
			return nil, fmt.Errorf("stop string %d is not UTF-8: %q", i, text)
		}
		s.stops[i] = stop{text: text, back: borders(text)}
	}
	return s, nil
}

// borders returns stop.back.
func borders(text string) []int {
	back := make([]int, len(text)+1)
	for i, n := 1, 0; i < len(text); i++ {
		for n > 0 && text[n] != text[i] {
			n = back[n]
		}
		if text[n] == text[i] {
			n++
		}
		back[i+1] = n
	}
	return back
}

// Feed takes the next piece of the stream and returns the text that is safe to
// send: all but the longest end that may be the beginning of a stop string. Once a
// stop string is complete, stopped is true, safe is what stood before it, and
// further pieces are dropped.
//
// Characters that came whole leave whole.
func (s *Stopper) Feed(text string) (safe string, stopped bool) {
	if s.done {
		return "", true
	}
	if len(s.stops) == 0 {
		return text, false
	}
	all := s.held + text
	for i := len(s.held); i < len(all); i++ {
		if n := s.advance(all[i]); n > 0 {
			s.held, s.done = "", true
			return all[:i+1-n], true
		}
	}
	keep := 0
	for i := range s.stops {
		keep = max(keep, s.stops[i].n)
	}
	cut := len(all) - keep
	s.held = all[cut:]
	return all[:cut], false
}

// Flush returns the text that was held back, at the end of the stream. After it,
// the stopper begins anew unless it has stopped.
func (s *Stopper) Flush() string {
	held := s.held
	s.held = ""
	for i := range s.stops {
		s.stops[i].n = 0
	}
	return held
}

// advance takes a byte and returns the length of the longest stop string that it
// completes, or 0.
func (s *Stopper) advance(c byte) int {
	longest := 0
	for i := range s.stops {
		t := &s.stops[i]
		for t.n > 0 && t.text[t.n] != c {
			t.n = t.back[t.n]
		}
		if t.text[t.n] == c {
			t.n++
		}
		if t.n == len(t.text) {
			longest = max(longest, t.n)
		}
	}
	return longest
}
