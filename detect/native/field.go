package native

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-io/tocsin/detect/rawjson"
	"github.com/tocsin-io/tocsin/event"
)

// Scratch is memory that matching reuses from event to event. Its zero value is ready. It belongs to one goroutine.
type Scratch struct {
	hits   []int32
	list   []string
	buf    []byte
	second []byte
	// what Any looks at: a text of a list, an ancestor of the process, or a value of a document
	element  string
	ancestor *event.Process
	value    rawjson.Value
	given    given        // what answers were given
	at       *event.Event // that Match was given last
	opened   []opened     // its documents, as far as they were asked for
	// Candidates are the rules that may match, by the numbers that they were added with. See Program.Match.
	Candidates []int32
	seen       []uint64 // by rule: the event that it became a candidate of
	event      uint64
}

// valueKind is what a field gives.
type valueKind uint8

const (
	unknown valueKind = iota // could be anything
	never                    // has no value in any event of this kind
	text
	texts // a list of texts
	number
	boolean
	document // of any type, as JSON
	other    // an object, null, or a list of something else: no function on text takes it
)

// field is a term resolved for one kind of event. Exactly one getter is set, as the kind says. Getters report false
// when the event does not have the value.
type field struct {
	kind   valueKind
	always bool // every event has a value
	text   func(*Scratch, *event.Event) (string, bool)
	// texts appends to s.list, which the caller has emptied.
	texts func(*Scratch, *event.Event) bool
	num   func(*Scratch, *event.Event) (int64, bool)
	// raw is the number in 64 bits, signed or not.
	raw    func(*Scratch, *event.Event) (uint64, bool)
	signed bool
	flag   func(*Scratch, *event.Event) (bool, bool)
	value  valueOf
	// memo: the text depends on this number alone, and the number has few values. Conditions remember their answers.
	memo func(*Scratch, *event.Event) (uint64, bool)
	// unsigned numbers above 1<<63-1 are given as that: no rule compares with a larger one.
	constant string // the text is this in every event of this kind
	isConst  bool
}

var (
	neverField   = field{kind: never}
	unknownField = field{kind: unknown}
	otherField   = field{kind: other}
)

func constText(s string) field {
	return field{kind: text, always: true, constant: s, isConst: true, text: func(*Scratch, *event.Event) (string, bool) { return s, true }}
}

func textField(get func(*event.Event) string) field {
	return field{kind: text, always: true, text: func(_ *Scratch, ev *event.Event) (string, bool) { return get(ev), true }}
}

// optional is a text that the document leaves out when it is empty.
func optional(get func(*event.Event) string) field {
	return field{kind: text, text: func(_ *Scratch, ev *event.Event) (string, bool) { v := get(ev); return v, v != "" }}
}

func uintField(get func(*event.Event) uint64) field {
	return field{
		kind: number, always: true, num: func(_ *Scratch, ev *event.Event) (int64, bool) { return clamp(get(ev)), true },
		raw: func(_ *Scratch, ev *event.Event) (uint64, bool) { return get(ev), true },
	}
}

func scratchNumber(get func(*Scratch) uint64) field {
	return field{
		kind: number, always: true, num: func(s *Scratch, _ *event.Event) (int64, bool) { return clamp(get(s)), true },
		raw: func(s *Scratch, _ *event.Event) (uint64, bool) { return get(s), true },
	}
}

func clamp(v uint64) int64 {
	if v > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(v)
}

// headerFields are the members of the document beside its arguments, as event.AppendJSON writes them.
var headerFields = map[string]field{
	"timestamp":             uintField(func(e *event.Event) uint64 { return e.Timestamp }),
	"threadStartTime":       uintField(func(e *event.Event) uint64 { return e.ThreadStart }),
	"leaderStartTime":       uintField(func(e *event.Event) uint64 { return e.LeaderStart }),
	"parentStartTime":       uintField(func(e *event.Event) uint64 { return e.ParentStart }),
	"processorId":           uintField(func(e *event.Event) uint64 { return uint64(e.CPU) }),
	"processId":             uintField(func(e *event.Event) uint64 { return uint64(e.PID) }),
	"cgroupId":              uintField(func(e *event.Event) uint64 { return e.CgroupID }),
	"threadId":              uintField(func(e *event.Event) uint64 { return uint64(e.TID) }),
	"parentProcessId":       uintField(func(e *event.Event) uint64 { return uint64(e.PPID) }),
	"hostProcessId":         uintField(func(e *event.Event) uint64 { return uint64(e.HostPID) }),
	"hostThreadId":          uintField(func(e *event.Event) uint64 { return uint64(e.HostTID) }),
	"hostParentProcessId":   uintField(func(e *event.Event) uint64 { return uint64(e.HostPPID) }),
	"userId":                uintField(func(e *event.Event) uint64 { return uint64(e.UID) }),
	"effectiveUserId":       uintField(func(e *event.Event) uint64 { return uint64(e.EUID) }),
	"loginUserId":           uintField(func(e *event.Event) uint64 { return uint64(e.LoginUID) }),
	"effectiveCapabilities": uintField(func(e *event.Event) uint64 { return e.CapEff }),
	"mountNamespace":        uintField(func(e *event.Event) uint64 { return uint64(e.MntNS) }),
	"pidNamespace":          uintField(func(e *event.Event) uint64 { return uint64(e.PidNS) }),
	"returnValue":           {kind: number, always: true, num: func(_ *Scratch, e *event.Event) (int64, bool) { return e.Return, true }},
	"processName":           textField(func(e *event.Event) string { return e.CommString() }),
	"hostName":              textField(func(e *event.Event) string { return e.HostName() }),
	"syscall":               textField(func(e *event.Event) string { return event.SyscallName(e.Syscall) }),
	"containerId":           textField(func(e *event.Event) string { return event.ContainerOf(e).ID }),
	"containerImage":        textField(func(e *event.Event) string { return event.ContainerOf(e).Image }),
	"containerName":         textField(func(e *event.Event) string { return event.ContainerOf(e).Name }),
	"podName":               textField(func(e *event.Event) string { return event.PodOf(e).PodName }),
	"podNamespace":          textField(func(e *event.Event) string { return event.PodOf(e).PodNamespace }),
	"podUID":                textField(func(e *event.Event) string { return event.PodOf(e).PodUID }),
	"executable.path":       textField(func(e *event.Event) string { return event.ProcessOf(e).Executable }),
	"container.id": {kind: text, text: func(_ *Scratch, e *event.Event) (string, bool) {
		return event.ContainerOf(e).ID, e.Container != nil
	}},
	"container.name":          optional(func(e *event.Event) string { return event.ContainerOf(e).Name }),
	"container.image":         optional(func(e *event.Event) string { return event.ContainerOf(e).Image }),
	"container.imageDigest":   optional(func(e *event.Event) string { return event.ContainerOf(e).ImageDigest }),
	"container.runtime":       optional(func(e *event.Event) string { return event.ContainerOf(e).Runtime }),
	"kubernetes.podName":      optional(func(e *event.Event) string { return event.PodOf(e).PodName }),
	"kubernetes.podNamespace": optional(func(e *event.Event) string { return event.PodOf(e).PodNamespace }),
	"kubernetes.podUID":       optional(func(e *event.Event) string { return event.PodOf(e).PodUID }),
	"process.executable":      optional(func(e *event.Event) string { return event.ProcessOf(e).Executable }),
	"process.cwd":             optional(func(e *event.Event) string { return event.ProcessOf(e).Cwd }),
	"process.user":            optional(func(e *event.Event) string { return event.ProcessOf(e).User }),
	"process.comm": {kind: text, text: func(_ *Scratch, e *event.Event) (string, bool) {
		return event.ProcessOf(e).Comm, e.Process != nil
	}},
	"process.uid": {kind: number, num: func(_ *Scratch, e *event.Event) (int64, bool) { return int64(event.ProcessOf(e).UID), e.Process != nil }},
	"process.euid": {kind: number, num: func(_ *Scratch, e *event.Event) (int64, bool) {
		return int64(event.ProcessOf(e).EUID), e.Process != nil
	}},
	"process.args": {kind: texts, texts: func(s *Scratch, e *event.Event) bool {
		a := event.ProcessOf(e).Args
		s.list = append(s.list, a...)
		return len(a) > 0
	}},
	"contextFlags.containerStarted": {kind: boolean, always: true, flag: func(_ *Scratch, e *event.Event) (bool, bool) { return e.Origin() == event.OriginContainer, true }},
	"stackAddresses":                otherField, "contextFlags": otherField, "executable": otherField, "args": otherField,
	"container": otherField, "kubernetes": otherField,
}

// ancestorFields are the members of process.ancestors' elements.
var ancestorFields = map[string]func(*event.Process) (string, bool){
	"executable":  func(p *event.Process) (string, bool) { return p.Executable, p.Executable != "" },
	"containerId": func(p *event.Process) (string, bool) { return p.ContainerID, p.ContainerID != "" },
	"cwd":         func(p *event.Process) (string, bool) { return p.Cwd, p.Cwd != "" },
	"user":        func(p *event.Process) (string, bool) { return p.User, p.User != "" },
	"comm":        func(p *event.Process) (string, bool) { return p.Comm, true },
}

// ancestorElement is a member of the ancestor that Any looks at.
func ancestorElement(path []string) field {
	if len(path) != 1 {
		return unknownField
	}
	if get := ancestorFields[path[0]]; get != nil {
		return field{kind: text, text: func(s *Scratch, _ *event.Event) (string, bool) { return get(s.ancestor) }}
	}
	if path[0] == "startTime" {
		return scratchNumber(func(s *Scratch) uint64 { return s.ancestor.StartTime })
	}
	return unknownField
}

// resolve finds the term in events of the definition, before its functions.
func resolve(t Term, def *event.Def, origin event.Origin, addressText bool) field {
	if t.Arg != "" {
		i := def.Arg(t.Arg)
		if i < 0 {
			return neverField
		}
		return resolveArg(t, &def.Args[i], i, addressText)
	}
	path := strings.Join(t.Path, ".")
	switch path {
	case "eventName":
		return constText(def.Name)
	case "origin":
		return constText(origin.String())
	case "eventId":
		return constText(strconv.Itoa(int(def.ID)))
	}
	if f, ok := headerFields[path]; ok {
		return f
	}
	switch {
	case len(t.Path) == 3 && t.Path[0] == "process" && t.Path[1] == "args":
		return element(headerFields["process.args"], t.Path[2])
	case len(t.Path) == 4 && t.Path[0] == "process" && t.Path[1] == "ancestors":
		get := ancestorFields[t.Path[3]]
		if get == nil {
			return unknownField
		}
		if t.Path[2] == "[]" {
			return field{kind: texts, texts: func(s *Scratch, e *event.Event) bool {
				for _, a := range event.ProcessOf(e).Ancestors {
					if v, ok := get(a); ok {
						s.list = append(s.list, v)
					}
				}
				return len(s.list) > 0
			}}
		}
		if n, ok := index(t.Path[2]); ok {
			return field{kind: text, text: func(_ *Scratch, e *event.Event) (string, bool) {
				if a := event.ProcessOf(e).Ancestors; n < len(a) {
					return get(a[n])
				}
				return "", false
			}}
		}
	}
	return unknownField
}

// index reads "[3]".
func index(step string) (int, bool) {
	if !strings.HasPrefix(step, "[") || !strings.HasSuffix(step, "]") {
		return 0, false
	}
	n, err := strconv.Atoi(step[1 : len(step)-1])
	return n, err == nil && n >= 0
}

// element is one step into a list of texts.
func element(list field, step string) field {
	if step == "[]" {
		return list
	}
	n, ok := index(step)
	if !ok {
		return unknownField
	}
	return field{kind: text, text: func(s *Scratch, e *event.Event) (string, bool) {
		s.list = s.list[:0]
		if !list.texts(s, e) || n >= len(s.list) {
			return "", false
		}
		return s.list[n], true
	}}
}

func resolveArg(t Term, a *event.Arg, i int, addressText bool) field {
	switch a.Kind {
	case event.KindString:
		if len(t.Path) > 0 {
			return neverField // a text has no members
		}
		return field{kind: text, text: func(_ *Scratch, e *event.Event) (string, bool) { return e.Str(i), e.Has(i) }}
	case event.KindStrings:
		list := field{kind: texts, texts: func(s *Scratch, e *event.Event) bool {
			if !e.Has(i) {
				return false
			}
			s.list = splitNUL(s.list, e.Str(i))
			return true
		}}
		switch len(t.Path) {
		case 0:
			if t.Count {
				return list
			}
			return otherField
		case 1:
			return element(list, t.Path[0])
		}
		return neverField
	case event.KindSockaddr:
		return resolveAddress(t, i, addressText)
	case event.KindBytes:
		if len(t.Path) > 0 {
			return neverField
		}
		if len(t.Funcs) > 0 && t.Funcs[0].Name == "base64.decode" {
			return field{kind: text, text: func(_ *Scratch, e *event.Event) (string, bool) { return e.Str(i), e.Has(i) }}
		}
		return field{kind: text, text: func(s *Scratch, e *event.Event) (string, bool) {
			if !e.Has(i) {
				return "", false
			}
			s.buf = base64.StdEncoding.AppendEncode(s.buf[:0], e.Bytes(i))
			return scratchText(s.buf), true
		}}
	case event.KindBool:
		if len(t.Path) > 0 {
			return neverField
		}
		return field{kind: boolean, flag: func(_ *Scratch, e *event.Event) (bool, bool) { return e.Uint(i) != 0, e.Has(i) }}
	case event.KindCred:
		return resolveCred(t, i)
	case event.KindJSON:
		return documentField(root(i), t.Path)
	}
	if len(t.Path) > 0 {
		return neverField
	}
	raw := func(_ *Scratch, e *event.Event) (uint64, bool) { return e.Uint(i), e.Has(i) }
	switch {
	case a.Kind == event.KindPointer:
		return field{kind: text, text: func(s *Scratch, e *event.Event) (string, bool) {
			s.buf = strconv.AppendUint(append(s.buf[:0], "0x"...), e.Uint(i), 16)
			return scratchText(s.buf), e.Has(i)
		}}
	case a.Enc != event.EncNone:
		enc := a.Enc
		return field{kind: text, memo: raw, text: func(_ *Scratch, e *event.Event) (string, bool) {
			if !e.Has(i) {
				return "", false
			}
			return enc.Text(e.Uint(i)), true
		}}
	case a.Kind.Signed():
		return field{kind: number, raw: raw, signed: true, num: func(_ *Scratch, e *event.Event) (int64, bool) { return e.Int(i), e.Has(i) }}
	}
	return field{kind: number, raw: raw, num: func(_ *Scratch, e *event.Event) (int64, bool) { return clamp(e.Uint(i)), e.Has(i) }}
}

// credIDs is how many of event.CredFields are 32-bit ids; 64-bit sets follow.
const credIDs = 10

// resolveCred reads a member of credentials, in the layout of event.CredFields.
func resolveCred(t Term, i int) field {
	if len(t.Path) == 0 {
		return otherField
	}
	n := slices.Index(event.CredFields[:], t.Path[0])
	switch {
	case len(t.Path) > 1 || (n < 0 && !strings.HasPrefix(t.Path[0], "[")):
		return neverField
	case n < 0:
		return unknownField
	}
	if n < credIDs {
		id := func(_ *Scratch, e *event.Event) (uint64, bool) {
			b := e.Bytes(i)
			if len(b) < 4*n+4 {
				return 0, false
			}
			return uint64(binary.NativeEndian.Uint32(b[4*n:])), true
		}
		return field{kind: number, raw: id, num: func(s *Scratch, e *event.Event) (int64, bool) { v, ok := id(s, e); return int64(v), ok }}
	}
	at := 4*credIDs + 8*(n-credIDs)
	set := func(_ *Scratch, e *event.Event) (uint64, bool) {
		b := e.Bytes(i)
		if len(b) < at+8 {
			return 0, false
		}
		return binary.NativeEndian.Uint64(b[at:]), true
	}
	return field{kind: number, raw: set, num: func(s *Scratch, e *event.Event) (int64, bool) { v, ok := set(s, e); return clamp(v), ok }}
}

// resolveAddress mirrors event.Sockaddr.Fields.
func resolveAddress(t Term, i int, addressText bool) field {
	switch {
	case addressText && len(t.Path) > 0:
		return neverField
	case addressText:
		return field{kind: text, text: func(s *Scratch, e *event.Event) (string, bool) {
			if !e.Has(i) {
				return "", false
			}
			s.buf = e.Sockaddr(i).AppendText(s.buf[:0])
			return scratchText(s.buf), true
		}}
	case len(t.Path) == 0:
		return otherField
	case len(t.Path) > 1:
		return neverField
	}
	// part returns the member, of addresses of that family, formatted into s.buf.
	part := func(family uint16, format func([]byte, event.Sockaddr) []byte) field {
		return field{kind: text, text: func(s *Scratch, e *event.Event) (string, bool) {
			a := e.Sockaddr(i)
			if !e.Has(i) || a.Family != family {
				return "", false
			}
			s.buf = format(s.buf[:0], a)
			return scratchText(s.buf), true
		}}
	}
	address := func(none string) func([]byte, event.Sockaddr) []byte {
		return func(b []byte, a event.Sockaddr) []byte {
			if !a.Addr.IsValid() {
				return append(b, none...)
			}
			return a.Addr.AppendTo(b)
		}
	}
	port := func(b []byte, a event.Sockaddr) []byte { return strconv.AppendUint(b, uint64(a.Port), 10) }
	switch t.Path[0] {
	case "sa_family":
		return field{
			kind: text, memo: func(_ *Scratch, e *event.Event) (uint64, bool) { return uint64(e.Sockaddr(i).Family), e.Has(i) },
			text: func(_ *Scratch, e *event.Event) (string, bool) { return e.Sockaddr(i).FamilyName(), e.Has(i) },
		}
	case "sun_path":
		return field{kind: text, text: func(_ *Scratch, e *event.Event) (string, bool) {
			a := e.Sockaddr(i)
			return a.Path, e.Has(i) && a.Family == event.AFUnix
		}}
	case "sin_addr":
		return part(event.AFInet, address("0.0.0.0"))
	case "sin_port":
		return part(event.AFInet, port)
	case "sin6_addr":
		return part(event.AFInet6, address("::"))
	case "sin6_port":
		return part(event.AFInet6, port)
	case "sin6_flowinfo":
		return part(event.AFInet6, func(b []byte, a event.Sockaddr) []byte { return strconv.AppendUint(b, uint64(a.FlowInfo), 10) })
	case "sin6_scopeid":
		return part(event.AFInet6, func(b []byte, a event.Sockaddr) []byte { return strconv.AppendUint(b, uint64(a.ScopeID), 10) })
	}
	if strings.HasPrefix(t.Path[0], "[") {
		return unknownField
	}
	return neverField
}

// splitNUL appends the elements of a list argument, each of which ends in a NUL.
func splitNUL(dst []string, s string) []string {
	for len(s) > 0 {
		end := strings.IndexByte(s, 0)
		if end < 0 {
			return append(dst, s)
		}
		dst = append(dst, s[:end])
		s = s[end+1:]
	}
	return dst
}

// apply makes f's text go through the functions.
func apply(f field, funcs []Func) field {
	if len(funcs) == 0 {
		return f
	}
	f = f.asText()
	switch f.kind {
	case text, texts:
	case unknown, never:
		return f
	default:
		return neverField // a function on text of something else is undefined
	}
	inner := f
	f.isConst = false
	if inner.kind == text {
		f.text = func(s *Scratch, e *event.Event) (string, bool) {
			v, ok := inner.text(s, e)
			if !ok {
				return "", false
			}
			return applyAll(v, funcs)
		}
		return f
	}
	f.texts = func(s *Scratch, e *event.Event) bool {
		at := len(s.list)
		if !inner.texts(s, e) {
			return false
		}
		out := s.list[:at]
		for _, v := range s.list[at:] {
			if w, ok := applyAll(v, funcs); ok {
				out = append(out, w)
			}
		}
		s.list = out
		return true
	}
	return f
}

func applyAll(v string, funcs []Func) (string, bool) {
	for i := range funcs {
		switch f := &funcs[i]; f.Name {
		case "lower":
			v = strings.ToLower(v)
		case "upper":
			v = strings.ToUpper(v)
		case "trim_prefix":
			v = strings.TrimPrefix(v, f.Text)
		case "trim_suffix":
			v = strings.TrimSuffix(v, f.Text)
		case "substring":
			v = substring(v, f.From, f.To)
		case "base64.decode": // resolveArg gives the bytes themselves
		}
	}
	return v, true
}

// substring cuts characters, as OPA counts them, from `from` up to `to`; -1 is the end.
func substring(s string, from, to int) string {
	start := -1
	n := 0
	for i := range s {
		if n == from {
			start = i
		}
		if to >= 0 && n == to {
			return s[max(start, 0):i]
		}
		n++
	}
	if start < 0 {
		return ""
	}
	return s[start:]
}

// plain reports whether a text of a rule compares with the record's bytes as it does with the document's text: bytes
// that are not UTF-8 are U+FFFD there.
func plain(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, utf8.RuneError) }
