package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/types"
)

// Rules say "some x in list; startswith(text, x)". Partial evaluation makes an alternative of each element, and of two
// such lists one of each pair: thousands, most of the time of loading. The compiler therefore writes these two expressions
// as one call of a function that takes the list, which partial evaluation leaves as it is and the plan runs in a loop of Go.

// anyOf are the functions that take the list, by those that take one element.
var anyOf = map[string]string{"startswith": "tocsin.any_prefix", "endswith": "tocsin.any_suffix", "contains": "tocsin.any_contains"}

func init() {
	for one, relation := range map[string]func(string, string) bool{"startswith": strings.HasPrefix, "endswith": strings.HasSuffix, "contains": strings.Contains} {
		rego.RegisterBuiltin2(&rego.Function{
			Name: anyOf[one], Description: "Whether " + one + " holds for the text and one of the list.",
			Decl: types.NewFunction(types.Args(types.Named("text", types.A), types.Named("list", types.A)), types.Named("result", types.B)),
		}, func(_ rego.BuiltinContext, text, list *ast.Term) (*ast.Term, error) {
			s, ok := text.Value.(ast.String)
			if !ok {
				return nil, nil
			}
			return ast.InternedTerm(someText(list.Value, func(x string) bool { return relation(string(s), x) })), nil
		})
	}
}

// someText reports whether f holds for a text among the values of a collection.
func someText(list ast.Value, f func(string) bool) bool {
	holds := func(t *ast.Term) bool {
		x, ok := t.Value.(ast.String)
		return ok && f(string(x))
	}
	switch x := list.(type) {
	case ast.Set:
		return slices.ContainsFunc(x.Slice(), holds)
	case *ast.Array:
		return x.Until(holds)
	case ast.Object:
		return x.Until(func(_, v *ast.Term) bool { return holds(v) })
	}
	return false
}

// newRuleCompiler returns a compiler that takes lists together. Its rules give the same answers.
func newRuleCompiler() *ast.Compiler {
	return NewCompiler().WithStageAfterID(ast.StageCheckDeprecatedBuiltins, ast.CompilerStageDefinition{
		Name: "TakeListsTogether", MetricName: "compile_stage_take_lists_together",
		Stage: func(c *ast.Compiler) *ast.Error {
			for _, m := range c.Modules {
				for _, r := range m.Rules {
					for ; r != nil; r = r.Else {
						takeLists(r)
					}
				}
			}
			return nil
		},
	})
}

// takeLists rewrites the body of a rule.
func takeLists(r *ast.Rule) {
	uses := map[ast.Var]int{}
	count := func(v ast.Var) bool { uses[v]++; return false }
	ast.WalkVars(r.Head, count)
	ast.WalkVars(r.Body, count)
	drop := map[int]bool{}
	for i, e := range r.Body {
		element, list := drawn(e, uses)
		if list == nil || uses[element] != 2 {
			continue
		}
		for j, use := range r.Body {
			terms, ok := use.Terms.([]*ast.Term)
			if j == i || !ok || use.Negated || len(use.With) > 0 || len(terms) != 3 || !terms[2].Equal(ast.VarTerm(string(element))) {
				continue
			}
			name := anyOf[terms[0].String()]
			if name == "" {
				continue
			}
			c := use.Copy()
			c.Terms = []*ast.Term{ast.NewTerm(ast.BuiltinMap[name].Ref()), terms[1], list}
			if _, isRef := list.Value.(ast.Ref); isRef { // a call takes no references: the variable stands for the list
				c.Terms.([]*ast.Term)[2] = ast.VarTerm(string(element))
				d := e.Copy()
				d.Terms = []*ast.Term{e.Terms.([]*ast.Term)[0], ast.VarTerm(string(element)), list}
				r.Body[i] = d
			} else {
				drop[i] = true
			}
			r.Body[j] = c
			break
		}
	}
	if len(drop) == 0 {
		return
	}
	body := make(ast.Body, 0, len(r.Body))
	for i, e := range r.Body {
		if !drop[i] {
			e.Index = len(body)
			body = append(body, e)
		}
	}
	r.Body = body
}

// drawn reads "element = list[_]" where the place in the list is of no interest. The list is nil when e is something else.
func drawn(e *ast.Expr, uses map[ast.Var]int) (element ast.Var, list *ast.Term) {
	if e.Negated || len(e.With) > 0 || !e.IsEquality() {
		return "", nil
	}
	a, b := e.Operand(0), e.Operand(1)
	if _, ok := a.Value.(ast.Ref); ok {
		a, b = b, a
	}
	v, isVar := a.Value.(ast.Var)
	ref, isRef := b.Value.(ast.Ref)
	if !isVar || !isRef || len(ref) < 2 {
		return "", nil
	}
	at, isVar := ref[len(ref)-1].Value.(ast.Var)
	if !isVar || uses[at] != 1 || !ref[1:len(ref)-1].IsGround() {
		return "", nil
	}
	if len(ref) > 2 {
		return v, ast.NewTerm(ref[:len(ref)-1])
	}
	if ref.HasPrefix(ast.DefaultRootRef) || ref.HasPrefix(ast.InputRootRef) {
		return "", nil
	}
	return v, ref[0]
}
