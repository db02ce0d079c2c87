package scan

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Symbols are the kernel's functions and data by name, as /proc/kallsyms lists them. Safe for concurrent use.
type Symbols struct {
	mu    sync.Mutex
	file  io.ReadSeeker
	found map[string]span
}

// A span is a part of the kernel's memory.
type span struct{ start, end uint64 }

func (s span) has(at uint64) bool { return s.start <= at && at < s.end }

// wanted are the symbols that checks look for.
var wanted = map[string]bool{
	"_stext": true, "_etext": true, "sys_call_table": true, "ia32_sys_call_table": true, "compat_sys_call_table": true,
	"modules": true, "module_kset": true, "mod_tree": true, "ftrace_ops_list": true, "ftrace_list_end": true,
}

// OpenSymbols opens the list. The kernel shows addresses to who had CAP_SYSLOG when it was opened: it stays open.
func OpenSymbols() (*Symbols, error) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return nil, err
	}
	return &Symbols{file: f}, nil
}

// find returns where a symbol is; its end is where the next one begins.
func (s *Symbols) find(name string) (span, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found == nil {
		if err := s.load(); err != nil {
			return span{}, err
		}
	}
	at, ok := s.found[name]
	switch {
	case ok && at.start == 0:
		return span{}, errors.New("/proc/kallsyms shows no addresses: the sensor needs CAP_SYSLOG, and kernel.kptr_restrict below 2")
	case !ok:
		return span{}, fmt.Errorf("/proc/kallsyms does not list the kernel's %s (CONFIG_KALLSYMS_ALL)", name)
	}
	return at, nil
}

func (s *Symbols) load() error {
	found := map[string]span{}
	if err := s.each(func(at uint64, name, module []byte) {
		if len(module) == 0 && wanted[string(name)] {
			if _, ok := found[string(name)]; !ok {
				found[string(name)] = span{start: at}
			}
		}
	}); err != nil {
		return err
	}
	err := s.each(func(at uint64, _, module []byte) {
		for name, f := range found {
			if at > f.start && (f.end == 0 || at < f.end) && len(module) == 0 {
				found[name] = span{f.start, at}
			}
		}
	})
	if err == nil {
		s.found = found
	}
	return err
}

// names returns for each address the name of the symbol that it lies in, or behind.
func (s *Symbols) names(addresses []uint64) (map[uint64]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sorted := slices.Compact(slices.Sorted(slices.Values(addresses)))
	type symbol struct {
		at   uint64
		name string
	}
	nearest := make([]symbol, len(sorted)) // of those above the address before
	err := s.each(func(at uint64, name, _ []byte) {
		if i, _ := slices.BinarySearch(sorted, at); i < len(sorted) && at > nearest[i].at {
			nearest[i] = symbol{at, string(name)}
		}
	})
	names := map[uint64]string{}
	for i, n := range nearest {
		if i > 0 && n.at == 0 {
			nearest[i] = nearest[i-1]
		}
		names[sorted[i]] = nearest[i].name
	}
	return names, err
}

// Containing returns the names with the text in them, modules' too, as far as the list can be read.
func (s *Symbols) Containing(text string) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]bool{}
	_ = s.each(func(_ uint64, name, _ []byte) {
		if bytes.Contains(name, []byte(text)) {
			out[string(name)] = true
		}
	})
	return out
}

// each calls f with every line; the names are valid during the call.
func (s *Symbols) each(f func(at uint64, name, module []byte)) error {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read kernel symbols: %w", err)
	}
	lines := bufio.NewScanner(s.file)
	for lines.Scan() {
		if at, name, module, ok := parseSymbol(lines.Bytes()); ok {
			f(at, name, module)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read kernel symbols: %w", err)
	}
	return nil
}

// parseSymbol reads a line: "ffffffff81000000 T _stext", and for a module's symbol also "\t[ipv6]".
func parseSymbol(line []byte) (at uint64, name, module []byte, ok bool) {
	hex, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(hex) > 16 || len(rest) < 3 || rest[1] != ' ' {
		return 0, nil, nil, false
	}
	for _, c := range hex {
		d := strings.IndexByte("0123456789abcdef", c)
		if d < 0 {
			return 0, nil, nil, false
		}
		at = at<<4 | uint64(d)
	}
	name, module, _ = bytes.Cut(rest[2:], []byte("\t"))
	return at, name, bytes.Trim(module, "[]"), len(name) > 0
}

// hex is how addresses are written.
func hex(at uint64) string { return "0x" + strconv.FormatUint(at, 16) }
