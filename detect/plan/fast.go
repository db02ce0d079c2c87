package plan

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// fastBuiltins are the functions that rules call most, for operands of the usual types. OPA's own do the rest.
var fastBuiltins = map[string]func([]*ast.Term) (*ast.Term, bool){
	"startswith": onTexts(strings.HasPrefix),
	"endswith":   onTexts(strings.HasSuffix),
	"contains":   onTexts(strings.Contains),
	"equal":      func(a []*ast.Term) (*ast.Term, bool) { return truth(a[0].Value.Compare(a[1].Value) == 0), true },
	"neq":        func(a []*ast.Term) (*ast.Term, bool) { return truth(a[0].Value.Compare(a[1].Value) != 0), true },
	"lower": func(a []*ast.Term) (*ast.Term, bool) {
		s, ok := a[0].Value.(ast.String)
		if !ok {
			return nil, false
		}
		low := strings.ToLower(string(s))
		if low == string(s) {
			return a[0], true
		}
		return ast.StringTerm(low), true
	},
	"concat": func(a []*ast.Term) (*ast.Term, bool) {
		sep, ok := a[0].Value.(ast.String)
		list, isArray := a[1].Value.(*ast.Array)
		if !ok || !isArray || list.Len() == 0 {
			return nil, false
		}
		var b strings.Builder
		for i := range list.Len() {
			s, ok := list.Elem(i).Value.(ast.String)
			if !ok {
				return nil, false
			}
			if i > 0 {
				b.WriteString(string(sep))
			}
			b.WriteString(string(s))
		}
		return ast.StringTerm(b.String()), true
	},
	"count": func(a []*ast.Term) (*ast.Term, bool) {
		n, ok := length(a[0].Value)
		return ast.InternedTerm(n), ok
	},
	"tocsin.any_prefix":   onList(strings.HasPrefix),
	"tocsin.any_suffix":   onList(strings.HasSuffix),
	"tocsin.any_contains": onList(strings.Contains),
	"internal.member_2": func(a []*ast.Term) (*ast.Term, bool) {
		switch x := a[1].Value.(type) {
		case ast.Set:
			return truth(x.Contains(a[0])), true
		case *ast.Array:
			for i := range x.Len() {
				if x.Elem(i).Value.Compare(a[0].Value) == 0 {
					return truth(true), true
				}
			}
			return truth(false), true
		}
		return nil, false
	},
}

func truth(b bool) *ast.Term { return ast.InternedTerm(b) }

// onList answers for a text and a list; OPA's form of the function does so for lists of other kinds.
func onList(f func(string, string) bool) func([]*ast.Term) (*ast.Term, bool) {
	return func(a []*ast.Term) (*ast.Term, bool) {
		s, isText := a[0].Value.(ast.String)
		holds := func(t *ast.Term) bool {
			x, ok := t.Value.(ast.String)
			return ok && f(string(s), string(x))
		}
		switch x := a[1].Value.(type) {
		case ast.Set:
			return truth(isText && slices.ContainsFunc(x.Slice(), holds)), isText
		case *ast.Array:
			return truth(isText && x.Until(holds)), isText
		}
		return nil, false
	}
}

func onTexts(f func(string, string) bool) func([]*ast.Term) (*ast.Term, bool) {
	return func(a []*ast.Term) (*ast.Term, bool) {
		x, ok1 := a[0].Value.(ast.String)
		y, ok2 := a[1].Value.(ast.String)
		if !ok1 || !ok2 {
			return nil, false
		}
		return truth(f(string(x), string(y))), true
	}
}
