package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// A Use is one place where the rule reads an argument by a constant name.
type Use struct {
	Arg  string
	Line int
	// Func is a built-in function on text that the argument's value is given to, or empty.
	Func string
	// Member is a member of the argument's value that the rule reads, or empty: addr.sun_path.
	Member string
	// Number is what that member is compared with, when it is a number, or empty.
	Number string
}

// Uses returns where the rule reads arguments with get_tracee_argument, and the functions on text that it gives them to; and where it
// compares the name of an element of input.args, as rules do that look for an argument by themselves.
func (r *Rule) Uses() []Use {
	var uses []Use
	for name, m := range r.compiled().Modules {
		if name != r.File {
			continue
		}
		for _, rule := range m.Rules {
			for ; rule != nil; rule = rule.Else {
				uses = append(uses, usesOf(rule)...)
			}
		}
	}
	return uses
}

var inputArgs = ast.Ref{ast.InputRootDocument, ast.StringTerm("args")}

func usesOf(rule *ast.Rule) []Use {
	var uses []Use
	vars := map[ast.Var]string{}
	argOf := func(c []*ast.Term) string {
		if len(c) > 1 && c[0].String() == "data.tracee.helpers.get_tracee_argument" {
			if s, ok := c[1].Value.(ast.String); ok {
				return string(s)
			}
		}
		return ""
	}
	for range 4 { // copies of copies
		ast.WalkExprs(rule, func(e *ast.Expr) bool {
			terms, ok := e.Terms.([]*ast.Term)
			if !ok {
				return false
			}
			if arg := argOf(terms); arg != "" && len(terms) == 3 {
				if v, ok := terms[2].Value.(ast.Var); ok {
					vars[v] = arg
				}
			}
			if e.IsEquality() && len(terms) == 3 {
				a, okA := terms[1].Value.(ast.Var)
				b, okB := terms[2].Value.(ast.Var)
				if okA && okB {
					if vars[a] != "" && vars[b] == "" {
						vars[b] = vars[a]
					} else if vars[b] != "" && vars[a] == "" {
						vars[a] = vars[b]
					}
				}
			}
			return false
		})
	}
	elements := map[ast.Var]bool{} // of input.args
	isName := func(t *ast.Term) bool {
		ref, ok := t.Value.(ast.Ref)
		if !ok || len(ref) < 2 || !ref[len(ref)-1].Equal(ast.StringTerm("name")) {
			return false
		}
		v, _ := ref[0].Value.(ast.Var)
		return len(ref) == 2 && elements[v] || len(ref) == 4 && ref.HasPrefix(inputArgs)
	}
	ast.WalkExprs(rule, func(e *ast.Expr) bool {
		if terms, ok := e.Terms.([]*ast.Term); ok && e.IsEquality() && len(terms) == 3 {
			for i := range 2 {
				v, isVar := terms[1+i].Value.(ast.Var)
				ref, isRef := terms[2-i].Value.(ast.Ref)
				elements[v] = elements[v] || isVar && isRef && len(ref) == 3 && ref.HasPrefix(inputArgs)
			}
		}
		return false
	})
	line := func(t *ast.Term, e *ast.Expr) int {
		if t.Location != nil {
			return t.Location.Row
		}
		if e.Location != nil {
			return e.Location.Row
		}
		return 0
	}
	uses = append(uses, membersOf(rule, vars)...)
	ast.WalkExprs(rule, func(e *ast.Expr) bool {
		terms, ok := e.Terms.([]*ast.Term)
		if !ok {
			return false
		}
		if arg := argOf(terms); arg != "" {
			uses = append(uses, Use{Arg: arg, Line: line(terms[0], e)})
		}
		op := terms[0].String()
		if (op == "eq" || op == "equal") && len(terms) == 3 {
			for i := range 2 {
				if s, ok := terms[1+i].Value.(ast.String); ok && isName(terms[2-i]) {
					uses = append(uses, Use{Arg: string(s), Line: line(terms[0], e)})
				}
			}
		}
		if textFunctions[op] && !listFunctions[op] {
			for _, t := range terms[1:min(len(terms), 3)] {
				if v, ok := t.Value.(ast.Var); ok && vars[v] != "" {
					uses = append(uses, Use{Arg: vars[v], Line: line(terms[0], e), Func: op})
				}
			}
		}
		return false
	})
	return uses
}

// comparisons with a number that mean something else, or nothing, for a text.
var comparisons = map[string]bool{"eq": true, "equal": true, "neq": true, "lt": true, "lte": true, "gt": true, "gte": true}

// membersOf returns where the rule reads a member of an argument, which vars hold, and only what is there can make an
// expression true.
func membersOf(rule *ast.Rule, vars map[ast.Var]string) []Use {
	var uses []Use
	ast.WalkExprs(rule, func(e *ast.Expr) bool {
		if e.Negated {
			return true
		}
		terms, _ := e.Terms.([]*ast.Term)
		number := ""
		if len(terms) == 3 && comparisons[terms[0].String()] {
			for _, t := range terms[1:] {
				if n, ok := t.Value.(ast.Number); ok {
					number = n.String()
				}
			}
		}
		ast.WalkTerms(e, func(t *ast.Term) bool {
			switch v := t.Value.(type) {
			case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
				return true // its own expressions are walked by themselves
			case ast.Ref:
				head, isVar := v[0].Value.(ast.Var)
				if !isVar || vars[head] == "" || len(v) < 2 {
					return false
				}
				if member, ok := v[1].Value.(ast.String); ok {
					u := Use{Arg: vars[head], Member: string(member)}
					if len(v) == 2 && len(terms) == 3 && (t == terms[1] || t == terms[2]) {
						u.Number = number
					}
					if t.Location != nil {
						u.Line = t.Location.Row
					}
					uses = append(uses, u)
				}
			}
			return false
		})
		return false
	})
	return uses
}

// Multi reports whether tracee_match is a set or a list of partial values, which is never a match.
func (r *Rule) Multi() bool {
	for _, x := range r.compiled().GetRulesExact(r.match) {
		if x.Head.RuleKind() == ast.MultiValue {
			return true
		}
	}
	return false
}

// ReadsAddress reports whether the rule reads an argument that is a socket address.
func (r *Rule) ReadsAddress() bool {
	found := false
	for _, m := range r.compiled().Modules {
		if m.Package.Location != nil && m.Package.Location.File != r.File {
			continue
		}
		ast.WalkTerms(m, func(t *ast.Term) bool {
			if s, ok := t.Value.(ast.String); ok && addressArgs[string(s)] {
				found = true
			}
			return found
		})
	}
	return found
}

// Version returns the version of Rego that the file is written in: "v0" or "v1".
func (r *Rule) Version() string {
	if r.Module().RegoVersion() == ast.RegoV0 { //nolint:staticcheck // of a module of one version
		return "v0"
	}
	return "v1"
}
