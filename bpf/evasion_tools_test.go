package bpf

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// exitUnsupported is the exit code of a trigger that this machine cannot run.
const exitUnsupported = 4

// unsupported ends the child: the machine does not have what it is to do.
func unsupported(why string) {
	fmt.Fprintln(os.Stderr, "unsupported:", why)
	os.Exit(exitUnsupported)
}

// at is memory that Go does not manage. Inlined, it crashes the compiler of Go 1.26.
//
//go:noinline
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// aligned returns a NUL-terminated copy outside of Go's heap.
func aligned(s string) []byte {
	p, err := unix.Mmap(-1, 0, len(s)+8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	check("mmap", err)
	copy(p, s)
	return p
}

// cold returns the address of a NUL-terminated text in a page of a file that this process has not touched.
func cold(s string) uintptr {
	f, err := os.CreateTemp("", "cold")
	check("create", err)
	check("remove", os.Remove(f.Name()))
	_, err = f.WriteString(s + "\x00")
	check("write", err)
	p, err := raw(unix.SYS_MMAP, 0, page(), unix.PROT_READ, unix.MAP_PRIVATE, f.Fd(), 0)
	check("mmap", err)
	return p
}

func containsAll(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

func inode(path string) string {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return "none"
	}
	return fmt.Sprint(st.Ino)
}

func rename(name string) {
	check("prctl", unix.Prctl(unix.PR_SET_NAME, cstr(name), 0, 0, 0))
}

// inet is a struct sockaddr_in.
func inet(a, b, c, d byte, port uint16) []byte {
	s := make([]byte, 16)
	s[0] = unix.AF_INET
	binary.BigEndian.PutUint16(s[2:], port)
	copy(s[4:], []byte{a, b, c, d})
	return s
}

func inetAddress(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return `{"sa_family":"AF_INET","sin_addr":"` + host + `","sin_port":"` + port + `"}`
}

func connected(fd int, host string, port int) map[string]string {
	return map[string]string{"sockfd": fmt.Sprint(fd), "remote_addr": inetAddress(fmt.Sprintf("%s:%d", host, port))}
}

func localAddr(addr string) []byte {
	_, text, _ := net.SplitHostPort(addr)
	port := 0
	fmt.Sscan(text, &port)
	return inet(127, 0, 0, 1, uint16(port))
}

func fastOpen(addr string) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	check("socket", err)
	data, to := aligned("GET /"), aligned(string(localAddr(addr)))
	_, err = raw(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&data[0])), 5, unix.MSG_FASTOPEN, uintptr(unsafe.Pointer(&to[0])), 16)
	check("sendto", err)
}

const isX86 = runtime.GOARCH == "amd64"

// 32-bit system calls.

// low copies a text, NUL-terminated, to where a 32-bit system call can reach it.
func low(s string) uint32 {
	p, err := lowPage(unix.PROT_READ | unix.PROT_WRITE)
	check("mmap", err)
	copy(unsafe.Slice(at[byte](p), len(s)), s)
	return uint32(p)
}

const map32Bit = 0x40 // MAP_32BIT, x86 only

func lowPage(prot uintptr) (uintptr, error) {
	return raw(unix.SYS_MMAP, 0, page(), prot, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|map32Bit, ^uintptr(0), 0)
}

// int80 makes a 32-bit system call from this 64-bit process, by machine code that it writes.
func int80(nr, a, b, c uint32) (int32, error) {
	// Where the kernel runs no 32-bit programs, int 0x80 is a fault.
	program := filepath.Join(os.TempDir(), fmt.Sprintf("elf32-%d", os.Getpid()))
	check("write", os.WriteFile(program, elf32("/dev/null"), 0o755))
	defer os.Remove(program)
	if _, err := syscall.ForkExec(program, []string{program}, nil); err != nil {
		return 0, err
	}
	frame, err := lowPage(unix.PROT_READ | unix.PROT_WRITE)
	check("mmap", err)
	words := at[[8]uint32](frame)
	*words = [8]uint32{nr, a, b, c}
	code := []byte{
		0x53, 0x55, 0x41, 0x54, // push rbx; push rbp; push r12
		0x41, 0xbc, byte(frame), byte(frame >> 8), byte(frame >> 16), byte(frame >> 24), // mov r12d, frame
		0x41, 0x8b, 0x04, 0x24, // mov eax, [r12]
		0x41, 0x8b, 0x5c, 0x24, 0x04, // mov ebx, [r12+4]
		0x41, 0x8b, 0x4c, 0x24, 0x08, // mov ecx, [r12+8]
		0x41, 0x8b, 0x54, 0x24, 0x0c, // mov edx, [r12+12]
		0x31, 0xf6, 0x31, 0xff, 0x31, 0xed, // xor esi, esi; xor edi, edi; xor ebp, ebp
		0xcd, 0x80, // int 0x80
		0x41, 0x89, 0x44, 0x24, 0x1c, // mov [r12+28], eax
		0x41, 0x5c, 0x5d, 0x5b, 0xc3, // pop r12; pop rbp; pop rbx; ret
	}
	p, err := lowPage(unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC)
	check("mmap", err)
	copy(unsafe.Slice(at[byte](p), len(code)), code)
	// A Go function value is a pointer to the address of its code.
	entry := &p
	(*(*func())(unsafe.Pointer(&entry)))()
	return int32(words[7]), nil
}

func checkCompat(ret int32, err error) {
	if err == syscall.ENOEXEC || ret == -int32(unix.ENOSYS) {
		unsupported("the kernel runs no 32-bit programs")
	}
	check("32-bit system call", err)
	if ret < 0 {
		check("32-bit system call", unix.Errno(-ret))
	}
}

// elf64 is a program that exits with the given code.
func elf64(code byte) []byte {
	text := []byte{0xbf, code, 0, 0, 0, 0xb8, 0xe7, 0, 0, 0, 0x0f, 0x05} // mov edi, code; mov eax, exit_group; syscall
	machine := uint16(62)
	if !isX86 {
		machine = 183
		text = binary.LittleEndian.AppendUint32(nil, 0xd2800000|uint32(code)<<5) // mov x0, code
		text = binary.LittleEndian.AppendUint32(text, 0xd2800ba8)                // mov x8, 93
		text = binary.LittleEndian.AppendUint32(text, 0xd4000001)                // svc 0
	}
	const base, headers = 0x400000, 64 + 56
	b := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	le := binary.LittleEndian
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, machine)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(b, base+headers)
	b = le.AppendUint64(b, 64)
	b = le.AppendUint64(b, 0)
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{64, 56, 1, 0, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	b = le.AppendUint32(b, 1) // PT_LOAD
	b = le.AppendUint32(b, 5)
	size := uint64(headers + len(text))
	for _, v := range []uint64{0, base, base, size, size, 0x1000} {
		b = le.AppendUint64(b, v)
	}
	return append(b, text...)
}

// elf32 is an i386 program that opens a file and exits.
func elf32(path string) []byte {
	if !isX86 {
		unsupported("an i386 program needs x86")
	}
	const base, headers = 0x8048000, 52 + 32
	text := []byte{
		0xb8, 5, 0, 0, 0, // mov eax, open
		0xbb, 0, 0, 0, 0, // mov ebx, path
		0x31, 0xc9, 0x31, 0xd2, // xor ecx, ecx; xor edx, edx
		0xcd, 0x80,
		0xb8, 1, 0, 0, 0, // mov eax, exit
		0x31, 0xdb, // xor ebx, ebx
		0xcd, 0x80,
	}
	le := binary.LittleEndian
	le.PutUint32(text[6:], base+headers+uint32(len(text)))
	text = append(append(text, path...), 0)
	b := append([]byte("\x7fELF\x01\x01\x01"), make([]byte, 9)...)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 3)
	for _, v := range []uint32{1, base + headers, 52, 0, 0} {
		b = le.AppendUint32(b, v)
	}
	for _, v := range []uint16{52, 32, 1, 0, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	size := uint32(headers + len(text))
	for _, v := range []uint32{1, 0, base, base, size, size, 5, 0x1000} {
		b = le.AppendUint32(b, v)
	}
	return append(b, text...)
}

// io_uring, as much as these tests need (uapi/linux/io_uring.h).

const (
	setupSQPoll     = 1 << 1
	sqeAsync        = 1 << 4
	sqeSkipSuccess  = 1 << 6
	sqeFixed        = 1 << 31 // not the kernel's: open into a slot of the ring
	opConnect       = 16
	opOpenat        = 18
	enterGetEvents  = 1
	enterWakeUp     = 2
	registerFiles   = 2
	offSQRing       = 0
	offSQEs         = 0x10000000
	needWakeUp      = 1
	sqeSize         = 64
	sysIOUringSetup = 425
	sysIOUringEnter = 426
	sysIOUringReg   = 427
)

type ringParams struct {
	SQEntries, CQEntries, Flags, ThreadCPU, ThreadIdle, Features, WQFd uint32
	_                                                                  [3]uint32
	SQ                                                                 struct{ Head, Tail, Mask, Entries, Flags, Dropped, Array, _, _, _ uint32 }
	CQ                                                                 struct{ Head, Tail, Mask, Entries, Overflow, CQEs, Flags, _, _, _ uint32 }
}

// A uring is a ring for one request at a time.
type uring struct {
	fd     uintptr
	params ringParams
	ring   uintptr // both queues
	sqes   uintptr
}

func openRing(setup uint32) *uring {
	r := &uring{params: ringParams{Flags: setup, ThreadIdle: 1000}}
	var err error
	if r.fd, err = raw(sysIOUringSetup, 4, uintptr(unsafe.Pointer(&r.params))); err == unix.ENOSYS || err == unix.EPERM {
		unsupported("io_uring: " + err.Error())
	}
	check("io_uring_setup", err)
	size := max(uintptr(r.params.SQ.Array+4*r.params.SQEntries), uintptr(r.params.CQ.CQEs+16*r.params.CQEntries))
	r.ring, err = raw(unix.SYS_MMAP, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE, r.fd, offSQRing)
	check("mmap", err)
	r.sqes, err = raw(unix.SYS_MMAP, 0, sqeSize*uintptr(r.params.SQEntries), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE, r.fd, offSQEs)
	check("mmap", err)
	return r
}

func (r *uring) word(off uint32) *uint32 {
	return at[uint32](r.ring + uintptr(off))
}

// submit runs one request and returns its result; one without a completion is given a moment.
func (r *uring) submit(sqe [sqeSize]byte) int32 {
	*at[[sqeSize]byte](r.sqes) = sqe
	*r.word(r.params.SQ.Array) = 0
	atomic.StoreUint32(r.word(r.params.SQ.Tail), *r.word(r.params.SQ.Tail)+1)
	wait, flags := uintptr(1), uintptr(enterGetEvents)
	if sqe[1]&sqeSkipSuccess != 0 {
		wait, flags = 0, 0
	}
	if r.params.Flags&setupSQPoll == 0 {
		_, err := raw(sysIOUringEnter, r.fd, 1, wait, flags)
		check("io_uring_enter", err)
	} else if atomic.LoadUint32(r.word(r.params.SQ.Flags))&needWakeUp != 0 {
		_, err := raw(sysIOUringEnter, r.fd, 1, 0, enterWakeUp)
		check("io_uring_enter", err)
	}
	for range 1000 {
		if atomic.LoadUint32(r.word(r.params.CQ.Head)) != atomic.LoadUint32(r.word(r.params.CQ.Tail)) {
			return int32(*r.word(r.params.CQ.CQEs + 8))
		}
		_ = unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil)
		if wait == 0 {
			return 0
		}
	}
	check("io_uring", fmt.Errorf("no completion"))
	return 0
}

// kernelWorkers reports whether io_uring's workers are kernel threads, with a process id of their own: before Linux 5.12, but
// for 5.10 as it is maintained.
func kernelWorkers() bool {
	var minor int
	_, err := fmt.Sscanf(release(), "5.%d.", &minor)
	return err == nil && minor < 12 && minor != 10
}

func checkRing(ret int32) {
	if ret == -int32(unix.ENOENT) && kernelWorkers() {
		unsupported("here a polling thread looks for paths below the first process's root")
	}
	if ret == -int32(unix.EINVAL) {
		unsupported("this kernel's io_uring does not know the request")
	}
	if ret < 0 {
		check("io_uring request", unix.Errno(-ret))
	}
}

func openByRing(path string, setup, flags uint32) {
	r := openRing(setup)
	var sqe [sqeSize]byte
	sqe[0], sqe[1] = opOpenat, byte(flags)
	le := binary.LittleEndian
	cwd := int32(unix.AT_FDCWD)
	le.PutUint32(sqe[4:], uint32(cwd))
	le.PutUint64(sqe[16:], uint64(cstr(path)))
	if flags&sqeFixed != 0 {
		none := [1]int32{-1}
		_, err := raw(sysIOUringReg, r.fd, registerFiles, uintptr(unsafe.Pointer(&none)), 1)
		check("io_uring_register", err)
		le.PutUint32(sqe[44:], 1) // slot 0
	}
	checkRing(r.submit(sqe))
}

func connectByRing(addr string, setup, flags uint32) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	check("socket", err)
	check("dup", unix.Dup3(fd, 77, 0))
	r := openRing(setup)
	to := aligned(string(localAddr(addr))) // Go may move a stack, and does not see that the ring points to it
	var sqe [sqeSize]byte
	sqe[0], sqe[1] = opConnect, byte(flags)
	le := binary.LittleEndian
	le.PutUint32(sqe[4:], 77)
	le.PutUint64(sqe[8:], 16)
	le.PutUint64(sqe[16:], uint64(uintptr(unsafe.Pointer(&to[0]))))
	checkRing(r.submit(sqe))
	_, err = unix.Getpeername(77)
	check("getpeername", err)
}
