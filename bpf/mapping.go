package bpf

import (
	"fmt"

	"github.com/tocsin-io/tocsin/event"
)

// A mapping records the arguments of a system call as those of an event.
type mapping struct {
	call   string
	enter  bool
	result result
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
)

const maxMappedArgs = 8

// syscallMapping is struct syscall_mapping of syscall.bpf.c.
type syscallMapping struct {
	Event   uint16
	Next    uint16
	Argc    uint8
	AtEnter uint8
	Result  uint8
	_       uint8
	Args    [maxMappedArgs]struct{ Source, Reg uint8 }
}

// argumentCounts has the system calls that take fewer arguments than their event has.
var argumentCounts = map[string]int{"fchmodat": 3, "socket": 3}

// encode describes to the kernel how the event's arguments come out of the system call's registers: in order.
func (m mapping) encode(def *event.Def) (syscallMapping, error) {
	if len(def.Args) > maxMappedArgs {
		return syscallMapping{}, fmt.Errorf("event %s: %d arguments cannot be recorded from a system call", def.Name, len(def.Args))
	}
	out := syscallMapping{Event: uint16(def.ID), Argc: uint8(len(def.Args)), Result: uint8(m.result)}
	if m.enter {
		out.AtEnter = 1
	}
	for i, a := range def.Args {
		if n, ok := argumentCounts[m.call]; ok && i >= n {
			out.Args[i].Source = fromZero
			continue
		}
		out.Args[i].Reg = uint8(i)
		switch a.Kind {
		case event.KindInt32, event.KindBool:
			out.Args[i].Source = fromInt
		case event.KindInt64, event.KindUint64, event.KindPointer:
			out.Args[i].Source = fromLong
		case event.KindUint32:
			out.Args[i].Source = fromU32
		case event.KindUint16:
			out.Args[i].Source = fromU16
		case event.KindString:
			out.Args[i].Source = fromString
		case event.KindStrings:
			out.Args[i].Source = fromStrings
		case event.KindSockaddr:
			out.Args[i].Source = fromSockaddr
		default:
			return syscallMapping{}, fmt.Errorf("event %s: argument %s cannot be recorded from a system call", def.Name, a.Name)
		}
	}
	return out, nil
}
