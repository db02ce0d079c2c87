package bpf

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// System calls that the catalogue does not have: one of each kind of argument.
func init() {
	triggers = append(triggers, []trigger{
		{name: "mkdirat", event: "mkdirat", setup: tempDir, child: func(dir string) {
			check("mkdirat", unix.Mkdirat(unix.AT_FDCWD, filepath.Join(dir, "made"), 0o750))
		}, expect: func(dir string, _ int) map[string]string {
			return map[string]string{"dirfd": "-100", "pathname": filepath.Join(dir, "made"), "mode": "S_IRWXU|S_IRGRP|S_IXGRP"}
		}},
		{name: "dup3", event: "dup3", child: func(string) {
			check("dup3", unix.Dup3(2, 99, unix.O_CLOEXEC))
		}, expect: func(string, int) map[string]string {
			return map[string]string{"oldfd": "2", "newfd": "99", "flags": fmt.Sprint(unix.O_CLOEXEC)}
		}, header: func(t *testing.T, e *event.Event, _ int) {
			if e.Return != 99 {
				t.Errorf("return value %d", e.Return)
			}
		}},
		{name: "mmap", event: "mmap", child: func(string) {
			mapped(unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE, -1)
		}, expect: func(string, int) map[string]string {
			return map[string]string{"addr": "0x0", "length": fmt.Sprint(page()), "prot": "PROT_READ", "flags": "MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE", "fd": "-1", "off": "0"}
		}},
		{name: "sendto", event: "sendto", child: func(string) {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			check("socket", err)
			check("sendto", unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}))
		}, expect: func(string, int) map[string]string {
			return map[string]string{"sockfd": "*", "buf": "*", "len": "1", "flags": "0", "dest_addr": `{"sa_family":"AF_INET","sin_addr":"127.0.0.1","sin_port":"9"}`, "addrlen": "16"}
		}},
		{ // an address that the kernel fills in
			name: "getpeername", event: "getpeername",
			setup: func(t *testing.T) string { return listen(t, "tcp", "127.0.0.1:0").Addr().String() },
			child: func(addr string) {
				c, err := net.Dial("tcp", addr)
				check("connect", err)
				f, err := c.(*net.TCPConn).File()
				check("file", err)
				_, err = unix.Getpeername(int(f.Fd()))
				check("getpeername", err)
			}, expect: func(addr string, _ int) map[string]string {
				_, port, _ := net.SplitHostPort(addr)
				return map[string]string{"sockfd": "*", "addr": `{"sa_family":"AF_INET","sin_addr":"127.0.0.1","sin_port":"` + port + `"}`, "addrlen": "*"}
			},
		},
		{
			name: "exit_group", event: "exit_group", child: func(string) { os.Exit(7) },
			expect: func(string, int) map[string]string { return map[string]string{"status": "7"} },
		},
		{
			name: "getpid", event: "getpid", child: func(string) { os.Getpid() },
			expect: func(string, int) map[string]string { return nil },
			header: func(t *testing.T, e *event.Event, pid int) {
				if e.Return != int64(pid) {
					t.Errorf("return value %d, want %d", e.Return, pid)
				}
			},
		},
	}...)
}

// Every system call of this architecture can be recorded, all at the same time.
func TestEverySyscall(t *testing.T) {
	r := startRecorder(t, Options{})
	if r.Features().Missing[Fexit] == "" {
		r.Features().setMissing(t, Fexit, Fentry) // hundreds of programs take minutes to verify under emulation
	}
	names := []string{}
	for _, d := range slices.Concat(event.All(), event.Syscalls()) {
		if slices.Contains(d.Sets, "syscalls") {
			names = append(names, d.Name)
		}
	}
	selectAll(t, r.Sensor, names...)
	dir := t.TempDir()
	pid := startTrigger(t, "mkdirat", dir)
	if r.find(func(e *event.Event) bool {
		path, _ := argText(e, "pathname")
		return int(e.HostPID) == pid && e.Name() == "mkdirat" && path == filepath.Join(dir, "made")
	}) == nil {
		t.Fatalf("no mkdirat of process %d among %d system calls", pid, len(names))
	}
	if len(names) < 300 {
		t.Errorf("%d system calls", len(names))
	}
}

// setMissing makes the features lack kinds of hooks until the end of the test.
func (f *Features) setMissing(t *testing.T, kinds ...Kind) {
	for _, k := range kinds {
		f.Missing[k] = "not used in this test"
		t.Cleanup(func() { delete(f.Missing, k) })
	}
}
