package input

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-io/tocsin/detect/rawjson"
	"github.com/tocsin-io/tocsin/detect/value"
	"github.com/tocsin-io/tocsin/event"
)

// Lazy is an event's document of which only what is asked for is made, once. The zero value is ready for Reset. What it makes is valid until
// the arena is reset, and as long as the event.
type Lazy struct {
	arena  *value.Arena
	ev     *event.Event
	text   bool // socket addresses as text
	root   *value.Value
	args   *value.Value
	fields [memberCount]*value.Value
	values [event.MaxArgs]*value.Value
	has    []int // the arguments that the event has
	buf    []byte
	known  map[*event.Process]*value.Value // kept from event to event: what is published of a process never changes
}

// maxKnown bounds the processes that are remembered.
const maxKnown = 64

// key is a name that is needed again and again.
func key(name string) *value.Value { return (*value.Arena)(nil).String(name) }

// Reset makes l the document of another event.
func (l *Lazy) Reset(a *value.Arena, ev *event.Event, addressText bool) {
	l.arena, l.ev, l.text, l.args = a, ev, addressText, nil
	l.fields, l.values = [memberCount]*value.Value{}, [event.MaxArgs]*value.Value{}
	l.root = a.From(value.Object, l, 0)
	l.has = l.has[:0]
	for i := range ev.Def.Args {
		if ev.Has(i) {
			l.has = append(l.has, i)
		}
	}
}

// Document returns the document.
func (l *Lazy) Document() *value.Value { return l.root }

// Fill makes the whole document.
func (l *Lazy) Fill(doc *value.Value) {
	l.arena.Room(doc, 2*len(members))
	for i := range members {
		if v := l.member(i); v != nil {
			l.arena.Append(doc, memberKeys[i], v)
		}
	}
}

// Member makes a member of the document.
func (l *Lazy) Member(_, key *value.Value) *value.Value {
	name, ok := key.Text()
	if !ok {
		return nil
	}
	if place := key.Place(); place > 0 {
		return l.member(place - 1)
	}
	return l.Field(name)
}

// Field returns a member of the document, nil when it has none of that name.
func (l *Lazy) Field(name string) *value.Value {
	i, ok := places[name]
	if !ok {
		return nil
	}
	return l.member(i)
}

func (l *Lazy) member(i int) *value.Value {
	if l.fields[i] == nil {
		l.fields[i] = members[i].of(l, l.arena, l.ev)
	}
	return l.fields[i]
}

func (l *Lazy) object(key, v *value.Value) *value.Value {
	out := l.arena.Empty(value.Object)
	l.arena.Put(out, key, v)
	return out
}

func (l *Lazy) process(p *event.Process) *value.Value {
	if p == nil {
		return nil
	}
	v := l.known[p]
	if v == nil {
		if l.known == nil || len(l.known) >= maxKnown {
			l.known = make(map[*event.Process]*value.Value, maxKnown)
		}
		v = fromJSON(nil, event.AppendProcess(nil, p))
		l.known[p] = v
	}
	return v
}

func (l *Lazy) marshalled(v any) *value.Value {
	raw, err := json.Marshal(v)
	if err != nil { // plain structs
		panic(err)
	}
	return fromJSON(l.arena, raw)
}

func fromJSON(a *value.Arena, raw []byte) *value.Value {
	if !json.Valid(raw) {
		return value.Nothing()
	}
	return a.JSON(rawjson.Of(unsafe.String(unsafe.SliceData(raw), len(raw))))
}

var (
	pathKey     = key("path")
	startedKey  = key("containerStarted")
	nameKey     = key("name")
	typeName    = key("type")
	userKey     = key("user")
	valueName   = key("value")
	elementKeys = [...]*value.Value{nameKey, typeName, userKey, valueName} // in their order
)

// Args returns input.args, whose elements are made as they are asked for.
func (l *Lazy) Args() *value.Value {
	if l.args == nil {
		l.args = l.arena.Empty(value.Array)
		for i := range l.has {
			l.arena.Push(l.args, l.arena.From(value.Object, (*element)(l), l.has[i]))
		}
	}
	return l.args
}

// element makes the elements of input.args.
type element Lazy

// Fill makes the whole of an argument.
func (e *element) Fill(v *value.Value) {
	e.arena.Room(v, 2*len(elementKeys))
	for _, k := range elementKeys {
		if m := e.Member(v, k); m != nil {
			e.arena.Append(v, k, m)
		}
	}
}

// Member makes a member of an argument.
func (e *element) Member(v, key *value.Value) *value.Value {
	l, i := (*Lazy)(e), v.Place()
	name, ok := key.Text()
	if !ok {
		return nil
	}
	switch name {
	case "name":
		return l.arena.String(l.ev.Def.Args[i].Name)
	case "type":
		return l.arena.String(l.ev.Def.Args[i].Type)
	case "value":
		return l.value(i)
	case "user":
		if l.ev.FromUser(i) {
			return value.Truth(true)
		}
	}
	return nil
}

// ErrTwice is returned for a document that has two different values for one argument.
var ErrTwice = errors.New("an argument has two values")

// Arg returns the value of the named argument, nil when the event does not have it: what get_tracee_argument does.
func (l *Lazy) Arg(name string) (*value.Value, error) {
	def := l.ev.Def
	if !def.Dynamic {
		if i := def.Arg(name); i >= 0 && l.ev.Has(i) {
			return l.value(i), nil
		}
		return nil, nil
	}
	var found *value.Value
	for i := range def.Args {
		if def.Args[i].Name != name || !l.ev.Has(i) {
			continue
		}
		v := l.value(i)
		if found != nil && !value.Equal(found, v) {
			return nil, fmt.Errorf("%w: %s", ErrTwice, name)
		}
		found = v
	}
	return found, nil
}

// value returns the value of argument i, which the event has, as event.AppendArg writes it.
func (l *Lazy) value(i int) *value.Value {
	if l.values[i] == nil {
		l.values[i] = l.makeValue(i)
	}
	return l.values[i]
}

func (l *Lazy) makeValue(i int) *value.Value {
	e, a := l.ev, l.arena
	arg := &e.Def.Args[i]
	switch arg.Kind {
	case event.KindString:
		return a.String(e.Str(i))
	case event.KindStrings:
		list := a.Empty(value.Array)
		for _, s := range e.StrList(i) {
			a.Push(list, a.String(s))
		}
		return list
	case event.KindSockaddr:
		sa := e.Sockaddr(i)
		if l.text {
			l.buf = sa.AppendText(l.buf[:0])
			return a.Bytes(l.buf)
		}
		out := a.Empty(value.Object)
		for _, f := range sa.Fields() {
			a.Put(out, a.String(f.Name), a.String(f.Value))
		}
		return out
	case event.KindBytes:
		l.buf = base64.StdEncoding.AppendEncode(l.buf[:0], e.Bytes(i))
		return a.Bytes(l.buf)
	case event.KindPointer:
		l.buf = strconv.AppendUint(append(l.buf[:0], "0x"...), e.Uint(i), 16)
		return a.Bytes(l.buf)
	case event.KindBool:
		return value.Truth(e.Uint(i) != 0)
	case event.KindJSON:
		v := fromJSON(a, e.Bytes(i))
		if strings.Contains(arg.Type, "sockaddr") { // recordings have either form
			if c := convertAddress(v.Term().Value, l.text); c != nil {
				return a.Of(ast.NewTerm(c))
			}
		}
		return v
	case event.KindCred:
		return fromJSON(a, e.AppendArg(nil, i))
	}
	switch {
	case arg.Enc != event.EncNone:
		l.buf = arg.Enc.AppendText(l.buf[:0], e.Uint(i))
		return a.Bytes(l.buf)
	case arg.Kind.Signed():
		return a.Int(e.Int(i))
	}
	return a.Uint(e.Uint(i))
}
