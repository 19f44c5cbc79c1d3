package toolcall

import "unicode"

// markdown follows a text as far as needed to know where code is. A run of three or more backquotes or tildes that starts a
// line opens a fence, which a run at least as long closes; a shorter run of backquotes, or one within a line, opens a span,
// which ends with one as long or with the line.
type markdown struct {
	prev   rune // the character before, 0 at a boundary
	start  bool // only spaces stand before in the line
	run    int  // backquotes or tildes just before, in a row
	ran    rune // which of them
	atHead bool // the run starts the line
	fence  int  // the length of the run that opened a fence, or 0
	fenced rune // which character it was
	opened bool // the fence opened in this line
	closes bool // only spaces follow a run that would close the fence
	span   int  // the length of the run that opened a span, or 0
}

// reset forgets all: a text starts.
func (m *markdown) reset() { *m = markdown{start: true} }

// afterForm notes that a call stands before.
func (m *markdown) afterForm() { m.prev, m.start = 0, false }

// callAt reports whether a call may start here with the bracket r.
func (m *markdown) callAt(r rune) bool {
	if m.run > 0 {
		m.endRun()
	}
	if m.fence > 0 || m.span > 0 {
		return false
	}
	glued := unicode.IsLetter(m.prev) || unicode.IsDigit(m.prev) || m.prev == '_' || m.prev == ')' || m.prev == ']' || m.prev == '\\'
	return r == '{' || !glued
}

// step takes the next character.
func (m *markdown) step(r rune) {
	if m.run > 0 && r != m.ran {
		m.endRun()
	}
	switch r {
	case '\n':
		m.line()
	case '`', '~':
		if m.run == 0 {
			m.ran, m.atHead = r, m.start
		}
		m.run++
		m.start = false
	case ' ', '\t', '\r':
	default:
		m.start, m.closes = false, false
	}
	m.prev = r
}

func (m *markdown) line() {
	if m.closes {
		m.fence = 0
	}
	m.start, m.closes, m.opened, m.span = true, false, false, 0
}

// endRun takes a run of backquotes or tildes that is over.
func (m *markdown) endRun() {
	n := m.run
	m.run = 0
	switch {
	case m.fence > 0 && m.opened: // a line such as ```x``` has a span and no fence
		if m.ran == '`' && m.fenced == '`' {
			m.fence = 0
		}
	case m.fence > 0:
		m.closes = m.atHead && m.ran == m.fenced && n >= m.fence
	case m.atHead && n >= 3:
		m.fence, m.fenced, m.opened = n, m.ran, true
	case m.ran == '~':
	case m.span == 0:
		m.span = n
	case m.span == n:
		m.span = 0
	}
}
