package event

import (
	"encoding/binary"
	"testing"
	"unsafe"
)

func alignedRecord(tb testing.TB) []byte {
	src := connectEvent(tb).AppendRecord(nil)
	words := make([]uint64, (len(src)+7)/8)
	rec := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(src))
	copy(rec, src)
	return rec
}

func BenchmarkDecode(b *testing.B) {
	rec := alignedRecord(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(rec)))
	var e Event
	for b.Loop() {
		if err := e.Decode(rec, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// The baseline: the same header through encoding/binary.
func BenchmarkDecodeEncodingBinary(b *testing.B) {
	rec := alignedRecord(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(rec)))
	var h Header
	for b.Loop() {
		if _, err := binary.Decode(rec, binary.NativeEndian, &h); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	e := connectEvent(b)
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf = e.AppendJSON(buf[:0])
	}
}
