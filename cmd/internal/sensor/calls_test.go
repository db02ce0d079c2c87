package sensor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// callOptions say which random system calls a process makes.
type callOptions struct {
	File    string `json:",omitempty"` // holds the options
	Seed    uint64
	Calls   int
	Cgroup  string // to join first
	Started bool   // it runs in the file system of its own already
	Texts   []string
	Numbers []uint64
}

func fail(what string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
	os.Exit(1)
}

const ownPath = "/self" // of the program, in its file system

// run makes the calls, in a file system that is its own and empty, where nothing can be harmed. Errors of them are no matter.
func (o callOptions) run() {
	runtime.LockOSThread() // the user is the thread's
	if os.Getenv("TOCSIN_RANDOM_END") != "" {
		return
	}
	if !o.Started {
		if _, err := io.ReadAll(os.Stdin); err != nil {
			fail("wait", err)
		}
		b, err := os.ReadFile(o.File)
		if err == nil {
			err = json.Unmarshal(b, &o)
		}
		if err == nil && o.Cgroup != "" {
			err = os.WriteFile(filepath.Join(o.Cgroup, "cgroup.procs"), []byte("0"), 0o600)
		}
		if err == nil {
			err = enterOwnRoot()
		}
		if err != nil {
			fail("prepare", err)
		}
		// The first calls of what looks like a container are those of its preparation.
		c := caller{o, rand.New(rand.NewPCG(o.Seed, 1))}
		for range o.Calls / 10 {
			c.call()
		}
		o.File, o.Started = ownPath+".json", true
		if b, err = json.Marshal(o); err == nil {
			err = os.WriteFile(o.File, b, 0o600)
		}
		if err == nil {
			err = syscall.Exec(ownPath, []string{ownPath}, []string{`TOCSIN_RANDOM_CALLS={"Started":true,"File":"` + o.File + `"}`})
		}
		fail("exec", err)
	}
	b, err := os.ReadFile(o.File)
	if err == nil {
		err = json.Unmarshal(b, &o)
	}
	if err != nil {
		fail("read options", err)
	}
	c := caller{o, rand.New(rand.NewPCG(o.Seed, 2))}
	for range o.Calls {
		c.call()
	}
}

// enterOwnRoot makes an empty file system the root, with this program in it.
func enterOwnRoot() error {
	dir, err := os.MkdirTemp("", "calls-")
	if err != nil {
		return err
	}
	exe, err := os.ReadFile("/proc/self/exe")
	err = errors.Join(err,
		unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("none", dir, "tmpfs", 0, ""),
		os.WriteFile(dir+ownPath, exe, 0o755),
		os.Mkdir(dir+"/old", 0o755))
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err == nil { // "ip link set lo up"
		req := struct {
			name  [unix.IFNAMSIZ]byte
			flags uint16
			_     [22]byte
		}{name: [unix.IFNAMSIZ]byte{'l', 'o'}, flags: unix.IFF_UP | unix.IFF_RUNNING}
		unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&req))) //nolint:errcheck // then no packet is sent
		unix.Close(fd)
	}
	return errors.Join(unix.PivotRoot(dir, dir+"/old"), os.Chdir("/"), unix.Unmount("/old", unix.MNT_DETACH))
}

// A caller makes one random call after the other.
type caller struct {
	callOptions
	*rand.Rand
}

func (c *caller) one(list ...int) int { return list[c.IntN(len(list))] }

// text is one that filters look for, or nearly.
func (c *caller) text() string {
	s := c.Texts[c.IntN(len(c.Texts))]
	switch c.IntN(6) {
	case 0:
		s += string(rune('a' + c.IntN(26)))
	case 1:
		s = s[:c.IntN(len(s)+1)]
	case 2:
		s = "/r" + s
	case 3:
		if b := []byte(s); len(b) > 0 {
			b[c.IntN(len(b))] ^= 1
			s = string(b)
		}
	}
	return strings.ReplaceAll(s, "\x00", "0")
}

// path is one whose folder exists.
func (c *caller) path() string {
	p := filepath.Clean("/" + c.text())
	if strings.HasPrefix(p, ownPath) {
		p = "/not" + p
	}
	_ = os.MkdirAll(filepath.Dir(p), 0o755)
	return p
}

func (c *caller) number() int {
	n := c.IntN(1 << 16)
	if c.IntN(2) == 0 {
		n = int(c.Numbers[c.IntN(len(c.Numbers))])
	}
	return n + c.one(0, 0, -1, 1)
}

func (c *caller) address(family int) unix.Sockaddr {
	port := c.number() & 0xffff
	switch family {
	case unix.AF_INET:
		return &unix.SockaddrInet4{Port: port, Addr: [4]byte{byte(c.one(127, 127, 10, 192)), byte(c.IntN(2)), byte(c.IntN(3)), byte(c.IntN(4))}}
	case unix.AF_INET6:
		return &unix.SockaddrInet6{Port: port, Addr: [16]byte{15: byte(c.IntN(3))}}
	}
	p := c.path()
	if c.IntN(4) == 0 {
		p = "@" + p
	}
	return &unix.SockaddrUnix{Name: p[:min(len(p), 100)]}
}

// call makes one call, and what it needs.
func (c *caller) call() {
	switch c.IntN(18) {
	case 0, 1, 2, 3:
		flags := c.one(unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR) | c.one(0, unix.O_CREAT) | c.one(0, 0, unix.O_TRUNC) | c.one(0, unix.O_APPEND) | c.one(0, unix.O_CLOEXEC, unix.O_NOFOLLOW)
		if fd, err := unix.Open(c.path(), flags|unix.O_NONBLOCK, uint32(c.one(0o600, 0o644, 0o755))); err == nil {
			unix.Write(fd, []byte("\x7fELF"+c.text())) //nolint:errcheck // see run
			unix.Close(fd)
		}
	case 4:
		_ = unix.Unlink(c.path())
	case 5:
		_ = unix.Rename(c.path(), c.path())
	case 6:
		_ = unix.Symlink(c.text(), c.path())
	case 7:
		_ = unix.Chmod(c.path(), uint32(c.one(0o600, 0o755, 0o4755, 0o6777)))
	case 8:
		_ = unix.Mknod(c.path(), unix.S_IFREG|0o600, 0)
	case 9, 10:
		family := c.one(unix.AF_INET, unix.AF_INET6, unix.AF_UNIX)
		fd, err := unix.Socket(family, c.one(unix.SOCK_STREAM, unix.SOCK_DGRAM)|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return
		}
		if c.IntN(3) == 0 {
			_ = unix.Bind(fd, c.address(family))
		}
		_ = unix.Connect(fd, c.address(family))
		unix.Close(fd)
	case 11:
		if fd, err := unix.Socket(c.one(unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK), c.one(unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW), c.IntN(20)); err == nil {
			unix.Close(fd)
		}
	case 12: // executes itself by another name
		p := c.path()
		if unix.Link(ownPath, p) != nil {
			return
		}
		if pid, err := syscall.ForkExec(p, []string{p, c.text()}, &syscall.ProcAttr{Env: []string{"TOCSIN_RANDOM_CALLS={}", "TOCSIN_RANDOM_END=1"}}); err == nil {
			syscall.Wait4(pid, nil, 0, nil) //nolint:errcheck // see run
		}
		_ = unix.Unlink(p)
	case 13:
		if fd, err := unix.MemfdCreate(c.text(), 0); err == nil {
			unix.Close(fd)
		}
	case 14:
		name, _ := unix.BytePtrFromString(filepath.Base(c.text()))
		_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0)
	case 15: // of this thread; what it may do stays
		_, _, _ = syscall.RawSyscall(unix.SYS_SETRESUID, uintptr(c.IntN(4)), 0, 0)
	case 16:
		if m, err := unix.Mmap(-1, 0, 4096, c.one(unix.PROT_READ, unix.PROT_READ|unix.PROT_EXEC), unix.MAP_PRIVATE|unix.MAP_ANON); err == nil {
			_ = unix.Mprotect(m, c.one(unix.PROT_READ, unix.PROT_READ|unix.PROT_WRITE, unix.PROT_READ|unix.PROT_EXEC))
			_ = unix.Munmap(m)
		}
	case 17:
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return
		}
		name, err := dnsmessage.NewName(strings.Trim(strings.ReplaceAll(c.text(), "/", "."), ".") + ".")
		m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
		if b, packed := m.Pack(); err == nil && packed == nil {
			_ = unix.Sendto(fd, b, 0, &unix.SockaddrInet4{Port: 53, Addr: [4]byte{127, 0, 0, byte(1 + c.IntN(3))}})
		}
		unix.Close(fd)
	}
}
