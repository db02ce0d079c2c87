package native

import (
	"testing"

	"github.com/tocsin-io/tocsin/event"
)

// TestDocument: conditions on values of a document, and answers with an element of it, allocate nothing.
func TestDocument(t *testing.T) {
	const headers = `{"host":"a\u0062","headers":{"A":["x","evil one"],"B":[]},"n":1.0e1,"deep":[[{"k":"v"}],[]],"yes":true,"none":null}`
	def := event.ByName("net_packet_http_request")
	b := event.New(def)
	if err := b.Set("http_request", []byte(headers)); err != nil {
		t.Fatal(err)
	}
	ev := b.Event()
	at := func(path ...string) Term { return Term{Arg: "http_request", Path: path} }
	element := Term{Element: true}
	for _, c := range []struct {
		node  *Node
		holds bool
		exact bool
	}{
		{&Node{Op: Equal, Term: at("host"), Strs: []string{"ab"}}, true, true},
		{&Node{Op: Defined, Term: at("none")}, true, true},
		{&Node{Op: Truthy, Term: at("none")}, true, false},
		{&Node{Op: Defined, Term: at("absent")}, false, true},
		{&Node{Op: Prefix, Term: at("headers"), Strs: []string{""}}, false, true}, // no text
		{&Node{Op: NumEqual, Term: at("n"), Nums: []int64{10}}, true, true},
		{&Node{Op: Less, Term: at("n"), Nums: []int64{11}}, true, false},
		{&Node{Op: Is, Term: at("yes"), Nums: []int64{1}}, true, true},
		{&Node{Op: Is, Term: at("host"), Nums: []int64{1}}, false, true},
		{&Node{Op: Contains, Term: at("headers", "[]", "[]"), Strs: []string{"evil"}}, true, true},
		{&Node{Op: Contains, Term: at("headers", "[]", "[]", "[]"), Strs: []string{""}}, false, true},
		{&Node{Op: Equal, Term: at("deep", "[]", "[0]", "k"), Strs: []string{"v"}}, true, true},
		{&Node{Op: Equal, Term: at("headers", "A", "[1]"), Strs: []string{"evil one"}}, true, true},
		{&Node{Op: NumEqual, Term: Term{Arg: "http_request", Path: []string{"deep"}, Count: true}, Nums: []int64{2}}, true, true},
		{&Node{Op: Any, Term: at("headers", "A", "[]"), Kids: []*Node{AllOf(
			&Node{Op: Prefix, Term: element, Strs: []string{"ev"}}, &Node{Op: Suffix, Term: element, Strs: []string{"x"}})}}, false, true},
	} {
		s := specialiser{def: def}
		x := s.node(c.node)
		holds, _ := compose(x)
		var sc Scratch
		if got := holds(&sc, ev); got != c.holds || x.exact != c.exact {
			t.Errorf("%v: %v, exact %v", c.node, got, x.exact)
		}
		if n := testing.AllocsPerRun(100, func() { holds(&sc, ev) }); n > 0 {
			t.Errorf("%v: %v allocations", c.node, n)
		}
	}
}

// TestAnswerOver: the answer is of the elements that the conditions hold for; of several different ones it is not known.
func TestAnswerOver(t *testing.T) {
	def := event.ByName("net_packet_dns_request")
	query := Term{Arg: "dns_questions", Path: []string{Shared("i"), "query"}}
	var a Answer
	a.Object = true
	if !a.Take("name", query) || a.Take("other", Term{Arg: "dns_questions", Path: []string{Shared("j")}}) {
		t.Fatal("an element of another list")
	}
	var l Answers
	if !l.Add(&a, Unshare([]*Node{{Op: Suffix, Term: query, Strs: []string{".test"}}})) {
		t.Fatal("the elements are not known")
	}
	write := l.Compile(def, event.OriginHost, false)
	for doc, want := range map[string]string{
		`[{"query":"a"},{"query":"b.test"}]`:       `{"name":"b.test"}`,
		`[{"query":"b.test"},{"query":"b.test"}]`:  `{"name":"b.test"}`,
		`[{"query":"b.test"},{"query":"c.test"}]`:  "",
		`{"x":{"query":"\u0062.test"},"y":[null]}`: `{"name":"b.test"}`,
		`[]`: "",
	} {
		b := event.New(def)
		if err := b.Set("dns_questions", []byte(doc)); err != nil {
			t.Fatal(err)
		}
		var s Scratch
		data, ok := write(&s, b.Event(), nil)
		if !ok {
			data = nil
		}
		if string(data) != want {
			t.Errorf("%s: %s", doc, data)
		}
	}
}
