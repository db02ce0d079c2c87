package settings

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Field is one setting of a struct.
type Field struct {
	Name     string
	Type     reflect.Type
	Index    []int  // in the struct, for reflect's FieldByIndex
	Doc      string // one sentence
	Default  any    // nil for none
	Required bool
	Enum     []string // the allowed values of a string
	Example  string
}

// Secret reports whether the field's value is never printed.
func (f Field) Secret() bool {
	t := f.Type
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t == reflect.TypeFor[Secret]()
}

// Fields lists the settings of a struct, or of a pointer to one, in their order. v holds the defaults. A struct tagged
// `yaml:",inline"` gives its fields to the one around it.
func Fields(v any) []Field {
	rv := reflect.Indirect(reflect.ValueOf(v))
	return fields(rv.Type(), rv)
}

// FieldsOf lists the settings of a struct type, without defaults.
func FieldsOf(t reflect.Type) []Field { return fields(t, reflect.Value{}) }

func fields(t reflect.Type, rv reflect.Value) []Field {
	var out []Field
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() {
			continue
		}
		var fv reflect.Value
		if rv.IsValid() {
			fv = rv.Field(i)
		}
		name, option, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if option == "inline" {
			for _, f := range fields(sf.Type, fv) {
				f.Index = append([]int{i}, f.Index...)
				out = append(out, f)
			}
			continue
		}
		if name == "" || name == "-" {
			continue
		}
		f := Field{Name: name, Type: sf.Type, Index: []int{i}, Doc: sf.Tag.Get("doc"), Example: sf.Tag.Get("example")}
		f.Required, _ = strconv.ParseBool(sf.Tag.Get("required"))
		if e := sf.Tag.Get("enum"); e != "" {
			f.Enum = strings.Split(e, ",")
		}
		if fv.IsValid() && !fv.IsZero() {
			f.Default = fv.Interface()
		}
		out = append(out, f)
	}
	return out
}

// TypeName says in words what a setting takes: "duration", "string", "list of strings".
func TypeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t == reflect.TypeFor[Secret]():
		return "secret string"
	case t == reflect.TypeFor[Size]():
		return "size"
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return "string"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return TypeName(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint, reflect.Uint64, reflect.Uint32, reflect.Uint16, reflect.Uint8:
		return "whole number"
	case reflect.Float64:
		return "number"
	case reflect.String:
		return "string"
	case reflect.Slice:
		return "list of " + plural(TypeName(t.Elem()))
	case reflect.Map, reflect.Struct:
		return "map"
	case reflect.Interface:
		return "any value"
	}
	return t.Kind().String()
}

func plural(s string) string {
	if s == "secret string" || s == "string" || s == "map" || s == "duration" || s == "number" || s == "whole number" {
		return s + "s"
	}
	return s
}

// ParseDuration reads a duration: Go's form, and days and weeks ("90d", "2w", "1d12h").
func ParseDuration(text string) (time.Duration, error) {
	rest, neg := strings.CutPrefix(text, "-")
	var total time.Duration
	for _, u := range []struct {
		unit string
		len  time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		head, tail, ok := strings.Cut(rest, u.unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(head, 10, 32)
		if err != nil || n < 0 || n > int64((1<<63-1)/u.len) {
			return 0, badDuration(text)
		}
		total, rest = total+time.Duration(n)*u.len, tail
	}
	if rest != "" || total == 0 && text != "0d" && text != "0w" {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 || total+d < 0 {
			return 0, badDuration(text)
		}
		total += d
	}
	if neg {
		return 0, fmt.Errorf("a duration is not negative")
	}
	return total, nil
}

func badDuration(text string) error {
	return fmt.Errorf("%q is no duration: write 30s, 5m, 24h, 90d or 2w", text)
}

// FormatDuration writes a duration as briefly as ParseDuration reads it.
func FormatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d > 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// Size is a number of bytes, written "512MiB", "1GB" or as a plain number.
type Size int64

var sizeUnits = []struct {
	name string
	size Size
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"kB", 1e3},
	{"B", 1},
}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	t, mult := strings.TrimSpace(string(text)), Size(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(t, u.name); ok {
			t, mult = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseInt(t, 10, 64)
	if err != nil || n < 0 || n > (1<<63-1)/int64(mult) {
		return fmt.Errorf("%q is no size: write 512MiB, 1GB or a number of bytes", text)
	}
	*s = Size(n) * mult
	return nil
}

// MarshalText writes the size in its largest whole binary unit.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string {
	for _, u := range sizeUnits[:4] {
		if s >= u.size && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// FieldError is a bad value in a settings struct, found by its Validate method.
type FieldError struct {
	Field string
	Msg   string
}

// Errorf makes a FieldError. The field is named as in the file, a field within a field with a dot.
func Errorf(field, format string, a ...any) error {
	return &FieldError{field, fmt.Sprintf(format, a...)}
}

func (e *FieldError) Error() string { return e.Msg }

// Path is the field, for the error's place in the file.
func (e *FieldError) Path() []string { return strings.Split(e.Field, ".") }
