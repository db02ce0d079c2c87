package native

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestTextIndex compares the index with looking for each pattern by itself.
func TestTextIndex(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		b := make([]byte, r.IntN(n))
		for i := range b {
			b[i] = "ab/é"[r.IntN(5)]
		}
		return string(b)
	}
	for range 300 {
		type pattern struct {
			op   Op
			text string
		}
		var ps []pattern
		x := newTextIndex()
		for i := range r.IntN(60) {
			p := pattern{pickOp(r), word(6)}
			ps = append(ps, p)
			x.add(p.op, p.text, int32(i))
		}
		x.finish()
		for range 50 {
			v := word(14)
			var want []int32
			for i, p := range ps {
				if (p.op == Equal && v == p.text) || (p.op == Prefix && strings.HasPrefix(v, p.text)) ||
					(p.op == Suffix && strings.HasSuffix(v, p.text)) || (p.op == Contains && strings.Contains(v, p.text)) {
					want = append(want, int32(i))
				}
			}
			got := x.find(v, nil)
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, want) {
				t.Fatalf("%q in %v: got %v, want %v", v, ps, got, want)
			}
		}
	}
}

// An automaton of more states than 16 bits can number finds what a small one does.
func TestManySubstrings(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abc"[r.IntN(3)]
		}
		return string(b)
	}
	for _, n := range []int{100, 9000} {
		c := &contains{}
		var patterns []string
		for i := range n {
			patterns = append(patterns, word(16))
			c.add(patterns[i], int32(i))
		}
		c.finish()
		if wide := len(c.out) > 1<<16; wide != (c.narrow == nil) || wide != (n == 9000) {
			t.Fatalf("%d patterns: %d states, narrow %t", n, len(c.out), c.narrow != nil)
		}
		for range 200 {
			i := r.IntN(n)
			got := c.find(word(20)+patterns[i]+word(20), nil)
			if !slices.ContainsFunc(got, func(id int32) bool { return patterns[id] == patterns[i] }) {
				t.Fatalf("%d patterns: %q was not found", n, patterns[i])
			}
		}
	}
}

func pickOp(r *rand.Rand) Op { return []Op{Equal, Prefix, Suffix, Contains}[r.IntN(4)] }

func TestSubstring(t *testing.T) {
	for _, c := range []struct {
		s        string
		from, to int
		want     string
	}{{"\x7fELF", 1, 4, "ELF"}, {"éelfx", 1, 4, "elf"}, {"ab", 1, 9, "b"}, {"ab", 5, 9, ""}, {"abc", 1, -1, "bc"}, {"", 0, 2, ""}, {"\xff\xfeab", 1, 3, "\xfea"}, {"abc", 1, 1, ""}} {
		if got := substring(c.s, c.from, c.to); got != c.want {
			t.Errorf("substring(%q, %d, %d) = %q, want %q", c.s, c.from, c.to, got, c.want)
		}
	}
}

func TestRequired(t *testing.T) {
	for pattern, want := range map[string]string{
		`^stratum\+(tcp|ssl)://`: "^stratum+tcp://|stratum+ssl://", `/proc/(?:\d.+|self)/mem`: "/proc/", `(?i)abc`: "", `a*`: "", `^(abc)+$`: "abc",
		`abc|abd`: "abc|abd", `[xy]foo.*barbaz$`: "barbaz", `(`: "", `^$`: "", `(?:ab)?c`: "c|abc", `a{2,}bcd`: "bcd",
		`^(\./+)*[0-9]+/+(task/+[0-9]+/+)?(root|cwd)/`: "root/|cwd/", `x*(ab+|cd)y*`: "a|cd", `(a|b*)c*`: "", `[a-z]foo`: "foo", `^ab[0-9]`: "^ab",
	} {
		texts, prefix := required(pattern)
		got := strings.Join(texts, "|")
		if prefix {
			got = "^" + got
		}
		if got != want {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
}

// What a regular expression matches has one of the texts that it requires.
func FuzzRequired(f *testing.F) {
	for _, p := range []string{`^stratum\+(tcp|ssl)://`, `(?:ab)?c|a{2,}b`, `^(\./+)*[0-9]+/+(root|cwd)/`, `(?m)^ab$`, `(?i)ab|[a-c]d`, `^(?:ab|c)*d|^a`} {
		f.Add(p, "./12//root/ab")
		f.Add(p, "stratum+ssl://aabcd")
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		re, err := regexp.Compile(pattern)
		if err != nil || !re.MatchString(s) {
			return
		}
		texts, prefix := required(pattern)
		has := strings.Contains
		if prefix {
			has = strings.HasPrefix
		}
		if least(texts) > 0 && utf8.ValidString(s) && !slices.ContainsFunc(texts, func(l string) bool { return has(s, l) }) {
			t.Errorf("%q matches %q, and has none of %q (at its start: %t)", pattern, s, texts, prefix)
		}
	})
}
