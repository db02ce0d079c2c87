package simulate

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socketCall makes a socket and closes it, as x86-64 machine code. Every hook looks where socket(2) comes from. The stack is
// elsewhere during the call unless it is 0.
func socketCall(stack uintptr) []byte {
	code := []byte{0x48, 0x89, 0xe3} // mov rbx, rsp
	if stack != 0 {
		code = binary.LittleEndian.AppendUint64(append(code, 0x48, 0xbc), uint64(stack)) // mov rsp, stack
	}
	code = binary.LittleEndian.AppendUint32(append(code, 0xb8), uint32(unix.SYS_SOCKET)) // mov eax, SYS_SOCKET
	code = binary.LittleEndian.AppendUint32(append(code, 0xbf), unix.AF_UNIX)            // mov edi, AF_UNIX
	code = binary.LittleEndian.AppendUint32(append(code, 0xbe), unix.SOCK_STREAM)        // mov esi, SOCK_STREAM
	code = append(code,
		0x31, 0xd2, // xor edx, edx
		0x0f, 0x05, // syscall
		0x48, 0x89, 0xdc, // mov rsp, rbx
		0x89, 0xc7) // mov edi, eax
	code = binary.LittleEndian.AppendUint32(append(code, 0xb8), uint32(unix.SYS_CLOSE)) // mov eax, SYS_CLOSE
	return append(code, 0x0f, 0x05, 0xc3)                                               // syscall; ret
}

// call runs machine code in a page of its own.
func call(code []byte) error {
	page, err := unix.Mmap(-1, 0, unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	copy(page, code)
	entry := unsafe.Pointer(&page[0])
	closure := &entry
	(*(*func())(unsafe.Pointer(&closure)))()
	return unix.Munmap(page)
}

func stepCallFromMemory([]string) error { return call(socketCall(0)) }

func stepCallOnHeap([]string) error {
	const size = 1 << 16
	start, _, _ := unix.Syscall(unix.SYS_BRK, 0, 0, 0) // brk does not fail: it answers where the heap ends
	end, _, _ := unix.Syscall(unix.SYS_BRK, start+size, 0, 0)
	if end < start+size {
		return fmt.Errorf("the heap does not grow beyond %#x", end)
	}
	return call(socketCall(end - 4096))
}
