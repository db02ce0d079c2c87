package native

import (
	"math/rand/v2"
	"testing"

	"github.com/tocsin-io/tocsin/event"
)

// What Merge writes holds for exactly the events for which the original does.
func TestMerge(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{"/a", "/a/b", "x"}
	ops := []Op{Prefix, Suffix}
	atom := func() *Node {
		n := &Node{Op: ops[r.IntN(len(ops))], Strs: []string{texts[r.IntN(len(texts))]}}
		switch r.IntN(4) {
		case 0:
			n.Term = Term{Arg: "pathname"}
		case 1:
			n.Term = Term{Arg: "argv", Path: []string{"[]"}}
		case 2:
			n.Term = Term{Element: true}
			second := *n
			second.Op, second.Strs = ops[r.IntN(len(ops))], []string{texts[r.IntN(len(texts))]}
			return &Node{Op: Any, Term: Term{Arg: "argv"}, Kids: []*Node{AllOf(n, &second)}}
		default:
			n.Term = Term{Path: []string{"processName"}}
			return &Node{Op: Not, Kids: []*Node{n}}
		}
		return n
	}
	def := event.ByName("sched_process_exec")
	smaller := 0
	for range 2000 {
		var any []*Node
		for range 1 + r.IntN(8) {
			var all []*Node
			for range 1 + r.IntN(3) {
				all = append(all, atom())
			}
			any = append(any, AllOf(all...))
		}
		n := AnyOf(any...)
		m := Merge(n)
		if len(m.alternatives()) < len(n.alternatives()) {
			smaller++
		}
		was, is := Compile(n, def, event.OriginHost, false), Compile(m, def, event.OriginHost, false)
		for range 20 {
			b := event.New(def)
			b.Header().SetComm(texts[r.IntN(len(texts))])
			if err := b.Set("pathname", texts[r.IntN(len(texts))]); err != nil {
				t.Fatal(err)
			}
			if err := b.Set("argv", []string{texts[r.IntN(len(texts))], texts[r.IntN(len(texts))]}); err != nil {
				t.Fatal(err)
			}
			var s Scratch
			ev := b.Event()
			if a, b := was(&s, ev), is(&s, ev); a != b {
				t.Fatalf("%v became %v: for %s it was %v and is %v", n, m, ev.AppendJSON(nil), a, b)
			}
		}
	}
	if smaller < 200 {
		t.Errorf("only %d conditions got smaller", smaller)
	}
}

// Three choices make one conjunction, not one for each combination.
func TestMergeProduct(t *testing.T) {
	var any []*Node
	for _, path := range []string{"/nc", "/ncat"} {
		for _, option := range []string{"-e", "-c", "--exec"} {
			for _, shell := range []string{"/sh", "/bash", "/zsh"} {
				any = append(any, AllOf(&Node{Op: Suffix, Term: Term{Arg: "pathname"}, Strs: []string{path}},
					&Node{Op: Equal, Term: Term{Arg: "argv", Path: []string{"[]"}}, Strs: []string{option}},
					&Node{Op: Suffix, Term: Term{Arg: "argv", Path: []string{"[]"}}, Strs: []string{shell}}))
			}
		}
	}
	if m := Merge(AnyOf(any...)); m.Op != And || len(m.Kids) != 3 {
		t.Error(m)
	}
}
