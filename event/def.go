package event

import (
	"fmt"
	"strings"
)

// Kind is how an argument is stored in a record.
type Kind uint8

const (
	_            Kind = iota
	KindInt32         // sign-extended
	KindInt64         //
	KindUint16        //
	KindUint32        //
	KindUint64        //
	KindBool          // 0 or 1
	KindPointer       // shown as 0x…
	KindString        // bytes without a terminating NUL
	KindStrings       // each element ends in a NUL
	KindSockaddr      // struct sockaddr as the kernel has it, 2 to 110 bytes
	KindBytes         // shown as base64
	KindCred          // struct of credentials, see credential
	KindJSON          // a KindJSON text, for what user space derives
)

func (k Kind) variable() bool { return k >= KindString }

// Signed reports whether numbers of this kind may be negative.
func (k Kind) Signed() bool { return k == KindInt32 || k == KindInt64 }

// Scalar reports whether the argument is one number.
func (k Kind) Scalar() bool { return k != 0 && !k.variable() }

// Arg describes one argument of an event.
type Arg struct {
	Name string
	Type string // C type, as users read it: "const char*"
	Kind Kind
	Enc  Encoding // how a number becomes the text that rules see
}

// Def describes an event.
type Def struct {
	ID    ID
	Name  string
	Doc   string   // one sentence
	Sets  []string // groups that users select together: "proc", "net", …
	Args  []Arg
	Proto string // "int sockfd, struct sockaddr* remote_addr"
	// Urgent events wake the reader at once instead of waiting for the next poll.
	Urgent bool
	// Derived events are made in user space from others.
	Derived []string
	// Dynamic definitions were made for a document whose event or arguments the catalogue does not have.
	// Native matchers do not apply to them.
	Dynamic bool
}

// Arg returns the index of the named argument, or -1.
func (d *Def) Arg(name string) int {
	for i := range d.Args {
		if d.Args[i].Name == name {
			return i
		}
	}
	return -1
}

// String returns the event as `name(type arg, …)`.
func (d *Def) String() string {
	var b strings.Builder
	b.WriteString(d.Name)
	b.WriteByte('(')
	for i, a := range d.Args {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.Type)
		b.WriteByte(' ')
		b.WriteString(a.Name)
	}
	b.WriteByte(')')
	return b.String()
}

var kinds = map[string]Kind{
	"int": KindInt32, "pid_t": KindInt32, "s32": KindInt32, "clockid_t": KindInt32, "key_t": KindInt32, "long": KindInt64, "off_t": KindInt64, "loff_t": KindInt64,
	"unsigned int": KindUint32, "u32": KindUint32, "dev_t": KindUint32, "uid_t": KindUint32, "gid_t": KindUint32, "mode_t": KindUint32,
	"unsigned long": KindUint64, "u64": KindUint64, "size_t": KindUint64,
	"u16": KindUint16, "umode_t": KindUint16, "unsigned short": KindUint16,
	"bool": KindBool, "void*": KindPointer, "unsigned long*": KindPointer,
	"const char*": KindString, "char*": KindString,
	"const char*const*": KindStrings, "const char**": KindStrings,
	"struct sockaddr*": KindSockaddr, "bytes": KindBytes, "slim_cred_t": KindCred,
}

// parseArgs reads a prototype: C types and names, a name may carry its text encoding after a colon:
// "const char* pathname, int flags:open". A pointer stays one, unless its target is known; a type that is none of the
// kernel's is a KindJSON text.
func parseArgs(proto string) ([]Arg, error) {
	if strings.TrimSpace(proto) == "" {
		return nil, nil
	}
	var args []Arg
	for field := range strings.SplitSeq(proto, ",") {
		field = strings.TrimSpace(field)
		cut := strings.LastIndexByte(field, ' ')
		if cut < 0 {
			return nil, fmt.Errorf("argument %q has no name", field)
		}
		typ := strings.TrimSpace(field[:cut])
		name, enc, _ := strings.Cut(field[cut+1:], ":")
		a := Arg{Name: name, Type: typ, Kind: kinds[typ]}
		switch {
		case a.Kind != 0:
		case strings.HasSuffix(typ, "*"), strings.HasSuffix(typ, "_header_t"), strings.HasSuffix(typ, "_user_data_t"):
			a.Kind = KindPointer // of any structure
		default:
			a.Kind = KindJSON
		}
		if enc != "" {
			e, ok := encodings[enc]
			if !ok {
				return nil, fmt.Errorf("argument %q: unknown encoding %q", name, enc)
			}
			a.Enc = e
		}
		args = append(args, a)
	}
	if len(args) > MaxArgs {
		return nil, fmt.Errorf("%d arguments, %d is the most", len(args), MaxArgs)
	}
	return args, nil
}

// MaxID is the highest id that an event may have.
const MaxID ID = 1<<10 - 1

var (
	byName = map[string]*Def{}
	byID   [MaxID + 1]*Def
)

func register(defs []Def) {
	for i := range defs {
		d := &defs[i]
		args, err := parseArgs(d.Proto)
		if err != nil {
			panic("event " + d.Name + ": " + err.Error())
		}
		if byName[d.Name] != nil || byID[d.ID] != nil || d.ID == 0 {
			panic(fmt.Sprintf("event %s: name or id %d is taken", d.Name, d.ID))
		}
		d.Args = args
		byName[d.Name], byID[d.ID] = d, d
	}
}

// ByName returns the definition of the named event, or nil.
func ByName(name string) *Def { return byName[name] }

// ByID returns the definition with that id, or nil.
func ByID(id ID) *Def {
	if int(id) >= len(byID) {
		return nil
	}
	return byID[id]
}
