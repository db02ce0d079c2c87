package policy

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-io/tocsin/detect/native"
)

var orderings = map[string]struct{ op, flipped native.Op }{
	"lt": {native.Less, native.Greater}, "lte": {native.LessEqual, native.GreaterEqual},
	"gt": {native.Greater, native.Less}, "gte": {native.GreaterEqual, native.LessEqual},
}

// relation lowers f(args) that must be true.
func (s *scope) relation(op string, args []*ast.Term) *native.Node {
	vals := make([]*meaning, len(args))
	for i, a := range args {
		vals[i] = s.value(a)
		if f := vals[i].format; f != nil && op == "startswith" && i == 1 && vals[0].term != nil && !vals[0].term.Wildcard() {
			return f.relation(vals[0].term, true)
		}
		if !vals[i].known() {
			return native.Unknown(op + " of " + vals[i].why)
		}
	}
	if len(vals) < 2 {
		return native.Unknown(op)
	}
	a, b := vals[0], vals[1]
	compare := func(o native.Op, t *meaning, c *meaning) *native.Node {
		strs, ok := texts(c.konst)
		if t.term == nil || !ok {
			return native.Unknown(op)
		}
		n := &native.Node{Op: o, Term: *t.term, Strs: strs}
		if strings.HasPrefix(op, "strings.any_") && !t.term.Wildcard() && len(t.term.Funcs) == 0 { // takes a list of texts as well
			el := *t.term
			el.Path = append(append([]string(nil), t.term.Path...), "[]")
			n = native.AnyOf(n, &native.Node{Op: o, Term: el, Strs: strs})
		}
		return n
	}
	one := func(c *meaning) bool { _, ok := c.konst.(ast.String); return ok }
	switch op {
	case "equal":
		return s.equality(args[0], args[1])
	case "neq":
		if a.konst != nil {
			a, b = b, a
		}
		if a.term != nil && b.term != nil && !a.term.Wildcard() && !b.term.Wildcard() {
			return native.AllOf(s.hasValue(args[0]), s.hasValue(args[1]), native.Negate(&native.Node{Op: native.Same, Term: *a.term, Other: b.term}))
		}
		if a.term == nil || b.konst == nil {
			return native.Unknown("two values of the event compared")
		}
		here := &native.Node{Op: native.Defined, Term: *a.term}
		if a.term.Wildcard() {
			return native.AllOf(here, native.Unknown("an element that differs"))
		}
		return native.AllOf(here, native.Negate(equals(a.term, b.konst)))
	case "lt", "lte", "gt", "gte":
		o := orderings[op].op
		if a.konst != nil {
			a, b, o = b, a, orderings[op].flipped
		}
		if a.term != nil && b.term != nil && (comparesWith(a, b) || comparesWith(b, a)) {
			if b.term.Wildcard() {
				a, b, o = b, a, orderings[op].flipped
			}
			return &native.Node{Op: o, Term: *a.term, Other: b.term}
		}
		n, ok := b.konst.(ast.Number)
		if a.term == nil || !ok {
			return native.Unknown(op)
		}
		i, ok := integer(n)
		if !ok {
			return native.Unknown(op)
		}
		return &native.Node{Op: o, Term: *a.term, Nums: []int64{i}}
	case "startswith":
		if one(b) {
			return compare(native.Prefix, a, b)
		}
	case "endswith":
		if one(b) {
			return compare(native.Suffix, a, b)
		}
	case "contains":
		if one(b) {
			return compare(native.Contains, a, b)
		}
	case "tocsin.any_prefix":
		return compare(native.Prefix, a, b)
	case "tocsin.any_suffix":
		return compare(native.Suffix, a, b)
	case "tocsin.any_contains":
		return compare(native.Contains, a, b)
	case "strings.any_prefix_match":
		return compare(native.Prefix, a, b)
	case "strings.any_suffix_match":
		return compare(native.Suffix, a, b)
	case "regex.match", "re_match":
		if one(a) {
			return compare(native.Regex, b, a)
		}
	case "net.cidr_contains":
		if one(a) {
			return compare(native.CIDR, b, a)
		}
	case "internal.member_2":
		return s.member(a, b)
	}
	return native.Unknown(op)
}

// member lowers `x in list`.
func (s *scope) member(x, list *meaning) *native.Node {
	switch {
	case x.term != nil && list.konst != nil:
		var strs []string
		var nums []int64
		ok := true
		each(list.konst, func(t *ast.Term) {
			switch v := t.Value.(type) {
			case ast.String:
				strs = append(strs, string(v))
			case ast.Number:
				n, fits := integer(v)
				nums, ok = append(nums, n), ok && fits
			default:
				ok = false
			}
		})
		if !ok {
			return native.Unknown("in a list of mixed values")
		}
		var any []*native.Node
		if strs != nil {
			any = append(any, &native.Node{Op: native.Equal, Term: *x.term, Strs: strs})
		}
		if nums != nil {
			any = append(any, &native.Node{Op: native.NumEqual, Term: *x.term, Nums: nums})
		}
		return native.AnyOf(any...)
	case x.konst != nil && list.term != nil && len(list.term.Funcs) == 0 && !list.term.Wildcard():
		t := *list.term
		t.Path = append(append([]string(nil), t.Path...), "[]")
		return equals(&t, x.konst)
	}
	return native.Unknown("in")
}

// each calls f with the values of a collection.
func each(c ast.Value, f func(*ast.Term)) {
	switch x := c.(type) {
	case *ast.Array:
		x.Foreach(f)
	case ast.Set:
		x.Foreach(f)
	case ast.Object:
		x.Foreach(func(_, v *ast.Term) { f(v) })
	}
}

// texts reads a text or a collection of texts.
func texts(c ast.Value) ([]string, bool) {
	if s, ok := c.(ast.String); ok {
		return []string{string(s)}, true
	}
	var out []string
	ok := c != nil
	switch c.(type) {
	case *ast.Array, ast.Set:
	default:
		return nil, false
	}
	each(c, func(t *ast.Term) {
		s, is := t.Value.(ast.String)
		out, ok = append(out, string(s)), ok && is
	})
	return out, ok && len(out) > 0
}

// supportCall lowers a call of a support function: f(args), or f(args, out).
func (s *scope) supportCall(terms []*ast.Term) *native.Node {
	ref, ok := terms[0].Value.(ast.Ref)
	if !ok {
		return native.Unknown(terms[0].String())
	}
	rules := s.support[ref.String()]
	if len(rules) == 0 {
		return native.Unknown(ref.String())
	}
	n := len(rules[0].Head.Args)
	judge := judge(truthy)
	switch len(terms) {
	case n + 1:
	case n + 2:
		out := s.value(terms[n+1])
		if v, ok := terms[n+1].Value.(ast.Var); ok && v == answer {
			judge, s.complex = matches, true
		} else if out.konst != nil {
			judge = func(v ast.Value) bool { return v.Compare(out.konst) == 0 }
		} else {
			return native.Unknown("the value of " + ref.String())
		}
	default:
		return native.Unknown(ref.String())
	}
	return s.supportRef(ref, terms[1:n+1], judge)
}

// supportRef puts support rules in the place of a reference to them.
func (s *scope) supportRef(ref ast.Ref, args []*ast.Term, judge judge) *native.Node {
	rules := s.support[ref.String()]
	if len(rules) == 0 || s.depth >= maxDepth {
		return native.Unknown(ref.String())
	}
	s.depth++
	defer func() { s.depth-- }()
	var any, others []*native.Node
	var fallback *native.Node
	for _, rule := range rules {
		if rule.Else != nil || rule.Head.Key != nil || len(rule.Head.Args) != len(args) || rule.Head.Value == nil {
			return native.Unknown("else, or a set, in " + ref.String())
		}
		bound := map[ast.Var]*meaning{}
		var here []*native.Node
		for i, p := range rule.Head.Args {
			v := s.value(args[i])
			if v.term != nil && v.term.Wildcard() {
				return native.AllOf(append(all(s, args), native.Unknown("an element of a list as an argument of "+ref.String()))...)
			}
			here = append(here, s.hasValue(args[i]))
			switch x := p.Value.(type) {
			case ast.Var:
				bound[x] = v
			default:
				if v.term == nil || !p.IsGround() {
					return native.Unknown("a pattern as parameter of " + ref.String())
				}
				here = append(here, equals(v.term, p.Value))
			}
		}
		if rule.Default {
			if judge(rule.Head.Value.Value) {
				fallback = native.AllOf(here...)
			}
			continue
		}
		cond := native.AllOf(append(here, s.lowering.body(rule.Body, bound))...)
		others = append(others, cond)
		switch head := rule.Head.Value; {
		case !isKonst(head):
			any = append(any, native.AllOf(cond, native.Unknown("the value of "+ref.String())))
		case judge(head.Value):
			any = append(any, cond)
		}
	}
	if fallback != nil {
		any = append(any, native.AllOf(fallback, native.Negate(native.AnyOf(others...))))
	}
	return native.AnyOf(any...)
}

func isKonst(t *ast.Term) bool { return (&scope{}).value(t).konst != nil }
