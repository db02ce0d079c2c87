package value

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-io/tocsin/detect/rawjson"
)

// random makes a value of OPA's, of few constants, so that many are equal.
func random(r *rand.Rand, depth int) *ast.Term {
	kinds := 7
	if depth == 0 {
		kinds = 4
	}
	list := func() []*ast.Term {
		out := make([]*ast.Term, r.IntN(4))
		for i := range out {
			out[i] = random(r, depth-1)
		}
		return out
	}
	switch r.IntN(kinds) {
	case 0:
		return ast.NullTerm()
	case 1:
		return ast.BooleanTerm(r.IntN(2) == 0)
	case 2:
		n := []json.Number{"0", "-0", "1", "1.0", "-7", "511", "512", "1e2", "100", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1700000000123456789", "18446744073709551615", "0.5"}
		return ast.NumberTerm(n[r.IntN(len(n))])
	case 3:
		s := []string{"", "a", "b", "ab", "é", "<\u2028&>", "\"\\\n\x7f", "\ufffd", "😀"}
		return ast.StringTerm(s[r.IntN(len(s))])
	case 4:
		return ast.ArrayTerm(list()...)
	case 5:
		return ast.SetTerm(list()...)
	}
	out := ast.NewObject()
	for _, k := range list() {
		out.Insert(k, random(r, depth-1))
	}
	return ast.NewTerm(out)
}

func sign(n int) int { return max(-1, min(1, n)) }

// TestValues: values compare, hold elements and are written as OPA's, and become them again.
func TestValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var a Arena
	for range 50_000 {
		a.Reset()
		x, y := random(r, 2), random(r, 2)
		v, w := a.Of(x), a.Of(y)
		if got, want := Compare(v, w), ast.Compare(x, y); sign(got) != sign(want) {
			t.Fatalf("%v to %v is %d, OPA says %d", x, y, got, want)
		}
		if Equal(v, w) != x.Equal(y) {
			t.Fatalf("%v and %v are equal: %v", x, y, Equal(v, w))
		}
		v.term = nil
		if got := v.Term(); !got.Equal(x) {
			t.Fatalf("%v becomes %v", x, got)
		}
		if got := v.Get(w); x.Get(y) == nil != (got == nil) || got != nil && !got.Term().Equal(x.Get(y)) {
			t.Fatalf("%v[%v] is %v", x, y, got)
		}
		want, err := ast.JSONWithOpt(x.Value, ast.JSONOpt{SortSets: true})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := v.AppendJSON(nil)
		if ok && !bytes.Equal(got, raw) {
			t.Fatalf("%v is written %s, OPA writes %s", x, got, raw)
		}
		if !ok && json.Valid(got) {
			t.Fatalf("%v is not written", x)
		}
		again, err := ast.ValueFromReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := a.JSON(rawjson.Of(string(raw))).Term(); got.Value.Compare(again) != 0 {
			t.Fatalf("%s is read as %v", raw, got)
		}
	}
}

// TestArena: what was made before more was made stays, and a second round needs no memory.
func TestArena(t *testing.T) {
	var a Arena
	one := func() {
		a.Reset()
		list := a.Empty(Array)
		for i := range int64(1000) {
			a.Push(list, a.List(a.Int(i*1000), a.String("x")))
		}
		for i, v := range list.List() {
			if n, ok := v.list[0].Int(); !ok || n != int64(i)*1000 {
				t.Fatalf("element %d is %v", i, v.Term())
			}
		}
	}
	one()
	if n := testing.AllocsPerRun(10, one); n > 10 { // lists longer than a piece of memory
		t.Errorf("%v allocations", n)
	}
	object := a.Empty(Object)
	for _, k := range []string{"b", "a", "c"} {
		a.Put(object, a.String(k), a.Int(1))
	}
	other := a.With(object, []*Value{a.String("b"), a.String("x")}, Nothing())
	if got := object.Term().String() + other.Term().String(); got != `{"a": 1, "b": 1, "c": 1}{"a": 1, "b": {"x": null}, "c": 1}` {
		t.Error(got)
	}
}
