package rawjson

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzValue: what is read of a text in place is what encoding/json makes of it; an invalid one does no harm.
func FuzzValue(f *testing.F) {
	for _, s := range []string{
		`{"query":"a.test","query_type":"TXT"}`, `[{"a":[1,2,{"b":null}]},"x",true]`, ` { "a\u0062" : "\ud83d\ude00 \ud800 \u00e9\n" , "":[ ] } `,
		`"a\"b\\"`, `-1.5e3`, `9223372036854775808`, `1e400`, `{"a":1,"a":2}`, `[`, `{"a"`, `"\u12`, `[[[]],{}]`, `null`, `"\ud800\u0041"`, "\"\xff\"", `12e-1`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v := Of(text)
		var want any
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		if !json.Valid([]byte(text)) || dec.Decode(&want) != nil {
			same(v, nil)
			return
		}
		if !utf8.ValidString(text) {
			return // bytes that are not UTF-8 stay
		}
		if why := same(v, want); why != "" {
			t.Fatalf("%q: %s", text, why)
		}
	})
}

// same says how a value differs from what encoding/json made.
func same(v Value, want any) string {
	var buf []byte
	switch x := want.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(x))
		for _, k := range keys {
			if why := same(v.Member(k), x[k]); why != "" {
				return why
			}
		}
		if v.Member("no such member \x00") != "" || v.Index(0) != "" {
			return "a member too many"
		}
	case []any:
		n := 0
		for l := v.Elements(); l.Next(); n++ {
			if n >= len(x) {
				return "an element too many"
			}
			if why := same(l.Value, x[n]); why != "" {
				return why
			}
			if l.Value != v.Index(n) {
				return "an element differs by its number"
			}
		}
		if size, ok := v.Len(&buf); n != len(x) || size != n || !ok {
			return "the length"
		}
	case string:
		s, ok := v.Text(&buf)
		if size, counted := v.Len(&buf); !ok || s != x || !counted || size != utf8.RuneCountInString(x) {
			return "text " + s + " for " + x
		}
	case json.Number:
		n, ok := v.Int()
		exact, err := x.Int64()
		if err == nil && (!ok || n != exact) {
			return "number " + x.String()
		}
		if f, ferr := x.Float64(); ferr == nil && math.Abs(f) < 1<<53 && ok != (f == math.Trunc(f)) {
			return "whole number " + x.String()
		}
	default:
		raw, _ := json.Marshal(x)
		if want != nil && !bytes.Equal(raw, []byte(strings.TrimSpace(string(v)))) {
			return "literal"
		}
		// whatever the text is
		v.Member("a")
		v.Index(1)
		v.Text(&buf)
		v.Int()
		v.Len(&buf)
		for l := v.Elements(); l.Next(); {
			same(l.Value, nil)
		}
	}
	return ""
}

func TestKind(t *testing.T) {
	got := map[string]byte{}
	for _, s := range []string{"", " {}", "[]", `"a"`, "true", "false", "null", "-1", "7"} {
		got[s] = Of(s).Kind()
	}
	want := map[string]byte{"": 0, " {}": '{', "[]": '[', `"a"`: '"', "true": 't', "false": 'f', "null": 'n', "-1": '0', "7": '0'}
	if !reflect.DeepEqual(got, want) {
		t.Fatal(got)
	}
}

func BenchmarkMember(b *testing.B) {
	doc := `{"method":"GET","protocol":"HTTP/1.1","host":"192.0.2.1","uri_path":"/simulation/../../etc/hostname","headers":{"User-Agent":["simulation"]},"content_length":0}`
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		if s, ok := Of(doc).Member("uri_path").Text(&buf); !ok || s == "" {
			b.Fatal(s)
		}
	}
}
