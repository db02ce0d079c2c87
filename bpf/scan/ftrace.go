package scan

import (
	"encoding/binary"
	"strings"
)

// Flags of struct ftrace_ops, include/linux/ftrace.h; the same since 5.8.
const (
	ftraceSaveRegs = 1 << 2
	ftraceModify   = 1 << 12 // IPMODIFY: the function may go on elsewhere
	ftraceDirect   = 1 << 17
)

// traceFields lead from the list of struct ftrace_ops to the functions that each is about.
type traceFields struct {
	function, next, flags, trampoline, hash uint64 // of struct ftrace_ops
	filter                                  uint64 // of struct ftrace_ops_hash
	bits, buckets, count                    uint64 // of struct ftrace_hash
	link, ip, direct                        uint64 // of struct ftrace_func_entry
	size                                    uint64
}

// A tracer is a struct ftrace_ops.
type tracer struct {
	function, flags, trampoline uint64
	ips                         map[uint64]uint64 // patched functions, and what each calls directly; none means all
}

// ftrace finds the functions of the kernel that a module has patched through ftrace. What the kernel itself does that way, for
// kprobes, BPF programs, live patches and its own tracers, ends in its own text, or in code that belongs to no module.
func (k *Kernel) ftrace() (Check, error) {
	f := &fields{types: k.types}
	t := traceFields{
		function: f.of("ftrace_ops", "func"), next: f.of("ftrace_ops", "next"), flags: f.of("ftrace_ops", "flags"),
		trampoline: f.of("ftrace_ops", "trampoline"), hash: f.of("ftrace_ops", "func_hash"), filter: f.of("ftrace_ops_hash", "filter_hash"),
		bits: f.of("ftrace_hash", "size_bits"), buckets: f.of("ftrace_hash", "buckets"), count: f.of("ftrace_hash", "count"),
		link: f.of("ftrace_func_entry", "hlist"), ip: f.of("ftrace_func_entry", "ip"), direct: f.of("ftrace_func_entry", "direct"),
		size: f.size("ftrace_func_entry"),
	}
	if f.err != nil {
		return nil, f.err
	}
	first, _ := k.symbols.find("ftrace_ops_list")
	last, _ := k.symbols.find("ftrace_list_end")
	return confirmed(func() ([]Found, error) {
		tracers, err := k.tracers(&t, first.start, last.start)
		if err != nil || len(tracers) == 0 {
			return nil, err
		}
		own, err := k.owners()
		if err != nil {
			return nil, err
		}
		count := map[uint64]uint64{}
		for _, tr := range tracers {
			for ip := range tr.ips {
				count[ip]++
			}
		}
		var out []Found
		add := func(tr tracer, ip, callback uint64) error {
			symbol := "*"
			if ip != 0 {
				var err error
				if symbol, err = k.name(ip); err != nil {
					return err
				}
			}
			args := map[string]any{"symbol": symbol, "trampoline": hex(tr.trampoline), "callback": "", "callback_offset": int64(0), "flags": tr.letters(), "count": max(count[ip], 1)}
			args["callback_owner"] = own.of(callback).module
			if mod := own.module(callback); mod != nil {
				name, offset := k.moduleSymbol(mod, callback)
				args["callback"], args["callback_offset"] = name, int64(offset)
			}
			out = append(out, Found{args})
			return nil
		}
		for _, tr := range tracers {
			foreign := !k.kernelText.has(tr.function)
			if foreign && len(tr.ips) == 0 {
				if err := add(tr, 0, tr.function); err != nil {
					return nil, err
				}
			}
			for ip, direct := range tr.ips {
				callback := tr.function
				if !foreign {
					if tr.flags&ftraceDirect == 0 || own.module(direct) == nil {
						continue
					}
					callback = direct
				}
				if err := add(tr, ip, callback); err != nil {
					return nil, err
				}
			}
		}
		return out, nil
	}), nil
}

// tracers reads the list.
func (k *Kernel) tracers(t *traceFields, first, end uint64) (out []tracer, err error) {
	at, err := k.word(first)
	for ; err == nil && at != 0 && at != end; at, err = k.word(at + t.next) {
		if len(out) == limit {
			return nil, errChanged
		}
		var tr tracer
		for _, f := range []struct {
			to *uint64
			at uint64
		}{{&tr.function, t.function}, {&tr.flags, t.flags}, {&tr.trampoline, t.trampoline}} {
			if *f.to, err = k.word(at + f.at); err != nil {
				return nil, err
			}
		}
		hash, err := k.chain(at+t.hash, t.filter)
		if err != nil {
			return nil, err
		}
		if tr.ips, err = k.patched(t, hash); err != nil {
			return nil, err
		}
		out = append(out, tr)
	}
	return out, err
}

// patched reads a table of functions.
func (k *Kernel) patched(t *traceFields, hash uint64) (map[uint64]uint64, error) {
	out := map[uint64]uint64{}
	if hash == 0 {
		return out, nil
	}
	count, err := k.word(hash + t.count)
	if err != nil || count == 0 {
		return out, err
	}
	bits, err := k.word(hash + t.bits)
	if err != nil {
		return nil, err
	}
	buckets, err := k.word(hash + t.buckets)
	if err != nil {
		return nil, err
	}
	if bits > 12 { // FTRACE_HASH_MAX_BITS
		return nil, errChanged
	}
	heads, err := k.words(buckets, 1<<bits)
	if err != nil {
		return nil, err
	}
	entry := make([]byte, t.size)
	for _, at := range heads {
		for at != 0 {
			if err := k.mem.Read(at-t.link, entry); err != nil {
				return nil, err
			}
			if len(out) > limit {
				return out, nil // a tracer of the kernel's
			}
			out[binary.NativeEndian.Uint64(entry[t.ip:])] = binary.NativeEndian.Uint64(entry[t.direct:])
			at = binary.NativeEndian.Uint64(entry[t.link:])
		}
	}
	return out, nil
}

// letters are the flags as tracefs writes them.
func (t *tracer) letters() string {
	var out []string
	if t.flags&ftraceSaveRegs != 0 {
		out = append(out, "R")
	}
	if t.flags&ftraceModify != 0 {
		out = append(out, "I")
	}
	if t.flags&ftraceDirect != 0 {
		out = append(out, "D")
	}
	return strings.Join(out, " ")
}
