package configs

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/tocsin-io/tocsin/configs/settings"
)

// Types are the types of outputs: each function returns a pointer to a new settings struct that holds the defaults.
// A struct may have a method Validate() error, whose errors should be settings.FieldErrors.
type Types map[string]func() any

// decoder fills structs from the syntax tree. It is here, rather than the YAML library's own decoder, because it reports
// all errors at once, in the words of the file rather than of Go, and never shows a secret.
type decoder struct {
	src     *source
	types   Types
	anchors map[string]ast.Node
	prefill map[reflect.Type]func(reflect.Value) // what a new element of a list or map starts from
	errs    Errors
	warns   []*Error
	nodes   int
}

// maxNodes bounds what aliases may expand to.
const maxNodes = 200_000

func (d *decoder) fail(n ast.Node, path []string, format string, a ...any) *Error {
	e := d.src.at(placeOf(n), path, format, a...)
	d.errs = append(d.errs, e)
	return e
}

func placeOf(n ast.Node) place {
	if n == nil {
		return place{}
	}
	var tk *token.Token
	switch n := n.(type) {
	case *ast.MappingNode: // its own token is a colon
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return placeOf(n.Values[0].Key)
		}
		tk = n.GetToken()
	case *ast.MappingValueNode:
		return placeOf(n.Key)
	case *ast.LiteralNode:
		tk = n.Start
	default:
		tk = n.GetToken()
	}
	if tk == nil || tk.Position == nil {
		return place{}
	}
	return place{tk.Position.Line, tk.Position.Column}
}

// resolve follows anchors, aliases and tags to the value itself.
func (d *decoder) resolve(n ast.Node, path []string) ast.Node {
	for range 64 {
		switch x := n.(type) {
		case *ast.AnchorNode:
			d.anchors[x.Name.GetToken().Value] = x.Value
			n = x.Value
		case *ast.AliasNode:
			target, ok := d.anchors[x.Value.GetToken().Value]
			if !ok {
				d.fail(n, path, "unknown anchor %q", x.Value.GetToken().Value)
				return nil
			}
			n = target
		case *ast.TagNode:
			n = x.Value
		case nil, *ast.NullNode, *ast.CommentGroupNode:
			return nil
		default:
			return n
		}
	}
	d.fail(n, path, "aliases refer to each other")
	return nil
}

type pair struct {
	name string
	key  ast.Node
	val  ast.Node
}

// pairs lists the keys of a map; "<<" merges come first, so that the map's own keys win.
func (d *decoder) pairs(n ast.Node, path []string) ([]pair, bool) {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		return nil, false
	}
	var own, merged []pair
	for _, v := range values {
		if v.Key.IsMergeKey() {
			if m := d.resolve(v.Value, path); m != nil {
				ps, ok := d.pairs(m, path)
				if !ok {
					d.fail(v.Value, path, "only a map can be merged")
				}
				merged = append(merged, ps...)
			}
			continue
		}
		own = append(own, pair{v.Key.GetToken().Value, v.Key, v.Value})
	}
	for _, o := range own {
		merged = slices.DeleteFunc(merged, func(m pair) bool { return m.name == o.name })
	}
	return append(merged, own...), true
}

func (d *decoder) decode(n ast.Node, v reflect.Value, path []string) {
	if d.nodes++; d.nodes > maxNodes {
		if d.nodes == maxNodes+1 {
			d.fail(n, path, "the file is too large: more than %d values", maxNodes)
		}
		return
	}
	n = d.resolve(n, path)
	if n == nil {
		return
	}
	if p := strings.Join(path, "\x00"); p != "" {
		d.src.places[p] = placeOf(n)
	}
	t := v.Type()
	text, scalar := scalarText(n)
	switch {
	case t == reflect.TypeFor[settings.Secret]():
		d.secret(n, v, path, text, scalar)
		return
	case t == reflect.TypeFor[time.Duration]():
		if !scalar {
			d.fail(n, path, "must be a duration such as 30s, 5m or 90d")
			return
		}
		dur, err := settings.ParseDuration(d.expand(n, path, text))
		if err != nil {
			d.fail(n, path, "%v", err)
		}
		v.SetInt(int64(dur))
		return
	case t == reflect.TypeFor[Output]():
		d.output(n, v, path)
		return
	case scalar && v.CanAddr() && v.Addr().Type().Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(d.expand(n, path, text))); err != nil {
			d.fail(n, path, "%v", err)
		}
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(t.Elem()))
		}
		d.decode(n, v.Elem(), path)
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path, scalar)
	case reflect.Interface:
		v.Set(reflect.ValueOf(d.plain(n, path)))
	default:
		d.scalar(n, v, path, text, scalar)
	}
}

func (d *decoder) structure(n ast.Node, v reflect.Value, path []string) {
	ps, ok := d.pairs(n, path)
	if !ok {
		d.fail(n, path, "must be a map")
		return
	}
	fields := settings.FieldsOf(v.Type())
	before := len(d.errs)
	for _, p := range ps {
		i := slices.IndexFunc(fields, func(f settings.Field) bool { return f.Name == p.name })
		if i < 0 {
			d.unknown(p, path, fields)
			continue
		}
		d.field(p, fields[i], v, path)
	}
	if len(d.errs) == before {
		d.finish(n, v, path, fields)
	}
}

func (d *decoder) field(p pair, f settings.Field, v reflect.Value, path []string) {
	path = append(slices.Clone(path), p.name)
	before := len(d.errs)
	d.decode(p.val, v.FieldByIndex(f.Index), path)
	if len(d.errs) > before || f.Enum == nil {
		return
	}
	values := []string{}
	switch fv := v.FieldByIndex(f.Index); fv.Kind() {
	case reflect.String:
		values = append(values, fv.String())
	case reflect.Slice:
		for i := range fv.Len() {
			values = append(values, fv.Index(i).String())
		}
	}
	for _, s := range values {
		if s != "" && !slices.Contains(f.Enum, s) {
			d.fail(p.val, path, "unknown value %q", s).Hint = suggest(s, f.Enum)
		}
	}
}

// finish checks what can only be checked when all keys are read.
func (d *decoder) finish(n ast.Node, v reflect.Value, path []string, fields []settings.Field) {
	for _, f := range fields {
		if f.Required && v.FieldByIndex(f.Index).IsZero() {
			d.fail(n, path, "%s is missing", f.Name).Hint = f.Doc
			return
		}
	}
	val, ok := v.Addr().Interface().(interface{ Validate() error })
	if !ok {
		return
	}
	var list []error
	if err := val.Validate(); err == nil {
		return
	} else if j, ok := err.(interface{ Unwrap() []error }); ok {
		list = j.Unwrap()
	} else {
		list = []error{err}
	}
	for _, err := range list {
		full := path
		var p interface{ Path() []string }
		if errors.As(err, &p) {
			full = append(slices.Clone(path), p.Path()...)
		}
		d.errs = append(d.errs, d.src.at(d.src.place(full), full, "%v", err))
	}
}

func (d *decoder) unknown(p pair, path []string, fields []settings.Field) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	e := d.fail(p.key, append(slices.Clone(path), p.name), "unknown key")
	e.Hint = suggest(p.name, names)
	// What stands behind a mistyped key may be a secret.
	if i := strings.Index(e.Source[min(len(e.Source), byteIndex(e.Source, e.caret)):], ":"); i >= 0 {
		e.Source = e.Source[:byteIndex(e.Source, e.caret)+i+1] + " …"
	}
}

// byteIndex gives the byte at which the n-th character starts.
func byteIndex(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

func (d *decoder) mapping(n ast.Node, v reflect.Value, path []string) {
	ps, ok := d.pairs(n, path)
	if !ok {
		d.fail(n, path, "must be a map")
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(ps))
	for _, p := range ps {
		el := reflect.New(v.Type().Elem()).Elem()
		if f := d.prefill[el.Type()]; f != nil {
			f(el)
		}
		d.decode(p.val, el, append(slices.Clone(path), p.name))
		m.SetMapIndex(reflect.ValueOf(p.name).Convert(v.Type().Key()), el)
	}
	v.Set(m)
}

func (d *decoder) list(n ast.Node, v reflect.Value, path []string, scalar bool) {
	if scalar && v.Type() == reflect.TypeFor[Strings]() {
		text, _ := scalarText(n)
		v.Set(reflect.ValueOf(Strings{d.expand(n, path, text)}))
		return
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(n, path, "must be a list").Hint = "write [a, b]"
		return
	}
	s := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, x := range seq.Values {
		if f := d.prefill[v.Type().Elem()]; f != nil {
			f(s.Index(i))
		}
		d.decode(x, s.Index(i), append(slices.Clone(path), strconv.Itoa(i)))
	}
	v.Set(s)
}

func (d *decoder) scalar(n ast.Node, v reflect.Value, path []string, text string, scalar bool) {
	want := settings.TypeName(v.Type())
	if !scalar {
		d.fail(n, path, "must be %s", article(want))
		return
	}
	if v.Kind() == reflect.String {
		if n.Type() == ast.BoolType {
			d.fail(n, path, "must be a string").Hint = fmt.Sprintf("write %q with quotes", text)
			return
		}
		v.SetString(d.expand(n, path, text))
		return
	}
	text = d.expand(n, path, text)
	var err error
	switch v.Kind() {
	case reflect.Bool:
		var b bool
		if b, err = strconv.ParseBool(text); err == nil && (text == "true" || text == "false") {
			v.SetBool(b)
			return
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		var i int64
		if i, err = strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, v.Type().Bits()); err == nil {
			v.SetInt(i)
			return
		}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		var i uint64
		if i, err = strconv.ParseUint(strings.ReplaceAll(text, "_", ""), 10, v.Type().Bits()); err == nil {
			v.SetUint(i)
			return
		}
	case reflect.Float64:
		var f float64
		if f, err = strconv.ParseFloat(text, 64); err == nil {
			v.SetFloat(f)
			return
		}
	}
	if errors.Is(err, strconv.ErrRange) {
		d.fail(n, path, "%s is out of range", text)
		return
	}
	d.fail(n, path, "must be %s, not %q", article(want), text)
}

func article(want string) string {
	if want == "true or false" {
		return want
	}
	return "a " + want
}

func (d *decoder) secret(n ast.Node, v reflect.Value, path []string, text string, scalar bool) {
	if !scalar {
		d.fail(n, path, "must be a string")
		return
	}
	s, err := settings.ParseSecret(text, d.src.dir)
	if err != nil {
		d.fail(n, path, "%v", err)
		return
	}
	if s.Literal() {
		d.src.literal = append(d.src.literal, text)
		if last := path[len(path)-1]; !strings.Contains(last, "url") && !strings.Contains(last, "addr") {
			w := d.src.at(placeOf(n), path, "a secret stands in the file")
			w.Hint = "write ${env:NAME} or ${file:PATH}"
			d.warns = append(d.warns, w)
		}
	}
	if _, err := s.Value(); err != nil {
		d.fail(n, path, "%v", err)
	}
	v.Set(reflect.ValueOf(s))
}

func (d *decoder) expand(n ast.Node, path []string, text string) string {
	s, err := settings.Expand(text, d.src.dir)
	if err != nil {
		d.fail(n, path, "%v", err)
	}
	return s
}

// plain decodes without a type: maps, lists, strings, int64, float64 and bool.
func (d *decoder) plain(n ast.Node, path []string) any {
	n = d.resolve(n, path)
	if n == nil {
		return ""
	}
	if d.nodes++; d.nodes > maxNodes {
		return ""
	}
	d.src.places[strings.Join(path, "\x00")] = placeOf(n)
	if ps, ok := d.pairs(n, path); ok {
		m := make(map[string]any, len(ps))
		for _, p := range ps {
			m[p.name] = d.plain(p.val, append(slices.Clone(path), p.name))
		}
		return m
	}
	if seq, ok := n.(*ast.SequenceNode); ok {
		l := make([]any, len(seq.Values))
		for i, x := range seq.Values {
			l[i] = d.plain(x, append(slices.Clone(path), strconv.Itoa(i)))
		}
		return l
	}
	text, ok := scalarText(n)
	if !ok {
		d.fail(n, path, "must be a string, a list or a map")
		return ""
	}
	switch n.Type() {
	case ast.BoolType:
		return text == "true"
	case ast.IntegerType:
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return i
		}
	case ast.FloatType:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
	}
	return d.expand(n, path, text)
}

func (d *decoder) output(n ast.Node, v reflect.Value, path []string) {
	ps, ok := d.pairs(n, path)
	if !ok {
		d.fail(n, path, "must be a map with a type")
		return
	}
	common := settings.FieldsOf(v.Type())
	if i := slices.IndexFunc(ps, func(p pair) bool { return p.name == "type" }); i >= 0 {
		d.field(ps[i], common[0], v, path)
	}
	typ := v.FieldByIndex(common[0].Index).String()
	var own []settings.Field
	var sv reflect.Value
	if d.types != nil {
		names := make([]string, 0, len(d.types))
		for name := range d.types {
			names = append(names, name)
		}
		slices.Sort(names)
		make, ok := d.types[typ]
		if !ok {
			if typ == "" {
				e := d.fail(n, path, "type is missing")
				e.Hint = "types are " + strings.Join(names, ", ")
				for _, p := range ps {
					if levenshtein.ComputeDistance(p.name, "type") <= 2 {
						e.Hint = fmt.Sprintf("did you mean it by %q?", p.name)
					}
				}
			} else {
				full := append(slices.Clone(path), "type")
				e := d.src.at(d.src.place(full), full, "unknown type %q", typ)
				d.errs = append(d.errs, e)
				if e.Hint = suggest(typ, names); e.Hint == "" {
					e.Hint = "types are " + strings.Join(names, ", ")
				}
			}
			return
		}
		settingsPtr := reflect.ValueOf(make())
		v.FieldByName("Settings").Set(settingsPtr)
		sv = settingsPtr.Elem()
		own = settings.FieldsOf(sv.Type())
	}
	before := len(d.errs)
	for _, p := range ps {
		if p.name == "type" {
			continue
		}
		if i := slices.IndexFunc(own, func(f settings.Field) bool { return f.Name == p.name }); i >= 0 {
			d.field(p, own[i], sv, path)
		} else if i := slices.IndexFunc(common, func(f settings.Field) bool { return f.Name == p.name }); i >= 0 {
			d.field(p, common[i], v, path)
		} else if d.types != nil {
			d.unknown(p, path, append(slices.Clone(own), common...))
		}
	}
	if d.types != nil && len(d.errs) == before {
		d.finish(n, sv, path, own)
	}
}

// scalarText gives the text of a string, number or bool.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}
