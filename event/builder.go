package event

import (
	"fmt"
	"unsafe"
)

// Builder makes an Event outside the kernel: from a recording, in a test, or derived from other events.
// Arguments may be set in any order. The zero value is not usable; see New.
type Builder struct {
	def   *Def
	hdr   Header
	slots []Slot
	data  []byte
	host  string

	reused bool // memory of the last event is the next one's
	words  []uint64
	event  Event
}

// New starts an event of the given definition.
func New(def *Def) *Builder {
	b := &Builder{def: def, slots: make([]Slot, len(def.Args))}
	b.hdr.ID, b.hdr.Argc, b.hdr.Syscall = def.ID, uint8(len(def.Args)), -1
	return b
}

// Reset starts an event that happened with from, which gives the header; the memory is that of the last event made after a
// Reset, which is void by now. The zero value is good for that.
func (b *Builder) Reset(def *Def, from *Event) {
	b.def, b.reused = def, true
	b.hdr, b.host = *from.Header, from.HostName()
	b.hdr.ID, b.hdr.Argc, b.hdr.Present, b.hdr.User = def.ID, uint8(len(def.Args)), 0, 0
	b.slots = append(b.slots[:0], make([]Slot, len(def.Args))...)
	b.data = b.data[:0]
}

// SetRaw sets a variable-length argument to the bytes that stand for it in a record, which fit its kind.
func (b *Builder) SetRaw(i int, raw []byte) {
	b.slots[i] = makeRef(len(b.data), len(raw))
	b.data = append(b.data, raw...)
	b.hdr.Present |= 1 << i
}

// SetUint sets a number.
func (b *Builder) SetUint(i int, v uint64) {
	b.slots[i] = Slot(v)
	b.hdr.Present |= 1 << i
}

// Header gives access to the fixed fields; Size, ID, Argc, Present and HostLen are kept by the Builder.
func (b *Builder) Header() *Header { return &b.hdr }

// Set sets the named argument: a number or bool for scalar kinds; string, []string, Sockaddr or []byte for the others;
// text of the argument's encoding is accepted for numbers. An unknown name or a value that does not fit is an error.
func (b *Builder) Set(name string, value any) error {
	i := b.def.Arg(name)
	if i < 0 {
		return fmt.Errorf("event %s has no argument %q", b.def.Name, name)
	}
	return b.SetIndex(i, value)
}

// SetIndex is Set by position.
func (b *Builder) SetIndex(i int, value any) error {
	a := &b.def.Args[i]
	bad := func() error {
		return fmt.Errorf("event %s, argument %s (%s): value %v (%T) does not fit", b.def.Name, a.Name, a.Type, value, value)
	}
	if a.Kind.Scalar() {
		var v uint64
		switch x := value.(type) {
		case int:
			v = uint64(x)
		case int32:
			v = uint64(int64(x))
		case int64:
			v = uint64(x)
		case uint16:
			v = uint64(x)
		case uint32:
			v = uint64(x)
		case uint64:
			v = x
		case bool:
			if x {
				v = 1
			}
		case string:
			n, ok := a.Enc.Number(x)
			if a.Enc == EncNone || !ok {
				return bad()
			}
			v = n
		default:
			return bad()
		}
		b.slots[i] = Slot(v)
		b.hdr.Present |= 1 << i
		return nil
	}
	var raw []byte
	switch x := value.(type) {
	case string:
		if a.Kind != KindString && a.Kind != KindBytes && a.Kind != KindJSON {
			return bad()
		}
		raw = []byte(x)
	case []byte:
		raw = x
	case []string:
		if a.Kind != KindStrings {
			return bad()
		}
		for _, s := range x {
			raw = append(append(raw, s...), 0)
		}
	case Sockaddr:
		if a.Kind != KindSockaddr {
			return bad()
		}
		raw = x.Bytes()
	default:
		return bad()
	}
	b.SetRaw(i, raw)
	return nil
}

// Event returns the event. The Builder must not be used afterwards, but for Reset where it began with that.
func (b *Builder) Event() *Event {
	n := HeaderSize + 8*len(b.slots) + len(b.data) + len(b.host)
	b.hdr.Size, b.hdr.HostLen = uint32(n), uint16(len(b.host))
	e, words := &b.event, b.words // 8-byte aligned
	if need := (n + 7) / 8; !b.reused || cap(words) < need {
		words = make([]uint64, need)
	} else {
		words = words[:need]
	}
	if b.reused {
		*e, b.words = Event{}, words
	} else {
		e = &Event{}
	}
	rec := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)[:n]
	*(*Header)(unsafe.Pointer(unsafe.SliceData(rec))) = b.hdr
	for i, s := range b.slots {
		*(*Slot)(unsafe.Pointer(&rec[HeaderSize+8*i])) = s
	}
	copy(rec[HeaderSize+8*len(b.slots):], b.data)
	copy(rec[n-len(b.host):], b.host)
	e.view(rec)
	e.Def = b.def
	return e
}

// SetComm sets the command name, cut to the kernel's 15 bytes.
func (h *Header) SetComm(s string) { setCString(h.Comm[:], s) }

// SetHost sets the host's name, cut to the kernel's 64 bytes.
func (b *Builder) SetHost(s string) { b.host = s[:min(len(s), 64)] }

func setCString(dst []byte, s string) {
	clear(dst)
	copy(dst[:len(dst)-1], s)
}
