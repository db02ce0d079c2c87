package value

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Arena makes values in memory that Reset takes back, all at once. A nil Arena makes them on the heap. Texts are not copied.
type Arena struct {
	values slab[Value]
	lists  slab[*Value]
	texts  []byte
}

// slab hands out pieces of large pieces of memory.
type slab[T any] struct {
	chunks   [][]T
	at, used int
}

const (
	chunkSize  = 256 // values, or elements of lists: a document has some 90
	keptChunks = 16  // from event to event: 330 kB of values
	textSize   = 4096
)

// take returns n, which hold what was there before.
func (s *slab[T]) take(n int) []T {
	if n > chunkSize {
		return make([]T, n)
	}
	if s.at < len(s.chunks) && s.used+n > chunkSize {
		s.at++
		s.used = 0
	}
	if s.at == len(s.chunks) {
		s.chunks = append(s.chunks, make([]T, chunkSize))
	}
	s.used += n
	return s.chunks[s.at][s.used-n : s.used : s.used]
}

func (s *slab[T]) reset() {
	if len(s.chunks) > keptChunks {
		clear(s.chunks[keptChunks:])
		s.chunks = s.chunks[:keptChunks]
	}
	s.at, s.used = 0, 0
}

// Reset takes back the memory of all values that the arena made.
func (a *Arena) Reset() {
	a.values.reset()
	a.lists.reset()
	a.texts = a.texts[:0]
}

func (a *Arena) value(k Kind) *Value {
	if a == nil {
		return &Value{kind: k}
	}
	v := &a.values.take(1)[0]
	*v = Value{kind: k}
	return v
}

// grown returns a list with room for n more.
func (a *Arena) grown(list []*Value, n int) []*Value {
	if len(list)+n <= cap(list) {
		return list
	}
	room := max(4, 2*cap(list), len(list)+n)
	if a == nil {
		return append(make([]*Value, 0, room), list...)
	}
	return append(a.lists.take(room)[:0], list...)
}

// String returns a text, with U+FFFD for each byte that is not UTF-8, as JSON has it.
func (a *Arena) String(s string) *Value {
	v := a.value(String)
	if v.text = s; !utf8.ValidString(s) {
		var b strings.Builder
		for _, r := range s {
			b.WriteRune(r)
		}
		v.text = b.String()
	}
	return v
}

// Key returns a text that somebody knows by a number, which Place returns, so that it need not be looked up.
func Key(s string, n int) *Value { return &Value{kind: String, text: s, n: int64(n)} }

// Bytes returns a text like String, of a copy.
func (a *Arena) Bytes(text []byte) *Value {
	if len(a.texts)+len(text) > cap(a.texts) {
		a.texts = make([]byte, 0, max(textSize, len(text))) // what is in the old piece stays there
	}
	at := len(a.texts)
	a.texts = append(a.texts, text...)
	return a.String(unsafe.String(unsafe.SliceData(a.texts[at:]), len(text)))
}

// Int returns a whole number.
func (a *Arena) Int(n int64) *Value {
	if n >= 0 && n < int64(len(small)) {
		return &small[n]
	}
	v := a.value(Number)
	v.n = n
	return v
}

// Uint returns a whole number.
func (a *Arena) Uint(n uint64) *Value {
	if n <= math.MaxInt64 {
		return a.Int(int64(n))
	}
	return a.Number(strconv.FormatUint(n, 10))
}

// Number returns a number as it is written in JSON.
func (a *Arena) Number(text string) *Value {
	if n, ok := usual(text); ok {
		return a.Int(n)
	}
	v := a.value(Number)
	v.text = text
	return v
}

// usual reads a whole number that is written as Go would write it.
func usual(text string) (int64, bool) {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || len(digits) > 19 || digits[0] == '0' && text != "0" {
		return 0, false
	}
	if len(digits) == 19 { // may be too large
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil
	}
	n := int64(0)
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(digits[i]-'0')
	}
	if len(digits) != len(text) {
		n = -n
	}
	return n, true
}

// List returns a list with these elements.
func (a *Arena) List(elements ...*Value) *Value {
	v := a.value(Array)
	v.list = append(a.grown(nil, len(elements)), elements...)
	return v
}

// Empty returns an empty collection, to be filled.
func (a *Arena) Empty(k Kind) *Value { return a.value(k) }

// From returns a collection whose content a source makes when it is asked for. n is for the source.
func (a *Arena) From(k Kind, s Source, n int) *Value {
	v := a.value(k)
	v.more, v.n = s, int64(n)
	return v
}

// Place returns the number that From or Key was given.
func (v *Value) Place() int { return int(v.n) }

// Push adds an element to a list.
func (a *Arena) Push(v, element *Value) { v.list = append(a.grown(v.list, 1), element) }

// Room makes room for n more elements.
func (a *Arena) Room(v *Value, n int) { v.list = a.grown(v.list, n) }

// Append sets a member of an object whose keys come in order.
func (a *Arena) Append(object, key, v *Value) { object.list = append(a.grown(object.list, 2), key, v) }

// Add adds an element to a set.
func (a *Arena) Add(set, element *Value) {
	if i, ok := set.room(element); !ok {
		a.insert(set, i, element)
	}
}

// Put sets a member of an object.
func (a *Arena) Put(object, key, v *Value) {
	if i, ok := object.room(key); ok {
		object.list[i+1] = v
	} else {
		a.insert(object, i, key, v)
	}
}

// room is search for what comes in order, as it mostly does.
func (v *Value) room(key *Value) (int, bool) {
	list, step := v.List(), 1
	if v.kind == Object {
		step = 2
	}
	if n := len(list); n == 0 || Compare(list[n-step], key) < 0 {
		return n, false
	}
	return v.search(key)
}

func (a *Arena) insert(v *Value, at int, what ...*Value) {
	n := len(v.list)
	v.list = a.grown(v.list, len(what))[:n+len(what)]
	copy(v.list[at+len(what):], v.list[at:n])
	copy(v.list[at:], what)
}

// With returns a copy of an object, or a new one for anything else, with the value at the path. Whatever else is in it is shared.
func (a *Arena) With(object *Value, path []*Value, v *Value) *Value {
	if len(path) == 0 {
		return v
	}
	var old *Value
	if object != nil && object.kind == Object {
		old = object.Get(path[0])
	}
	out := a.value(Object)
	a.Copy(out, object, path[0], a.With(old, path[1:], v))
	return out
}

// Copy makes an empty object what another one is, if it is one, but for one member. Whatever else is in it is shared.
func (a *Arena) Copy(empty, object, key, v *Value) {
	if object != nil && object.kind == Object {
		empty.list = append(a.grown(nil, len(object.List())+2), object.list...)
	}
	a.Put(empty, key, v)
}
