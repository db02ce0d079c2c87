package plan

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/tocsin-io/tocsin/detect/value"
)

// operands are values that the functions meet, with those at which they differ from Go's.
var operands = func() (out []*ast.Term) {
	for _, s := range []string{
		`null`, `true`, `false`, `0`, `1`, `-1`, `2`, `3`, `7`, `1.0`, `2.5`, `4000000000`, `9223372036854775807`, `18446744073709551616`, `1e3`,
		`""`, `"a"`, `"/"`, `"abc"`, `"ABC"`, `"  a b\t"`, `"/etc/passwd"`, `"é/ß"`, `"%d"`, `"%s-%v"`, `"%5d|%x"`, `"4444"`, `"007"`, `"-5"`, `"+5"`, `"1e5"`, `"nan"`, `"0x10"`,
		`"{\"a\": [1, 2.50, \"x\"], \"b\": {\"a\": null, \"a\": true}}"`, `"[1"`, `"1 2"`, `" 1e999999 "`, `"[1e5]"`, `"\"\\ud800\""`,
		`[]`, `["a"]`, `["a", "b", "/"]`, `[1, 2]`, `["a", 1]`, `[7, "x"]`, `[true, null]`, `[["a"], {"a": 1}]`,
		`{}`, `{"a": 1}`, `{"a": {"b": ["x"]}, "c": 2}`, `{1: "a", "a": {"a": "b"}}`,
		`set()`, `{"a", "b"}`, `{"a", 1}`, `{"/etc", "/"}`,
	} {
		out = append(out, ast.MustParseTerm(s))
	}
	return out
}()

// TestNatives gives each function that is not OPA's own what OPA's is given, and compares.
func TestNatives(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var m Machine
	for name, f := range natives {
		decl := ast.BuiltinMap[name]
		if decl == nil {
			if !strings.HasPrefix(name, "tocsin.") { // those are compared by the rules that use them
				t.Errorf("OPA has no function %s", name)
			}
			continue
		}
		call, answered := topdown.GetBuiltin(name), 0
		for range 20_000 {
			m.arena.Reset()
			terms := make([]*ast.Term, len(decl.Decl.FuncArgs().Args))
			args := make([]*value.Value, len(terms))
			for i := range terms {
				terms[i] = operands[r.IntN(len(operands))]
				args[i] = m.arena.Of(terms[i])
			}
			got, ok := f(&m, args)
			if !ok {
				continue
			}
			answered++
			var all []*ast.Term
			err := call(topdown.BuiltinContext{Context: context.Background(), Cancel: topdown.NewCancel()}, terms, func(x *ast.Term) error {
				all = append(all, x)
				return nil
			})
			want := ast.ArrayTerm(all...)
			if !decl.Relation && len(all) > 0 {
				want = all[0]
			}
			if err != nil || len(all) == 0 || got.Term().String() != want.String() {
				t.Fatalf("%s%v is %v, OPA: %v %v", name, terms, got.Term(), want, err)
			}
		}
		if answered < 20 {
			t.Errorf("%s answered %d times", name, answered)
		}
	}
}
