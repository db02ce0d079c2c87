package value

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-io/tocsin/detect/rawjson"
)

// Of makes a value of one of OPA's, which it keeps.
func (a *Arena) Of(t *ast.Term) *Value {
	var v *Value
	switch x := t.Value.(type) {
	case ast.Null:
		return null
	case ast.Boolean:
		return Truth(bool(x))
	case ast.Number:
		if n, ok := usual(string(x)); ok && n >= 0 && n < int64(len(small)) {
			return &small[n]
		}
		v = a.Number(string(x))
	case ast.String:
		v = a.value(String)
		v.text = string(x)
	case *ast.Array:
		v = a.value(Array)
		v.list = a.grown(nil, x.Len())
		for i := range x.Len() {
			v.list = append(v.list, a.Of(x.Elem(i)))
		}
	case ast.Object:
		v = a.value(Object)
		v.list = a.grown(nil, 2*x.Len())
		x.Foreach(func(k, e *ast.Term) { a.Put(v, a.Of(k), a.Of(e)) }) // mostly in order
	case ast.Set:
		v = a.value(Set)
		v.list = a.grown(nil, x.Len())
		x.Foreach(func(e *ast.Term) { a.Add(v, a.Of(e)) })
	default:
		panic("value: not data: " + t.String())
	}
	v.term = t
	return v
}

func (v *Value) number() ast.Number {
	if v.text != "" {
		return ast.Number(v.text)
	}
	return ast.Number(strconv.FormatInt(v.n, 10))
}

// Term makes OPA's value of it, which shares no memory with it.
func (v *Value) Term() *ast.Term {
	if v.term != nil {
		return v.term
	}
	switch v.kind {
	case Bool:
		return ast.InternedTerm(v.n != 0)
	case Number:
		if v.text == "" {
			return ast.InternedTerm(int(v.n))
		}
		return ast.NumberTerm(json.Number(strings.Clone(v.text)))
	case String:
		return ast.StringTerm(strings.Clone(v.text))
	case Null:
		return ast.InternedNullTerm
	}
	list := make([]*ast.Term, len(v.List()))
	for i, e := range v.list {
		list[i] = e.Term()
	}
	switch v.kind {
	case Array:
		return ast.ArrayTerm(list...)
	case Set:
		return ast.SetTerm(list...)
	}
	out := ast.NewObject()
	for i := 0; i < len(list); i += 2 {
		out.Insert(list[i], list[i+1])
	}
	return ast.NewTerm(out)
}

// AppendJSON appends the value as encoding/json would write it; sets become lists. It reports false for what JSON does not have: a key that
// is no text, a number written in another way.
func (v *Value) AppendJSON(dst []byte) ([]byte, bool) {
	switch v.kind {
	case Null:
		return append(dst, "null"...), true
	case Bool:
		return strconv.AppendBool(dst, v.n != 0), true
	case Number:
		if v.text != "" {
			return append(dst, v.text...), json.Valid([]byte(v.text))
		}
		return strconv.AppendInt(dst, v.n, 10), true
	case String:
		return appendText(dst, v.text), true
	case Array, Set:
		dst = append(dst, '[')
		for i, e := range v.List() {
			if i > 0 {
				dst = append(dst, ',')
			}
			var ok bool
			if dst, ok = e.AppendJSON(dst); !ok {
				return dst, false
			}
		}
		return append(dst, ']'), true
	}
	dst = append(dst, '{')
	for i, e := range v.List() {
		if i%2 == 0 {
			if e.kind != String {
				return dst, false
			}
			if i > 0 {
				dst = append(dst, ',')
			}
		} else {
			dst = append(dst, ':')
		}
		var ok bool
		if dst, ok = e.AppendJSON(dst); !ok {
			return dst, false
		}
	}
	return append(dst, '}'), true
}

// asItIs are the characters that JSON, as encoding/json writes it, has as they are.
var asItIs = func() (out [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		out[c] = !strings.ContainsRune(`"\<>&`, c)
	}
	return out
}()

func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if !asItIs[s[i]] {
			raw, err := json.Marshal(s)
			if err != nil { // of a text
				panic(err)
			}
			return append(dst, raw...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// JSON makes a value of valid JSON, lists and objects as they are asked for. The text must last as long as the value.
func (a *Arena) JSON(v rawjson.Value) *Value {
	switch v.Kind() {
	case '"':
		var buf []byte
		s, _ := v.Text(&buf)
		return a.String(s)
	case '0':
		return a.Number(string(v))
	case 't', 'f':
		return Truth(v == "true")
	case '[':
		return a.raw(Array, v)
	case '{':
		return a.raw(Object, v)
	}
	return null
}

func (a *Arena) raw(k Kind, v rawjson.Value) *Value {
	out := a.value(k)
	out.text, out.more = string(v), a
	return out
}

// Fill makes a value of JSON, without what is below its elements.
func (a *Arena) Fill(v *Value) {
	for l := rawjson.Value(v.text).Elements(); l.Next(); {
		if v.kind == Array {
			a.Push(v, a.JSON(l.Value))
		} else {
			a.Put(v, a.JSON(l.Key), a.JSON(l.Value)) // of members of one name the last one counts
		}
	}
}

// Member makes the whole of it: to read over the others costs as much.
func (a *Arena) Member(v, key *Value) *Value { return v.Find(key) }
