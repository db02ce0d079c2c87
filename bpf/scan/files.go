package scan

import (
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// A procFile is one that the kernel itself has, whatever modules are there, or a module that is named.
type procFile struct {
	path string
	// seq is the name of its struct seq_operations in the kernel.
	seq    string
	module string // the functions may be of this one
}

// procFiles are what rootkits change so that processes, modules and connections are not shown.
var procFiles = []procFile{
	{path: "/proc"},
	{path: "/proc/self"},
	{path: "/proc/sys"},
	{path: "/proc/version"},
	{path: "/proc/stat"},
	{path: "/proc/meminfo"},
	{path: "/proc/cpuinfo"},
	{path: "/proc/loadavg"},
	{path: "/proc/uptime"},
	{path: "/proc/kallsyms"},
	{path: "/proc/self/maps"},
	{path: "/proc/self/mounts"},
	{path: "/proc/modules", seq: "modules_op"},
	{path: "/proc/net"},
	{path: "/proc/net/tcp", seq: "tcp4_seq_ops"},
	{path: "/proc/net/udp", seq: "udp_seq_ops"},
	{path: "/proc/net/raw", seq: "raw_seq_ops"},
	{path: "/proc/net/tcp6", seq: "tcp6_seq_ops", module: "ipv6"},
	{path: "/proc/net/udp6", seq: "udp6_seq_ops", module: "ipv6"},
	{path: "/proc/net/raw6", seq: "raw6_seq_ops", module: "ipv6"},
}

// hooked is Tracee's HookedSymbolData, and which file it is about.
type hooked struct {
	SymbolName  string
	ModuleOwner string
	Path        string `json:",omitempty"`
}

// openFields are how the kernel's struct file of a descriptor is found, and what leads from it to its functions.
type openFields struct {
	k                                       *Kernel
	files, table, fds                       uint64
	operations, inode, private              uint64
	inodeOperations, procInode, entry       uint64
	entryOperations, seq                    uint64
	functions, entryFunctions, seqFunctions []function
	size, entrySize, seqSize                uint64
}

func (k *Kernel) openFields() (*openFields, error) {
	f := &fields{types: k.types}
	o := &openFields{
		k:     k,
		files: f.of("task_struct", "files"), table: f.of("files_struct", "fdt"), fds: f.of("fdtable", "fd"),
		operations: f.of("file", "f_op"), inode: f.of("file", "f_inode"), private: f.of("file", "private_data"),
		inodeOperations: f.of("inode", "i_fop"), procInode: f.of("proc_inode", "vfs_inode"), entry: f.of("proc_inode", "pde"),
		entryOperations: f.of("proc_dir_entry", "proc_ops"), seq: f.of("seq_file", "op"),
		functions: f.functions("file_operations"), entryFunctions: f.functions("proc_ops"), seqFunctions: f.functions("seq_operations"),
		size: f.size("file_operations"), entrySize: f.size("proc_ops"), seqSize: f.size("seq_operations"),
	}
	return o, f.err
}

// open opens a file of /proc and returns where its struct file is. It is nil without an error for one that is not there, or is
// another file system's.
func (o *openFields) open(p procFile) (fd int, file uint64, err error) {
	fd, err = unix.Open(p.path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, 0, nil //nolint:nilerr // not every kernel has every file
	}
	var fs unix.Statfs_t
	if unix.Fstatfs(fd, &fs) != nil || fs.Type != unix.PROC_SUPER_MAGIC {
		unix.Close(fd)
		return -1, 0, nil
	}
	task, err := o.k.mem.Task()
	if err == nil {
		file, err = o.k.chain(task+o.files, o.table, o.fds, 8*uint64(fd))
	}
	if err == nil && file == 0 {
		err = errors.New("the sensor's own descriptors are not where they should be")
	}
	if err != nil {
		unix.Close(fd)
		return -1, 0, fmt.Errorf("look at %s: %w", p.path, err)
	}
	return fd, file, nil
}

// chain follows pointers: the one at the address, then each at an offset from where the last one leads. It returns where they
// end, or 0 where one leads nowhere.
func (k *Kernel) chain(at uint64, offsets ...uint64) (uint64, error) {
	p, err := k.word(at)
	for _, off := range offsets {
		if err != nil || p == 0 {
			break
		}
		p, err = k.word(p + off)
	}
	return p, err
}

// outside returns the functions of a struct of operations that are neither in the kernel's text nor in the module's that may have them.
func (o *openFields) outside(own *owners, at, size uint64, functions []function, may string) ([]hookedFunction, error) {
	ops, err := o.k.words(at, int(size/8))
	if err != nil {
		return nil, err
	}
	var out []hookedFunction
	for _, f := range functions {
		p := ops[f.offset/8]
		if p == 0 || o.k.kernelText.has(p) {
			continue
		}
		if mod := own.module(p); may != "" && (o.k.mods == nil || mod != nil && mod.name == may) {
			continue
		}
		out = append(out, hookedFunction{f.name, p})
	}
	return out, nil
}

type hookedFunction struct {
	operation string
	at        uint64
}

// procFiles looks at the file operations of files in /proc: those that an open file has, those of its inode, and those of its entry.
func (k *Kernel) procFiles() (Check, error) {
	o, err := k.openFields()
	if err != nil {
		return nil, err
	}
	return confirmed(func() ([]Found, error) {
		own, err := k.owners()
		if err != nil {
			return nil, err
		}
		var list []hooked
		for _, p := range procFiles {
			found, err := o.fileOperations(own, p)
			if err != nil {
				return nil, err
			}
			list = append(list, found...)
		}
		if len(list) == 0 {
			return nil, nil
		}
		b, err := json.Marshal(list)
		return []Found{{map[string]any{"hooked_fops_pointers": string(b)}}}, err
	}), nil
}

func (o *openFields) fileOperations(own *owners, p procFile) ([]hooked, error) {
	fd, file, err := o.open(p)
	if err != nil || fd < 0 {
		return nil, err
	}
	defer unix.Close(fd)
	k := o.k
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, err
	}
	operations, err := k.word(file + o.operations)
	if err != nil {
		return nil, err
	}
	inode, err := k.word(file + o.inode)
	if err != nil {
		return nil, err
	}
	inodeOperations, err := k.word(inode + o.inodeOperations)
	if err != nil {
		return nil, err
	}
	entry, err := k.word(inode - o.procInode + o.entry)
	if err != nil {
		return nil, err
	}
	var entryOperations uint64
	if entry != 0 { // the files of a process have none
		if entryOperations, err = k.word(entry + o.entryOperations); err != nil {
			return nil, err
		}
	}
	var out []hooked
	seen := map[uint64]bool{0: true}
	look := func(at, size uint64, functions []function) error {
		if seen[at] {
			return nil
		}
		seen[at] = true
		if mod := own.module(at); mod != nil && mod.name != p.module {
			out = append(out, hooked{"struct file_operations pointer", mod.name, p.path})
		}
		wrong, err := o.outside(own, at, size, functions, p.module)
		for _, f := range wrong {
			out = append(out, hooked{f.operation, own.of(f.at).module, p.path})
		}
		return err
	}
	entrySize, entryFunctions := o.entrySize, o.entryFunctions
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR { // a union with struct file_operations
		entrySize, entryFunctions = o.size, o.functions
	}
	err = errors.Join(look(operations, o.size, o.functions), look(inodeOperations, o.size, o.functions), look(entryOperations, entrySize, entryFunctions))
	return out, err
}

// sequences looks at the sequence operations by which files in /proc show themselves.
func (k *Kernel) sequences() (Check, error) {
	o, err := k.openFields()
	if err != nil {
		return nil, err
	}
	return confirmed(func() ([]Found, error) {
		own, err := k.owners()
		if err != nil {
			return nil, err
		}
		all := map[string]hooked{}
		for _, p := range procFiles {
			if p.seq == "" {
				continue
			}
			wrong, err := o.seqOperations(own, p)
			if err != nil {
				return nil, err
			}
			for _, f := range wrong {
				by := own.of(f.at)
				all[p.seq+"_"+f.operation] = hooked{SymbolName: by.function, ModuleOwner: by.module}
			}
		}
		if len(all) == 0 {
			return nil, nil
		}
		b, err := json.Marshal(all)
		return []Found{{map[string]any{"hooked_seq_ops": string(b)}}}, err
	}), nil
}

func (o *openFields) seqOperations(own *owners, p procFile) ([]hookedFunction, error) {
	fd, file, err := o.open(p)
	if err != nil || fd < 0 {
		return nil, err
	}
	defer unix.Close(fd)
	ops, err := o.k.chain(file+o.private, o.seq)
	if err != nil || ops == 0 {
		return nil, err
	}
	return o.outside(own, ops, o.seqSize, o.seqFunctions, p.module)
}
