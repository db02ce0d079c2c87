// Package event defines what the sensor sees: the catalogue of events, and Event, one occurrence.
//
// An Event is a view over one flat record: a fixed Header, then one 8-byte Slot for each argument of the
// event's Def, then the bytes that variable-length arguments point into, then the host's name. The kernel writes exactly that
// layout (bpf/headers/event.gen.h is generated from this package), so decoding is a bounds check and a cast,
// and an Event that matches no rule costs no allocation. Events that come from elsewhere (a recording,
// a test, user space) are put into the same layout by a Builder, so that all code after the decoder has one form.
//
// An Event that the reader hands out is valid until the reader's next call: Clone what must live longer.
// Events are not safe for concurrent mutation; concurrent reads are fine.
package event

import (
	"fmt"
	"net/netip"
	"slices"
	"unsafe"
)

// Header is the fixed part of a record, in the kernel's byte order. Its layout is shared with BPF C:
// change it here, then run "make generate".
type Header struct {
	Size        uint32 // bytes of the whole record, header included
	ID          ID     // which event
	Argc        uint8  // slots that follow the header
	Flags       Flags
	Timestamp   uint64 // ns; boot time in the kernel's record, wall clock once decoded
	CgroupID    uint64
	ThreadStart uint64 // ns since boot at which the thread started
	LeaderStart uint64 // … its thread-group leader: with HostPID the stable identity of a process
	ParentStart uint64 // … the leader of its parent
	Return      int64  // return value of the system call; 0 where the hook has none
	CapEff      uint64 // effective capabilities, one bit each
	PID         uint32 // thread-group id in the process's own pid namespace ("processId")
	TID         uint32
	PPID        uint32
	HostPID     uint32 // the same ids in the initial pid namespace
	HostTID     uint32
	HostPPID    uint32
	UID         uint32 // real uid, initial user namespace
	EUID        uint32 // effective uid
	LoginUID    uint32 // audit's login uid: who logged in, whatever they became since; 1<<32-1 when unset
	MntNS       uint32 // inode number of the mount namespace
	PidNS       uint32
	Syscall     int32 // number of the system call in progress, -1 when none
	CPU         uint16
	HostLen     uint16 // bytes at the end of the record: the node name of the process's UTS namespace, NULs after it
	Present     uint32 // bit i: argument i was read
	User        uint32 // bit i: argument i was read from user memory, and may have changed since (TOCTOU)
	Count       uint32 // occurrences that this record stands for; 0 and 1 both mean one
	Comm        [16]byte
}

// HeaderSize is the size of Header in bytes, in Go and in C.
const HeaderSize = int(unsafe.Sizeof(Header{}))

// MaxArgs is the number of arguments that Header's bit masks have room for.
const MaxArgs = 32

// Flags are properties of one occurrence.
type Flags uint8

const (
	// FlagContainerStarted is set once the container's first process has been executed: before that the
	// origin is container-init.
	FlagContainerStarted Flags = 1 << iota
	// FlagContainer is set when the task's cgroup is a container's, as far as the kernel half knows.
	FlagContainer
	// FlagCompat marks a 32-bit system call.
	FlagCompat
	// FlagUrgent records woke the reader at once.
	FlagUrgent
	// FlagKthread marks a kernel thread.
	FlagKthread
	// FlagTruncated is set when an argument of variable length was cut.
	FlagTruncated
	// FlagUnselected marks an occurrence that no selection wants: it is here for enrichment alone, and is not matched.
	FlagUnselected
)

// ID numbers an event in records. IDs are private to one build of the sensor; names are the interface.
type ID uint16

// Slot holds a scalar argument's value, or, for a variable-length one, its offset (low 32 bits) and length
// (high 32 bits) in the record's data.
type Slot uint64

func makeRef(off, n int) Slot       { return Slot(uint64(uint32(off)) | uint64(n)<<32) }
func (s Slot) ref() (off, n uint32) { return uint32(s), uint32(s >> 32) }
func (s Slot) within(data []byte) bool {
	o, n := s.ref()
	return uint64(o)+uint64(n) <= uint64(len(data))
}
func (s Slot) bytes(data []byte) []byte { o, n := s.ref(); return data[o : o+n : o+n] }

// Event is one occurrence. The zero value is only good for Decode.
type Event struct {
	*Header
	Def *Def

	slots []Slot
	data  []byte
	host  []byte

	// Enrichment, filled in by detect/enrich; nil where unknown.
	Process    *Process
	Container  *Container
	Kubernetes *Kubernetes
}

// Process is what enrichment knows of a process. Values are shared and immutable once published.
type Process struct {
	ExecID      string     `json:"execId"` // "<host pid>:<start time>:<n-th exec>": stable and unique on a host
	PID         uint32     `json:"pid"`    // in the initial pid namespace
	PPID        uint32     `json:"ppid"`
	StartTime   uint64     `json:"startTime"` // wall clock, ns
	Comm        string     `json:"comm"`
	Executable  string     `json:"executable,omitempty"`
	Args        []string   `json:"args,omitempty"`
	Cwd         string     `json:"cwd,omitempty"`
	UID         uint32     `json:"uid"`
	EUID        uint32     `json:"euid"`
	User        string     `json:"user,omitempty"`
	CapEff      uint64     `json:"capEff"`
	ContainerID string     `json:"containerId,omitempty"`
	Ancestors   []*Process `json:"ancestors,omitempty"` // nearest first; their own Ancestors are nil
}

// Container is the container of a process.
type Container struct {
	ID          string `json:"id"`
	Name        string `json:"name,omitempty"`
	Image       string `json:"image,omitempty"`
	ImageDigest string `json:"imageDigest,omitempty"`
	Runtime     string `json:"runtime,omitempty"`
}

// Kubernetes is the pod of a container.
type Kubernetes struct {
	PodName      string            `json:"podName,omitempty"`
	PodNamespace string            `json:"podNamespace,omitempty"`
	PodUID       string            `json:"podUID,omitempty"`
	PodSandbox   bool              `json:"podSandbox,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
}

// Origin says where an event happened.
type Origin uint8

const (
	OriginHost Origin = iota
	OriginContainer
	// OriginContainerInit is what runs in a container before its first process has been executed.
	OriginContainerInit
)

func (o Origin) String() string {
	switch o {
	case OriginContainer:
		return "container"
	case OriginContainerInit:
		return "container-init"
	}
	return "host"
}

// Origin returns where the event happened.
func (e *Event) Origin() Origin {
	switch {
	case e.Container == nil && e.Flags&FlagContainer == 0:
		return OriginHost
	case e.Flags&FlagContainerStarted == 0:
		return OriginContainerInit
	}
	return OriginContainer
}

// Name is the event's name, as rules and users write it.
func (e *Event) Name() string { return e.Def.Name }

// CommString returns the task's command name, valid as long as the event.
func (e *Event) CommString() string { return cstring(e.Comm[:]) }

// HostName returns the node name that the process sees, valid as long as the event.
func (e *Event) HostName() string { return cstring(e.host) }

// Has reports whether argument i was read.
func (e *Event) Has(i int) bool { return e.Present&(1<<i) != 0 }

// FromUser reports whether argument i was read from user memory.
func (e *Event) FromUser(i int) bool { return e.User&(1<<i) != 0 }

// Uint returns the scalar argument i, zero- or sign-extended from its type. It is 0 when the argument is absent.
func (e *Event) Uint(i int) uint64 {
	if !e.Has(i) {
		return 0
	}
	return uint64(e.slots[i])
}

// Int returns the scalar argument i as a signed number.
func (e *Event) Int(i int) int64 { return int64(e.Uint(i)) }

// Bytes returns the bytes of the variable-length argument i, valid as long as the event.
func (e *Event) Bytes(i int) []byte {
	if !e.Has(i) {
		return nil
	}
	return e.slots[i].bytes(e.data)
}

// Str returns the text argument i, valid as long as the event.
func (e *Event) Str(i int) string {
	b := e.Bytes(i)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// StrList yields the elements of the list argument i (a []string in the record: each ends in a NUL).
// The strings are valid as long as the event.
func (e *Event) StrList(i int) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		b := e.Bytes(i)
		for n := 0; len(b) > 0; n++ {
			end := 0
			for end < len(b) && b[end] != 0 {
				end++
			}
			if !yield(n, unsafe.String(unsafe.SliceData(b), end)) {
				return
			}
			if end == len(b) {
				return
			}
			b = b[end+1:]
		}
	}
}

// Sockaddr returns the socket address argument i; its Path is valid as long as the event.
func (e *Event) Sockaddr(i int) Sockaddr { return parseSockaddr(e.Bytes(i)) }

// Arg returns the index of the named argument, or -1 when the event does not have it.
func (e *Event) Arg(name string) int { return e.Def.Arg(name) }

// Clone returns a copy that does not share the record's memory. Enrichment is shared: it is immutable.
func (e *Event) Clone() *Event {
	c := &Event{}
	e.CopyTo(c, nil)
	return c
}

// CopyTo makes c a clone whose record is in rec, if that has the room, and returns what the record is in: memory for the next copy.
func (e *Event) CopyTo(c *Event, rec []byte) []byte {
	rec = e.AppendRecord(rec[:0])
	c.Def, c.Process, c.Container, c.Kubernetes = e.Def, e.Process, e.Container, e.Kubernetes
	c.view(rec)
	return rec
}

// AppendRecord appends the event as one record, as Decode reads it (timestamps stay wall clock).
func (e *Event) AppendRecord(dst []byte) []byte {
	at := len(dst)
	dst = slices.Grow(dst, HeaderSize+8*len(e.slots)+len(e.data)+len(e.host))
	dst = append(dst, unsafe.Slice((*byte)(unsafe.Pointer(e.Header)), HeaderSize)...)
	dst = append(dst, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(e.slots))), len(e.slots)*8)...)
	dst = append(dst, e.data...)
	dst = append(dst, e.host...)
	if at == 0 {
		(*Header)(unsafe.Pointer(unsafe.SliceData(dst))).Size = uint32(len(dst))
	}
	return dst
}

// A DecodeError says why a record was refused. Such a record is counted as lost, never guessed at.
type DecodeError struct {
	ID     ID
	Reason string
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("decode record of event %d: %s", e.ID, e.Reason)
}

// Decode makes e a view over rec, which must be 8-byte aligned and stay unchanged while e is used.
// bootTime is added to the record's timestamps to turn them into wall clock; rec is modified in place.
// It returns a *DecodeError for a malformed record.
func (e *Event) Decode(rec []byte, bootTime uint64) error {
	if len(rec) < HeaderSize {
		return &DecodeError{Reason: "shorter than its header"}
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(rec)))%8 != 0 {
		return &DecodeError{Reason: "not 8-byte aligned"}
	}
	h := (*Header)(unsafe.Pointer(unsafe.SliceData(rec)))
	def := ByID(h.ID)
	if def == nil {
		return &DecodeError{ID: h.ID, Reason: "unknown event"}
	}
	if int(h.Argc) != len(def.Args) {
		return &DecodeError{ID: h.ID, Reason: "wrong number of arguments"}
	}
	if h.Size < uint32(HeaderSize+8*int(h.Argc)+int(h.HostLen)) || int(h.Size) > len(rec) {
		return &DecodeError{ID: h.ID, Reason: "wrong size"}
	}
	e.view(rec[:h.Size])
	e.Def = def
	e.Process, e.Container, e.Kubernetes = nil, nil, nil
	h.Present &= 1<<len(def.Args) - 1
	for i := range def.Args {
		if !def.Args[i].Kind.variable() || h.Present&(1<<i) == 0 {
			continue
		}
		if !e.slots[i].within(e.data) {
			return &DecodeError{ID: h.ID, Reason: "argument " + def.Args[i].Name + " points outside the record"}
		}
		if def.Args[i].Kind == KindSockaddr {
			showAbstract(e.slots[i].bytes(e.data))
		}
	}
	h.Timestamp += bootTime
	return nil
}

func (e *Event) view(rec []byte) {
	p := unsafe.SliceData(rec)
	e.Header = (*Header)(unsafe.Pointer(p))
	n := int(e.Argc)
	e.slots = nil
	if n > 0 { // else the address may be behind the record, where the garbage collector finds something else
		e.slots = unsafe.Slice((*Slot)(unsafe.Add(unsafe.Pointer(p), HeaderSize)), n)
	}
	rest := rec[HeaderSize+8*n:]
	e.data, e.host = rest[:len(rest)-int(e.HostLen)], rest[len(rest)-int(e.HostLen):]
}

// Sockaddr is a decoded socket address.
type Sockaddr struct {
	Family   uint16
	Path     string // AF_UNIX; an abstract name starts with "@"
	Addr     netip.Addr
	Port     uint16
	FlowInfo uint32
	ScopeID  uint32
}

func cstring(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return unsafe.String(unsafe.SliceData(b), i)
		}
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}
