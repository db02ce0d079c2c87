package simulate

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

func stepFinitModule([]string) error {
	if err := unix.FinitModule(-1, "", 0); err == nil {
		return errors.New("a module was loaded from a descriptor that is not open")
	}
	return nil
}

func stepModuleFile([]string) error {
	fd, err := unix.MemfdCreate("simulation.ko", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte("this is no module")); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if err := unix.FinitModule(fd, "", 0); err == nil {
		return errors.New("a module was loaded from a text")
	}
	return nil
}

func stepBPFLoad([]string) error {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SocketFilter, License: "MIT", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}})
	if err != nil {
		return err
	}
	return p.Close()
}

func stepAttachProbe([]string) error {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, License: "MIT", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}})
	if err != nil {
		return err
	}
	defer p.Close()
	l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sched_process_exec", Program: p})
	if err != nil {
		return err
	}
	return l.Close()
}

func stepMprotect([]string) error {
	page, err := unix.Mmap(-1, 0, unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	page[0] = 0xc3
	if err := unix.Mprotect(page, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return fmt.Errorf("mprotect: %w", err)
	}
	return unix.Munmap(page)
}
