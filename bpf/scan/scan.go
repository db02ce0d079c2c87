// Package scan looks through the kernel's memory for what rootkits change in it: pointers to functions that lead out of the
// kernel's text, and modules that no list shows. Nothing runs in the kernel meanwhile but reads of its memory, and nothing is
// there to be paid for between two looks. What is at the addresses may change while it is read: what looks wrong is looked at
// again before it is told.
//
// A Kernel is for one goroutine.
package scan

import (
	"encoding/json"
	"errors"
	"fmt"
)

// A Table is one of system calls.
type Table struct {
	Symbol string
	// Name returns the name of a system call by its number.
	Name func(nr int) string
}

// Kernel is the running one.
type Kernel struct {
	mem     Memory
	symbols *Symbols
	types   Types
	tables  []Table

	kernelText span
	mods       *modules // nil where the kernel does not tell of its modules
	named      map[uint64]string
}

// New returns a look at the kernel. Types are asked for by Check alone.
func New(mem Memory, symbols *Symbols, types Types, tables []Table) *Kernel {
	return &Kernel{mem: mem, symbols: symbols, types: types, tables: tables, named: map[uint64]string{}}
}

// Found is one thing that is not as it should be: the arguments of an event.
type Found struct {
	Args map[string]any
}

// Key tells it from others of the same event.
func (f Found) Key() string {
	b, err := json.Marshal(f.Args)
	if err != nil {
		panic(err) // maps of texts and numbers
	}
	return string(b)
}

// A Check looks for one kind of change. It is for one goroutine.
type Check func() ([]Found, error)

// symbolsOf are those that the check of an event cannot do without.
var symbolsOf = map[string][]string{
	"hooked_syscall":       {"_stext", "_etext", "sys_call_table"},
	"hooked_proc_fops":     {"_stext", "_etext"},
	"hooked_seq_ops":       {"_stext", "_etext"},
	"hidden_kernel_module": {"_stext", "modules"},
	"ftrace_hook":          {"_stext", "_etext", "ftrace_ops_list", "ftrace_list_end"},
}

// Missing says why the check of an event is not possible with these symbols, or returns nil.
func Missing(event string, symbols *Symbols) error {
	for _, name := range symbolsOf[event] {
		if _, err := symbols.find(name); err != nil {
			return err
		}
	}
	return nil
}

// Check returns the check of an event. The error says what the kernel lacks for it.
func (k *Kernel) Check(event string) (Check, error) {
	if err := Missing(event, k.symbols); err != nil {
		return nil, err
	}
	if k.kernelText == (span{}) {
		start, _ := k.symbols.find("_stext")
		end, err := k.symbols.find("_etext")
		if err != nil {
			return nil, err
		}
		k.kernelText = span{start.start, end.start}
		if k.mods, err = k.newModules(); err != nil {
			k.mods = nil
		}
	}
	switch event {
	case "hooked_syscall":
		return k.syscalls()
	case "hooked_proc_fops":
		return k.procFiles()
	case "hooked_seq_ops":
		return k.sequences()
	case "hidden_kernel_module":
		return k.hiddenModules()
	case "ftrace_hook":
		return k.ftrace()
	}
	return nil, fmt.Errorf("no scan finds %s", event)
}

// name returns the name of the kernel's function at an address. To look for it takes a while: it is kept.
func (k *Kernel) name(at uint64) (string, error) {
	if name, ok := k.named[at]; ok {
		return name, nil
	}
	names, err := k.symbols.names([]uint64{at})
	if err == nil && len(k.named) < limit {
		k.named[at] = names[at]
	}
	return names[at], err
}

// confirmed looks twice: what is reported was there both times.
func confirmed(check Check) Check {
	return func() ([]Found, error) {
		first, err := check()
		if err != nil || len(first) == 0 {
			return nil, err
		}
		again, err := check()
		if err != nil {
			return nil, err
		}
		keys := map[string]bool{}
		for _, f := range first {
			keys[f.Key()] = true
		}
		var out []Found
		for _, f := range again {
			if keys[f.Key()] {
				out = append(out, f)
			}
		}
		return out, nil
	}
}

var errChanged = errors.New("the kernel's memory changed while it was read")
