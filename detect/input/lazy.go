package input

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-io/tocsin/detect/rawjson"
	"github.com/tocsin-io/tocsin/event"
)

// Lazy is an event's document of which only what is asked for is made, once. The zero value is ready for Reset.
// Values are copies: they may outlive the event.
type Lazy struct {
	ev     *event.Event
	text   bool // socket addresses as text
	doc    *ast.Term
	fields map[string]*ast.Term
	values [event.MaxArgs]*ast.Term
	args   *ast.Term
	has    []int                        // the arguments that the event has
	named  []argTerms                   // all of the event's definition
	terms  map[*event.Def][]argTerms    // kept from event to event, of the catalogue's events
	known  map[*event.Process]*ast.Term // kept from event to event: what is published of a process never changes
}

// argTerms are what does not change of an argument.
type argTerms struct{ name, typ *ast.Term }

// maxKnown bounds the processes that are remembered.
const maxKnown = 64

// names are the members that a document may have, in their order.
var names = []string{
	"timestamp", "threadStartTime", "processorId", "processId", "cgroupId", "threadId", "parentProcessId", "hostProcessId", "hostThreadId",
	"hostParentProcessId", "userId", "mountNamespace", "pidNamespace", "processName", "hostName", "containerId", "containerImage",
	"containerName", "podName", "podNamespace", "podUID", "container", "kubernetes", "eventId", "eventName", "argsNum", "returnValue",
	"syscall", "stackAddresses", "contextFlags", "executable", "origin", "effectiveUserId", "loginUserId", "effectiveCapabilities",
	"leaderStartTime", "parentStartTime", "compat", "count", "process", "args",
}

var nameTerms = func() []*ast.Term {
	out := make([]*ast.Term, len(names))
	for i, n := range names {
		out[i] = ast.InternedTerm(n)
	}
	return out
}()

// Reset makes l the document of another event.
func (l *Lazy) Reset(ev *event.Event, addressText bool) {
	if l.fields == nil {
		l.fields, l.terms = map[string]*ast.Term{}, map[*event.Def][]argTerms{}
	}
	clear(l.fields)
	l.ev, l.text, l.doc, l.args = ev, addressText, nil, nil
	l.values = [event.MaxArgs]*ast.Term{}
	l.named = l.terms[ev.Def]
	l.has = l.has[:0]
	for i := range ev.Def.Args {
		if ev.Has(i) {
			l.has = append(l.has, i)
		}
	}
}

// Document returns the whole document.
func (l *Lazy) Document() *ast.Term {
	if l.doc == nil {
		items := make([][2]*ast.Term, 0, len(names))
		for i, name := range names {
			if v := l.Field(name); v != nil {
				items = append(items, ast.Item(nameTerms[i], v))
			}
		}
		l.doc = ast.ObjectTerm(items...)
	}
	return l.doc
}

// Field returns a member of the document, nil when it has none of that name.
func (l *Lazy) Field(name string) *ast.Term {
	if t, ok := l.fields[name]; ok {
		return t
	}
	t := l.field(name)
	l.fields[name] = t
	return t
}

func (l *Lazy) field(name string) *ast.Term {
	e := l.ev
	c, k := e.Container, e.Kubernetes
	if c == nil {
		c = &noContainer
	}
	if k == nil {
		k = &noPod
	}
	switch name {
	case "args":
		return l.Args()
	case "eventName":
		return str(e.Def.Name)
	case "origin":
		return str(e.Origin().String())
	case "processName":
		return str(e.CommString())
	case "hostName":
		return str(e.HostName())
	case "containerId":
		return str(c.ID)
	case "containerImage":
		return str(c.Image)
	case "containerName":
		return str(c.Name)
	case "podName":
		return str(k.PodName)
	case "podNamespace":
		return str(k.PodNamespace)
	case "podUID":
		return str(k.PodUID)
	case "executable":
		path := ""
		if e.Process != nil {
			path = e.Process.Executable
		}
		return ast.ObjectTerm(ast.Item(pathKey, str(path)))
	case "timestamp":
		return unsigned(e.Timestamp)
	case "threadStartTime":
		return unsigned(e.ThreadStart)
	case "leaderStartTime":
		return unsigned(e.LeaderStart)
	case "parentStartTime":
		return unsigned(e.ParentStart)
	case "processorId":
		return unsigned(uint64(e.CPU))
	case "processId":
		return unsigned(uint64(e.PID))
	case "threadId":
		return unsigned(uint64(e.TID))
	case "parentProcessId":
		return unsigned(uint64(e.PPID))
	case "hostProcessId":
		return unsigned(uint64(e.HostPID))
	case "hostThreadId":
		return unsigned(uint64(e.HostTID))
	case "hostParentProcessId":
		return unsigned(uint64(e.HostPPID))
	case "userId":
		return unsigned(uint64(e.UID))
	case "effectiveUserId":
		return unsigned(uint64(e.EUID))
	case "loginUserId":
		return unsigned(uint64(e.LoginUID))
	case "effectiveCapabilities":
		return unsigned(e.CapEff)
	case "mountNamespace":
		return unsigned(uint64(e.MntNS))
	case "pidNamespace":
		return unsigned(uint64(e.PidNS))
	case "cgroupId":
		return unsigned(e.CgroupID)
	case "returnValue":
		return signed(e.Return)
	case "syscall":
		return str(event.SyscallName(e.Syscall))
	case "process":
		return l.process(e.Process)
	case "eventId":
		return ast.StringTerm(strconv.Itoa(int(e.ID)))
	case "argsNum":
		return ast.InternedTerm(l.Len())
	case "stackAddresses":
		return ast.InternedNullTerm
	case "contextFlags":
		return ast.ObjectTerm(ast.Item(startedKey, ast.InternedTerm(e.Origin() == event.OriginContainer)))
	case "compat":
		if e.Flags&event.FlagCompat == 0 {
			return nil
		}
		return trueVal
	case "count":
		if e.Count < 2 {
			return nil
		}
		return unsigned(uint64(e.Count))
	case "container":
		if e.Container == nil {
			return ast.ObjectTerm()
		}
		return marshalled(e.Container)
	case "kubernetes":
		if e.Kubernetes == nil {
			return ast.ObjectTerm()
		}
		return marshalled(e.Kubernetes)
	}
	return nil
}

var (
	noContainer event.Container
	noPod       event.Kubernetes
)

func (l *Lazy) process(p *event.Process) *ast.Term {
	if p == nil {
		return nil
	}
	t := l.known[p]
	if t == nil {
		if l.known == nil || len(l.known) >= maxKnown {
			l.known = make(map[*event.Process]*ast.Term, maxKnown)
		}
		t = fromJSON(event.AppendProcess(nil, p))
		l.known[p] = t
	}
	return t
}

func marshalled(v any) *ast.Term {
	raw, err := json.Marshal(v)
	if err != nil { // plain structs
		panic(err)
	}
	return fromJSON(raw)
}

func fromJSON(raw []byte) *ast.Term {
	if !json.Valid(raw) {
		return ast.NullTerm()
	}
	var buf []byte
	return fromValue(rawjson.Of(string(raw)), &buf)
}

// fromValue makes a value of valid JSON. Texts that are escaped are made in buf first.
func fromValue(v rawjson.Value, buf *[]byte) *ast.Term {
	switch v.Kind() {
	case '"':
		s, _ := v.Text(buf)
		return str(s)
	case '0':
		return ast.NumberTerm(json.Number(v))
	case 't', 'f':
		return ast.InternedTerm(v == "true")
	case '[':
		var list []*ast.Term
		for l := v.Elements(); l.Next(); {
			list = append(list, fromValue(l.Value, buf))
		}
		return ast.ArrayTerm(list...)
	case '{':
		out := ast.NewObject()
		for l := v.Elements(); l.Next(); { // of members of one name the last one counts
			out.Insert(fromValue(l.Key, buf), fromValue(l.Value, buf))
		}
		return ast.NewTerm(out)
	}
	return ast.InternedNullTerm
}

var (
	pathKey    = ast.StringTerm("path")
	startedKey = ast.StringTerm("containerStarted")
	nameKey    = ast.StringTerm("name")
	userKey    = ast.StringTerm("user")
	trueVal    = ast.BooleanTerm(true)
)

// Args returns input.args.
func (l *Lazy) Args() *ast.Term {
	if l.args == nil {
		list := make([]*ast.Term, l.Len())
		for at := range list {
			var items [len(argMembers)][2]*ast.Term
			n := 0
			for _, key := range argMembers {
				if v := l.ArgField(at, string(key.Value.(ast.String))); v != nil {
					items[n] = ast.Item(key, v)
					n++
				}
			}
			list[at] = ast.ObjectTerm(items[:n]...)
		}
		l.args = ast.ArrayTerm(list...)
	}
	return l.args
}

var argMembers = [...]*ast.Term{nameKey, typeKey, valueKey, userKey}

// Len is the number of elements of input.args.
func (l *Lazy) Len() int { return len(l.has) }

// ArgField returns a member of an element of input.args, nil when it has none of that name.
func (l *Lazy) ArgField(at int, name string) *ast.Term {
	i := l.has[at]
	switch name {
	case "name":
		return l.argTerms()[i].name
	case "type":
		return l.argTerms()[i].typ
	case "value":
		return l.value(i)
	case "user":
		if l.ev.FromUser(i) {
			return trueVal
		}
	}
	return nil
}

func (l *Lazy) argTerms() []argTerms {
	if l.named == nil {
		def := l.ev.Def
		l.named = make([]argTerms, len(def.Args))
		for i, a := range def.Args {
			l.named[i] = argTerms{ast.StringTerm(a.Name), ast.StringTerm(a.Type)}
		}
		if !def.Dynamic {
			l.terms[def] = l.named
		}
	}
	return l.named
}

// ErrTwice is returned for a document that has two different values for one argument.
var ErrTwice = errors.New("an argument has two values")

// Arg returns the value of the named argument, nil when the event does not have it: what get_tracee_argument does.
func (l *Lazy) Arg(name string) (*ast.Term, error) {
	def := l.ev.Def
	if !def.Dynamic {
		if i := def.Arg(name); i >= 0 && l.ev.Has(i) {
			return l.value(i), nil
		}
		return nil, nil
	}
	var found *ast.Term
	for i := range def.Args {
		if def.Args[i].Name != name || !l.ev.Has(i) {
			continue
		}
		v := l.value(i)
		if found != nil && found.Value.Compare(v.Value) != 0 {
			return nil, fmt.Errorf("%w: %s", ErrTwice, name)
		}
		found = v
	}
	return found, nil
}

// value returns the value of argument i, which the event has, as event.AppendArg writes it.
func (l *Lazy) value(i int) *ast.Term {
	if l.values[i] == nil {
		l.values[i] = l.makeValue(i)
	}
	return l.values[i]
}

func (l *Lazy) makeValue(i int) *ast.Term {
	e := l.ev
	a := &e.Def.Args[i]
	switch a.Kind {
	case event.KindString:
		return str(e.Str(i))
	case event.KindStrings:
		var list []*ast.Term
		for _, s := range e.StrList(i) {
			list = append(list, str(s))
		}
		return ast.ArrayTerm(list...)
	case event.KindSockaddr:
		sa := e.Sockaddr(i)
		if l.text {
			return str(sa.Text())
		}
		fields := sa.Fields()
		items := make([][2]*ast.Term, len(fields))
		for n, f := range fields {
			items[n] = ast.Item(ast.StringTerm(f.Name), str(f.Value))
		}
		return ast.ObjectTerm(items...)
	case event.KindBytes:
		return ast.StringTerm(base64.StdEncoding.EncodeToString(e.Bytes(i)))
	case event.KindPointer:
		return ast.StringTerm("0x" + strconv.FormatUint(e.Uint(i), 16))
	case event.KindBool:
		return ast.InternedTerm(e.Uint(i) != 0)
	case event.KindJSON:
		t := fromJSON(e.Bytes(i))
		if strings.Contains(a.Type, "sockaddr") {
			if c := convertAddress(t.Value, l.text); c != nil {
				return ast.NewTerm(c)
			}
		}
		return t
	case event.KindCred:
		return fromJSON(e.AppendArg(nil, i))
	}
	switch {
	case a.Enc != event.EncNone:
		return ast.StringTerm(a.Enc.Text(e.Uint(i)))
	case a.Kind.Signed():
		return signed(e.Int(i))
	}
	return unsigned(e.Uint(i))
}

// str copies a text of the event, with U+FFFD for each byte that is not UTF-8, as JSON has it.
func str(s string) *ast.Term {
	if utf8.ValidString(s) {
		return ast.StringTerm(strings.Clone(s))
	}
	var b strings.Builder
	for _, r := range s { // a byte that is not UTF-8 is one U+FFFD
		b.WriteRune(r)
	}
	return ast.StringTerm(b.String())
}

func unsigned(v uint64) *ast.Term {
	if v < 512 {
		return ast.InternedTerm(int(v))
	}
	return ast.NumberTerm(json.Number(strconv.FormatUint(v, 10)))
}

func signed(v int64) *ast.Term {
	if v >= 0 {
		return unsigned(uint64(v))
	}
	return ast.NumberTerm(json.Number(strconv.FormatInt(v, 10)))
}
