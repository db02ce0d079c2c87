package bpf

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"github.com/tocsin-io/tocsin/bpf/scan"
	"github.com/tocsin-io/tocsin/event"
)

// Features is what the running kernel offers to the sensor.
type Features struct {
	// Missing says for each kind of hook why it cannot be used; a kind without an entry works.
	Missing map[Kind]string

	keep   bool // memory: tests select again and again
	mu     sync.Mutex
	cache  *btf.Cache        // the kernel's types, some 60 MB once they are decoded: see release
	broken map[string]string // hooks that could not be attached although nothing seemed to be missing, and why

	calls   func() map[string]bool // the functions of system calls that the kernel has, whether BTF describes them or not
	symbols *scan.Symbols
}

// Choice is how an event is seen on this kernel.
type Choice struct {
	Event string
	// Hook is the one that will be used, nil when there is none.
	Hook *Hook
	// Alternatives are all ways to see the event, best first, Hook among them.
	Alternatives []Hook
	// Reason says why there is no hook, or that the event is made in user space, and from what.
	Reason string
}

// Probe finds out what the running kernel offers, by loading and attaching programs that do nothing.
// It needs the privileges of CheckPrivileges.
func Probe() (*Features, error) {
	f := &Features{Missing: map[Kind]string{}, broken: map[string]string{}}
	f.calls = sync.OnceValue(f.syscallSymbols)
	var err error
	if f.symbols, err = scan.OpenSymbols(); err != nil {
		f.Missing[Scan] = reason(err)
	} else if err := tryScan(); err != nil {
		f.Missing[Scan] = err.Error()
	}
	if _, err := f.types().Kernel(); err != nil {
		return nil, fmt.Errorf("read the kernel's type information: %w", err)
	}
	if err := f.try(ebpf.Tracing, ebpf.AttachTraceRawTp, "sys_exit"); err != nil {
		f.Missing[Tracepoint] = reason(err)
		f.Missing[SysEnter], f.Missing[SysExit] = reason(err), reason(err)
	}
	if err := f.try(ebpf.Tracing, ebpf.AttachTraceFEntry, "security_bpf"); err != nil {
		f.Missing[Fentry] = reason(err)
	}
	native, _ := syscallFunctions("openat")
	if err := f.try(ebpf.Tracing, ebpf.AttachTraceFExit, native); err != nil {
		f.Missing[Fexit] = reason(err)
	}
	if err := f.try(ebpf.Kprobe, ebpf.AttachNone, "security_bpf"); err != nil {
		f.Missing[Kprobe], f.Missing[Kretprobe] = reason(err), reason(err)
	}
	if active, err := os.ReadFile("/sys/kernel/security/lsm"); err == nil && !slices.Contains(strings.Split(strings.TrimSpace(string(active)), ","), "bpf") {
		f.Missing[LSM] = "the kernel was not started with lsm=…,bpf"
	} else if err := f.try(ebpf.LSM, ebpf.AttachLSMMac, "bpf"); err != nil {
		f.Missing[LSM] = reason(err)
	}
	if _, err := cgroupRoot(); err != nil {
		f.Missing[CgroupSKB] = err.Error()
	} else if err := f.try(ebpf.CGroupSKB, ebpf.AttachCGroupInetEgress, "egress"); err != nil {
		f.Missing[CgroupSKB] = reason(err)
		if errors.Is(err, os.ErrPermission) {
			f.Missing[CgroupSKB] += " (CAP_NET_ADMIN is needed)"
		}
	}
	return f, nil
}

// types returns what is known of the kernel's types; they are read when they are first needed.
func (f *Features) types() *btf.Cache {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cache == nil {
		f.cache = btf.NewCache()
	}
	return f.cache
}

// find looks up one of the kernel's types.
func (f *Features) find(name string, typ any) error {
	kernel, err := f.types().Kernel()
	if err != nil {
		return fmt.Errorf("read the kernel's type information: %w", err)
	}
	return kernel.TypeByName(name, typ)
}

// release frees the memory that the kernel's types take; they are read again when they are needed.
func (f *Features) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.keep {
		f.cache = nil
	}
}

// try loads and attaches a program that does nothing.
func (f *Features) try(typ ebpf.ProgramType, attach ebpf.AttachType, to string) error {
	kind, target := Fentry, to
	switch typ {
	case ebpf.LSM:
		kind = LSM
	case ebpf.Kprobe:
		kind, target = Kprobe, ""
	case ebpf.CGroupSKB:
		kind, target = CgroupSKB, ""
	}
	prog, err := ebpf.NewProgram(nothing(typ, attach, target))
	if err != nil {
		return err
	}
	defer prog.Close()
	l, err := attachProgram(prog, kind, to)
	if err != nil {
		return err
	}
	return l.Close()
}

// nothing is a program that does nothing.
func nothing(typ ebpf.ProgramType, attach ebpf.AttachType, to string) *ebpf.ProgramSpec {
	result := int32(0)
	if typ == ebpf.CGroupSKB {
		result = 1 // lets pass
	}
	return &ebpf.ProgramSpec{
		Name: "tocsin_nothing", Type: typ, AttachType: attach, AttachTo: to, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, result), asm.Return()},
	}
}

// reason shortens an error to what a user can act on.
func reason(err error) string {
	switch {
	case errors.Is(err, os.ErrPermission):
		return "the kernel does not permit it"
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, link.ErrNotSupported):
		return "the kernel does not support it"
	case errors.Is(err, btf.ErrNotFound):
		return "the kernel does not have it"
	case errors.Is(err, os.ErrNotExist) && strings.Contains(err.Error(), "kprobe_events"):
		return "the kernel has no kprobe events (CONFIG_KPROBE_EVENTS)"
	case strings.Contains(err.Error(), "neither debugfs nor tracefs are mounted"):
		return "tracefs is not mounted (mount -t tracefs nodev /sys/kernel/tracing)"
	}
	return err.Error()
}

// Hooks returns how the named event is seen on this kernel.
func (f *Features) Hooks(name string) Choice {
	c := Choice{Event: name}
	def := event.ByName(name)
	if def == nil {
		c.Reason = "no such event"
		return c
	}
	if len(def.Derived) > 0 {
		c.Reason = "made in user space from " + strings.Join(def.Derived, ", ")
		return c
	}
	c.Alternatives = hooksOf(def)
	for i := range c.Alternatives {
		h := &c.Alternatives[i]
		h.Reason = f.unusable(h)
		h.Usable = h.Reason == ""
		if h.Usable && c.Hook == nil {
			c.Hook = h
		}
	}
	if c.Hook == nil {
		c.Reason = "Tocsin has no hook for it yet"
		for i, h := range c.Alternatives {
			if i == 0 {
				c.Reason = ""
			} else {
				c.Reason += "; "
			}
			c.Reason += string(h.Kind) + " " + h.Target + ": " + h.Reason
		}
	}
	return c
}

// neededHelpers are functions for programs that not every supported kernel has.
var neededHelpers = map[string]string{ // bpf_find_vma is there since 5.17
	"mprotect_enter": "bpf_find_vma", "source_function": "bpf_find_vma", "source_function_kprobe": "bpf_find_vma", "source_enter": "bpf_find_vma",
}

// unusable returns why the hook cannot be used, or "".
func (f *Features) unusable(h *Hook) string {
	for _, p := range h.progs {
		if r := f.Missing[p.kind]; r != "" {
			return r
		}
		if helper := neededHelpers[p.prog]; helper != "" && !f.hasFunction(helper) {
			return "the kernel has no helper " + helper
		}
		if optional[p.to] {
			continue
		}
		switch p.kind {
		case Scan:
			if err := scan.Missing(p.to, f.symbols); err != nil {
				return err.Error()
			}
		case Fentry, Fexit:
			fn := p.to
			if p.call {
				fn, _ = syscallFunctions(p.to)
				if event.SyscallNumber(p.to) < 0 {
					continue // a 32-bit one
				}
			}
			if p.call && !f.hasSyscallFunction(fn) || !f.hasFunction(fn) {
				switch {
				case !p.call || !h.has(p.prog, f):
					return "the kernel has no function " + fn
				case f.calls()[fn]:
					return "the kernel does not describe the registers of " + fn // without it the event would be seen in part
				}
				continue // a system call that this kernel does not have, among others
			}
		case Kprobe, Kretprobe:
			if !f.hasFunction(p.to) {
				return "the kernel has no function " + p.to
			}
		case LSM:
			if !f.hasFunction("bpf_lsm_" + p.to) {
				return "the kernel has no LSM hook " + p.to
			}
		case Tracepoint:
			if !f.hasTracepoint(p.to) {
				return "the kernel has no tracepoint " + p.to
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken[h.key()]
}

// has reports whether the program has at least one system call of this kernel to be attached to.
func (h *Hook) has(prog string, f *Features) bool {
	for _, p := range h.progs {
		if native, _ := syscallFunctions(p.to); p.call && p.prog == prog && f.hasSyscallFunction(native) {
			return true
		}
	}
	return false
}

// setBroken notes that the hook cannot be attached.
func (f *Features) setBroken(h *Hook, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken[h.key()] = why
}

func (h *Hook) key() string {
	if h.Kind == Scan {
		return string(h.Kind) + " " + h.progs[0].to // one may find what another does not
	}
	return string(h.Kind) + " " + h.Target
}

func (f *Features) hasTracepoint(name string) bool {
	var t *btf.Typedef
	if f.find("btf_trace_"+name, &t) == nil {
		return true
	}
	// Tracepoints of one class share a prototype; each has a function that BTF may or may not name.
	return f.hasFunction("__traceiter_"+name) || f.hasFunction("__probestub_"+name)
}

func (f *Features) hasFunction(name string) bool { return f.function(name) != nil }

// function looks up one of the kernel's functions, or returns nil. Debian's 6.1 describes most functions of system calls twice:
// the stubs that stand in for what is not compiled in (kernel/sys_ni.c) are among the types although they are not in the
// kernel. They lose their name here, as the library attaches by name and refuses an ambiguous one.
func (f *Features) function(name string) *btf.Func {
	kernel, err := f.types().Kernel()
	if err != nil {
		return nil
	}
	types, err := kernel.AnyTypesByName(name)
	if err != nil {
		return nil
	}
	var found *btf.Func
	for _, t := range types {
		fn, ok := t.(*btf.Func)
		if !ok {
			continue
		}
		if proto, ok := fn.Type.(*btf.FuncProto); ok && len(types) > 1 && len(proto.Params) > 0 && proto.Params[0].Name == "__unused" {
			fn.Name = ""
			continue
		}
		found = fn
	}
	return found
}

// parameter returns the index of a parameter of one of the kernel's functions, or -1.
func (f *Features) parameter(function, name string) int {
	if fn := f.function(function); fn != nil {
		if proto, ok := fn.Type.(*btf.FuncProto); ok {
			return slices.IndexFunc(proto.Params, func(p btf.FuncParam) bool { return p.Name == name })
		}
	}
	return -1
}

// syscallSymbols returns which functions of system calls are among the kernel's symbols.
func (f *Features) syscallSymbols() map[string]bool {
	if f.symbols == nil {
		return nil
	}
	return f.symbols.Containing("_sys_")
}

// hasSyscallFunction reports whether programs on the function of a system call can read its registers: 5.10 does not
// describe them for all.
func (f *Features) hasSyscallFunction(name string) bool {
	fn := f.function(name)
	if fn == nil {
		return false
	}
	proto, ok := fn.Type.(*btf.FuncProto)
	if !ok || len(proto.Params) == 0 {
		return false
	}
	ptr, ok := proto.Params[0].Type.(*btf.Pointer)
	if !ok {
		return false
	}
	_, ok = btf.As[*btf.Struct](ptr.Target)
	return ok
}
