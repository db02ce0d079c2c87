package bpf

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

func statExpect(path string, more map[string]string) map[string]string {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return nil
	}
	m := map[string]string{"file_path": path, "inode": fmt.Sprint(st.Ino), "new_ctime": fmt.Sprint(st.Ctim.Nano())}
	for k, v := range more {
		m[k] = v
	}
	return m
}

func init() {
	triggers = append(triggers, []trigger{
		{
			name: "write to a file", event: "file_modification", setup: tempFile, child: func(path string) {
				time.Sleep(20 * time.Millisecond) // a tick of the clock of file times
				f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
				check("open", err)
				_, err = f.WriteString("more")
				check("write", err)
			}, expect: func(path string, _ int) map[string]string { return statExpect(path, nil) },
			header: func(t *testing.T, e *event.Event, _ int) {
				if old := e.Arg("old_ctime"); e.Has(old) && e.Uint(old) >= e.Uint(e.Arg("new_ctime")) {
					t.Errorf("old ctime %d is not before the new one", e.Uint(old))
				}
			},
		},
		{name: "pwritev to a file", event: "file_modification", setup: tempFile, child: func(path string) {
			time.Sleep(20 * time.Millisecond)
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			check("open", err)
			_, err = unix.Pwritev(int(f.Fd()), [][]byte{[]byte("ab"), []byte("cd")}, 0)
			check("pwritev", err)
		}, expect: func(path string, _ int) map[string]string { return statExpect(path, nil) }},
		{name: "splice of a file", child: func(path string) { spliceByte(path, false) }},
		{name: "splice of a file into a pipe that was full", child: func(path string) { spliceByte(path, true) }},
		{
			name: "splice that leaves a file open to writes", event: "dirty_pipe_splice", child: func(path string) { spliceByte(path, true) },
			setup: func(t *testing.T) string {
				if !openToDirtyPipe(t) {
					t.Skip("this kernel is not open to CVE-2022-0847")
				}
				return tempFile(t)
			},
			expect: func(path string, _ int) map[string]string {
				var st unix.Stat_t
				if unix.Stat(path, &st) != nil {
					return nil
				}
				return map[string]string{
					"inode_in": fmt.Sprint(st.Ino), "in_file_type": "*", "in_file_path": path, "exposed_data_start_offset": "1",
					"exposed_data_len": fmt.Sprint(page() - 1), "inode_out": "*", "out_pipe_last_buffer_flags": fmt.Sprint(0x10),
				}
			},
		},
		{
			name: "system call from memory", event: "suspicious_syscall_source", setup: socketCall, child: callFromMemory,
			expect: func(string, int) map[string]string {
				return map[string]string{"syscall": "socket", "ip": "*", "vma_type": "anonymous", "vma_size": fmt.Sprint(page()), "vma_start": "*", "vma_flags": "*"}
			},
			header: inArea("ip"),
		},
		{
			name: "system call on another stack", event: "stack_pivot", setup: socketCall, child: func(call string) { callPivoted(call) },
			expect: func(string, int) map[string]string {
				return map[string]string{"syscall": "socket", "sp": "*", "vma_type": "anonymous", "vma_size": fmt.Sprint(page()), "vma_start": "*", "vma_flags": "*"}
			},
			header: inArea("sp"),
		},
	}...)
}

// spliceByte splices the first byte of a file into a pipe. Where the pipe was full before, each of its buffers has had the
// flag that a kernel with CVE-2022-0847 leaves in it.
func spliceByte(path string, full bool) (pipe int) {
	f, err := os.Open(path)
	check("open", err)
	var p [2]int
	check("pipe", unix.Pipe(p[:]))
	if full {
		size, err := unix.FcntlInt(uintptr(p[1]), unix.F_GETPIPE_SZ, 0)
		check("size of the pipe", err)
		data := make([]byte, size)
		_, err = unix.Write(p[1], data)
		check("write", err)
		for n := 0; n < size; {
			m, err := unix.Read(p[0], data)
			check("read", err)
			n += m
		}
	}
	n, err := unix.Splice(int(f.Fd()), nil, p[1], nil, 1, 0)
	check("splice", err)
	if n != 1 {
		check("splice", fmt.Errorf("%d bytes", n))
	}
	return p[1]
}

// openToDirtyPipe tries CVE-2022-0847 on a file of the test's own, whose cached page alone is changed.
func openToDirtyPipe(t *testing.T) bool {
	path := filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(path, []byte("12"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(spliceByte(path, true), []byte("x")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text) == "1x"
}

func socketCall(t *testing.T) string {
	if runtime.GOARCH != "amd64" {
		t.Skip("the machine code of this test is for x86-64")
	}
	return "socket"
}

// inArea checks that the register is in the mapping.
func inArea(register string) func(*testing.T, *event.Event, int) {
	return func(t *testing.T, e *event.Event, _ int) {
		at, start, size := e.Uint(e.Arg(register)), e.Uint(e.Arg("vma_start")), e.Uint(e.Arg("vma_size"))
		if at < start || at >= start+size {
			t.Errorf("%s %#x is not in %#x, %d bytes", register, at, start, size)
		}
	}
}

// run calls machine code in a page of its own: the given system call with arguments 2, 1, 0, on the given stack unless it is 0.
func run(call string, stack uintptr) {
	code := []byte{0x48, 0x89, 0xe3} // mov rbx, rsp
	if stack != 0 {
		code = binary.LittleEndian.AppendUint64(append(code, 0x48, 0xbc), uint64(stack)) // mov rsp, stack
	}
	code = binary.LittleEndian.AppendUint32(append(code, 0xb8), uint32(event.SyscallNumber(call))) // mov eax, call
	code = append(code, 0xbf, 2, 0, 0, 0, 0xbe, 1, 0, 0, 0, 0x31, 0xd2)                            // mov edi, 2; mov esi, 1; xor edx, edx
	code = append(code, 0x0f, 0x05, 0x48, 0x89, 0xdc, 0xc3)                                        // syscall; mov rsp, rbx; ret
	mem := alone(unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC)
	copy(mem, code)
	entry := unsafe.Pointer(&mem[0])
	closure := &entry
	f := *(*func())(unsafe.Pointer(&closure))
	f()
}

// alone returns a page between two that nobody may touch: its mapping is not merged with others.
func alone(prot int) []byte {
	size := int(page())
	mem, err := unix.Mmap(-1, 0, 3*size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	check("mmap", err)
	mem = mem[size : 2*size]
	check("mprotect", unix.Mprotect(mem, prot))
	return mem
}

func callFromMemory(call string) { run(call, 0) }

func callPivoted(call string) {
	stack := alone(unix.PROT_READ | unix.PROT_WRITE)
	run(call, uintptr(unsafe.Pointer(&stack[len(stack)-64])))
}

// A selection that names system calls has these checked, and no others; ordinary programs are not told of.
func TestChosenCalls(t *testing.T) {
	socketCall(t)
	r := startRecorder(t, Options{})
	const source, pivot = "suspicious_syscall_source", "stack_pivot"
	if r.Features().Hooks(source).Hook == nil {
		t.Skip(r.Features().Hooks(source).Reason)
	}
	if err := r.Select([]event.Selection{{Event: pivot}, {Event: source, Clauses: []event.Clause{{Conds: []event.Cond{
		{Field: "syscall", Nums: []uint64{unix.SYS_GETPPID, unix.SYS_MPROTECT}},
	}}}}}); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("/bin/sh", "-c", "ls / | cat >/dev/null; /bin/true").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	other, pid := startTrigger(t, "system call from memory", "socket"), startTrigger(t, "system call from memory", "getppid")
	if r.find(func(e *event.Event) bool {
		call, _ := argText(e, "syscall")
		return int(e.HostPID) == pid && e.Name() == source && call == "getppid"
	}) == nil {
		t.Errorf("getppid was not checked")
	}
	if seen := r.of(other, source); len(seen) > 0 {
		t.Errorf("socket was checked: %s", seen)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if (e.Name() == source || e.Name() == pivot) && int(e.HostPID) != pid && int(e.HostPPID) == os.Getpid() {
			t.Errorf("an ordinary program: %s", e.AppendJSON(nil))
		}
	}
}

// Few kernels leave the flag that Dirty Pipe needs in a buffer: with it a splice into a new pipe, and on a kernel that is mended
// one into a used pipe, is no event; without it every splice is one.
func TestDirtyPipe(t *testing.T) {
	const name = "dirty_pipe_splice"
	testFeatures(t)
	r := startRecorder(t, Options{})
	path := tempFile(t)
	t.Run(name, func(t *testing.T) {
		forHooks(t, r.Features(), name, func(t *testing.T, h *Hook) {
			r.prefer = map[string]*Hook{name: h}
			selectAll(t, r.Sensor, name)
			fixed := startTrigger(t, "splice of a file", path)
			used := startTrigger(t, "splice of a file into a pipe that was full", path)
			selectAll(t, r.Sensor)
			delete(r.loader.programs, "splice_exit") // loaded once
			clear(r.loader.specs)                    // which have their constants
			r.loader.consts["merge_flag"] = uint32(0)
			defer func() { delete(r.loader.consts, "merge_flag"); clear(r.loader.specs) }()
			selectAll(t, r.Sensor, name)
			pid := startTrigger(t, "splice of a file", path)
			e := r.find(func(e *event.Event) bool { return int(e.HostPID) == pid && e.Name() == name })
			if e == nil {
				t.Fatal("no event")
			}
			var st unix.Stat_t
			if err := unix.Stat(path, &st); err != nil {
				t.Fatal(err)
			}
			for arg, want := range map[string]string{
				"inode_in": fmt.Sprint(st.Ino), "in_file_path": path, "exposed_data_start_offset": "1", "exposed_data_len": fmt.Sprint(page() - 1), "out_pipe_last_buffer_flags": "0",
			} {
				if got, _ := argText(e, arg); got != want {
					t.Errorf("%s: %s, want %s", arg, got, want)
				}
			}
			if seen := r.of(fixed, name); len(seen) > 0 {
				t.Errorf("a new pipe: %s", seen)
			}
			if seen := r.of(used, name); len(seen) > 0 && !openToDirtyPipe(t) {
				t.Errorf("a kernel that is mended: %s", seen)
			}
		})
	})
}
