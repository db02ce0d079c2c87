package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Element stands in a path for an element of a list: input.args[_].name is {args, Element, name}.
const Element = "[_]"

// A Member is one place where the rule reads input by constant names: input.container.image is {container, image}.
type Member struct {
	Path []string
	Line int
	// Func is a built-in function on text that the value is given to, or empty.
	Func string
	// Equals is the constant that it must be equal to, or nil.
	Equals ast.Value
}

// Members returns where the rule reads input by constant names and only what is there can make an expression true: not
// where an expression is negated. Of a rule that changes its input (with) there are none: it may read what it put there.
func (r *Rule) Members() []Member {
	var out []Member
	changed := false
	ast.WalkWiths(r.Module(), func(w *ast.With) bool {
		ref, ok := w.Target.Value.(ast.Ref)
		changed = changed || ok && ref[0].Equal(ast.InputRootDocument)
		return false
	})
	if changed {
		return nil
	}
	ast.WalkExprs(r.Module(), func(e *ast.Expr) bool {
		if e.Negated {
			return true
		}
		given := map[*ast.Term]string{} // to a function on text
		call := func(terms []*ast.Term) {
			if op := terms[0].String(); textFunctions[op] && !listFunctions[op] {
				for _, t := range terms[1:min(len(terms), 3)] {
					given[t] = op
				}
			}
		}
		equals := map[*ast.Term]ast.Value{}
		if terms, ok := e.Terms.([]*ast.Term); ok && len(terms) > 0 {
			call(terms)
			if op := terms[0].String(); len(terms) == 3 && (op == "eq" || op == "equal") {
				equals[terms[1]], equals[terms[2]] = terms[2].Value, terms[1].Value
			}
		}
		ast.WalkTerms(e, func(t *ast.Term) bool {
			switch v := t.Value.(type) {
			case ast.Call:
				call(v)
			case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
				return true // true of nothing as well; its own expressions are walked by themselves
			case ast.Ref:
				if path := constantPath(v); len(path) > 0 {
					m := Member{Path: path, Func: given[t]}
					if t.Location != nil {
						m.Line = t.Location.Row
					}
					if len(path) < len(v)-1 {
						m.Func = "" // of what is below
					} else if other := equals[t]; other != nil && ast.IsScalar(other) {
						m.Equals = other
					}
					out = append(out, m)
				}
			}
			return false
		})
		return false
	})
	return slices.CompactFunc(out, func(a, b Member) bool { return a.Line == b.Line && a.Func == b.Func && slices.Equal(a.Path, b.Path) })
}

// constantPath is the constant names behind input, as far as they go.
func constantPath(ref ast.Ref) []string {
	if !ref[0].Equal(ast.InputRootDocument) {
		return nil
	}
	var path []string
	for _, t := range ref[1:] {
		switch v := t.Value.(type) {
		case ast.String:
			path = append(path, string(v))
		case ast.Var, ast.Number:
			path = append(path, Element)
		default:
			return path
		}
	}
	return path
}
