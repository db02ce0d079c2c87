package configs

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/tocsin-io/tocsin/configs/settings"
)

// Error is one thing that is wrong in a configuration file.
type Error struct {
	File   string `json:"file"`
	Line   int    `json:"line"`   // from 1; 0 when the error has no place
	Column int    `json:"column"` // from 1, in characters
	Path   string `json:"path"`   // the key, "outputs.soc.channel"
	Msg    string `json:"message"`
	Hint   string `json:"hint,omitempty"` // what to do
	Source string `json:"-"`              // the line, without secrets
	caret  int    // characters before the caret in Source
}

// Error gives place, reason and hint, and below them the line with a caret.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	if e.Source != "" {
		no := fmt.Sprintf("%5d | ", e.Line)
		fmt.Fprintf(&b, "\n%s%s\n%s| %s^", no, e.Source, strings.Repeat(" ", len(no)-2), strings.Repeat(" ", e.caret))
	}
	return b.String()
}

// Errors are all errors of a file, in its order.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, x := range e {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a single Error.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, x := range e {
		out[i] = x
	}
	return out
}

// source is the text of a file and where its keys and values stand in it.
type source struct {
	file    string
	dir     string // where relative paths in the file start
	lines   []string
	places  map[string]place // of values, by path
	literal []string         // secrets that stand in the text
}

type place struct{ line, column int }

// at makes an error at a place.
func (s *source) at(p place, path []string, format string, a ...any) *Error {
	e := &Error{File: s.file, Line: p.line, Column: p.column, Path: strings.Join(path, "."), Msg: s.mask(fmt.Sprintf(format, a...))}
	if p.line < 1 || p.line > len(s.lines) {
		e.Line = 0
		return e
	}
	line := []rune(strings.ReplaceAll(s.lines[p.line-1], "\t", " "))
	col := min(max(p.column-1, 0), len(line))
	head, tail := string(line[:col]), string(line[col:])
	if secretKeyBefore.MatchString(head) {
		tail = settings.Mask
	}
	// Masked whole, then cut: a part of a secret would not be known for one.
	before, after := []rune(s.mask(head)), []rune(s.mask(tail))
	if n := len(before) - maxBefore; n > 0 {
		before = append([]rune("…"), before[n:]...)
	}
	if len(after) > maxAfter {
		after = append(after[:maxAfter:maxAfter], '…')
	}
	e.Source, e.caret = string(before)+string(after), len(before)
	return e
}

// What is shown of a long line, in characters before and after the caret.
const maxBefore, maxAfter = 160, 80

// at gives the place of a path, or of the nearest enclosing one.
func (s *source) place(path []string) place {
	for n := len(path); n > 0; n-- {
		if p, ok := s.places[strings.Join(path[:n], "\x00")]; ok {
			return p
		}
	}
	return place{}
}

var (
	secretKey       = `[\w-]*(?i:token|secret|passw|key|dsn|auth|cred|url|webhook)[\w-]*["']?\s*:\s+`
	secretKeyBefore = regexp.MustCompile(secretKey + `["']?$`)
	reference       = regexp.MustCompile(`^["']?\$\{(env|file):[^}]*\}["']?\s*$`)
	secretPair      = regexp.MustCompile(`(` + secretKey + `)("[^"]*"?|'[^']*'?|[^\s"'{\[,}][^,}]*)`)
)

// mask hides in an excerpt what is, or by its key may be, a secret. References stay: they say where a secret is kept.
func (s *source) mask(text string) string {
	for _, l := range s.literal {
		text = strings.ReplaceAll(text, l, settings.Mask)
	}
	return secretPair.ReplaceAllStringFunc(text, func(pair string) string {
		m := secretPair.FindStringSubmatch(pair)
		if reference.MatchString(m[2]) {
			return pair
		}
		return m[1] + settings.Mask
	})
}

// Errorf makes an error about a key of the file, for a part that gives the key its meaning. path is as in Error.Path,
// in pieces, list items by their index.
func (c *Config) Errorf(path []string, format string, a ...any) error {
	return c.src.at(c.src.place(path), path, format, a...)
}

// Place puts an error of another part into the file: the path below prefix comes from the error, when it has a method
// Path() []string, as settings.FieldError has.
func (c *Config) Place(prefix []string, err error) error {
	var p interface{ Path() []string }
	if errors.As(err, &p) {
		prefix = append(slices.Clone(prefix), p.Path()...)
	}
	return c.src.at(c.src.place(prefix), prefix, "%v", err)
}

// suggest proposes the word that was probably meant.
func suggest(word string, known []string) string {
	best, distance := "", 1+len(word)/3
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(k)); d < distance || d == distance && best == "" {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(known) > 0 && len(known) <= 24 {
		return "known are " + strings.Join(known, ", ")
	}
	return ""
}
