// Package value holds the values that an evaluation of a rule handles: those of OPA, in their order, but plain Go underneath,
// made in memory that is used again for the next event, and of a collection only what is asked for.
//
// A value belongs to one goroutine: asking may make more of it.
package value

import (
	"cmp"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Kind is the type of a value, in the order in which values of different types compare.
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
	Set
)

// Value is one value. Undefined is the nil pointer.
type Value struct {
	kind   Kind
	filled bool     // more has made the content
	n      int64    // of a truth value, and of a number that has no text
	text   string   // of a text; of a number that is written otherwise than n; the JSON that a collection is made of
	list   []*Value // what a list has; a set, in order; an object, each key with its value behind it, in order
	more   Source   // where the content of a collection comes from
	term   *ast.Term
}

// Source makes the content of a collection when it is asked for.
type Source interface {
	// Fill makes all of it: see Put and Push.
	Fill(v *Value)
	// Member makes one member of an object, nil when it has none.
	Member(v, key *Value) *Value
}

var (
	null     = &Value{kind: Null}
	booleans = [2]*Value{{kind: Bool}, {kind: Bool, n: 1}}
	small    = func() (out [512]Value) {
		for i := range out {
			out[i] = Value{kind: Number, n: int64(i)}
		}
		return out
	}()
)

// Truth returns a truth value.
func Truth(b bool) *Value {
	if b {
		return booleans[1]
	}
	return booleans[0]
}

// Nothing returns null.
func Nothing() *Value { return null }

// Kind returns the type.
func (v *Value) Kind() Kind { return v.kind }

// True reports whether the value is true.
func (v *Value) True() bool { return v.kind == Bool && v.n != 0 }

// Text returns the text that the value is.
func (v *Value) Text() (string, bool) { return v.text, v.kind == String }

// Int returns the number that the value is, if it is a whole one that fits.
func (v *Value) Int() (int64, bool) {
	switch {
	case v.kind != Number:
		return 0, false
	case v.text != "":
		return ast.Number(v.text).Int64()
	}
	return v.n, true
}

// Plain reports whether the value is a whole number written in the usual way.
func (v *Value) Plain() (int64, bool) { return v.n, v.kind == Number && v.text == "" }

// Source returns where the content of a collection comes from, or came from.
func (v *Value) Source() Source { return v.more }

// List returns the elements of a list or a set, in order; of an object each key with its value behind it.
func (v *Value) List() []*Value {
	if v.more != nil && !v.filled {
		v.filled = true
		v.more.Fill(v)
	}
	return v.list
}

// Len returns how many elements or members a collection has.
func (v *Value) Len() int {
	if v.kind == Object {
		return len(v.List()) / 2
	}
	return len(v.List())
}

// Get returns the element at a place, the member of a name, or the element of a set itself.
func (v *Value) Get(key *Value) *Value {
	switch v.kind {
	case Array:
		if i, ok := key.Int(); ok && i >= 0 && i < int64(len(v.List())) {
			return v.list[i]
		}
	case Object:
		if v.more != nil && !v.filled {
			return v.more.Member(v, key)
		}
		return v.Find(key)
	case Set:
		if _, ok := v.search(key); ok {
			return key
		}
	}
	return nil
}

// Find returns a member of an object of which everything is made.
func (v *Value) Find(key *Value) *Value {
	if list := v.List(); key.kind == String && len(list) <= 16 {
		for i := 0; i < len(list); i += 2 { // sooner done than a search
			if k := list[i]; k.kind == String && k.text == key.text {
				return list[i+1]
			}
		}
		return nil
	}
	if i, ok := v.search(key); ok {
		return v.list[i+1]
	}
	return nil
}

// search returns where in the list of a set or an object a key is or belongs.
func (v *Value) search(key *Value) (int, bool) {
	list, step := v.List(), 1
	if v.kind == Object {
		step = 2
	}
	low, high := 0, len(list)/step
	for low < high {
		mid := (low + high) / 2
		switch c := Compare(list[mid*step], key); {
		case c == 0:
			return mid * step, true
		case c < 0:
			low = mid + 1
		default:
			high = mid
		}
	}
	return low * step, false
}

// Equal reports whether two values are the same, and both defined.
func Equal(a, b *Value) bool {
	if a == nil || b == nil || a.kind != b.kind {
		return false
	}
	if a == b {
		return true
	}
	if a.kind == String {
		return a.text == b.text
	}
	return Compare(a, b) == 0
}

// Compare orders values as OPA does.
func Compare(a, b *Value) int {
	if a == b {
		return 0
	}
	if a.kind != b.kind {
		return cmp.Compare(a.kind, b.kind)
	}
	switch a.kind {
	case Bool:
		return cmp.Compare(a.n, b.n)
	case Number:
		if a.text == "" && b.text == "" {
			return cmp.Compare(a.n, b.n)
		}
		return ast.NumberCompare(a.number(), b.number())
	case String:
		return strings.Compare(a.text, b.text)
	case Array, Object, Set:
		x, y := a.List(), b.List()
		for i := range min(len(x), len(y)) {
			if c := Compare(x[i], y[i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(x), len(y))
	}
	return 0
}
