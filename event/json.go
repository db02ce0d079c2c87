package event

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The JSON form is the document that rules see as input, and one line of a recording: a superset of Tracee's.
// See docs/events.md for the fields.

// MarshalJSON returns AppendJSON.
func (e *Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// AppendJSON appends the event as one line of JSON, without a newline.
func (e *Event) AppendJSON(dst []byte) []byte {
	dst, _ = e.appendJSON(dst, false, nil)
	return dst
}

// AppendRedactedJSON is AppendJSON for all that leaves the sensor: of environments it keeps the names, and the values of
// those variables that say how a program is loaded. Other values are often passwords and tokens.
func (e *Event) AppendRedactedJSON(dst []byte) []byte {
	dst, _ = e.appendJSON(dst, true, nil)
	return dst
}

// AppendRedactedParts is AppendRedactedJSON for whoever has what AppendProcess writes of e.Process already; nil is no such thing.
// It says where in the document the arguments begin.
func (e *Event) AppendRedactedParts(dst, process []byte) (doc []byte, args int) {
	return e.appendJSON(dst, true, process)
}

func (e *Event) appendJSON(dst []byte, redact bool, process []byte) (doc []byte, args int) {
	o := object{buf: append(dst, '{')}
	o.uint("timestamp", e.Timestamp)
	o.uint("threadStartTime", e.ThreadStart)
	o.uint("processorId", uint64(e.CPU))
	o.uint("processId", uint64(e.PID))
	o.uint("cgroupId", e.CgroupID)
	o.uint("threadId", uint64(e.TID))
	o.uint("parentProcessId", uint64(e.PPID))
	o.uint("hostProcessId", uint64(e.HostPID))
	o.uint("hostThreadId", uint64(e.HostTID))
	o.uint("hostParentProcessId", uint64(e.HostPPID))
	o.uint("userId", uint64(e.UID))
	o.uint("mountNamespace", uint64(e.MntNS))
	o.uint("pidNamespace", uint64(e.PidNS))
	o.str("processName", e.CommString())
	o.str("hostName", e.HostName())

	c, k := e.Container, e.Kubernetes
	if c == nil {
		c = &Container{}
	}
	if k == nil {
		k = &Kubernetes{}
	}
	o.str("containerId", c.ID)
	o.str("containerImage", c.Image)
	o.str("containerName", c.Name)
	o.str("podName", k.PodName)
	o.str("podNamespace", k.PodNamespace)
	o.str("podUID", k.PodUID)
	o.key("container")
	if e.Container != nil {
		o.buf = appendContainer(o.buf, c)
	} else {
		o.raw("{}")
	}
	o.key("kubernetes")
	if e.Kubernetes != nil {
		o.buf = appendKubernetes(o.buf, k)
	} else {
		o.raw("{}")
	}
	o.str("eventId", strconv.Itoa(int(e.ID)))
	o.str("eventName", e.Def.Name)
	n := 0
	for i := range e.Def.Args {
		if e.Has(i) {
			n++
		}
	}
	o.uint("argsNum", uint64(n))
	o.key("returnValue")
	o.buf = strconv.AppendInt(o.buf, e.Return, 10)
	o.str("syscall", SyscallName(e.Syscall))
	o.key("stackAddresses")
	o.raw("null")
	o.key("contextFlags")
	o.raw(`{"containerStarted":`)
	o.buf = strconv.AppendBool(o.buf, e.Origin() == OriginContainer)
	o.buf = append(o.buf, '}')
	o.key("executable")
	o.raw(`{"path":`)
	if e.Process != nil {
		o.buf = appendString(o.buf, e.Process.Executable)
	} else {
		o.raw(`""`)
	}
	o.buf = append(o.buf, '}')
	// What Tracee does not have.
	o.str("origin", e.Origin().String())
	o.uint("effectiveUserId", uint64(e.EUID))
	o.uint("loginUserId", uint64(e.LoginUID))
	o.uint("effectiveCapabilities", e.CapEff)
	o.uint("leaderStartTime", e.LeaderStart)
	o.uint("parentStartTime", e.ParentStart)
	if e.Flags&FlagCompat != 0 {
		o.key("compat")
		o.raw("true")
	}
	if e.Count > 1 {
		o.uint("count", uint64(e.Count))
	}
	if e.Process != nil {
		o.key("process")
		if process != nil {
			o.buf = append(o.buf, process...)
		} else {
			o.buf = AppendProcess(o.buf, e.Process)
		}
	}
	o.key("args")
	args = len(o.buf)
	o.buf = append(o.buf, '[')
	first := true
	for i := range e.Def.Args {
		if !e.Has(i) {
			continue
		}
		if !first {
			o.buf = append(o.buf, ',')
		}
		first = false
		a := &e.Def.Args[i]
		o.raw(`{"name":`)
		o.buf = appendString(o.buf, a.Name)
		o.raw(`,"type":`)
		o.buf = appendString(o.buf, a.Type)
		o.raw(`,"value":`)
		o.buf = e.appendArg(o.buf, i, redact)
		if e.FromUser(i) {
			o.raw(`,"user":true`)
		}
		o.buf = append(o.buf, '}')
	}
	return append(o.buf, ']', '}'), args
}

// AppendArg appends argument i as the JSON value that rules see; null when it is absent.
func (e *Event) AppendArg(dst []byte, i int) []byte { return e.appendArg(dst, i, false) }

func (e *Event) appendArg(dst []byte, i int, redact bool) []byte {
	if !e.Has(i) {
		return append(dst, "null"...)
	}
	a := &e.Def.Args[i]
	switch a.Kind {
	case KindString:
		return appendString(dst, e.Str(i))
	case KindStrings:
		dst = append(dst, '[')
		for n, s := range e.StrList(i) {
			if n > 0 {
				dst = append(dst, ',')
			}
			if redact && a.Enc == EncEnviron {
				s = redactVariable(s)
			}
			dst = appendString(dst, s)
		}
		return append(dst, ']')
	case KindSockaddr:
		dst = append(dst, '{')
		for n, f := range e.Sockaddr(i).Fields() {
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, f.Name), ':')
			dst = appendString(dst, f.Value)
		}
		return append(dst, '}')
	case KindBytes:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, e.Bytes(i))
		return append(dst, '"')
	case KindCred:
		return appendCred(dst, e.Bytes(i))
	case KindJSON:
		if b := e.Bytes(i); json.Valid(b) {
			return append(dst, b...)
		}
		return append(dst, "null"...)
	case KindPointer:
		dst = append(dst, `"0x`...)
		dst = strconv.AppendUint(dst, e.Uint(i), 16)
		return append(dst, '"')
	case KindBool:
		return strconv.AppendBool(dst, e.Uint(i) != 0)
	}
	switch {
	case a.Enc != EncNone:
		return appendString(dst, a.Enc.Text(e.Uint(i)))
	case a.Kind.Signed():
		return strconv.AppendInt(dst, e.Int(i), 10)
	}
	return strconv.AppendUint(dst, e.Uint(i), 10)
}

// plainVariables are the environment variables whose values are shown: paths, locales and what the dynamic linker obeys.
var plainVariables = []string{"LD_", "LC_", "PATH", "HOME", "PWD", "OLDPWD", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "HOSTNAME", "TZ", "HISTFILE", "TMPDIR"}

func redactVariable(s string) string {
	name, value, ok := strings.Cut(s, "=")
	if !ok || value == "" {
		return s
	}
	for _, p := range plainVariables {
		if name == p || p[len(p)-1] == '_' && strings.HasPrefix(name, p) {
			return s
		}
	}
	return name + "=" + Redacted
}

// Redacted stands for a value that is not shown.
const Redacted = "•••"

// ArgText returns argument i as people read it in a table: text bare, lists as JSON, environments redacted.
func (e *Event) ArgText(i int) string {
	if !e.Has(i) {
		return ""
	}
	switch a := &e.Def.Args[i]; a.Kind {
	case KindString:
		return strings.Clone(e.Str(i))
	case KindSockaddr:
		return e.Sockaddr(i).Text()
	default:
		s := string(e.appendArg(nil, i, true))
		if len(s) > 1 && s[0] == '"' && (a.Kind.Scalar() || a.Kind == KindBytes) {
			return s[1 : len(s)-1]
		}
		return s
	}
}

// CredFields are the members of credentials, in the order of a record: 32-bit ids, then 64-bit capability sets.
var CredFields = [...]string{
	"Uid", "Gid", "Suid", "Sgid", "Euid", "Egid", "Fsuid", "Fsgid", "UserNamespace", "SecureBits",
	"CapInheritable", "CapPermitted", "CapEffective", "CapBounding", "CapAmbient",
}

const credIDs = 10

func appendCred(dst, b []byte) []byte {
	dst = append(dst, '{')
	for i, f := range CredFields {
		var v uint64
		if i < credIDs {
			if len(b) < 4 {
				break
			}
			v, b = uint64(binary.NativeEndian.Uint32(b)), b[4:]
		} else {
			if len(b) < 8 {
				break
			}
			v, b = binary.NativeEndian.Uint64(b), b[8:]
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, f), ':')
		dst = strconv.AppendUint(dst, v, 10)
	}
	return append(dst, '}')
}

func parseCred(m map[string]any) ([]byte, bool) {
	var b []byte
	for i, f := range CredFields {
		n, ok := m[f].(json.Number)
		if !ok {
			return nil, false
		}
		v, err := strconv.ParseUint(n.String(), 10, 64)
		if err != nil {
			return nil, false
		}
		if i < credIDs {
			b = binary.NativeEndian.AppendUint32(b, uint32(v))
		} else {
			b = binary.NativeEndian.AppendUint64(b, v)
		}
	}
	return b, len(m) == len(CredFields)
}

// object writes the members of one JSON object.
type object struct{ buf []byte }

func (o *object) key(k string) {
	if o.buf[len(o.buf)-1] != '{' {
		o.buf = append(o.buf, ',')
	}
	o.buf = append(o.buf, '"')
	o.buf = append(o.buf, k...)
	o.buf = append(o.buf, '"', ':')
}
func (o *object) raw(s string)            { o.buf = append(o.buf, s...) }
func (o *object) uint(k string, v uint64) { o.key(k); o.buf = strconv.AppendUint(o.buf, v, 10) }
func (o *object) str(k, v string)         { o.key(k); o.buf = appendString(o.buf, v) }

const hexDigits = "0123456789abcdef"

// bare are the bytes that stand in a JSON string as they are.
var bare = func() (set [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		set[c] = c != '"' && c != '\\'
	}
	return set
}()

// AppendText appends s as a JSON string, as documents have it.
func AppendText(dst []byte, s string) []byte { return appendString(dst, s) }

// appendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD, as encoding/json does it.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if bare[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\uFFFD"...)
			start = i + 1
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// ParseJSON reads one event document: Tocsin's own or Tracee's, of any version. An event or an argument that the catalogue
// does not have, or a value of another type, gets a definition of its own (Def.Dynamic), so that nothing of the
// document is lost or bent.
func ParseJSON(line []byte) (*Event, error) {
	var doc document
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("parse event: %w", err)
	}
	if doc.EventName == "" {
		return nil, fmt.Errorf("parse event: no eventName")
	}
	e := doc.build()
	h := e.Header
	h.Timestamp, h.ThreadStart, h.LeaderStart, h.ParentStart = doc.Timestamp, doc.ThreadStart, doc.LeaderStart, doc.ParentStart
	h.CgroupID, h.Return, h.CPU = doc.CgroupID, doc.Return, uint16(doc.CPU)
	h.PID, h.TID, h.PPID = doc.PID, doc.TID, doc.PPID
	h.HostPID, h.HostTID, h.HostPPID = doc.HostPID, doc.HostTID, doc.HostPPID
	h.UID, h.EUID, h.LoginUID, h.CapEff = doc.UID, doc.UID, math.MaxUint32, doc.CapEff
	if doc.EUID != nil {
		h.EUID = *doc.EUID
	}
	if doc.LoginUID != nil {
		h.LoginUID = *doc.LoginUID
	}
	h.MntNS, h.PidNS, h.Count = doc.MntNS, doc.PidNS, doc.Count
	h.SetComm(doc.Comm)
	h.Syscall = -1
	if s, ok := doc.Syscall.(string); ok && s != "" {
		if n, ok := EncSyscall.Number(s); ok {
			h.Syscall = int32(n)
		}
	}
	if doc.Compat {
		h.Flags |= FlagCompat
	}
	c, k := doc.Container, doc.Kubernetes
	c.ID = first(c.ID, doc.ContainerID)
	c.Image, c.Name = first(c.Image, doc.ContainerImage), first(c.Name, doc.ContainerName)
	k.PodName, k.PodNamespace, k.PodUID = first(k.PodName, doc.PodName), first(k.PodNamespace, doc.PodNamespace), first(k.PodUID, doc.PodUID)
	if c.ID != "" {
		e.Container = &c
		h.Flags |= FlagContainer
		// Documents before contextFlags came had no container-init: all was "container".
		if doc.ContextFlags == nil || doc.ContextFlags.ContainerStarted {
			h.Flags |= FlagContainerStarted
		}
	}
	if k.PodName != "" || k.PodUID != "" {
		e.Kubernetes = &k
	}
	e.Process = doc.Process
	if e.Process == nil && doc.Executable.Path != "" {
		e.Process = &Process{PID: h.HostPID, PPID: h.HostPPID, Comm: doc.Comm, UID: h.UID, EUID: h.UID, Executable: doc.Executable.Path}
	}
	return e, nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

type document struct {
	Timestamp      uint64     `json:"timestamp"`
	ThreadStart    uint64     `json:"threadStartTime"`
	LeaderStart    uint64     `json:"leaderStartTime"`
	ParentStart    uint64     `json:"parentStartTime"`
	CPU            uint32     `json:"processorId"`
	CgroupID       uint64     `json:"cgroupId"`
	PID            uint32     `json:"processId"`
	TID            uint32     `json:"threadId"`
	PPID           uint32     `json:"parentProcessId"`
	HostPID        uint32     `json:"hostProcessId"`
	HostTID        uint32     `json:"hostThreadId"`
	HostPPID       uint32     `json:"hostParentProcessId"`
	UID            uint32     `json:"userId"`
	EUID           *uint32    `json:"effectiveUserId"`
	LoginUID       *uint32    `json:"loginUserId"`
	CapEff         uint64     `json:"effectiveCapabilities"`
	MntNS          uint32     `json:"mountNamespace"`
	PidNS          uint32     `json:"pidNamespace"`
	Count          uint32     `json:"count"`
	Compat         bool       `json:"compat"`
	Comm           string     `json:"processName"`
	Host           string     `json:"hostName"`
	ContainerID    string     `json:"containerId"`
	ContainerImage string     `json:"containerImage"`
	ContainerName  string     `json:"containerName"`
	PodName        string     `json:"podName"`
	PodNamespace   string     `json:"podNamespace"`
	PodUID         string     `json:"podUID"`
	Container      Container  `json:"container"`
	Kubernetes     Kubernetes `json:"kubernetes"`
	EventName      string     `json:"eventName"`
	Return         int64      `json:"returnValue"`
	Syscall        any        `json:"syscall"`
	ContextFlags   *struct {
		ContainerStarted bool `json:"containerStarted"`
	} `json:"contextFlags"`
	Executable struct {
		Path string `json:"path"`
	} `json:"executable"`
	Process *Process      `json:"process"`
	Args    []documentArg `json:"args"`
}

type documentArg struct {
	Name  string          `json:"name"`
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
	User  bool            `json:"user"`
}

// build makes the event from its arguments, by the catalogue if they all fit it.
func (d *document) build() *Event {
	def := ByName(d.EventName)
	if def != nil {
		b := New(def)
		b.SetHost(d.Host)
		if d.fill(b) {
			return b.Event()
		}
	}
	dyn := &Def{Name: d.EventName, Dynamic: true}
	if def != nil {
		dyn.ID, dyn.Sets, dyn.Doc = def.ID, def.Sets, def.Doc
	}
	args := d.Args
	if len(args) > MaxArgs {
		args = args[:MaxArgs]
	}
	for _, a := range args {
		dyn.Args = append(dyn.Args, Arg{Name: a.Name, Type: a.Type, Kind: KindJSON})
	}
	b := New(dyn)
	b.SetHost(d.Host)
	for i, a := range args {
		if err := b.SetIndex(i, []byte(a.Value)); err == nil && a.User {
			b.hdr.User |= 1 << i
		}
	}
	return b.Event()
}

// fill sets the arguments and reports whether each of them has the name, the type and the order of the catalogue.
func (d *document) fill(b *Builder) bool {
	last := -1
	for _, a := range d.Args {
		i := b.def.Arg(a.Name)
		if i <= last {
			return false // unknown, out of order or twice
		}
		last = i
		v, ok := argValue(&b.def.Args[i], a.Value)
		if !ok || b.SetIndex(i, v) != nil {
			return false
		}
		if a.User {
			b.hdr.User |= 1 << i
		}
	}
	return true
}

func argValue(a *Arg, raw json.RawMessage) (any, bool) {
	if a.Kind == KindJSON {
		return []byte(raw), true
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return nil, false
	}
	switch x := v.(type) {
	case bool:
		return x, a.Kind == KindBool
	case json.Number:
		if !a.Kind.Scalar() || a.Kind == KindPointer || a.Kind == KindBool || a.Enc != EncNone {
			return nil, false
		}
		return scalar(a.Kind, x.String())
	case string:
		switch {
		case a.Kind == KindString:
			return x, !strings.ContainsRune(x, 0)
		case a.Kind == KindBytes:
			b, err := base64.StdEncoding.DecodeString(x)
			return b, err == nil && base64.StdEncoding.EncodeToString(b) == x
		case a.Kind == KindPointer:
			hex, ok := strings.CutPrefix(x, "0x")
			n, err := strconv.ParseUint(hex, 16, 64)
			return n, ok && err == nil && strconv.FormatUint(n, 16) == hex
		case a.Kind.Scalar() && a.Enc != EncNone:
			n, ok := a.Enc.Number(x)
			return n, ok && a.Enc.Text(n) == x
		}
	case []any:
		if a.Kind != KindStrings {
			return nil, false
		}
		list := make([]string, 0, len(x))
		for _, el := range x {
			s, ok := el.(string)
			if !ok || strings.ContainsRune(s, 0) {
				return nil, false
			}
			list = append(list, s)
		}
		return list, true
	case map[string]any:
		if a.Kind == KindCred {
			b, ok := parseCred(x)
			return b, ok
		}
		if a.Kind != KindSockaddr {
			return nil, false
		}
		sa, ok := sockaddrFromFields(x)
		return sa, ok
	}
	return nil, false
}

func scalar(k Kind, s string) (any, bool) {
	if k.Signed() {
		bits := 64
		if k == KindInt32 {
			bits = 32
		}
		n, err := strconv.ParseInt(s, 10, bits)
		return n, err == nil
	}
	limit := uint64(math.MaxUint64)
	switch k {
	case KindUint16:
		limit = math.MaxUint16
	case KindUint32:
		limit = math.MaxUint32
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n <= limit
}
