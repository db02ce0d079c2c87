package policy

import (
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-io/tocsin/detect/native"
)

// meaning is what a term of the residue stands for: a constant, a term of the event, or neither.
type meaning struct {
	konst ast.Value
	term  *native.Term
	// shared: a wildcard in the term may be bound elsewhere too, so that conditions on it are not independent.
	shared bool
	format *format
	always bool   // it has a value, whatever the event is
	why    string // neither: why
}

// format is a constant text, a value of the event, and a constant text. The value is a number, in decimal form, or a text.
type format struct {
	before, after string
	value         native.Term
	text          bool
}

func (f *format) hasValue() *native.Node {
	if f.text { // what is no text can't be joined
		return &native.Node{Op: native.Prefix, Term: f.value, Strs: []string{""}}
	}
	return &native.Node{Op: native.Defined, Term: f.value}
}

// relation is the condition that the term is, or begins with, the format's text.
func (f *format) relation(t *native.Term, prefix bool) *native.Node {
	n := &native.Node{Op: native.EqualFormat, Term: *t, Other: &f.value, Strs: []string{f.before, f.after}}
	switch {
	case f.text && prefix:
		n.Op = native.PrefixJoin
	case f.text:
		n.Op = native.EqualJoin
	case prefix:
		n.Op = native.PrefixFormat
	}
	return n
}

func (v *meaning) known() bool { return v.konst != nil || v.term != nil }

// sharedAs makes the wildcards of the value the same wherever the name is used.
func (v *meaning) sharedAs(name string) *meaning {
	t := *v.term
	t.Path = append([]string(nil), t.Path...)
	for i, p := range t.Path {
		if p == "[]" {
			t.Path[i] = native.Shared(name)
		}
	}
	return &meaning{term: &t, shared: true}
}

// value reads a term.
func (s *scope) value(t *ast.Term) *meaning {
	switch x := t.Value.(type) {
	case ast.Var:
		if v := s.bound[x]; v != nil {
			return v
		}
		if a := s.alias[x]; a != nil {
			delete(s.alias, x) // no cycles
			v := s.value(a)
			s.alias[x] = a
			if v.term != nil && v.term.Wildcard() && !v.shared {
				return v.sharedAs(string(x))
			}
			return v
		}
		return &meaning{why: "a variable"}
	case ast.Ref:
		return s.ref(x)
	case ast.Call:
		return s.function(x)
	case *ast.ArrayComprehension, *ast.SetComprehension:
		return &meaning{always: true, why: "a comprehension"} // if need be an empty one
	}
	if t.IsGround() {
		ground := true
		ast.WalkTerms(t, func(t *ast.Term) bool {
			switch t.Value.(type) {
			case ast.Ref, ast.Call, *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
				ground = false
			}
			return !ground
		})
		if ground {
			return &meaning{konst: t.Value}
		}
	}
	return &meaning{why: "a value made from the event"}
}

func (s *scope) ref(ref ast.Ref) *meaning {
	var out native.Term
	var rest ast.Ref
	shared := false
	switch {
	case len(ref) > 1 && isInput(ref[0]):
		rest = ref[1:]
		if ref[1].Equal(argsKey) {
			v, ok := argVar(ref)
			name := s.args[v]
			if !ok || name == "" || !ref[3].Equal(valueKey) {
				return &meaning{why: "arguments read in another way than by a constant name"}
			}
			out.Arg, rest = name, ref[4:]
		}
	default:
		// A path below a variable that stands for a part of the event.
		v, ok := ref[0].Value.(ast.Var)
		if !ok || (s.alias[v] == nil && s.bound[v] == nil) {
			return &meaning{why: "a reference to " + ref[0].String()}
		}
		base := s.value(ref[0])
		if base.term == nil || len(base.term.Funcs) > 0 {
			return &meaning{why: "a part of a value"}
		}
		out = *base.term
		out.Path = append([]string(nil), base.term.Path...)
		rest, shared = ref[1:], base.shared
	}
	for _, t := range rest {
		switch x := t.Value.(type) {
		case ast.String:
			if strings.HasPrefix(string(x), "[") {
				return &meaning{why: "a member named like an element"}
			}
			out.Path = append(out.Path, string(x))
		case ast.Number:
			n, ok := x.Int()
			if !ok || n < 0 {
				return &meaning{why: "an element at " + x.String()}
			}
			out.Path = append(out.Path, "["+strconv.Itoa(n)+"]")
		case ast.Var:
			if s.alias[x] != nil || s.bound[x] != nil {
				return &meaning{why: "an element chosen by a value"}
			}
			if s.uses[x] > 1 {
				out.Path = append(out.Path, native.Shared(string(x)))
				shared = true
			} else {
				out.Path = append(out.Path, "[]")
			}
		default:
			return &meaning{why: "an element chosen by a value"}
		}
	}
	return &meaning{term: &out, shared: shared}
}

// function reads a call that makes a value.
func (s *scope) function(c ast.Call) *meaning {
	op := c[0].String()
	unknown := &meaning{why: op}
	if len(c) < 2 {
		return unknown
	}
	if op == "sprintf" && len(c) == 3 {
		if f := s.formatted(c[1], c[2]); f != nil {
			return &meaning{format: f, why: op}
		}
	}
	if op == "concat" && len(c) == 3 {
		if f := s.joined(c[1], c[2]); f != nil {
			return &meaning{format: f, why: op}
		}
	}
	v := s.value(c[1])
	if v.term == nil || v.term.Count {
		if v.why != "" {
			unknown.why = op + " of " + v.why
		}
		return unknown
	}
	out := *v.term
	out.Funcs = append([]native.Func(nil), v.term.Funcs...)
	text := func(i int) (string, bool) {
		if i >= len(c) {
			return "", false
		}
		s, ok := s.value(c[i]).konst.(ast.String)
		return string(s), ok
	}
	number := func(i int) (int, bool) {
		if i >= len(c) {
			return 0, false
		}
		n, ok := s.value(c[i]).konst.(ast.Number)
		if !ok {
			return 0, false
		}
		return n.Int()
	}
	switch op {
	case "lower", "upper", "base64.decode":
		out.Funcs = append(out.Funcs, native.Func{Name: op})
	case "trim_prefix", "trim_suffix":
		t, ok := text(2)
		if !ok {
			return unknown
		}
		out.Funcs = append(out.Funcs, native.Func{Name: op, Text: t})
	case "substring":
		from, ok1 := number(2)
		n, ok2 := number(3)
		if !ok1 || !ok2 || from < 0 {
			return unknown
		}
		f := native.Func{Name: op, From: from, To: -1}
		if n >= 0 {
			f.To = from + n
		}
		out.Funcs = append(out.Funcs, f)
	case "count":
		if len(out.Funcs) > 0 || out.Wildcard() {
			return unknown
		}
		out.Count = true
	default:
		return unknown
	}
	return &meaning{term: &out, shared: v.shared}
}

// formatted reads sprintf("…%d…", [number]).
func (s *scope) formatted(form, list *ast.Term) *format {
	text, ok := form.Value.(ast.String)
	args, isArray := list.Value.(*ast.Array)
	if !ok || !isArray || args.Len() != 1 || strings.Count(string(text), "%") != 1 {
		return nil
	}
	before, after, ok := strings.Cut(string(text), "%d")
	v := s.value(args.Elem(0))
	if !ok || v.term == nil || v.shared || v.term.Wildcard() || len(v.term.Funcs) > 0 {
		return nil
	}
	return &format{before: before, after: after, value: *v.term}
}

// joined reads concat("…", [constants and one text]).
func (s *scope) joined(between, list *ast.Term) *format {
	sep, ok := s.value(between).konst.(ast.String)
	args, isArray := list.Value.(*ast.Array)
	if !ok || !isArray {
		return nil
	}
	f := &format{text: true}
	found := false
	for i := range args.Len() {
		part := &f.before
		if found {
			part = &f.after
		}
		if i > 0 {
			*part += string(sep)
		}
		v := s.value(args.Elem(i))
		text, isText := v.konst.(ast.String)
		switch {
		case isText:
			*part += string(text)
		case found || v.term == nil || v.shared || v.term.Wildcard() || v.term.Count || len(v.term.Funcs) > 0:
			return nil
		default:
			f.value, found = *v.term, true
		}
	}
	if !found {
		return nil
	}
	return f
}
