package bpf

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"github.com/tocsin-io/tocsin/event"
)

// Features is what the running kernel offers to the sensor.
type Features struct {
	// Missing says for each kind of hook why it cannot be used; a kind without an entry works.
	Missing map[Kind]string

	cache  *btf.Cache
	kernel *btf.Spec
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
	f := &Features{Missing: map[Kind]string{}, cache: btf.NewCache()}
	var err error
	if f.kernel, err = f.cache.Kernel(); err != nil {
		return nil, fmt.Errorf("read the kernel's type information: %w", err)
	}
	if err := f.try(ebpf.Tracing, ebpf.AttachTraceRawTp, "sys_exit"); err != nil {
		f.Missing[Tracepoint] = reason(err)
		f.Missing[SysEnter], f.Missing[SysExit] = reason(err), reason(err)
	}
	if err := f.try(ebpf.Tracing, ebpf.AttachTraceFEntry, "security_bpf"); err != nil {
		f.Missing[Fentry] = reason(err)
	}
	native, _ := syscallFunctions("getppid")
	if err := f.try(ebpf.Tracing, ebpf.AttachTraceFExit, native); err != nil {
		f.Missing[Fexit] = reason(err)
	}
	if active, err := os.ReadFile("/sys/kernel/security/lsm"); err == nil && !slices.Contains(strings.Split(strings.TrimSpace(string(active)), ","), "bpf") {
		f.Missing[LSM] = "the kernel was not started with lsm=…,bpf"
	} else if err := f.try(ebpf.LSM, ebpf.AttachLSMMac, "bpf"); err != nil {
		f.Missing[LSM] = reason(err)
	}
	return f, nil
}

// try loads and attaches a program that does nothing.
func (f *Features) try(typ ebpf.ProgramType, attach ebpf.AttachType, to string) error {
	prog, err := ebpf.NewProgramWithOptions(&ebpf.ProgramSpec{
		Name: "tocsin_probe", Type: typ, AttachType: attach, AttachTo: to, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	}, ebpf.ProgramOptions{})
	if err != nil {
		return err
	}
	defer prog.Close()
	var l link.Link
	if typ == ebpf.LSM {
		l, err = link.AttachLSM(link.LSMOptions{Program: prog})
	} else {
		l, err = link.AttachTracing(link.TracingOptions{Program: prog})
	}
	if err != nil {
		return err
	}
	return l.Close()
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
		c.Reason = "not implemented"
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

// unusable returns why the hook cannot be used, or "".
func (f *Features) unusable(h *Hook) string {
	if r := f.Missing[h.Kind]; r != "" {
		return r
	}
	for _, p := range h.progs {
		switch p.kind {
		case Fentry, Fexit:
			if p.object == inSyscall || p.kind == Fexit {
				native, _ := syscallFunctions(p.to)
				if !f.hasFunction(native) {
					return "the kernel has no function " + native
				}
			} else if !f.hasFunction(p.to) {
				return "the kernel has no function " + p.to
			}
		case LSM:
			if !f.hasFunction("bpf_lsm_" + p.to) {
				return "the kernel has no LSM hook " + p.to
			}
		case Tracepoint:
			var t *btf.Typedef
			if f.kernel.TypeByName("btf_trace_"+p.to, &t) != nil {
				return "the kernel has no tracepoint " + p.to
			}
		}
	}
	return ""
}

func (f *Features) hasFunction(name string) bool {
	var fn *btf.Func
	return f.kernel.TypeByName(name, &fn) == nil
}
