package scan

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// Types looks up one of the kernel's types by name, as [btf.Spec.TypeByName].
type Types func(name string, typ any) error

// fields looks up offsets of fields, and keeps the first error.
type fields struct {
	types Types
	err   error
}

// of returns the offset, in bytes, of a field of a struct: "core_layout.base". Unions and structs without a name are looked through.
func (f *fields) of(typ, path string) uint64 {
	_, at := f.member(typ, path)
	return at
}

func (f *fields) member(typ, path string) (btf.Type, uint64) {
	t := f.find(typ)
	at := uint64(0)
	for name := range strings.SplitSeq(path, ".") {
		next, offset, ok := member(t, name)
		if !ok {
			f.fail(fmt.Errorf("the kernel's struct %s has no %s", typ, path))
			return nil, 0
		}
		t, at = next, at+offset
	}
	return t, at
}

func (f *fields) find(typ string) btf.Type {
	var t *btf.Struct
	if err := f.types(typ, &t); err != nil {
		f.fail(fmt.Errorf("the kernel does not describe its struct %s: %w", typ, err))
		return nil
	}
	return t
}

func (f *fields) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// has reports whether a struct has the field.
func (f *fields) has(typ, name string) bool {
	var t *btf.Struct
	if f.types(typ, &t) != nil {
		return false
	}
	_, _, ok := member(t, name)
	return ok
}

// size returns that of a struct.
func (f *fields) size(typ string) uint64 {
	if t := f.find(typ); t != nil {
		n, err := btf.Sizeof(t)
		if err != nil {
			f.fail(err)
		}
		return uint64(n)
	}
	return 0
}

func member(t btf.Type, name string) (btf.Type, uint64, bool) {
	for _, m := range members(t) {
		at := uint64(m.Offset.Bytes())
		if m.Name == name {
			return m.Type, at, true
		}
		if m.Name == "" {
			if found, inner, ok := member(m.Type, name); ok {
				return found, at + inner, true
			}
		}
	}
	return nil, 0, false
}

func members(t btf.Type) []btf.Member {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}

// A function is a pointer to one in a struct.
type function struct {
	name   string
	offset uint64
}

// functions returns those of a struct of operations.
func (f *fields) functions(typ string) (out []function) {
	for _, m := range members(f.find(typ)) {
		if p, ok := btf.UnderlyingType(m.Type).(*btf.Pointer); ok {
			if _, ok := btf.UnderlyingType(p.Target).(*btf.FuncProto); ok {
				out = append(out, function{m.Name, uint64(m.Offset.Bytes())})
			}
		}
	}
	if len(out) == 0 {
		f.fail(fmt.Errorf("the kernel's struct %s has no functions", typ))
	}
	return out
}

// arrayLen returns how many elements an array has.
func arrayLen(t btf.Type) int {
	if a, ok := btf.UnderlyingType(t).(*btf.Array); ok {
		return int(a.Nelems)
	}
	return 0
}
