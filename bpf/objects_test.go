package bpf

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/tocsin-io/tocsin/event"
)

// Two handlers of one system call would not both run: a table has one program for each.
func TestHandlers(t *testing.T) {
	for _, kind := range []Kind{SysEnter, SysExit} {
		of := map[string]string{}
		for i := range event.All() {
			for _, h := range hooksOf(&event.All()[i]) {
				for _, p := range h.progs {
					if p.kind != kind || p.object == inSyscall || secondHandlers[p.prog] || firstStage[p.prog] {
						continue // those run before or after a handler
					}
					if other := of[p.to]; other != "" && other != p.prog {
						t.Errorf("%s at %s of %s: %s does, too", p.prog, kind, p.to, other)
					}
					of[p.to] = p.prog
				}
			}
		}
	}
}

// The objects of both architectures, read as the loader reads them: each program that a hook names is there, in a section of
// its kind, and all that it reads of the kernel is relocated when it is loaded. What Go writes into the maps has their size.
func TestObjects(t *testing.T) {
	if os.Getenv("VMTEST_KERNEL") != "" {
		t.Skip("looks at files beside the sources, which a test kernel has not")
	}
	for _, arch := range []string{"x86", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			specs := map[string]*ebpf.CollectionSpec{}
			for object := range objectFiles {
				specs[object] = inspect(t, object, arch)
			}
			for i := range event.All() {
				def := &event.All()[i]
				if len(def.Derived) > 0 {
					continue
				}
				for _, h := range hooksOf(def) {
					for _, a := range append(h.progs, always...) {
						p := specs[a.object].Programs[a.prog]
						if p == nil {
							t.Errorf("%s: %s.bpf.c has no program %s", def.Name, a.object, a.prog)
						} else if !fits(p, a.kind) {
							t.Errorf("%s: program %s is in section %s, and to be attached as %s", def.Name, a.prog, p.SectionName, a.kind)
						}
					}
				}
			}
			m := specs[inSyscall].Maps["syscall_mappings"]
			if want := uint32(binarySize(syscallMapping{})); m.ValueSize != want {
				t.Errorf("a mapping has %d bytes in C, %d in Go", m.ValueSize, want)
			}
		})
	}
}

// inspect reads an object's file, whatever the architecture of this machine.
func inspect(t *testing.T, object, arch string) *ebpf.CollectionSpec {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("internal", "objects", object+"_"+arch+"_bpfel.o"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if file.Machine != elf.EM_BPF || file.Data != elf.ELFDATA2LSB {
		t.Errorf("%s: machine %v, %v", object, file.Machine, file.Data)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	relocated := 0
	for name, p := range spec.Programs {
		if p.License != "Dual BSD/GPL" {
			t.Errorf("%s: program %s has the license %q", object, name, p.License)
		}
		for i := range p.Instructions {
			ins := &p.Instructions[i]
			if btf.CORERelocationMetadata(ins) != nil {
				relocated++
			}
			if ref := ins.Reference(); ins.IsLoadFromMap() && spec.Maps[ref] == nil {
				t.Errorf("%s: program %s uses map %s, which is not there", object, name, ref)
			}
			// BPF of version 2, for the oldest kernels: no atomic operation but the addition.
			if ins.OpCode.Class() == asm.StXClass && ins.OpCode.Mode() == asm.AtomicMode && ins.OpCode.AtomicOp() != asm.AddAtomic.OpCode(asm.Word).AtomicOp() {
				t.Errorf("%s: program %s: %v is not known to Linux 5.8", object, name, ins)
			}
		}
	}
	if relocated == 0 {
		t.Errorf("%s: nothing is relocated", object)
	}
	for _, name := range []string{"self_tgid", "ring_bytes", "native_syscalls"} {
		if spec.Variables[name] == nil {
			t.Errorf("%s: no constant %s", object, name)
		}
	}
	// What is read of the registers is this architecture's.
	var regs *btf.Struct
	if err := spec.Types.TypeByName("pt_regs", &regs); err == nil {
		var fields []string
		for _, m := range regs.Members {
			fields = append(fields, m.Name)
		}
		if arm := slices.Contains(fields, "syscallno"); arm != (arch == "arm64") {
			t.Errorf("%s: registers %v", object, fields)
		}
	}
	return spec
}

// fits reports whether a program was compiled to be attached in this way. One on a function may also be attached to the LSM
// hook of the same arguments, and one on the exit of system calls to the functions of these.
func fits(p *ebpf.ProgramSpec, k Kind) bool {
	section, _, _ := strings.Cut(p.SectionName, "/")
	want := map[Kind][]string{
		Fentry: {"fentry", "tp_btf"}, Fexit: {"fexit", "tp_btf"}, LSM: {"lsm", "fentry"}, Kprobe: {"kprobe"}, Kretprobe: {"kretprobe"},
		Tracepoint: {"tp_btf"}, SysExit: {"tp_btf"}, SysEnter: {"tp_btf"}, Scan: {"raw_tp"}, CgroupSKB: {"cgroup_skb"},
	}[k]
	return slices.Contains(want, section) && (k != SysExit && k != SysEnter || strings.HasSuffix(p.SectionName, "/"+string(k)))
}

func binarySize(v any) int { return binary.Size(v) }
