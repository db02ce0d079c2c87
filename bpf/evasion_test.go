package bpf

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// An evasion is a known way around a sensor, tried against every hook of an event.
type evasion struct {
	attack string // what the attacker does
	seen   string // what must be seen of it
	trigger
	// tally checks all events of the process instead of one: what the attacker found out about each try, by the
	// result of the try, must be what was seen.
	tally func(e *event.Event) string
	// blind says why a hook cannot see it, or "".
	blind func(*Hook) string
}

var evasions = []evasion{
	// A path raced between check and use.
	{
		attack: "another thread changes the path while files are opened", seen: "each file that the kernel opened",
		trigger: trigger{name: "raced open", event: "security_file_open", setup: tempDir, child: raceOpen},
		tally:   tallyArg("pathname"),
	},
	{
		attack: "another thread changes the address while sockets are connected", seen: "each address that the kernel connected to",
		trigger: trigger{name: "raced connect", event: "security_socket_connect", child: raceConnect},
		tally:   tallyArg("remote_addr"),
	},
	{
		attack: "another thread changes the path while AF_UNIX sockets are connected", seen: "the socket that each connection reached",
		trigger: trigger{name: "raced unix connect", event: "security_socket_connect", setup: tempDir, child: raceUnix},
		tally: func(e *event.Event) string {
			if e.FromUser(e.Arg("remote_addr")) {
				return "" // what the caller gave, and marked as such
			}
			addr, _ := argText(e, "remote_addr")
			return addr
		},
	},
	{
		attack: "another thread changes the path while programs are executed", seen: "each program that ran",
		trigger: trigger{name: "raced exec", event: "sched_process_exec", setup: tempDir, child: raceExec},
		tally:   tallyExec,
	},

	// Calls that are no system calls.
	ringOpen("io_uring open", "opens a file by io_uring", 0, 0),
	ringOpen("io_uring open by a worker", "has a worker of io_uring open the file", 0, sqeAsync),
	ringOpen("io_uring open by polling", "has the kernel's polling thread open the file: no system call at all", setupSQPoll, 0),
	ringOpen("io_uring open without completion", "asks for no completion", 0, sqeSkipSuccess),
	ringOpen("io_uring open without descriptor", "opens the file into a slot of the ring: it has no descriptor", 0, sqeFixed),
	ringConnect("io_uring connect", "connects by io_uring", 0, 0),
	ringConnect("io_uring connect by a worker", "has a worker of io_uring connect", 0, sqeAsync),
	ringConnect("io_uring connect by polling", "has the kernel's polling thread connect", setupSQPoll, 0),

	// 32-bit system calls have other numbers and registers.
	{
		attack: "opens a file by int 0x80 from a 64-bit process", seen: "the file, and open as the system call",
		trigger: trigger{name: "int 0x80 open", event: "security_file_open", setup: tempFile, child: func(path string) {
			checkCompat(int80(5, low(path), 0, 0))
		}, expect: func(path string, _ int) map[string]string {
			return map[string]string{"pathname": path, "syscall": "open", "syscall_pathname": path}
		}, header: isCompat},
	},
	{
		attack: "connects by int 0x80", seen: "the address and the descriptor",
		trigger: trigger{name: "int 0x80 connect", event: "security_socket_connect", child: func(string) {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			check("socket", err)
			check("dup", unix.Dup3(fd, 77, 0))
			checkCompat(int80(362, 77, low(string(inet(127, 0, 0, 2, 4321))), 16))
		}, expect: func(string, int) map[string]string { return connected(77, "127.0.0.2", 4321) }, header: isCompat},
	},
	{
		attack: "connects by socketcall, the old way of 32-bit programs", seen: "the address and the descriptor",
		trigger: trigger{name: "socketcall", event: "security_socket_connect", child: func(string) {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			check("socket", err)
			check("dup", unix.Dup3(fd, 77, 0))
			args := [3]uint32{77, low(string(inet(127, 0, 0, 2, 4322))), 16}
			checkCompat(int80(102, 3, low(string(unsafe.Slice((*byte)(unsafe.Pointer(&args)), 12))), 0))
		}, expect: func(string, int) map[string]string { return connected(77, "127.0.0.2", 4322) }, header: isCompat},
	},
	{
		attack: "runs a 32-bit program", seen: "the file that it opens",
		trigger: trigger{name: "32-bit program", event: "security_file_open", setup: tempFile, child: func(path string) {
			program := path + ".elf"
			check("write", os.WriteFile(program, elf32(path), 0o755))
			checkCompat(0, unix.Exec(program, []string{program}, nil))
		}, expect: func(path string, _ int) map[string]string {
			return map[string]string{"pathname": path, "syscall": "open"}
		}, header: isCompat},
	},
	{
		attack: "executes a program by int 0x80", seen: "the program and its arguments",
		trigger: trigger{name: "int 0x80 exec", event: "execve", setup: tempDir, child: func(dir string) {
			program := filepath.Join(dir, "program")
			check("write", os.WriteFile(program, elf64(0), 0o755))
			argv := [3]uint32{low("x"), low("y"), 0}
			checkCompat(int80(11, low(program), low(string(unsafe.Slice((*byte)(unsafe.Pointer(&argv)), 12))), 0))
		}, expect: func(dir string, _ int) map[string]string {
			return map[string]string{"pathname": filepath.Join(dir, "program"), "argv": `["x","y"]`}
		}},
	},

	// Cold user pages: the kernel half must not touch what is not there.
	{
		attack: "keeps the path in a file's page that nobody has read", seen: "the path",
		trigger: trigger{name: "cold open", event: "openat", setup: tempFile, child: func(path string) {
			_, err := raw(unix.SYS_OPENAT, ^uintptr(99), cold(path), unix.O_RDONLY)
			check("open", err)
		}, expect: func(path string, _ int) map[string]string { return map[string]string{"pathname": path} }},
	},
	{
		attack: "keeps path and arguments of a program in cold pages", seen: "path and arguments",
		trigger: trigger{name: "cold exec", event: "execve", setup: tempDir, child: coldExec(unix.SYS_EXECVE), expect: coldArgs},
	},
	{
		attack: "keeps path and arguments of a program in cold pages, and uses execveat", seen: "path and arguments",
		trigger: trigger{name: "cold execveat", event: "execveat", setup: tempDir, child: coldExec(unix.SYS_EXECVEAT), expect: coldArgs},
	},
	{
		attack: "keeps path and arguments of a program in cold pages", seen: "arguments before the program starts",
		trigger: trigger{name: "cold exec check", event: "security_bprm_check", setup: tempDir, child: coldExec(unix.SYS_EXECVE), expect: coldArgs},
	},

	// Names.
	{
		attack: "renames itself to look like a kernel thread", seen: "the new name, and in the exec before it the real program",
		trigger: trigger{
			name: "renamed", event: "security_file_open", setup: tempFile, child: func(path string) {
				rename("kworker/0:1")
				fd, err := unix.Open(path, unix.O_RDONLY, 0)
				check("open", err)
				unix.Close(fd)
			}, expect: func(path string, _ int) map[string]string { return map[string]string{"pathname": path} },
			header: func(t *testing.T, e *event.Event, _ int) {
				if e.CommString() != "kworker/0:1" {
					t.Errorf("command name %q", e.CommString())
				}
				if e.Flags&event.FlagKthread != 0 {
					t.Error("marked as a kernel thread")
				}
			},
		},
	},
	{
		attack: "renames itself, then executes a program", seen: "the program's path, not a name that it gave itself, and the name that it had",
		trigger: trigger{name: "renamed exec", event: "sched_process_exec", setup: tempDir, child: func(dir string) {
			program := filepath.Join(dir, "program")
			check("write", os.WriteFile(program, elf64(0), 0o755))
			rename("sshd")
			check("exec", unix.Exec(program, []string{"/usr/sbin/sshd", "-D"}, nil))
		}, expect: func(dir string, _ int) map[string]string {
			return map[string]string{"pathname": filepath.Join(dir, "program"), "prev_comm": "sshd", "argv": `["/usr/sbin/sshd","-D"]`}
		}, header: func(t *testing.T, e *event.Event, _ int) {
			if e.CommString() != "program" {
				t.Errorf("command name %q", e.CommString())
			}
		}},
	},

	// Paths that hide what they lead to.
	detour("symbolic links", "opens through a chain of links", func(path string) (int, string) {
		check("link", os.Symlink(filepath.Dir(path), path+".1"))
		check("link", os.Symlink(path+".1/watched", path+".2"))
		return unix.AT_FDCWD, path + ".2"
	}),
	detour("relative path", "opens relative to a descriptor, with dots", func(path string) (int, string) {
		check("mkdir", os.Mkdir(path+".d", 0o700))
		fd, err := unix.Open(path+".d", unix.O_PATH|unix.O_DIRECTORY, 0)
		check("open", err)
		return fd, ".././/./" + filepath.Base(path)
	}),
	detour("root of proc", "opens through /proc/self/root", func(path string) (int, string) {
		return unix.AT_FDCWD, "/proc/self/root/proc/self/cwd/../../../../../../.." + path
	}),
	detour("descriptor of proc", "opens again through /proc/self/fd what it holds as O_PATH", func(path string) (int, string) {
		fd, err := unix.Open(path, unix.O_PATH, 0)
		check("open", err)
		return unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd)
	}),
	{
		attack: "opens a file by its handle", seen: "the file",
		trigger: trigger{name: "open_by_handle_at", event: "security_file_open", setup: tempFile, child: func(path string) {
			h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
			if err == unix.EOPNOTSUPP {
				unsupported("the file system has no handles")
			}
			check("name_to_handle_at", err)
			dir, err := unix.Open(filepath.Dir(path), unix.O_RDONLY, 0)
			check("open", err)
			_, err = unix.OpenByHandleAt(dir, h, unix.O_RDONLY)
			check("open_by_handle_at", err)
		}, expect: func(path string, _ int) map[string]string {
			return map[string]string{"pathname": "*", "inode": inode(path), "syscall": "open_by_handle_at"}
		}},
	},
	{
		attack: "connects to a socket through a symbolic link", seen: "the name that the socket is bound to",
		trigger: trigger{name: "linked socket", event: "security_socket_connect", setup: func(t *testing.T) string {
			return listen(t, "unix", filepath.Join(t.TempDir(), "docker.sock")).Addr().String()
		}, child: func(path string) {
			dir, err := os.MkdirTemp("", "")
			check("mkdir", err)
			defer os.RemoveAll(dir)
			check("link", os.Symlink(path, dir+"/harmless"))
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			check("socket", err)
			check("connect", unix.Connect(fd, &unix.SockaddrUnix{Name: dir + "/harmless"}))
		}, expect: func(path string, _ int) map[string]string {
			return map[string]string{"remote_addr": unixAddress(path), "type": "SOCK_STREAM", "sockfd": "*"}
		}},
	},
	{
		attack: "connects while it sends (TCP Fast Open)", seen: "the address",
		trigger: trigger{name: "TCP Fast Open", event: "security_socket_connect", setup: func(t *testing.T) string {
			return listen(t, "tcp", "127.0.0.1:0").Addr().String()
		}, child: fastOpen, expect: func(addr string, _ int) map[string]string {
			return map[string]string{"remote_addr": inetAddress(addr)}
		}},
	},

	// Programs without a file.
	{
		attack: "executes a program from memory (memfd)", seen: "the exec, from a file without a place",
		trigger: trigger{name: "memfd exec", event: "sched_process_exec", child: func(string) {
			fd, err := unix.MemfdCreate("payload", 0)
			check("memfd", err)
			_, err = unix.Write(fd, elf64(0))
			check("write", err)
			argv := []uintptr{cstr("kworker"), 0}
			_, err = raw(unix.SYS_EXECVEAT, uintptr(fd), cstr(""), uintptr(unsafe.Pointer(&argv[0])), 0, unix.AT_EMPTY_PATH)
			check("exec", err)
		}, expect: func(string, int) map[string]string {
			return map[string]string{"pathname": "memfd:payload", "argv": `["kworker"]`, "inode": "*"}
		}},
	},
	{
		attack: "executes a file that it has deleted", seen: "the exec, with the path that the file had",
		trigger: trigger{name: "deleted exec", event: "sched_process_exec", setup: tempDir, child: func(dir string) {
			program := filepath.Join(dir, "gone")
			check("write", os.WriteFile(program, elf64(0), 0o755))
			fd, err := unix.Open(program, unix.O_RDONLY, 0)
			check("open", err)
			check("unlink", unix.Unlink(program))
			argv := []uintptr{cstr("x"), 0}
			_, err = raw(unix.SYS_EXECVEAT, uintptr(fd), cstr(""), uintptr(unsafe.Pointer(&argv[0])), 0, unix.AT_EMPTY_PATH)
			check("exec", err)
		}, expect: func(dir string, _ int) map[string]string {
			return map[string]string{"pathname": filepath.Join(dir, "gone"), "argv": `["x"]`}
		}},
	},
	{
		attack: "executes by execveat from a descriptor", seen: "the system call with its descriptor",
		trigger: trigger{name: "execveat by descriptor", event: "execveat", setup: tempDir, child: func(dir string) {
			check("write", os.WriteFile(filepath.Join(dir, "program"), elf64(0), 0o755))
			fd, err := unix.Open(dir, unix.O_PATH, 0)
			check("open", err)
			check("dup", unix.Dup3(fd, 55, 0))
			argv := []uintptr{cstr("x"), 0}
			_, err = raw(unix.SYS_EXECVEAT, 55, cstr("program"), uintptr(unsafe.Pointer(&argv[0])), 0, 0)
			check("exec", err)
		}, expect: func(dir string, _ int) map[string]string {
			return map[string]string{"dirfd": "55", "pathname": "program", "argv": `["x"]`}
		}},
	},

	// Threads: the one that executes becomes the leader, and its number changes on the way.
	{
		attack: "executes from a thread that is not the leader", seen: "the exec, by the process",
		trigger: trigger{name: "exec by a thread", event: "sched_process_exec", setup: tempDir, child: byThread(func(dir string) {
			check("exec", unix.Exec(filepath.Join(dir, "program"), []string{"x"}, nil))
		}), expect: func(dir string, _ int) map[string]string {
			return map[string]string{"pathname": filepath.Join(dir, "program"), "argv": `["x"]`}
		}, header: isLeader},
	},
	{
		attack: "executes from a thread that is not the leader", seen: "the system call, by the process",
		trigger: trigger{name: "execve by a thread", event: "execve", setup: tempDir, child: byThread(func(dir string) {
			check("exec", unix.Exec(filepath.Join(dir, "program"), []string{"x"}, nil))
		}), expect: func(dir string, _ int) map[string]string {
			return map[string]string{"pathname": filepath.Join(dir, "program"), "argv": `["x"]`}
		}, header: isLeader},
	},
	{
		attack: "executes a setuid program from a thread that is not the leader", seen: "the change of credentials",
		trigger: trigger{
			name: "setuid exec by a thread", event: "commit_creds", setup: tempDir, child: byThread(func(dir string) {
				program := filepath.Join(dir, "program")
				check("chown", os.Chown(program, 4321, 4321))
				check("chmod", os.Chmod(program, 0o755|os.ModeSetuid))
				check("exec", unix.Exec(program, []string{"x"}, nil))
			}), expect: func(string, int) map[string]string { return map[string]string{"new_cred": "*", "syscall": "execve"} },
			header: func(t *testing.T, e *event.Event, _ int) {
				if cred, _ := argText(e, "new_cred"); !json.Valid([]byte(cred)) || !containsAll(cred, `"Uid":0,`, `"Euid":4321,`) {
					t.Error(cred)
				}
			},
		},
	},
	{
		attack: "executes from a thread that is not the leader", seen: "the process's end once, when the program ends",
		trigger: trigger{name: "end after exec by a thread", event: "sched_process_exit", setup: tempDir, child: byThread(func(dir string) {
			program := filepath.Join(dir, "program")
			check("write", os.WriteFile(program, elf64(7), 0o755))
			check("exec", unix.Exec(program, []string{"x"}, nil))
		})},
		tally: func(e *event.Event) string {
			if group, _ := argText(e, "process_group_exit"); group != "true" {
				return ""
			}
			code, _ := argText(e, "exit_code")
			return "exit " + code
		},
	},
}

func init() {
	for _, ev := range evasions {
		triggers = append(triggers, trigger{name: ev.name, child: ev.child}) // TestMain runs it, TestHooks does not
	}
	// What the race of programs starts, again and again.
	triggers = append(triggers, trigger{name: "raced exec once", child: raceExecOnce})
}

// Known ways around a sensor, against every hook that this kernel has.
func TestEvasions(t *testing.T) {
	f := testFeatures(t)
	r := startRecorder(t, Options{})
	for _, ev := range evasions {
		t.Run(ev.name, func(t *testing.T) {
			t.Attr("attack", ev.attack)
			t.Attr("seen", ev.seen)
			t.Attr("event", ev.event)
			forHooks(t, f, ev.event, func(t *testing.T, h *Hook) {
				if ev.blind != nil {
					if why := ev.blind(h); why != "" {
						t.Skip(why)
					}
				}
				if ev.tally != nil {
					for i := 0; !runTally(t, r, ev, h); i++ {
						if i == 5 {
							t.Fatal("something was missed each time")
						}
					}
				} else {
					tr := ev.trigger
					tr.worker = kernelWorkers() && strings.HasPrefix(ev.name, "io_uring")
					runTrigger(t, r, tr, h)
				}
			})
		})
	}
}

// runTally compares the counts that the child writes into the file named by its second argument with what was seen. Less was
// seen when the kernel left out calls of the sensor's programs, as Linux 7 does where they are preempted. That is counted, and
// says nothing of the race: it returns false, and the race is to be run again.
func runTally(t *testing.T, r *recorder, ev evasion, h *Hook) bool {
	t.Helper()
	r.prefer = map[string]*Hook{ev.event: h}
	selectAll(t, r.Sensor, ev.event)
	missed := leftOut(t, r.Sensor)
	arg := ""
	if ev.setup != nil {
		arg = ev.setup(t)
	}
	truth := filepath.Join(t.TempDir(), "truth")
	t.Setenv("TOCSIN_TRUTH", truth)
	pid := startTrigger(t, ev.name, arg)
	want := map[string]int{}
	if b, err := os.ReadFile(truth); err != nil {
		t.Fatal(err)
	} else if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	var got map[string]int
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		got = map[string]int{}
		r.mu.Lock()
		for _, e := range r.events {
			if e.Name() != ev.event || int(e.HostPID) != pid && int(e.HostPPID) != pid {
				continue
			}
			if what := ev.tally(e); want[what] > 0 || strings.HasPrefix(what, "not ") {
				got[what]++
			}
		}
		r.mu.Unlock()
		if fmt.Sprint(got) == fmt.Sprint(want) {
			t.Log(want)
			return true
		}
	}
	missing, more := 0, false
	for what, n := range want {
		missing += n - got[what]
	}
	for what, n := range got {
		more = more || n > want[what]
	}
	if n := leftOut(t, r.Sensor) - missed; !more && uint64(missing) <= n {
		t.Logf("seen %v, happened %v: again, as %d calls were left out", got, want, n)
		return false
	}
	t.Errorf("seen %v, happened %v", got, want)
	return true
}

func leftOut(t *testing.T, s *Sensor) (n uint64) {
	t.Helper()
	stats, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range stats.Missed {
		n += m
	}
	return n
}

func tallyArg(name string) func(*event.Event) string {
	return func(e *event.Event) string { s, _ := argText(e, name); return s }
}

// tallyExec counts a program that ran only when everything says the same.
func tallyExec(e *event.Event) string {
	path, _ := argText(e, "pathname")
	if cmd, _ := argText(e, "cmdpath"); cmd != path && cmd != "/proc/self/exe" {
		return "not " + cmd + " but " + path
	}
	return path
}

func detour(name, attack string, path func(string) (dirfd int, name string)) evasion {
	return evasion{attack: attack, seen: "the file that was opened", trigger: trigger{
		name: name, event: "security_file_open", setup: tempFile,
		child: func(file string) {
			dirfd, name := path(file)
			fd, err := unix.Openat(dirfd, name, unix.O_RDONLY, 0)
			check("open", err)
			unix.Close(fd)
		},
		expect: func(file string, _ int) map[string]string {
			return map[string]string{"pathname": file, "inode": inode(file), "syscall": "openat"}
		},
	}}
}

func ringOpen(name, attack string, setup, flags uint32) evasion {
	return evasion{attack: attack, seen: "the file", blind: withoutRing, trigger: trigger{
		name: name, event: "security_file_open", setup: tempFile,
		child: func(path string) {
			check("chdir", os.Chdir(filepath.Dir(path)))
			openByRing(filepath.Base(path), setup, flags)
		},
		expect: func(path string, _ int) map[string]string { return map[string]string{"pathname": path} },
	}}
}

func ringConnect(name, attack string, setup, flags uint32) evasion {
	return evasion{attack: attack, seen: "the address", blind: withoutRing, trigger: trigger{
		name: name, event: "security_socket_connect",
		setup:  func(t *testing.T) string { return listen(t, "tcp", "127.0.0.1:0").Addr().String() },
		child:  func(addr string) { connectByRing(addr, setup, flags) },
		expect: func(addr string, _ int) map[string]string { return map[string]string{"remote_addr": inetAddress(addr)} },
		header: func(t *testing.T, e *event.Event, _ int) {
			if fd, ok := argText(e, "sockfd"); ok && fd != "77" {
				t.Errorf("descriptor %s, want 77 or none", fd)
			}
		},
	}}
}

// withoutRing says that a hook on system calls alone does not see io_uring.
func withoutRing(h *Hook) string {
	if h.Kind == SysExit && !strings.Contains(h.Target, "io_uring") {
		return "requests of io_uring are no system calls, and here are no tracepoints"
	}
	return ""
}

func isCompat(t *testing.T, e *event.Event, _ int) {
	if e.Flags&event.FlagCompat == 0 {
		t.Error("not marked as a 32-bit system call")
	}
}

func isLeader(t *testing.T, e *event.Event, pid int) {
	if int(e.HostTID) != pid || e.ThreadStart != e.LeaderStart {
		t.Errorf("thread %d started %d, process %d started %d", e.HostTID, e.ThreadStart, pid, e.LeaderStart)
	}
}

// byThread runs attack in a thread that is not the process's first, with a program in dir.
func byThread(attack func(dir string)) func(string) {
	return func(dir string) {
		check("write", os.WriteFile(filepath.Join(dir, "program"), elf64(0), 0o755))
		writeTruth(map[string]int{"exit 7": 1})
		var run func()
		run = func() {
			runtime.LockOSThread()
			if unix.Gettid() == os.Getpid() { // the leader stays here, so that another goroutine has another thread
				go run()
				select {}
			}
			attack(dir)
		}
		go run()
		select {}
	}
}

// flip changes b between two values, as fast as it can, in a thread of its own.
func flip(b *byte, x, y byte) {
	runtime.GOMAXPROCS(2)
	p := (*uint32)(unsafe.Pointer(uintptr(unsafe.Pointer(b)) &^ 3))
	shift := 8 * (uintptr(unsafe.Pointer(b)) & 3)
	rest := *p &^ (0xff << shift)
	started := make(chan bool)
	go func() {
		runtime.LockOSThread()
		close(started)
		for {
			atomic.StoreUint32(p, rest|uint32(x)<<shift)
			atomic.StoreUint32(p, rest|uint32(y)<<shift)
		}
	}()
	<-started
}

// tries is how often a race is run: emulation has one slow processor.
func tries(n int) int {
	if os.Getenv("VMTEST_KERNEL") != "" {
		return n / 10
	}
	return n
}

func writeTruth(counts map[string]int) {
	name := os.Getenv("TOCSIN_TRUTH")
	if name == "" {
		return
	}
	b, err := json.Marshal(counts)
	check("encode", err)
	check("write", os.WriteFile(name, b, 0o600))
}

func raceOpen(dir string) {
	for _, name := range []string{"a", "b"} {
		check("mknod", unix.Mknod(filepath.Join(dir, name), unix.S_IFREG|0o600, 0))
	}
	names := map[string]string{inode(filepath.Join(dir, "a")): filepath.Join(dir, "a"), inode(filepath.Join(dir, "b")): filepath.Join(dir, "b")}
	path := aligned(filepath.Join(dir, "a"))
	flip(&path[len(dir)+1], 'a', 'b')
	counts := map[string]int{}
	for range tries(5000) {
		fd, err := raw(unix.SYS_OPENAT, ^uintptr(99), uintptr(unsafe.Pointer(&path[0])), unix.O_RDONLY)
		check("open", err)
		var st unix.Stat_t
		check("fstat", unix.Fstat(int(fd), &st))
		counts[names[fmt.Sprint(st.Ino)]]++
		unix.Close(int(fd))
	}
	writeTruth(counts)
}

func raceConnect(string) {
	addr := aligned(string(inet(127, 0, 0, 1, 999)))
	flip(&addr[7], 1, 2)
	counts := map[string]int{}
	for range tries(5000) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		check("socket", err)
		_, err = raw(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&addr[0])), 16)
		check("connect", err)
		peer, err := unix.Getpeername(fd)
		check("getpeername", err)
		a := peer.(*unix.SockaddrInet4)
		counts[fmt.Sprintf(`{"sa_family":"AF_INET","sin_addr":"127.0.0.%d","sin_port":"999"}`, a.Addr[3])]++
		unix.Close(fd)
	}
	writeTruth(counts)
}

func raceUnix(dir string) {
	for _, name := range []string{"a", "b"} {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		check("socket", err)
		check("bind", unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(dir, name)}))
		check("listen", unix.Listen(fd, 4096))
	}
	addr := aligned("\x01\x00" + filepath.Join(dir, "a"))
	flip(&addr[2+len(dir)+1], 'a', 'b')
	counts := map[string]int{}
	for range tries(2000) {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		check("socket", err)
		_, err = raw(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&addr[0])), uintptr(len(dir)+2+3))
		check("connect", err)
		peer, err := unix.Getpeername(fd)
		check("getpeername", err)
		counts[unixAddress(peer.(*unix.SockaddrUnix).Name)]++
		unix.Close(fd)
	}
	writeTruth(counts)
}

func raceExec(dir string) {
	names := map[int]string{1: filepath.Join(dir, "a"), 2: filepath.Join(dir, "b")}
	for code, name := range names {
		check("write", os.WriteFile(name, elf64(byte(code)), 0o755))
	}
	counts := map[string]int{}
	for range tries(50) {
		cmd := &exec.Cmd{Path: "/proc/self/exe", Env: []string{"TOCSIN_TRIGGER=raced exec once", "TOCSIN_TRIGGER_ARG=" + names[1]}, Stderr: os.Stderr}
		err := cmd.Run()
		name := names[cmd.ProcessState.ExitCode()]
		if name == "" {
			check("run", err)
		}
		counts[name]++
	}
	writeTruth(counts)
}

func raceExecOnce(arg string) {
	path := aligned(arg)
	flip(&path[len(arg)-1], 'a', 'b')
	argv := []uintptr{uintptr(unsafe.Pointer(&path[0])), 0}
	_, err := raw(unix.SYS_EXECVE, uintptr(unsafe.Pointer(&path[0])), uintptr(unsafe.Pointer(&argv[0])), 0)
	check("exec", err)
}

// coldExec executes a program whose path and arguments are in pages of a file that have not been touched.
func coldExec(nr uintptr) func(string) {
	return func(dir string) {
		program := filepath.Join(dir, "program")
		check("write", os.WriteFile(program, elf64(0), 0o755))
		argv := []uintptr{cold("one"), cold("two"), 0}
		array := cold(string(unsafe.Slice((*byte)(unsafe.Pointer(&argv[0])), 24)))
		var err error
		if nr == unix.SYS_EXECVEAT {
			_, err = raw(nr, ^uintptr(99), cold(program), array, 0, 0)
		} else {
			_, err = raw(nr, cold(program), array, 0)
		}
		check("exec", err)
	}
}

func coldArgs(dir string, _ int) map[string]string {
	return map[string]string{"pathname": filepath.Join(dir, "program"), "argv": `["one","two"]`}
}
