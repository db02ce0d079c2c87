// Package rawjson reads values of a JSON text where they stand, without making anything of the rest. The text is taken to be valid:
// who writes it answers for that. Of an invalid one the values are some, or none; nothing panics.
package rawjson

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// Value is the text of one value. The zero value is none.
type Value string

// Of returns the value that a text holds.
func Of(text string) Value { return Value(strings.TrimRight(space(text), " \n\t\r")) }

// Kind says what the value is: '{', '[', '"', 't', 'f', 'n' or '0', for any number; 0 for none.
func (v Value) Kind() byte {
	switch {
	case v == "":
		return 0
	case v[0] == '-' || '0' <= v[0] && v[0] <= '9':
		return '0'
	}
	return v[0]
}

// Member returns the member of an object. Of several with the name it is the last one, as with encoding/json.
func (v Value) Member(name string) Value {
	var found Value
	if v.Kind() != '{' {
		return found
	}
	for l := v.Elements(); l.Next(); {
		if l.Key.Is(name) {
			found = l.Value
		}
	}
	return found
}

// Member is a member of an object.
type Member struct{ Key, Value Value }

// Members appends the members of an object.
func (v Value) Members(dst []Member) []Member {
	if v.Kind() == '{' {
		for l := v.Elements(); l.Next(); {
			dst = append(dst, Member{l.Key, l.Value})
		}
	}
	return dst
}

// Index returns an element of a list.
func (v Value) Index(n int) Value {
	if v.Kind() != '[' {
		return ""
	}
	for l := v.Elements(); l.Next(); n-- {
		if n == 0 {
			return l.Value
		}
	}
	return ""
}

// Text returns the text that the value is. Where it is not as it stands, it is made in buf; bytes that are not UTF-8 stay.
func (v Value) Text(buf *[]byte) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	in := strings.TrimSuffix(string(v[1:]), `"`)
	if strings.IndexByte(in, '\\') < 0 {
		return in, true
	}
	*buf = unescape((*buf)[:0], in)
	return unsafe.String(unsafe.SliceData(*buf), len(*buf)), true
}

// Int returns the whole number that the value is, in whatever way it is written; one that is too large is the nearest that fits.
func (v Value) Int() (int64, bool) {
	if v.Kind() != '0' {
		return 0, false
	}
	if !strings.ContainsAny(string(v), ".eE") {
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return n, true
		}
	}
	f, err := strconv.ParseFloat(string(v), 64)
	switch {
	case err == nil && math.Abs(f) < 1<<53:
		return int64(f), f == math.Trunc(f)
	case f > 0:
		return math.MaxInt64, true
	}
	return math.MinInt64, true
}

// Len is the number of elements of a list or an object, or of a text's characters.
func (v Value) Len(buf *[]byte) (int, bool) {
	switch v.Kind() {
	case '"':
		s, _ := v.Text(buf)
		return utf8.RuneCountInString(s), true
	case '[', '{':
		n := 0
		for l := v.Elements(); l.Next(); {
			n++
		}
		return n, true
	}
	return 0, false
}

// List goes through the elements of a list, or the members of an object.
type List struct {
	Value        // the present one
	Key    Value // its name, in an object
	rest   string
	object bool
}

// Elements returns what goes through the value: what is neither a list nor an object has no elements.
func (v Value) Elements() List {
	k := v.Kind()
	if k != '[' && k != '{' {
		return List{}
	}
	return List{rest: string(v[1:]), object: k == '{'}
}

// Next goes to the next element and reports whether there is one.
func (l *List) Next() bool {
	l.rest = space(l.rest)
	if l.rest == "" || l.rest[0] == ']' || l.rest[0] == '}' {
		return false
	}
	if l.object {
		l.Key, l.rest = cut(l.rest)
		l.rest = space(l.rest)
		if l.rest == "" || l.rest[0] != ':' {
			return false
		}
		l.rest = space(l.rest[1:])
	}
	l.Value, l.rest = cut(l.rest)
	if l.rest = space(l.rest); l.rest != "" && l.rest[0] == ',' {
		l.rest = l.rest[1:]
	}
	return l.Value != ""
}

func space(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\n' || s[0] == '\t' || s[0] == '\r') {
		s = s[1:]
	}
	return s
}

// cut takes the value off that s begins with.
func cut(s string) (Value, string) {
	if s != "" && s[0] == '"' {
		end := min(closing(s, 0)+1, len(s))
		return Value(s[:end]), s[end:]
	}
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			i = closing(s, i)
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				i += depth + 1 // that of a list around it does not belong to it
				return Value(s[:i]), s[i:]
			}
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return Value(s[:i]), s[i:]
			}
		}
	}
	return Value(s), ""
}

// closing is where the text ends that begins at i.
func closing(s string, i int) int {
	for begin := i + 1; ; {
		n := strings.IndexByte(s[i+1:], '"')
		if n < 0 {
			return len(s)
		}
		i += n + 1
		slashes := 0
		for j := i - 1; j >= begin && s[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 { // each two are one, and do not escape the quotation mark
			return i
		}
	}
}

// Is compares the key of a member with a name.
func (v Value) Is(name string) bool {
	if len(v) == len(name)+2 && string(v[1:len(v)-1]) == name {
		return true
	}
	if strings.IndexByte(string(v), '\\') < 0 {
		return false
	}
	var buf []byte // keys that need to be written so are rare
	s, _ := v.Text(&buf)
	return s == name
}

var escapes = [256]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', '"': '"', '\\': '\\', '/': '/'}

// unescape appends what the inside of a text stands for.
func unescape(dst []byte, in string) []byte {
	for {
		i := strings.IndexByte(in, '\\')
		if i < 0 || i+1 >= len(in) {
			return append(dst, in...)
		}
		dst = append(dst, in[:i]...)
		c := in[i+1]
		in = in[i+2:]
		if c != 'u' {
			dst = append(dst, escapes[c])
			continue
		}
		r := hex(in)
		in = in[min(4, len(in)):]
		if utf16.IsSurrogate(r) { // the second half follows, or the first stands for nothing
			low := rune(-1)
			if strings.HasPrefix(in, `\u`) {
				low = hex(in[2:])
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				in = in[min(6, len(in)):]
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
}

func hex(s string) rune {
	if len(s) < 4 {
		return utf8.RuneError
	}
	n, err := strconv.ParseUint(s[:4], 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}
