package jinja

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hostile are templates that would run for ever, eat the memory or overflow the stack, each with its way to be stopped.
var hostile = map[string]string{
	"nested loops":      `{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}{% endfor %}{% endfor %}{% endfor %}`,
	"big range":         `{% for i in range(10**9) %}{% endfor %}`,
	"huge range":        `{{ range(-9223372036854775807, 9223372036854775807)|length }}`,
	"doubling":          `{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}`,
	"doubling by tilde": `{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}`,
	"doubling list":     `{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`,
	"repeat":            `{{ 'x' * 10**12 }}`,
	"repeat overflow":   `{{ 'xxxxxxxxxxxxxxxx' * (2**62) }}`,
	"repeat list":       `{{ ([1] * 10**11)|length }}`,
	"replace":           `{% set a = 'a' * 100000 %}{{ a.replace('a', a) }}`,
	"replace nothing":   `{% set a = 'a' * 100000 %}{{ a.replace('', a) }}`,
	"join":              `{% set a = 'a' * 100000 %}{{ a|join(a) }}`,
	"str join":          `{% set a = 'a' * 100000 %}{{ a.join(a|list) }}`,
	"indent":            `{{ ('a\n' * 100000)|indent('x' * 100000) }}`,
	"indent width":      `{{ 'a'|indent(10**10) }}`,
	"center":            `{{ 'a'|center(10**12) }}`,
	"ljust":             `{{ 'a'.ljust(10**12) }}`,
	"format width":      `{{ '%999999999999d' % 1 }}`,
	"format star":       `{{ '%*d' % (10**12, 1) }}`,
	"tojson indent":     `{{ [[1]]|tojson(indent=10**10) }}`,
	"tojson text":       `{{ ([1]*1000)|tojson(indent='x'*1000000) }}`,
	"macro recursion":   `{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}`,
	"mutual recursion":  `{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}`,
	"tree recursion":    `{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(100) }}`,
	"caller recursion":  `{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}`,
	"deep recursion":    `{% macro f() %}{{ ` + strings.Repeat("(", 190) + `f()` + strings.Repeat("+1)", 190) + strings.Repeat("+1", 1800) + ` }}{% endmacro %}{{ f() }}`,
	"recursive loop":    `{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}`,
	"cyclic namespace":  `{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns }}`,
	"nested list":       `{% set ns = namespace(l=[]) %}{% for i in range(10000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}`,
	"nested equal":      `{% set ns = namespace(l=[], m=[]) %}{% for i in range(10000) %}{% set ns.l = [ns.l] %}{% set ns.m = [ns.m] %}{% endfor %}{{ ns.l == ns.m }}`,
	"nested dump":       `{% set ns = namespace(l=[]) %}{% for i in range(10000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l|tojson }}`,
	"wide print":        `{% set ns = namespace(l=['aaaaaaaaaa']) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}`,
	"wide equal":        `{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}{{ ns.l == ns.m }}`,
	"index scan":        `{% set a = 'é' * 10000000 %}{% for i in range(100000) %}{% if a[-1] == 'x' %}{% endif %}{% endfor %}`,
	"length scan":       `{% set a = 'é' * 10000000 %}{% for i in range(100000) %}{% if a|length == 1 %}{% endif %}{% endfor %}`,
	"compare scan":      `{% set a = 'a' * 10000000 %}{% set b = 'a' * 9999999 + 'a' %}{% for i in range(100000) %}{% if a != b or 'b' in a %}{% endif %}{% endfor %}`,
	"strip":             `{% set a = 'ab' * 1000000 %}{% for i in range(100000) %}{% if a.strip(a) %}{% endif %}{% endfor %}`,
	"sort":              `{% for i in range(100000) %}{% set x = range(100000)|sort(reverse=true) %}{% endfor %}`,
	"output":            `{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}`,
	"set block":         `{% for i in range(100000) %}{% set a %}{{ 'x' * 100000 }}{% endset %}{% endfor %}`,
}

// TestHostile renders each within its limits. The bound on the clock is generous for a loaded machine: without the limits
// these templates run for hours.
func TestHostile(t *testing.T) {
	for name, source := range hostile {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := render(t, source, nil, Limits{Time: 30 * time.Millisecond, Memory: 64 << 20})
			require.ErrorIs(t, err, ErrLimit)
			require.Less(t, time.Since(start), 5*time.Second)
		})
	}
}

// TestHostileSource has sources that must be refused or parsed without overflowing the stack.
func TestHostileSource(t *testing.T) {
	for name, source := range map[string]string{
		"parens":   "{{ " + strings.Repeat("(", 100000) + "1",
		"brackets": "{{ " + strings.Repeat("[", 100000),
		"nots":     "{{ " + strings.Repeat("not ", 4000) + "1 }}",
		"minuses":  "{{ " + strings.Repeat("- ", 4000) + "1 }}",
		"plus":     "{{ 1" + strings.Repeat("+1", 100000) + " }}",
		"filters":  "{{ 1" + strings.Repeat("|abs", 100000) + " }}",
		"ifs":      strings.Repeat("{% if 1 %}", 20000),
		"fors":     strings.Repeat("{% for a in b %}", 20000),
		"elses":    "{{ " + strings.Repeat("1 if 0 else ", 2000) + "1 }}",
		"large":    strings.Repeat("x", maxSource+1),
	} {
		_, err := Parse(source)
		require.ErrorIs(t, err, ErrLimit, name)
	}
	_, err := Parse("{% if 0 %}" + strings.Repeat("{% elif 0 %}", 20000) + "{% endif %}")
	require.NoError(t, err)
}

func TestContext(t *testing.T) {
	tmpl, err := Parse(hostile["nested loops"])
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	before := runtime.NumGoroutine()
	_, err = tmpl.Render(ctx, nil, Limits{Time: time.Minute})
	require.ErrorIs(t, err, context.Canceled)
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
	_, err = tmpl.Render(ctx, nil, Limits{})
	require.ErrorIs(t, err, context.Canceled)
}

// TestMemory checks that what a render may hold is really bounded: the peak of a doubling string stays near the limit.
func TestMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := render(t, hostile["doubling"], nil, Limits{Memory: 8 << 20})
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, ErrLimit)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20), "all that was allocated, kept or not")
}

// TestPanic checks that a fault inside is an error, not a crash.
func TestPanic(t *testing.T) {
	boom := &function{name: "boom", call: func(*state, args) (Value, error) { panic("boom") }}
	_, err := render(t, "{{ boom() }}", map[string]Value{"boom": boom}, Limits{})
	require.ErrorContains(t, err, "internal error in the template engine: boom")
}

func TestErrors(t *testing.T) {
	for source, want := range map[string]string{
		"a\n\n{{ x.y }}":                "line 3: 'x' is undefined",
		"{% if 1 %}\n{% for a in [] %}": "line 2: unexpected end of template, expected 'endfor' or 'else'",
		"{% include 'a' %}":             "line 1: 'include' is not allowed: a chat template has no access to files",
		"{% extends 'a' %}":             "no access to files",
		"\n{% macro f() %}\n{{ 1/0 }}{% endmacro %}\n{{ f() }}": "line 3: division by zero",
		"{{ ''.__class__.__mro__ }}":                            "access to attribute '__class__' of 'str' object is unsafe.",
		"{{ [].append(1) }}":                                    "access to attribute 'append' of 'list' object is unsafe.",
		"{{ 1|nope }}":                                          "no filter named 'nope'",
		"{{ f(*a) }}":                                           "'*' and '**' arguments are not supported",
	} {
		_, err := render(t, source, nil, Limits{})
		require.ErrorContains(t, err, want, source)
	}
	_, err := render(t, "{{ raise_exception('no ' ~ 1) }}", nil, Limits{})
	var raised *RaisedError
	require.ErrorAs(t, err, &raised)
	require.Equal(t, "no 1", raised.Message)
	_, err = Parse("\xff")
	require.ErrorContains(t, err, "not valid UTF-8")
}

// TestConcurrent renders one template from many goroutines; the race detector watches.
func TestConcurrent(t *testing.T) {
	tmpl, err := Parse(`{% set ns = namespace(n=0) %}{% for i in l %}{% set ns.n = ns.n + i %}{% endfor %}{% filter upper %}x{{ ns.n }}{% endfilter %}`)
	require.NoError(t, err)
	vars := map[string]Value{"l": NewList(int64(1), int64(2), int64(3))}
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() {
			for range 100 {
				out, err := tmpl.Render(context.Background(), vars, Limits{})
				if err == nil && out != "X6" {
					err = fmt.Errorf("got %q", out)
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
}
