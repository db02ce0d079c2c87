package simulate

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
)

// The machine code of exit(0), for the program of trueELF.
var exitCode = map[string]struct {
	machine uint16
	code    []byte
}{
	"amd64": {62, []byte{0x31, 0xff, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05}},                 // xor edi, edi; mov eax, 60; syscall
	"arm64": {183, []byte{0, 0, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0, 0, 0xd4}}, // mov x0, 0; mov x8, 93; svc 0
}

// trueELF returns a complete ELF program of some 130 bytes that ends with success at once. See elf(5).
func trueELF() []byte {
	const base, headers = 0x400000, 64 + 56
	c := exitCode[runtime.GOARCH]
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
