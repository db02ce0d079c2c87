package bpf

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/bpf/internal/objects"
	"github.com/tocsin-io/tocsin/event"
)

// objectFiles are the compiled C sources.
var objectFiles = map[string]func() (*ebpf.CollectionSpec, error){
	inProcess: objects.LoadProcess,
	inCgroup:  objects.LoadCgroup,
	inSyscall: objects.LoadSyscall,
	inFile:    objects.LoadFile,
	inSocket:  objects.LoadSocket,
	inKernel:  objects.LoadKernel,
	inCreds:   objects.LoadCreds,
	inMemory:  objects.LoadMemory,
	inContent: objects.LoadContent,
	inSource:  objects.LoadSource,
	inUring:   objects.LoadUring,
	inPacket:  objects.LoadPacket,
}

// A loader loads programs one by one, all on the same maps.
type loader struct {
	features    *Features
	verifierLog bool                            // a refused program is tried again to find out why, which may take minutes on a slow machine
	specs       map[string]*ebpf.CollectionSpec // decoded: the last one that was needed, as all of them take 20 MB
	ringBytes   int
	maps        map[string]*ebpf.Map // those that programs share
	consts      map[string]any

	places      map[string]*place        // of packet programs, by direction; none unless they are held
	programs    map[string]*ebpf.Program // behind dispatchers, or run by the sensor, by name
	refused     map[string]error         // those that cannot be loaded, and why
	exit        *program                 // dispatchers, while needed
	enter       *program
	configs     map[event.ID]eventConfig
	half        int                           // of syscall_mappings in use
	tables      uint32                        // last number of a table of filters
	filters     map[event.ID]*installedFilter // in use
	retired     []*installedFilter
	freeFilters []uint32
	mapped      map[uint32]uint32                    // entries of syscall_events
	tablesOf    map[string]map[uint32]ebpf.ProgramID // what is in the tables of programs, by the table's name
	numbers     []byte                               // what is in dispatchData
	// Programs that somebody else detached. Their descriptors may be another file's by now: they are neither closed nor collected.
	forgotten []*program
}

// A program is loaded and attached.
type program struct {
	id    ebpf.ProgramID // 0 where the kernel does not tell, or it is several
	parts []io.Closer
}

func (p *program) close() error {
	var errs []error
	for _, c := range p.parts {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// A place is a link to the root of control groups that programs of packets come into and leave. To make one takes CAP_NET_ADMIN,
// which a sensor gives up; to put another program into it does not.
type place struct {
	link.Link
	idle *ebpf.Program // lets every packet pass
}

// Close empties the place, and keeps it.
func (p *place) Close() error { return p.Update(p.idle) }

func newLoader(f *Features, h hierarchy, ringBytes int) (*loader, error) {
	l := &loader{
		features: f, ringBytes: ringBytes, specs: map[string]*ebpf.CollectionSpec{}, maps: map[string]*ebpf.Map{}, places: map[string]*place{},
		programs: map[string]*ebpf.Program{}, refused: map[string]error{}, filters: map[event.ID]*installedFilter{}, configs: map[event.ID]eventConfig{}, mapped: map[uint32]uint32{},
		tablesOf: map[string]map[uint32]ebpf.ProgramID{},
	}
	for i := range uint32(maxFilters - 1) {
		l.freeFilters = append(l.freeFilters, i+1) // 0 means none
	}
	l.consts = map[string]any{
		"self_tgid":        hostPID(),
		"host_mnt_ns":      inodeOf("/proc/1/ns/mnt"),
		"cgroup_subsys":    h.subsys,
		"cgroup_hierarchy": h.id,
		"ring_bytes":       uint64(ringBytes),
		"native_syscalls":  nativeNumbers(),
	}
	if at := f.parameter("__debugfs_create_file", "real_fops"); at >= 0 {
		l.consts["debugfs_operations"] = uint32(at)
	}
	for object := range objectFiles {
		spec, err := l.spec(object)
		if err != nil {
			l.close()
			return nil, err
		}
		for name, m := range spec.Maps {
			if l.maps[name] != nil || name[0] == '.' && !sharedData[name] {
				continue
			}
			if sharedData[name] {
				m.Flags |= unix.BPF_F_MMAPABLE // as the library does with such a section when it loads a program
			}
			created, err := ebpf.NewMap(m)
			if err != nil {
				l.close()
				return nil, fmt.Errorf("create map %s: %w", name, err)
			}
			l.maps[name] = created
		}
	}
	return l, nil
}

// spec decodes an object, unless it was the last one since a release. Who needs several asks for them one after the other.
func (l *loader) spec(object string) (*ebpf.CollectionSpec, error) {
	if s := l.specs[object]; s != nil {
		return s, nil
	}
	l.release()
	spec, err := objectFiles[object]()
	if err != nil {
		return nil, fmt.Errorf("decode BPF object %s: %w", object, err)
	}
	if m := spec.Maps["ring"]; m != nil {
		m.MaxEntries = uint32(l.ringBytes)
	}
	for name, value := range l.consts {
		if v := spec.Variables[name]; v != nil {
			if err := v.Set(value); err != nil {
				return nil, fmt.Errorf("set %s: %w", name, err)
			}
		}
	}
	l.specs[object] = spec
	return spec, nil
}

// release frees the memory that a decoded object takes; it is decoded again when it is needed.
func (l *loader) release() {
	if !l.features.keep {
		clear(l.specs)
	}
}

// load loads one program of an object, to be attached as said.
func (l *loader) load(a attachment, to string) (*ebpf.Program, error) {
	whole, err := l.spec(a.object)
	if err != nil {
		return nil, err
	}
	prog := whole.Programs[a.prog].Copy()
	prog.AttachTo = to
	prog.Type, prog.AttachType = ebpf.Tracing, ebpf.AttachTraceRawTp
	shared := l.maps
	switch a.kind {
	case Fentry:
		prog.AttachType = ebpf.AttachTraceFEntry
	case Fexit:
		prog.AttachType = ebpf.AttachTraceFExit
	case LSM:
		prog.Type, prog.AttachType = ebpf.LSM, ebpf.AttachLSMMac
	case Kprobe, Kretprobe:
		prog.Type, prog.AttachType = ebpf.Kprobe, ebpf.AttachNone
	case Scan:
		prog.AttachTo, prog.Type, prog.AttachType = "", ebpf.RawTracepoint, ebpf.AttachNone
	case CgroupSKB:
		prog.Type, prog.AttachType, prog.AttachTo = ebpf.CGroupSKB, cgroupDirections[to], ""
	}
	if l.features.function(cast) == nil {
		removeCasts(prog.Instructions)
	}
	spec := &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{}, Programs: map[string]*ebpf.ProgramSpec{a.prog: prog},
		Types: whole.Types, ByteOrder: whole.ByteOrder,
	}
	replace := map[string]*ebpf.Map{}
	for i := range prog.Instructions {
		name := prog.Instructions[i].Reference()
		m := whole.Maps[name]
		if m == nil || !prog.Instructions[i].IsLoadFromMap() {
			continue
		}
		spec.Maps[name] = m
		// Tables of programs are tied to the kind of the program that uses them: what runs at a function's exit
		// gets an empty one of its own.
		if shared[name] != nil && (m.Type != ebpf.ProgramArray || a.kind == SysExit || a.kind == SysEnter || a.kind == Tracepoint) {
			replace[name] = shared[name]
		}
	}
	spec.Variables = map[string]*ebpf.VariableSpec{}
	for name, v := range whole.Variables {
		if spec.Maps[v.SectionName] != nil {
			spec.Variables[name] = v
		}
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		MapReplacements: replace, Cache: l.features.types(),
		Programs: ebpf.ProgramOptions{LogDisabled: !l.verifierLog},
	})
	if err != nil {
		return nil, err
	}
	defer coll.Close()
	return coll.DetachProgram(a.prog), nil
}

// cast is the kernel's function that gives an address a type, since 6.2; programs ask whether it is there.
const cast = "bpf_rdonly_cast"

// removeCasts says that it is not. The library would say so, too, after it has looked for it in every module's types, once for each mention.
func removeCasts(insns asm.Instructions) {
	for i, ins := range insns {
		if ins.Reference() != cast {
			continue
		}
		if ins.IsKfuncCall() {
			insns[i] = asm.Mov.Imm(asm.R0, 0) // is not reached
		} else {
			insns[i] = asm.LoadImm(ins.Dst, 0, asm.DWord)
		}
		insns[i] = insns[i].WithSymbol(ins.Symbol())
	}
}

func (l *loader) attach(a attachment) (*program, error) {
	switch a.kind {
	case SysExit, SysEnter, Scan:
		_, err := l.uncalled(a)
		return &program{}, err
	}
	if a.call {
		return l.attachSyscallFunctions(a)
	}
	return l.attachAt(a, a.to)
}

func (l *loader) attachAt(a attachment, to string) (*program, error) {
	prog, err := l.load(a, to)
	if err != nil {
		return nil, err
	}
	lk, err := l.link(prog, a.kind, to)
	if err != nil {
		prog.Close()
		return nil, err
	}
	return &program{programID(prog), []io.Closer{lk, prog}}, nil
}

func (l *loader) link(prog *ebpf.Program, kind Kind, to string) (link.Link, error) {
	if p := l.places[to]; p != nil && kind == CgroupSKB {
		return p, p.Update(prog)
	}
	return attachProgram(prog, kind, to)
}

// hold makes the places of programs of packets that are not there yet.
func (l *loader) hold() error {
	if l.features.Missing[CgroupSKB] != "" {
		return nil
	}
	for to := range cgroupDirections {
		if l.places[to] != nil {
			continue
		}
		idle, err := ebpf.NewProgram(nothing(ebpf.CGroupSKB, cgroupDirections[to], ""))
		if err != nil {
			return fmt.Errorf("hold the place of programs of packets: %w", err)
		}
		lk, err := attachProgram(idle, CgroupSKB, to)
		if err != nil {
			idle.Close()
			return fmt.Errorf("hold the place of programs of packets: %w", err)
		}
		l.places[to] = &place{lk, idle}
	}
	return nil
}

func programID(p *ebpf.Program) ebpf.ProgramID {
	info, err := p.Info()
	if err != nil {
		return 0
	}
	id, _ := info.ID()
	return id
}

func attachProgram(prog *ebpf.Program, kind Kind, to string) (link.Link, error) {
	switch kind {
	case LSM:
		return link.AttachLSM(link.LSMOptions{Program: prog})
	case Kprobe:
		return link.Kprobe(to, prog, nil)
	case Kretprobe:
		return link.Kretprobe(to, prog, nil)
	case CgroupSKB:
		root, err := cgroupRoot()
		if err != nil {
			return nil, err
		}
		return link.AttachCgroup(link.CgroupOptions{Path: root, Attach: cgroupDirections[to], Program: prog})
	}
	return link.AttachTracing(link.TracingOptions{Program: prog})
}

// cgroupDirections are the places where packets pass a control group.
var cgroupDirections = map[string]ebpf.AttachType{"egress": ebpf.AttachCGroupInetEgress, "ingress": ebpf.AttachCGroupInetIngress}

// cgroupRoot returns where the root of control groups version 2 is mounted, which all sockets are below.
func cgroupRoot() (string, error) {
	mount, err := mountOf("cgroup2", "")
	if err != nil {
		return "", err
	}
	var st unix.Stat_t
	if mount == "" || unix.Stat(mount, &st) != nil {
		return "", errors.New("control groups version 2 are not mounted")
	}
	if st.Ino != 1 {
		return "", fmt.Errorf("%s is not the root of control groups version 2: run the sensor in the host's cgroup namespace", mount)
	}
	return mount, nil
}

// attachSyscallFunctions attaches to the functions of a system call, native and 32-bit, that the kernel has.
func (l *loader) attachSyscallFunctions(a attachment) (*program, error) {
	native, compat := syscallFunctions(a.to)
	all := &program{}
	for _, fn := range append(compat, native) {
		if !l.features.hasSyscallFunction(fn) {
			continue
		}
		p, err := l.attachAt(a, fn)
		if err != nil {
			return nil, errors.Join(err, all.close())
		}
		all.parts = append(all.parts, p.parts...)
	}
	return all, nil
}

// uncalled loads a program that the kernel does not call by itself, but a dispatcher or the sensor, once.
func (l *loader) uncalled(a attachment) (*ebpf.Program, error) {
	if p := l.programs[a.prog]; p != nil {
		return p, nil
	}
	if err := l.refused[a.prog]; err != nil {
		return nil, err
	}
	tracepoint := "sys_exit"
	if a.kind == SysEnter {
		tracepoint = "sys_enter"
	}
	p, err := l.load(a, tracepoint)
	if err != nil {
		l.refused[a.prog] = err
		return nil, err
	}
	l.programs[a.prog] = p
	return p, nil
}

func (l *loader) close() error {
	var errs []error
	for _, p := range []*program{l.exit, l.enter} {
		if p != nil {
			errs = append(errs, p.close())
		}
	}
	for _, p := range l.places {
		errs = append(errs, p.Link.Close(), p.idle.Close())
	}
	for _, p := range l.programs {
		errs = append(errs, p.Close())
	}
	for _, m := range l.maps {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// hostPID returns the process's id in the initial pid namespace, which only the kernel can tell.
func hostPID() uint32 {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "tocsin_self", Type: ebpf.RawTracepoint, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.FnGetCurrentPidTgid.Call(), asm.RSh.Imm(asm.R0, 32), asm.Return()},
	})
	if err == nil {
		defer prog.Close()
		if pid, err := prog.Run(&ebpf.RunOptions{}); err == nil {
			return pid
		}
	}
	return uint32(os.Getpid()) // before 5.10: right in the initial pid namespace
}

func inodeOf(path string) uint32 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return uint32(st.Ino)
}
