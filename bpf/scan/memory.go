package scan

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Memory is the kernel's.
type Memory interface {
	// Read fills b with what is at an address. There may be nothing.
	Read(at uint64, b []byte) error
	// Task returns where the calling thread's struct task_struct is.
	Task() (uint64, error)
}

// word reads a pointer or number of eight bytes.
func (k *Kernel) word(at uint64) (uint64, error) {
	var b [8]byte
	err := k.mem.Read(at, b[:])
	return binary.NativeEndian.Uint64(b[:]), err
}

// number reads one of four bytes.
func (k *Kernel) number(at uint64) (uint32, error) {
	var b [4]byte
	err := k.mem.Read(at, b[:])
	return binary.NativeEndian.Uint32(b[:]), err
}

// words reads many.
func (k *Kernel) words(at uint64, n int) ([]uint64, error) {
	b := make([]byte, 8*n)
	if err := k.mem.Read(at, b); err != nil {
		return nil, err
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = binary.NativeEndian.Uint64(b[8*i:])
	}
	return out, nil
}

// text reads one that ends in a NUL, or has max bytes.
func (k *Kernel) text(at uint64, max int) (string, error) {
	b := make([]byte, max)
	if k.mem.Read(at, b) == nil {
		text, _, _ := bytes.Cut(b, []byte{0})
		return string(text), nil
	}
	for n := range b { // what follows is no memory
		if err := k.mem.Read(at+uint64(n), b[n:n+1]); err != nil {
			return "", err
		}
		if b[n] == 0 {
			return string(b[:n]), nil
		}
	}
	return string(b), nil
}

// limit is more than any of the kernel's lists that are walked here has: one that is longer was changed meanwhile.
const limit = 1 << 14

// list returns the members of a struct list_head, by the addresses of their own.
func (k *Kernel) list(head uint64) ([]uint64, error) {
	var out []uint64
	for at, err := k.word(head); at != head; at, err = k.word(at) { // next comes first
		if err != nil {
			return nil, err
		}
		if len(out) == limit || at == 0 {
			return nil, fmt.Errorf("the list at %s has no end", hex(head))
		}
		out = append(out, at)
	}
	return out, nil
}
