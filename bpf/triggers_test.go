package bpf

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

func tempDir(t *testing.T) string { return t.TempDir() }

func join(name string) func(arg string, pid int) map[string]string {
	return func(dir string, _ int) map[string]string {
		return map[string]string{"pathname": filepath.Join(dir, name)}
	}
}

func page() uintptr { return uintptr(os.Getpagesize()) }

// mapped maps a page of memory, or of a file.
func mapped(prot, flags int, fd int) uintptr {
	p, err := raw(unix.SYS_MMAP, 0, page(), uintptr(prot), uintptr(flags), uintptr(fd), 0)
	check("mmap", err)
	return p
}

func init() {
	triggers = append(triggers, []trigger{
		{
			name: "bprm_check", event: "security_bprm_check", child: func(string) {},
			expect: func(string, int) map[string]string {
				exe, _ := os.Executable()
				var st unix.Stat_t
				_ = unix.Stat(exe, &st)
				return map[string]string{"pathname": exe, "inode": fmt.Sprint(st.Ino), "argv": `["trigger","one","two"]`}
			},
		},
		{
			name: "failed exec", event: "process_execute_failed", setup: tempFile, child: func(path string) {
				if err := unix.Exec(path, []string{"a"}, nil); err != unix.EACCES {
					check("exec", fmt.Errorf("%v", err))
				}
			}, expect: func(path string, _ int) map[string]string {
				return map[string]string{"pathname": path, "argv": `["a"]`}
			},
			header: func(t *testing.T, e *event.Event, _ int) {
				if e.Return != -int64(unix.EACCES) {
					t.Errorf("return value %d", e.Return)
				}
			},
		},
		{
			name: "setuid", event: "commit_creds", child: func(string) { check("setresuid", unix.Setresuid(4321, 4322, 4323)) },
			expect: func(string, int) map[string]string {
				return map[string]string{"old_cred": "*", "new_cred": "*", "syscall": "setresuid"}
			},
			header: func(t *testing.T, e *event.Event, _ int) {
				if cred, _ := argText(e, "new_cred"); !strings.Contains(cred, `"Uid":4321,`) || !strings.Contains(cred, `"Euid":4322,`) {
					t.Error(cred)
				}
			},
		},
		{
			name: "capability", event: "cap_capable", child: func(string) { check("sethostname", unix.Chroot("/")) },
			expect: func(string, int) map[string]string {
				return map[string]string{"cap": "CAP_SYS_CHROOT", "syscall": "chroot"}
			},
		},
		{
			name: "namespaces", event: "switch_task_ns", child: func(string) { check("unshare", unix.Unshare(unix.CLONE_NEWUTS)) },
			expect: func(_ string, pid int) map[string]string { return map[string]string{"pid": "*", "new_uts": "*"} },
			header: func(t *testing.T, e *event.Event, _ int) {
				if e.Has(e.Arg("new_mnt")) || e.Has(e.Arg("new_net")) {
					t.Error("unchanged namespaces are present")
				}
			},
		},
		{name: "unlink", event: "security_inode_unlink", setup: tempDir, child: func(dir string) {
			check("write", os.WriteFile(filepath.Join(dir, "gone"), nil, 0o600))
			check("chdir", os.Chdir(dir))
			check("unlink", unix.Unlinkat(unix.AT_FDCWD, "gone", 0))
		}, expect: join("gone")},
		{name: "rename", event: "security_inode_rename", setup: tempDir, child: func(dir string) {
			check("write", os.WriteFile(filepath.Join(dir, "old"), nil, 0o600))
			fd, err := unix.Open(dir, unix.O_DIRECTORY, 0)
			check("open", err)
			check("rename", unix.Renameat(fd, "old", unix.AT_FDCWD, filepath.Join(dir, "new")))
		}, expect: func(dir string, _ int) map[string]string {
			return map[string]string{"old_path": filepath.Join(dir, "old"), "new_path": filepath.Join(dir, "new")}
		}},
		{name: "mknod", event: "security_inode_mknod", setup: tempDir, child: func(dir string) {
			check("mknod", unix.Mknod(filepath.Join(dir, "fifo"), unix.S_IFIFO|0o640, 0))
		}, expect: func(dir string, _ int) map[string]string {
			return map[string]string{"file_name": filepath.Join(dir, "fifo"), "mode": "*", "dev": "0"}
		}, header: func(t *testing.T, e *event.Event, _ int) {
			if mode := e.Uint(e.Arg("mode")); mode&unix.S_IFMT != unix.S_IFIFO {
				t.Errorf("mode %o", mode)
			}
		}},
		{name: "symlink", event: "security_inode_symlink", setup: tempDir, child: func(dir string) {
			check("symlink", unix.Symlinkat("../target", unix.AT_FDCWD, filepath.Join(dir, "link")))
		}, expect: func(dir string, _ int) map[string]string {
			return map[string]string{"linkpath": filepath.Join(dir, "link"), "target": "../target"}
		}},
		{
			name: "fchmodat", event: "fchmodat", setup: tempFile, child: func(path string) { check("chmod", unix.Fchmodat(unix.AT_FDCWD, path, 0o4755, 0)) },
			expect: func(path string, _ int) map[string]string {
				return map[string]string{"dirfd": "-100", "pathname": path, "mode": "S_ISUID|S_IRWXU|S_IRGRP|S_IXGRP|S_IROTH|S_IXOTH", "flags": "0"}
			},
		},
		{name: "fchmod", event: "fchmodat", setup: tempFile, child: func(path string) {
			f, err := os.Open(path)
			check("open", err)
			check("fchmod", unix.Fchmod(int(f.Fd()), 0o700))
		}, expect: func(path string, _ int) map[string]string {
			return map[string]string{"pathname": path, "mode": "S_IRWXU"}
		}},
		{name: "magic write", event: "magic_write", setup: tempFile, child: func(path string) {
			fd, err := unix.Open(path, unix.O_WRONLY, 0)
			check("open", err)
			_, err = unix.Write(fd, []byte("\x7fELF\x02\x01\x01"))
			check("write", err)
		}, expect: func(path string, _ int) map[string]string {
			return map[string]string{"pathname": path, "bytes": "f0VMRgIBAQ=="}
		}},
		{name: "magic writev", event: "magic_write", setup: tempFile, child: func(path string) {
			fd, err := unix.Open(path, unix.O_WRONLY, 0)
			check("open", err)
			_, err = unix.Writev(fd, [][]byte{[]byte("#!/bin/sh"), []byte("more")})
			check("writev", err)
		}, expect: func(path string, _ int) map[string]string {
			return map[string]string{"pathname": path, "bytes": "IyEvYmluL3No"}
		}},
		{name: "magic pwrite", event: "magic_write", setup: tempFile, child: func(path string) {
			fd, err := unix.Open(path, unix.O_WRONLY, 0)
			check("open", err)
			_, err = unix.Pwrite(fd, []byte("%PDF"), 0)
			check("pwrite", err)
		}, expect: func(path string, _ int) map[string]string {
			return map[string]string{"pathname": path, "bytes": "JVBERg=="}
		}},
		{name: "umount", event: "security_sb_umount", setup: tempDir, child: func(dir string) {
			check("unshare", unix.Unshare(unix.CLONE_NEWNS))
			check("private", unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""))
			check("mount", unix.Mount("none", dir, "tmpfs", 0, ""))
			check("umount", unix.Unmount(dir, unix.MNT_DETACH))
		}, expect: func(dir string, _ int) map[string]string { return map[string]string{"mountpoint": dir, "flags": "2"} }},

		{name: "mmap file", event: "security_mmap_file", setup: tempFile, child: func(path string) {
			f, err := os.Open(path)
			check("open", err)
			mapped(unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE, int(f.Fd()))
		}, expect: func(path string, _ int) map[string]string {
			return map[string]string{"pathname": path, "prot": "PROT_READ|PROT_EXEC", "mmap_flags": "MAP_PRIVATE", "syscall": "mmap"}
		}},
		{name: "shared object", event: "shared_object_loaded", setup: tempFile, child: func(path string) {
			f, err := os.Open(path)
			check("open", err)
			mapped(unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE, int(f.Fd()))
		}, expect: func(path string, _ int) map[string]string { return map[string]string{"pathname": path} }},
		{name: "mprotect file", event: "security_file_mprotect", setup: tempFile, child: func(path string) {
			f, err := os.Open(path)
			check("open", err)
			p := mapped(unix.PROT_READ, unix.MAP_PRIVATE, int(f.Fd()))
			_, err = raw(unix.SYS_MPROTECT, p, page(), unix.PROT_READ|unix.PROT_WRITE)
			check("mprotect", err)
		}, expect: func(path string, _ int) map[string]string {
			return map[string]string{"pathname": path, "prot": "PROT_READ|PROT_WRITE", "prev_prot": "PROT_READ", "len": fmt.Sprint(page()), "addr": "*", "pkey": "-1"}
		}},
		{name: "write and exec mapping", event: "mem_prot_alert", child: func(string) {
			mapped(unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, -1)
		}, expect: func(string, int) map[string]string {
			return map[string]string{"alert": "Mmaped region with W+E permissions!", "prot": "PROT_READ|PROT_WRITE|PROT_EXEC", "len": fmt.Sprint(page())}
		}},
		{name: "memory made executable", event: "mem_prot_alert", child: func(string) {
			p := mapped(unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, -1)
			_, err := raw(unix.SYS_MPROTECT, p, page(), unix.PROT_READ|unix.PROT_EXEC)
			check("mprotect", err)
		}, expect: func(string, int) map[string]string {
			return map[string]string{"alert": "Protection changed to Executable!", "prot": "PROT_READ|PROT_EXEC", "prev_prot": "PROT_READ|PROT_WRITE"}
		}},

		{name: "socket", event: "security_socket_create", child: func(string) {
			_, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDP)
			check("socket", err)
		}, expect: func(string, int) map[string]string {
			return map[string]string{"family": "AF_INET", "type": "SOCK_DGRAM", "protocol": "17", "kern": "0"}
		}},
		{name: "bind", event: "security_socket_bind", setup: tempDir, child: func(dir string) {
			_, err := net.Listen("unix", filepath.Join(dir, "bound"))
			check("listen", err)
		}, expect: func(dir string, _ int) map[string]string {
			return map[string]string{"sockfd": "*", "local_addr": unixAddress(filepath.Join(dir, "bound"))}
		}},
		{name: "listen", event: "security_socket_listen", setup: tempDir, child: func(dir string) {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			check("socket", err)
			check("bind", unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(dir, "l")}))
			check("listen", unix.Listen(fd, 17))
		}, expect: func(dir string, _ int) map[string]string {
			return map[string]string{"sockfd": "*", "local_addr": unixAddress(filepath.Join(dir, "l")), "backlog": "17"}
		}},
		{name: "accept", event: "security_socket_accept", setup: tempDir, child: func(dir string) {
			l, err := net.Listen("unix", filepath.Join(dir, "a"))
			check("listen", err)
			c, err := net.Dial("unix", filepath.Join(dir, "a"))
			check("dial", err)
			_, err = l.Accept()
			check("accept", err)
			c.Close()
		}, expect: func(dir string, _ int) map[string]string {
			return map[string]string{"sockfd": "*", "local_addr": unixAddress(filepath.Join(dir, "a"))}
		}},
		{
			name: "kill", event: "kill", child: func(string) { check("kill", unix.Kill(os.Getpid(), 0)) },
			expect: func(_ string, pid int) map[string]string {
				return map[string]string{"pid": strconv.Itoa(pid), "sig": "0"}
			},
		},
		{
			name: "prctl", event: "prctl", child: func(string) { check("prctl", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)) },
			expect: func(string, int) map[string]string {
				return map[string]string{"option": "PR_SET_DUMPABLE", "arg2": "0"}
			},
		},
		{
			name: "setuid call", event: "setuid", child: func(string) { _, _ = raw(unix.SYS_SETUID, 4321) },
			expect: func(string, int) map[string]string { return map[string]string{"uid": "4321"} },
		},
		{
			name: "setresuid call", event: "setresuid", child: func(string) { _, _ = raw(unix.SYS_SETRESUID, 4321, 4322, 4323) },
			expect: func(string, int) map[string]string {
				return map[string]string{"ruid": "4321", "euid": "4322", "suid": "4323"}
			},
		},
		{
			name: "setgid call", event: "setgid", child: func(string) { _, _ = raw(unix.SYS_SETGID, 4321) },
			expect: func(string, int) map[string]string { return map[string]string{"gid": "4321"} },
		},
		{
			name: "process_vm_readv", event: "process_vm_readv", child: func(string) { _, _ = raw(unix.SYS_PROCESS_VM_READV, 1<<22) },
			expect: func(string, int) map[string]string { return map[string]string{"pid": "4194304"} },
		},
		{name: "execveat", event: "execveat", setup: tempFile, child: func(path string) {
			argv := []uintptr{cstr("x"), 0}
			_, _ = raw(unix.SYS_EXECVEAT, ^uintptr(99), cstr(path), uintptr(unsafe.Pointer(&argv[0])), 0, 0x100)
		}, expect: func(path string, _ int) map[string]string {
			return map[string]string{"dirfd": "-100", "pathname": path, "argv": `["x"]`, "flags": "256"}
		}},

		{name: "bpf attach", event: "bpf_attach", child: func(string) {
			prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
				Name: "watched", Type: ebpf.RawTracepoint, License: "GPL",
				Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
			})
			check("program", err)
			l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sched_process_hang", Program: prog})
			check("attach", err)
			l.Close()
		}, expect: func(string, int) map[string]string {
			return map[string]string{"prog_type": "BPF_PROG_TYPE_RAW_TRACEPOINT", "prog_name": "watched", "symbol_name": "sched_process_hang", "prog_id": "*"}
		}},
		{name: "kprobe", event: "kprobe_attach", child: func(string) {
			prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
				Name: "watched", Type: ebpf.Kprobe, License: "GPL",
				Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
			})
			check("program", err)
			l, err := link.Kprobe("do_exit", prog, nil)
			check("attach", err)
			l.Close()
		}, expect: func(string, int) map[string]string {
			return map[string]string{"symbol_name": "do_exit", "pre_handler_addr": "*"}
		}},
		{name: "module", event: "do_init_module", setup: kernelModule, child: loadModule, expect: module},
		{name: "module load", event: "module_load", setup: kernelModule, child: loadModule, expect: func(path string, pid int) map[string]string {
			m := module(path, pid)
			m["pathname"] = path
			return m
		}},
	}...)
}

// kernelModule returns a module of the running kernel; the harness brings one into the machine.
func kernelModule(t *testing.T) string {
	found, _ := filepath.Glob("/modules/*.ko")
	if len(found) == 0 {
		t.Skip("no kernel module is at hand (/modules)")
	}
	return found[0]
}

func loadModule(path string) {
	name := strings.TrimSuffix(filepath.Base(path), ".ko")
	f, err := os.Open(path)
	check("open", err)
	check("load", unix.FinitModule(int(f.Fd()), "", 0))
	check("unload", unix.DeleteModule(name, 0))
}

func module(path string, _ int) map[string]string {
	return map[string]string{"name": strings.TrimSuffix(filepath.Base(path), ".ko")}
}

// A program that the kernel starts: its core dump handler.
func TestUsermodeHelper(t *testing.T) {
	const setting = "/proc/sys/kernel/core_pattern"
	before, err := os.ReadFile(setting)
	testFeatures(t)
	if err != nil {
		t.Skip(err)
	}
	if os.Getenv("VMTEST_KERNEL") == "" {
		t.Skip("would change kernel.core_pattern of this machine: runs in a virtual machine")
	}
	r := startRecorder(t, Options{})
	defer os.WriteFile(setting, before, 0o644) //nolint:errcheck // a machine of this test's own
	if err := os.WriteFile(setting, []byte("|/bin/true %p"), 0o644); err != nil {
		t.Fatal(err)
	}
	const name = "call_usermodehelper"
	t.Run(name, func(t *testing.T) {
		forHooks(t, r.Features(), name, func(t *testing.T, h *Hook) {
			r.prefer = map[string]*Hook{name: h}
			selectAll(t, r.Sensor, name)
			cmd := exec.Command("/bin/sh", "-c", "ulimit -c unlimited; kill -SEGV $$")
			_ = cmd.Run() // it is killed
			want := fmt.Sprintf(`["/bin/true","%d"]`, cmd.Process.Pid)
			if r.find(func(e *event.Event) bool {
				path, _ := argText(e, "pathname")
				argv, _ := argText(e, "argv")
				return e.Name() == name && path == "/bin/true" && argv == want
			}) == nil {
				t.Errorf("no %s with %s", name, want)
			}
		})
	})
}
