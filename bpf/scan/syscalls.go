package scan

import "strings"

const maxCalls = 1024 // more than any table has

// syscalls looks at the tables of system calls. An entry may lead into the kernel's text only, to a function of a system call;
// what it led to at the first look, if that was one.
func (k *Kernel) syscalls() (Check, error) {
	type known struct {
		Table
		at    uint64
		first []uint64
	}
	var tables []*known
	for _, t := range k.tables {
		at, err := k.symbols.find(t.Symbol)
		if err != nil {
			continue // no 32-bit programs
		}
		n := min(maxCalls, (at.end-at.start)/8)
		entries, err := k.words(at.start, int(n))
		if err != nil {
			return nil, err
		}
		names, err := k.symbols.names(entries)
		if err != nil {
			return nil, err
		}
		// Behind the table there may be other data, up to the next symbol.
		for len(entries) > 0 && entries[len(entries)-1] == 0 {
			entries = entries[:len(entries)-1]
		}
		for i, e := range entries {
			if !strings.Contains(names[e], "sys_") || !k.kernelText.has(e) {
				entries[i] = 0 // hooked before
			}
		}
		tables = append(tables, &known{t, at.start, entries})
	}
	return confirmed(func() ([]Found, error) {
		var out []Found
		own, err := k.owners()
		if err != nil {
			return nil, err
		}
		for _, t := range tables {
			now, err := k.words(t.at, len(t.first))
			if err != nil {
				return nil, err
			}
			for nr, at := range now {
				if at == t.first[nr] {
					continue
				}
				var o owner
				if k.kernelText.has(at) {
					name, err := k.name(at)
					if err != nil {
						return nil, err
					}
					o = owner{name, ownerKernel}
				} else {
					o = own.of(at)
				}
				out = append(out, Found{map[string]any{"syscall": t.Name(nr), "address": hex(at), "function": o.function, "owner": o.module}})
			}
		}
		return out, nil
	}), nil
}
