package native

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-io/tocsin/event"
)

// Text returns what reads a field of events of the definition that come from an origin, as text: "processName",
// "args.remote_addr.sin_addr", "process.args.2". It is nil for fields that only the document has. The text is valid until
// the scratch is used again, and for as long as the event.
func Text(path string, def *event.Def, origin event.Origin) func(*Scratch, *event.Event) (string, bool) {
	f := resolve(termOf(path, def), def, origin, false)
	switch f.kind {
	case never:
		return func(*Scratch, *event.Event) (string, bool) { return "", false }
	case text:
		return func(s *Scratch, ev *event.Event) (string, bool) {
			v, ok := f.text(s, ev)
			if ok && !utf8.ValidString(v) {
				v = string([]rune(v)) // as the document has it
			}
			return v, ok
		}
	case number:
		return func(s *Scratch, ev *event.Event) (string, bool) {
			if f.raw != nil && !f.signed {
				v, ok := f.raw(s, ev)
				s.buf = strconv.AppendUint(s.buf[:0], v, 10)
				return scratchText(s.buf), ok
			}
			v, ok := f.num(s, ev)
			s.buf = strconv.AppendInt(s.buf[:0], v, 10)
			return scratchText(s.buf), ok
		}
	}
	return nil
}

// termOf reads a path with dots. Names of arguments may have dots in them: binary.path.
func termOf(path string, def *event.Def) Term {
	var t Term
	if rest, ok := strings.CutPrefix(path, "args."); ok {
		t.Arg, path = rest, ""
		for i := range def.Args {
			if name := def.Args[i].Name; strings.HasPrefix(rest, name+".") {
				t.Arg, path = name, rest[len(name)+1:]
			}
		}
		if def.Arg(rest) >= 0 {
			t.Arg, path = rest, ""
		}
	}
	if path == "" {
		return t
	}
	t.Path = strings.Split(path, ".")
	for i, p := range t.Path {
		if _, err := strconv.Atoi(p); err == nil {
			t.Path[i] = "[" + p + "]"
		}
	}
	t.Path = slices.Clip(t.Path)
	return t
}
