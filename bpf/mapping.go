package bpf

import (
	"fmt"
	"strings"

	"github.com/tocsin-io/tocsin/event"
)

// A mapping records the arguments of a system call as those of an event.
type mapping struct {
	call   string
	enter  bool
	result result
	// args says where arguments come from; nil: from the registers, in order, as their types say.
	args map[string]source
	// unless excludes calls that have one of these bits in that register.
	unless    uint32
	unlessReg uint8
}

// A source is a register, read in some way.
type source struct {
	how uint8 // 0: as the argument's type says
	reg uint8
}

// result limits a mapping to system calls that ended in a certain way.
type result uint8

const (
	anyResult result = iota
	onSuccess
	onFailure
)

// The values of enum source in syscall.bpf.c.
const (
	fromNothing uint8 = iota
	fromInt
	fromLong
	fromU32
	fromU16
	fromString
	fromStrings
	fromSockaddr
	fromZero
	fromCwd
	fromFDPath
	fromPath
	fromAtPath // the directory's register; the path is in the next
	fromFilledSockaddr
)

const maxMappedArgs = 16

// syscallMapping is struct syscall_mapping of syscall.bpf.c.
type syscallMapping struct {
	Event     uint16
	Next      uint16
	Argc      uint8
	AtEnter   uint8
	Result    uint8
	UnlessReg uint8
	Unless    uint32
	Args      [maxMappedArgs]struct{ Source, Reg uint8 }
}

// compatArgs says how many leading arguments a 32-bit system call shares with the native one of its name, where these are not
// all: old calls of i386 take a pointer to their arguments, and clone has two in another order.
var compatArgs = map[string]int{"mmap": 0, "select": 0, "clone": 3}

// encode describes to the kernel how the event's arguments come out of the system call's registers.
func (m mapping) encode(def *event.Def, compat bool) (syscallMapping, error) {
	if len(def.Args) > maxMappedArgs {
		return syscallMapping{}, fmt.Errorf("event %s: %d arguments cannot be recorded from a system call", def.Name, len(def.Args))
	}
	out := syscallMapping{Event: uint16(def.ID), Argc: uint8(len(def.Args)), Result: uint8(m.result), Unless: m.unless, UnlessReg: m.unlessReg}
	if m.enter {
		out.AtEnter = 1
	}
	shared := len(def.Args)
	if n, ok := compatArgs[m.call]; ok && compat {
		shared = n
	}
	for i, a := range def.Args {
		src := source{reg: uint8(i)}
		if m.args != nil {
			var ok bool
			if src, ok = m.args[a.Name]; !ok {
				continue // this system call does not have it
			}
		} else if i >= shared || compat && (a.Type == "loff_t" || a.Type == "u64") {
			break // a number of 64 bits takes two registers there: those that follow are elsewhere
		}
		if src.how == 0 {
			src.how = sources[a.Kind]
			if src.how == fromSockaddr && i+1 < len(def.Args) && def.Args[i+1].Kind == event.KindPointer {
				src.how = fromFilledSockaddr
			}
			if src.how == 0 {
				return syscallMapping{}, fmt.Errorf("event %s: argument %s cannot be recorded from a system call", def.Name, a.Name)
			}
		}
		out.Args[i].Source, out.Args[i].Reg = src.how, src.reg
	}
	return out, nil
}

// nativeNumbers returns the native number of each 32-bit system call, -1 where there is none.
func nativeNumbers() (out [maxSyscalls]int16) {
	for i := range out {
		out[i] = -1
	}
	for name, nr := range compatNumbers {
		if nr >= maxSyscalls {
			continue
		}
		native := event.SyscallNumber(name)
		for _, suffix := range []string{"64", "32", "2"} { // fstat64, setuid32, mmap2: wider types than the oldest calls had
			if base, ok := strings.CutSuffix(name, suffix); ok && native < 0 {
				native = event.SyscallNumber(base)
			}
		}
		out[nr] = int16(native)
	}
	return out
}

// sources says how an argument of a kind is read from a register.
var sources = map[event.Kind]uint8{
	event.KindInt32: fromInt, event.KindBool: fromInt, event.KindInt64: fromLong, event.KindUint64: fromLong, event.KindPointer: fromLong,
	event.KindUint32: fromU32, event.KindUint16: fromU16, event.KindString: fromString, event.KindStrings: fromStrings, event.KindSockaddr: fromSockaddr,
}
