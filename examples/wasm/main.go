//go:build wasip1

// A rule in Go for the sandbox: a private key is read by something that is not ssh.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o private_key.wasm .
package main

import (
	"encoding/json"
	"strings"
	"unsafe"
)

var buffers [][]byte // what the host writes into must stay

//go:wasmexport alloc
func alloc(size uint32) uint32 {
	b := make([]byte, size)
	buffers = [][]byte{b}
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}

var answer []byte

func give(s string) uint64 {
	answer = []byte(s)
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(answer))))<<32 | uint64(len(answer))
}

//go:wasmexport metadata
func metadata() uint64 {
	return give(`{"id": "wasm_private_key", "version": "1.0.0", "name": "Private key read",
		"properties": {"Severity": 3, "MITRE ATT&CK": "T1552.004"},
		"selectors": [{"source": "tracee", "name": "security_file_open"}],
		"where": {"args.pathname": ["*/id_rsa", "*/id_ed25519", "/loop*", "/panic*"]}}`)
}

//go:wasmexport match
func match(at, n uint32) uint64 {
	var ev struct {
		ProcessName string
		Args        []struct {
			Name  string
			Value any
		}
	}
	if err := json.Unmarshal(unsafe.Slice((*byte)(unsafe.Pointer(uintptr(at))), n), &ev); err != nil {
		panic(err)
	}
	for _, a := range ev.Args {
		path, _ := a.Value.(string)
		switch {
		case a.Name != "pathname":
		case strings.HasPrefix(path, "/loop"):
			for {
			}
		case strings.HasPrefix(path, "/panic"):
			panic("as asked")
		case !strings.HasPrefix(ev.ProcessName, "ssh"):
			data, _ := json.Marshal(map[string]string{"path": path})
			return give(string(data))
		}
	}
	return 0
}

func main() {}
