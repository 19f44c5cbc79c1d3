package toolcall

import (
	"math/big"
	"strings"
)

// maxWord bounds names and numbers, in bytes; Python takes integers of up to 4,300 digits.
const maxWord = 4300

// literal returns the JSON of a constant or a number.
func literal(word string) (string, bool) {
	if text, ok := constant(word); ok {
		return text, true
	}
	return number(word)
}

func constant(word string) (string, bool) {
	switch word {
	case "True", "true":
		return "true", true
	case "False", "false":
		return "false", true
	case "None", "null":
		return "null", true
	}
	return "", false
}

// wordKey returns the text of a key that is no string, as json.dumps writes it.
func wordKey(word string) (string, bool) {
	if text, ok := constant(word); ok {
		return text, true
	}
	text, ok := number(word)
	return text, ok && !strings.ContainsAny(text, ".eE")
}

// number returns the JSON of a number in Python's notation.
func number(word string) (string, bool) {
	sign, digits := "", word
	switch {
	case strings.HasPrefix(word, "-"):
		sign, digits = "-", word[1:]
	case strings.HasPrefix(word, "+"):
		digits = word[1:]
	}
	digits, ok := withoutUnderscores(digits)
	if !ok {
		return "", false
	}
	if len(digits) > 2 && digits[0] == '0' && strings.IndexByte("xXoObB", digits[1]) >= 0 {
		n, ok := new(big.Int).SetString(digits, 0)
		if !ok {
			return "", false
		}
		return sign + n.String(), true
	}
	return decimal(sign, digits)
}

// decimal returns the JSON of a number to the base ten.
func decimal(sign, s string) (string, bool) {
	whole := leadingDigits(s)
	s = s[len(whole):]
	point, fraction := "", ""
	if strings.HasPrefix(s, ".") {
		fraction = leadingDigits(s[1:])
		s = s[1+len(fraction):]
		point = "."
	}
	if whole == "" && fraction == "" {
		return "", false
	}
	exponent := s
	if s != "" {
		if s[0] != 'e' && s[0] != 'E' {
			return "", false
		}
		power := s[1:]
		if power != "" && (power[0] == '-' || power[0] == '+') {
			power = power[1:]
		}
		if power == "" || leadingDigits(power) != power {
			return "", false
		}
	}
	short := strings.TrimLeft(whole, "0")
	switch {
	case short == "":
		short = "0"
	case len(short) < len(whole) && point == "" && exponent == "":
		return "", false // 007
	}
	if point != "" && fraction == "" {
		fraction = "0"
	}
	return sign + short + point + fraction + exponent, true
}

func leadingDigits(s string) string {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return s[:n]
}

// withoutUnderscores drops underscores, each of which must stand between two digits or after a base.
func withoutUnderscores(s string) (string, bool) {
	if !strings.Contains(s, "_") {
		return s, true
	}
	hex := len(s) > 2 && s[0] == '0' && strings.IndexByte("xXoObB", s[1]) >= 0
	digit := func(c byte) bool {
		return c >= '0' && c <= '9' || hex && (c|0x20 >= 'a' && c|0x20 <= 'f')
	}
	for i := range len(s) {
		if s[i] != '_' {
			continue
		}
		before := i > 0 && (digit(s[i-1]) || hex && i == 2)
		if !before || i+1 == len(s) || !digit(s[i+1]) {
			return "", false
		}
	}
	return strings.ReplaceAll(s, "_", ""), true
}
