package input

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-io/tocsin/detect/value"
	"github.com/tocsin-io/tocsin/event"
)

// TestLazy: what is made piece by piece is the event's JSON, to the last member.
func TestLazy(t *testing.T) {
	f, err := os.Open("../../test/noise/testdata/trace.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{
		`{"eventName":"no_such_event","args":[{"name":"a","type":"t","value":{"b":[1,null]}},{"name":"a","type":"struct sockaddr*","value":"{'sa_family': 'AF_UNIX','sun_path': '/x'}"}],"compat":true,"count":3,"loginUserId":7}`,
		`{"eventName":"ptrace","containerId":"abc","podName":"p","podUID":"u","kubernetes":{"labels":{"a":"b"}},"contextFlags":{"containerStarted":true},"args":[]}`,
	}
	sc := bufio.NewScanner(z)
	sc.Buffer(nil, 16<<20)
	for n := 0; sc.Scan(); n++ {
		if n%5 == 0 {
			lines = append(lines, sc.Text())
		}
	}
	if err := sc.Err(); err != nil || len(lines) < 500 {
		t.Fatal(len(lines), err)
	}
	var l Lazy
	var a value.Arena
	for _, line := range lines {
		ev, err := event.ParseJSON([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []bool{false, true} {
			want, err := Document(ev, text)
			if err != nil {
				t.Fatal(err)
			}
			a.Reset()
			l.Reset(&a, ev, text)
			if got := l.Document().Term(); !got.Equal(want) {
				t.Fatalf("piece by piece\n%v\nwhole\n%v", got, want)
			}
			a.Reset()
			l.Reset(&a, ev, text)
			want.Value.(ast.Object).Foreach(func(k, v *ast.Term) {
				if got := l.Field(string(k.Value.(ast.String))); got == nil || !got.Term().Equal(v) {
					t.Fatalf("%v is %v, want %v", k, got, v)
				}
			})
			if l.Field("nonsense") != nil {
				t.Fatal("a field that no document has")
			}
		}
	}
}

// TestFromJSON: values of documents are those that OPA makes of them.
func TestFromJSON(t *testing.T) {
	for _, raw := range []string{
		`null`, `true`, ` -1.50e3 `, `12345678901234567890123`, `"a\u00e9\ud83d\ude00\ud800"`, "\"\xff\xc3\"", `[]`, `{}`, `{"a":1,"a":[{"b\n":null}]}`, `[1,"x",{"y":false}]`, `{`, ``, `1 2`,
	} {
		want := ast.NullTerm()
		if v, err := ast.ValueFromReader(strings.NewReader(raw)); err == nil && json.Valid([]byte(raw)) {
			want = ast.NewTerm(v)
		}
		if got := fromJSON(nil, []byte(raw)); !got.Term().Equal(want) {
			t.Errorf("%q is %v, want %v", raw, got.Term(), want)
		}
	}
}
