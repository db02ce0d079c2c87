package simulate

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"slices"
)

// The machine code of exit(0), for the program of trueELF.
var exitCode = map[string]struct {
	machine uint16
	code    []byte
}{
	"amd64": {62, []byte{0x31, 0xff, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05}},                 // xor edi, edi; mov eax, 60; syscall
	"arm64": {183, []byte{0, 0, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0, 0, 0xd4}}, // mov x0, 0; mov x8, 93; svc 0
}

// The machine code of unlink(argv[0]), which continues with exit(0).
var unlinkCode = map[string][]byte{
	// mov rdi, [rsp+8]; mov eax, 87; syscall
	"amd64": {0x48, 0x8b, 0x7c, 0x24, 0x08, 0xb8, 0x57, 0, 0, 0, 0x0f, 0x05},
	// ldr x1, [sp, 8]; mov x0, AT_FDCWD; mov x2, 0; mov x8, 35; svc 0
	"arm64": {0xe1, 0x07, 0x40, 0xf9, 0x60, 0x0c, 0x80, 0x92, 0x02, 0, 0x80, 0xd2, 0x68, 0x04, 0x80, 0xd2, 0x01, 0, 0, 0xd4},
}

// trueELF returns a complete ELF program of some 130 bytes that ends with success at once.
func trueELF() []byte { return elfProgram(nil) }

// selfRemovingELF returns a program that removes the file that its first argument names, which is itself.
func selfRemovingELF() []byte { return elfProgram(unlinkCode[runtime.GOARCH]) }

// elfProgram returns an ELF program of the given machine code, which then ends with success. See elf(5).
func elfProgram(code []byte) []byte {
	const base, headers = 0x400000, 64 + 56
	c := exitCode[runtime.GOARCH]
	c.code = slices.Concat(code, c.code)
	var b bytes.Buffer
	le := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a Buffer takes all
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	le([]uint16{2, c.machine})          // an executable for this machine
	le(uint32(1))                       // version
	le([]uint64{base + headers, 64, 0}) // entry, program headers, no sections
	le(uint32(0))                       // flags
	le([]uint16{64, 56, 1, 64, 0, 0})   // sizes and counts
	le([]uint32{1, 5})                  // one segment to load, readable and executable
	size := uint64(headers + len(c.code))
	le([]uint64{0, base, base, size, size, 0x1000})
	b.Write(c.code)
	return b.Bytes()
}

// writeProgram writes a program that does nothing.
func writeProgram(path string) error { return os.WriteFile(path, trueELF(), 0o755) }
