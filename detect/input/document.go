// Package input gives OPA an event: as the whole document, or piece by piece as an evaluation asks for it. Both give the
// same values; the document, which is the event's JSON, is the definition.
package input

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-io/tocsin/event"
)

// Document returns the event as OPA's value, socket addresses as objects or as one text.
func Document(ev *event.Event, addressText bool) (*ast.Term, error) {
	return parse(ev.AppendJSON(nil), addressText)
}

func parse(doc []byte, addressText bool) (*ast.Term, error) {
	v, err := ast.ValueFromReader(bytes.NewReader(doc))
	if err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	obj, ok := v.(ast.Object)
	if !ok {
		return nil, fmt.Errorf("read event: not an object")
	}
	if a := obj.Get(argsKey); a != nil {
		if arr, ok := a.Value.(*ast.Array); ok {
			if out, changed := convertAddresses(arr, addressText); changed {
				obj.Insert(argsKey, ast.NewTerm(out))
			}
		}
	}
	return ast.NewTerm(obj), nil
}

var (
	argsKey   = ast.StringTerm("args")
	typeKey   = ast.StringTerm("type")
	valueKey  = ast.StringTerm("value")
	familyKey = ast.StringTerm("sa_family")
)

// isAddressType looks at the argument's C type: a path that looks like an address stays a path.
func isAddressType(t *ast.Term) bool {
	if t == nil {
		return false
	}
	s, ok := t.Value.(ast.String)
	return ok && strings.Contains(string(s), "sockaddr")
}

// convertAddresses brings socket addresses into the wanted form. Recordings have either.
func convertAddresses(args *ast.Array, text bool) (*ast.Array, bool) {
	changed := false
	out := make([]*ast.Term, 0, args.Len())
	args.Foreach(func(t *ast.Term) {
		o, ok := t.Value.(ast.Object)
		if ok && isAddressType(o.Get(typeKey)) {
			if v := o.Get(valueKey); v != nil {
				if c := convertAddress(v.Value, text); c != nil {
					o = o.Copy()
					o.Insert(valueKey, ast.NewTerm(c))
					t, changed = ast.NewTerm(o), true
				}
			}
		}
		out = append(out, t)
	})
	if !changed {
		return args, false
	}
	return ast.NewArray(out...), true
}

// addressFields is the order of the text form.
var addressFields = []string{"sa_family", "sun_path", "sin_addr", "sin_port", "sin6_addr", "sin6_flowinfo", "sin6_port", "sin6_scopeid"}

// convertAddress returns the value in the wanted form, or nil when it is no address or has that form already.
func convertAddress(v ast.Value, text bool) ast.Value {
	switch x := v.(type) {
	case ast.Object:
		if !text || x.Get(familyKey) == nil {
			return nil
		}
		var b strings.Builder
		b.WriteByte('{')
		n := 0
		for _, f := range addressFields {
			t := x.Get(ast.StringTerm(f))
			if t == nil {
				continue
			}
			s, ok := t.Value.(ast.String)
			if !ok {
				return nil
			}
			if n++; n > 1 {
				b.WriteByte(',')
			}
			b.WriteString("'" + f + "': '" + string(s) + "'")
		}
		b.WriteByte('}')
		if n != x.Len() {
			return nil
		}
		return ast.String(b.String())
	case ast.String:
		if text {
			return nil
		}
		rest, ok := strings.CutPrefix(string(x), "{'sa_family': '")
		if !ok {
			return nil
		}
		rest, ok = strings.CutSuffix(rest, "'}")
		if !ok {
			return nil
		}
		obj := ast.NewObject()
		key := "sa_family"
		for {
			val, more, found := strings.Cut(rest, "','")
			obj.Insert(ast.StringTerm(key), ast.StringTerm(val))
			if !found {
				return obj
			}
			if key, rest, ok = strings.Cut(more, "': '"); !ok {
				return nil
			}
		}
	}
	return nil
}
